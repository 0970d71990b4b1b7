"""`safelight styles`: the operator's LoRA folder, pinned and listed."""

import json
from pathlib import Path

import pytest

from running import command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "styles"
    folder.mkdir()
    (folder / "ink.safetensors").write_bytes(b"not read by anybody yet")
    return folder


def test_styles_are_pinned_by_their_hashes_and_listed(folder: Path, tmp_path: Path):
    home = tmp_path / "home"
    pinned = command(home, "styles", "pin", "--model", "krea-2-turbo", TORCH__STYLES=folder)
    assert pinned.returncode == 0, pinned.stderr
    listed = command(home, "styles", "list", "--json", TORCH__STYLES=folder)
    assert json.loads(listed.stdout) == [
        {"id": "ink", "models": "krea-2-turbo", "file": "ink.safetensors", "title": ""}
    ]
    doctor = command(home, "doctor", TORCH__STYLES=folder)
    assert "1 in" in doctor.stdout
    (folder / "ink.safetensors").write_bytes(b"changed afterwards")
    doctor = command(home, "doctor", TORCH__STYLES=folder)
    assert doctor.returncode == 1
    assert "SHA-256" in doctor.stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (("list",), {}, "set SAFELIGHT_TORCH__STYLES"),
        (("pin", "--model", "gpt-image"), {"TORCH__STYLES": "/"}, "no model with open weights"),
    ],
)
def test_what_cannot_be_listed_or_pinned_is_said(
    tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str], words: str
):
    done = command(tmp_path / "home", "styles", *arguments, **variables)
    assert done.returncode == 1
    assert words in done.stderr


def test_a_new_style_needs_a_model_that_wears_it(folder: Path, tmp_path: Path):
    done = command(tmp_path / "home", "styles", "pin", TORCH__STYLES=folder)
    assert done.returncode == 1
    assert "which models is ink.safetensors for?" in done.stderr
    assert not (folder / "styles.toml").exists()
