"""The commands that tests, scripts and operators rely on: what they print, and how they end."""

import json
import os
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from running import Server, command, environment
from safelight import __version__
from safelight.accounts import looks_like_a_key
from safelight.cli import main


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]
Told = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `safelight …` in this process, with nothing but the given settings; thrice as fast."""

    def run(*arguments: str, **variables: object) -> Done:
        with monkeypatch.context() as context:
            for name in set(os.environ) - set(environment(tmp_path)):
                context.delenv(name)
            for name, value in environment(tmp_path, **variables).items():
                context.setenv(name, value)
            context.setattr(sys, "argv", ["safelight", *arguments])
            with pytest.raises(SystemExit) as end:
                main()
        return Done(int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def told(run: Run) -> Told:
    """What a command prints that succeeds."""

    def told(*arguments: str) -> str:
        done = run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return told


def test_keys_create_answers_with_the_key_and_its_account(told: Told):
    made = json.loads(told("keys", "create", "studio", "--credits", "0.45", "--json"))
    assert looks_like_a_key(made["key"])
    assert made["account"] == "studio"
    [balance] = json.loads(told("credits", "show", "studio", "--json"))
    assert balance == {
        "account": "studio", "available": "0.45", "held": "0", "spent": "0", "granted": "0.45",
    }  # fmt: skip


def test_keys_create_prints_the_key_and_nothing_else(run: Run):
    done = run("keys", "create", "studio")
    assert looks_like_a_key(done.stdout.rstrip("\n"))  # so that a script can take it as it is
    assert "for account studio" in done.stderr


def test_a_second_key_joins_the_account_and_adds_its_credits(told: Told, tmp_path: Path):
    for _ in range(2):
        told("keys", "create", "studio", "--credits", "1.5")
    assert "studio has 2.75 credits available" in told("credits", "grant", "studio", "--", "-0.25")
    listed = json.loads(told("keys", "list", "--json"))
    assert [key["account"] for key in listed] == ["studio"] * 2
    assert "studio" in told("credits", "show")


def test_a_revoked_key_is_listed_as_such_and_cannot_be_revoked_again(told: Told, run: Run):
    made = json.loads(told("keys", "create", "studio", "--json"))
    assert told("keys", "revoke", made["key_id"]) == f"{made['key_id']} is revoked\n"
    [key] = json.loads(told("keys", "list", "--json"))
    assert (key["id"], key["state"]) == (made["key_id"], "revoked")
    assert made["key"] not in json.dumps(key)
    again = run("keys", "revoke", made["key_id"])
    assert (again.returncode, again.stdout) == (1, "")
    assert "there is no open key" in again.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "create", "studio", "--credits", "abc"),
        ("keys", "create", "studio", "--credits", "NaN"),
        ("keys", "create", "studio", "--credits", "Infinity"),
        ("keys", "create", "studio", "--credits", "1e400"),
        ("keys", "create", "studio", "--credits", "-5"),
        ("keys", "create", "studio", "--credit-limit", "-1"),
        ("keys", "create", "studio", "--rpm", "0"),
        ("keys", "create", "studio", "--days", "0"),
        ("keys", "create", "studio", "--model", "no-such-model"),
        ("keys", "create", " "),
        ("keys", "revoke", "key_nobody"),
        ("credits", "show", "nobody"),
        ("credits", "grant", "studio", "99999999999999999999"),
        ("credits", "grant", "studio", "--", "-3"),
        ("serve", "--port", "65536"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_said_without_a_traceback_and_changes_nothing(
    run: Run, arguments: tuple[str, ...], tmp_path: Path
):
    done = run(*arguments)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    if (tmp_path / "safelight.db").exists():
        with sqlite3.connect(tmp_path / "safelight.db") as connection:
            assert connection.execute("select count(*) from accounts").fetchone() == (0,)
        connection.close()


def test_a_home_or_a_database_that_cannot_be_opened_is_said_in_one_line(tmp_path: Path):
    file = tmp_path / "file"
    file.write_bytes(b"this is not a database, and it is no folder either" * 100)
    for home, variables in (
        (file, {}),
        (tmp_path / "home", {"DATABASE_URL": f"sqlite:///{file}"}),
    ):
        done = command(home, "keys", "list", **variables)
        assert done.returncode == 1
        [line] = done.stderr.splitlines()
        assert line.startswith("safelight: ")
        assert str(file) in line


def test_ledger_verify_proves_the_books_or_says_what_is_wrong(told: Told, run: Run, tmp_path: Path):
    told("keys", "create", "studio", "--credits", "0.45")
    assert told("ledger", "verify") == (
        "ok: 1 entries of 1 accounts and 0 jobs agree; 0.45 credits granted, 0 held, 0 spent\n"
    )
    with sqlite3.connect(tmp_path / "safelight.db") as connection:
        connection.execute(
            "update accounts set granted_microcredits = 1, available_microcredits = 1"
        )
    connection.close()
    done = run("ledger", "verify")
    assert done.returncode == 1
    assert "balance differs from its entries" in done.stdout
    sick = run("doctor", "--json")
    assert sick.returncode == 1
    assert [check["name"] for check in json.loads(sick.stdout) if not check["ok"]] == ["database"]


def test_models_lists_every_model_and_who_makes_it(told: Told, run: Run):
    found = {model["id"]: model for model in json.loads(told("models", "--json"))}
    assert found["krea-2-turbo"]["made_by"] == "safelight-fake (stand-in)"
    assert found["krea-2-turbo"]["credits"] == "1K 0.45, 2K 1.8"
    off = run("models", "--json", STAND_IN="off")
    assert {model["made_by"] for model in json.loads(off.stdout)} == {"nobody here"}


def test_doctor_finds_a_healthy_install_healthy(told: Told):
    checks = json.loads(told("doctor", "--json"))
    assert all(check["ok"] for check in checks)
    assert {"home", "secret", "database", "catalog", "engine"} <= {c["name"] for c in checks}


def test_doctor_names_what_is_wrong(told: Told, run: Run, tmp_path: Path):
    told("keys", "create", "studio")
    (tmp_path / "secret").chmod(0o644)
    open_to_all = {"TELEMETRY__METRICS_PORT": 0, "TELEMETRY__METRICS_HOST": "0.0.0.0"}
    done = run("doctor", "--json", STAND_IN="off", **open_to_all)
    assert done.returncode == 1
    wrong = {check["name"]: check["note"] for check in json.loads(done.stdout) if not check["ok"]}
    assert set(wrong) == {"secret", "engine", "telemetry"}
    assert "chmod 600" in wrong["secret"]
    assert "METRICS_TOKEN" in wrong["telemetry"]  # serve would refuse it too


def test_settings_shows_what_is_in_force_and_masks_secrets(run: Run, tmp_path: Path):
    done = run("settings", "--json", SECRET="a secret of the operator", PORT=8123)
    shown = {row["variable"]: row for row in json.loads(done.stdout)}
    assert shown["SAFELIGHT_PORT"]["value"] == "8123"
    assert shown["SAFELIGHT_HOME"]["value"] == str(tmp_path)
    assert shown["SAFELIGHT_SECRET"]["value"] == "(set)"
    assert "a secret of the operator" not in done.stdout
    assert all(row["meaning"] for row in shown.values())


def test_a_misspelt_variable_stops_every_command_with_a_hint(run: Run):
    done = run("serve", PROT=8000)
    assert done.returncode == 1
    assert (
        done.stderr == "safelight: SAFELIGHT_PROT is not a setting; did you mean SAFELIGHT_PORT?\n"
    )


def test_image_draws_one_picture_with_a_server_of_its_own(tmp_path: Path):
    file = tmp_path / "cat.png"
    done = command(tmp_path / "home", "image", "a cat", "-o", str(file), "--size", "16:9")
    assert done.returncode == 0, done.stderr
    assert file.read_bytes().startswith(b"\x89PNG")
    assert "drawn by" in done.stdout


def test_serve_says_why_it_cannot_listen(server: Server, tmp_path: Path):
    port = server.url.rpartition(":")[2]
    for host, taken in (("127.0.0.1", port), ("no.such.host.invalid", "0")):
        done = command(tmp_path, "serve", "--host", host, "--port", taken)
        assert done.returncode == 1
        assert done.stderr.startswith(f"safelight: cannot listen on {host} port {taken}: ")


def test_the_version_is_printed(told: Told):
    assert told("--version") == f"{__version__}\n"
