"""`safelight provenance FILE`: plain words, JSON, and an exit code, without a server."""

import _ctypes
import json
from pathlib import Path

import pytest
import requests

from running import Customer, Server, command
from safelight.provenance import Origin
from signed import anchors, plain_png, signed_png


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def kept(folder: Path, content: bytes) -> str:
    path = folder / "picture.png"
    path.write_bytes(content)
    return str(path)


def test_a_picture_of_this_install(home: Path, tmp_path: Path) -> None:
    origin = Origin("safelight-mini", "krea-2-turbo", "mini", prompt="a cat\x1b[2J")
    done = command(home, "provenance", kept(tmp_path, signed_png(home, origin)))
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert first.startswith("intact")
    assert "  signed by   Safelight, Safelight pictures: this install" in lines
    assert "  made by     the model safelight-mini, in place of krea-2-turbo" in lines
    assert "  source type trainedAlgorithmicMedia" in lines
    assert "  prompt      a cat\ufffd[2J" in lines, "a terminal does not obey it"


def test_a_changed_picture(home: Path, tmp_path: Path) -> None:
    content = bytearray(signed_png(home))
    content[content.index(b"IDAT") + 20] ^= 4
    done = command(home, "provenance", kept(tmp_path, bytes(content)))
    assert done.returncode == 1
    assert done.stdout.startswith("changed: this is not the file that was signed")
    assert "assertion.dataHash.mismatch" in done.stdout
    assert "may have been changed too" in done.stdout


def test_a_picture_without_a_manifest(home: Path, tmp_path: Path) -> None:
    done = command(home, "provenance", kept(tmp_path, plain_png()))
    assert (done.returncode, done.stdout[:16]) == (3, "no C2PA manifest")
    assert not home.exists(), "to read changes nothing"


def test_a_strangers_picture_until_they_are_trusted(home: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    path = kept(tmp_path, signed_png(stranger))
    done = command(home, "provenance", path)
    assert done.returncode == 4
    assert "not known here" in done.stdout
    pem = tmp_path / "theirs.pem"
    pem.write_text(anchors(stranger))
    done = command(home, "provenance", path, "--trust", str(pem))
    assert done.returncode == 0
    assert "certified by a certificate that you trust" in done.stdout
    found = json.loads(command(home, "provenance", path, "--trust", str(pem), "--json").stdout)
    pem.write_text("nothing")
    done = command(home, "provenance", path, "--trust", str(pem))
    assert done.returncode == 2, "1 would say that the picture was changed"
    assert "holds no certificate" in done.stderr
    assert (found["trusted"], found["ours"], found["in_registry"]) == (True, False, False)


def test_a_served_picture_is_in_the_registry(
    server: Server, customer: Customer, tmp_path: Path
) -> None:
    task = customer.finished(customer.ordered())
    path = kept(tmp_path, requests.get(task["results"][0], timeout=10).content)
    done = command(server.home, "provenance", path, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["ours"], found["in_registry"]) == (0, True, True)


def test_a_library_in_the_current_folder_is_not_loaded(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """c2pa-python would take one from there before its own."""
    path = kept(tmp_path, signed_png(home))
    (tmp_path / "libc2pa_c.so").symlink_to(_ctypes.__file__)  # any library that loads
    monkeypatch.chdir(tmp_path)
    done = command(home, "provenance", path)
    assert done.returncode == 0, done.stderr


def test_a_picture_that_cannot_be_looked_up_is_not_called_changed(
    home: Path, tmp_path: Path
) -> None:
    path = kept(tmp_path, signed_png(home))
    (home / "safelight.db").write_bytes(b"no database" * 100)
    done = command(home, "provenance", path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
