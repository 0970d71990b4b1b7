"""What operators and accounts change is in the audit log, with the change or not at all."""

import contextlib
import getpass
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from keeping import Books
from running import NOBODY, Server, command, environment, until
from safelight import audit
from safelight.audit import Action
from safelight.cli.bookkeeping import NOTE_CHARACTERS_MAX
from safelight.cli.commands import app
from safelight.cli.weakened import record_weakened, weakened
from safelight.errors import ConfigurationError, SafelightError
from safelight.settings import Settings
from safelight.settings.moderation import ModerationSettings
from safelight.settings.sections import ConnectionSettings, ProvenanceSettings, TorchSettings

OPERATOR = f"operator:{getpass.getuser()}"


def safelight(home: Path, *arguments: str) -> str:
    """What the command prints; in this process, which saves it a second of imports."""
    done = CliRunner().invoke(app, arguments, env=environment(home))
    assert done.exit_code == 0, done.output
    return done.stdout


def listed(home: Path, *options: str) -> list[dict[str, Any]]:
    return list(json.loads(safelight(home, "audit", "list", *options, "--json")))


def test_what_operators_do_is_recorded_and_proven(tmp_path: Path):
    home = tmp_path
    made = json.loads(safelight(home, "keys", "create", "studio", "--credits", "2", "--json"))
    head = safelight(home, "audit", "head").strip()
    safelight(home, "credits", "grant", "studio", "-1", "--note", "was too much")
    safelight(home, "webhooks", "secret", "studio", "--rotate")
    safelight(home, "keys", "revoke", made["key_id"])
    rows = listed(home)[::-1]
    assert [row["action"] for row in rows] == [
        "account.created", "credits.granted", "key.created", "credits.withdrawn",
        "webhook_secret.rotated", "key.revoked",
    ]  # fmt: skip
    assert {row["actor"] for row in rows} == {OPERATOR}
    assert json.loads(rows[3]["details"]) == {
        "before": {"available_microcredits": 2_000_000},
        "after": {"available_microcredits": 1_000_000, "note": "was too much"},
    }
    text = json.dumps(rows)
    assert made["key"] not in text
    assert "whsec_" not in text
    assert safelight(home, "audit", "verify", "--head", head).startswith("ok: 6 rows")
    assert [json.loads(line) for line in safelight(home, "audit", "export").splitlines()] == [
        {column: value for column, value in row.items() if column != "at"} for row in rows
    ]


def test_the_list_is_read_at_eighty_columns(tmp_path: Path):
    """Each row is two lines: who did what when, and to what; a terminal obeys none of it."""
    safelight(tmp_path, "keys", "create", "studio", "--credits", "2")
    note = "it was\x1b[2J\u009b too much"
    safelight(tmp_path, "credits", "grant", "studio", "-1", "--note", note)
    lines = safelight(tmp_path, "audit", "list").splitlines()
    assert max(len(line) for line in lines) <= 80
    assert len(lines) < 3 * 4
    assert lines[0].split()[0::2] == ["4", OPERATOR]
    told = " ".join(line.strip() for line in lines)
    assert "available_microcredits 2000000 → 1000000" in told
    assert "it was\\x1b[2J\\x9b too much" in told
    assert "None" not in told


def test_a_server_records_what_its_settings_loosen_when_it_starts(server: Server):
    first = listed(server.home, "--action", Action.SETTINGS_IN_FORCE)[-1]
    assert first["actor"] == "server"
    after = json.loads(first["details"])["after"]
    assert after.items() >= {"egress_allow": [f"{NOBODY}/32"], "stand_in": "fake"}.items()
    assert f"the audit log's head is 1:{first['hash']}" in server.log.read_text()


def test_what_was_refused_is_not_recorded(server: Server):
    before = safelight(server.home, "audit", "head")
    for refused in (
        ("keys", "revoke", "key_nobody"),
        ("webhooks", "redeliver", "msg_nobody"),
        ("credits", "grant", "nobody-new", "-5"),
    ):
        done = CliRunner().invoke(app, refused, env=environment(server.home))
        assert isinstance(done.exception, SafelightError)
    assert safelight(server.home, "audit", "head") == before


def test_settings_are_recorded_when_they_changed(books: Books, caplog: pytest.LogCaptureFixture):
    home = {"home": books.path.parent, "stand_in": "off"}
    wider = {"egress_allow": ("10.0.0.0/8",), "host": "192.0.2.1"}
    caplog.set_level("INFO")
    for settings in ({}, {}, wider, wider, {}):
        books.run(record_weakened(Settings(**home, **settings), books.db))
    told = [json.loads(row["details"]) for row in books.rows("select details from audit")]
    loosened = {"egress_allow": ["10.0.0.0/8"], "host": "192.0.2.1"}
    assert told == [
        {"after": {}}, {"before": {}, "after": loosened}, {"before": loosened, "after": {}},
    ]  # fmt: skip
    assert str(books.read(audit.head)) in caplog.text


def test_settings_of_any_length_are_recorded_and_every_change_of_them(books: Books):
    networks = [f"10.{number // 250}.{number % 250}.0/24" for number in range(800)]
    for egress_allow in (networks, networks, networks[:-1]):
        config = Settings(home=books.path.parent, stand_in="off", egress_allow=egress_allow)
        books.run(record_weakened(config, books.db))
    assert len(books.rows("select * from audit")) == 2


def test_a_note_too_long_for_a_row_is_refused_in_words(tmp_path: Path):
    grant = ("credits", "grant", "studio", "1", "--note")
    assert "available" in safelight(tmp_path, *grant, "한" * NOTE_CHARACTERS_MAX)
    done = CliRunner().invoke(
        app, (*grant, "한" * (NOTE_CHARACTERS_MAX + 1)), env=environment(tmp_path)
    )
    assert isinstance(done.exception, ConfigurationError)


def test_every_safeguard_that_settings_loosen_is_told(tmp_path: Path):
    loose = Settings(
        home=tmp_path, stand_in="fake", egress_allow=("10.0.0.0/8",), hosts=("*",), host="0.0.0.0",
        accept_licences=("flux-1-dev",), torch=TorchSettings(download=True),
        moderation=ModerationSettings(level="minors", classifier=False),
        provenance=ProvenanceSettings(prompt=True, account=True),
        connections=ConnectionSettings(proxies=("10.1.2.0/24",)),
    )  # fmt: skip
    assert weakened(loose) == {
        "stand_in": "fake", "egress_allow": ["10.0.0.0/8"], "accept_licences": ["flux-1-dev"],
        "host": "0.0.0.0", "hosts": "*", "torch.download": True,
        "moderation.level": "minors", "moderation.classifier": "off",
        "provenance.prompt": True, "provenance.account": True,
        "connections.proxies": ["10.1.2.0/24"],
    }  # fmt: skip
    assert weakened(Settings(home=tmp_path, stand_in="off")) == {}


def test_an_account_that_rotates_its_secret_is_recorded_with_its_request(server: Server):
    customer = server.customer()
    for path in ("/v1/webhooks/secret", "/webhooks/secret"):
        reply = customer.call("POST", f"{path}/rotate", headers={"X-Request-Id": "trace-0123"})
        assert reply.status_code == 200
        assert customer.call("GET", path).status_code == 200  # reading is no change
    newest, before = listed(server.home, "--action", Action.WEBHOOK_SECRET_ROTATED, "--limit", "2")
    assert newest["actor"] == before["actor"]
    assert newest["actor"].startswith("key_")
    assert newest["object"] == before["object"]
    assert newest["object"].startswith("acc_")
    assert (newest["request_id"], newest["address"]) == ("trace-0123", "127.0.0.1")


def test_processes_that_append_at_once_keep_one_chain(tmp_path: Path):
    names = [f"made-by-{number}" for number in range(3)]
    with ThreadPoolExecutor(3) as threads:
        made = list(threads.map(lambda name: command(tmp_path, "keys", "create", name), names))
    assert {done.returncode for done in made} == {0}
    assert safelight(tmp_path, "audit", "verify").startswith(f"ok: {2 * len(names)} rows")


def test_kill_9_loses_nothing_that_was_answered(start: Callable[..., Server]):
    server = start()
    customer = server.customer()
    answered = 0

    def rotate() -> bool:
        nonlocal answered
        answered += customer.call("POST", "/v1/webhooks/secret/rotate").status_code == 200
        return answered == 25

    until(rotate)
    server.kill()
    safelight(server.home, "audit", "verify")
    rows = listed(server.home, "--action", Action.WEBHOOK_SECRET_ROTATED)
    assert len(rows) == answered


def test_verifying_a_falsified_log_is_an_alert(tmp_path: Path):
    safelight(tmp_path, "keys", "create", "studio")
    with contextlib.closing(sqlite3.connect(tmp_path / "safelight.db")) as thief:
        thief.execute("drop trigger audit_no_update")
        thief.execute("update audit set actor = 'operator:somebody-else' where number = 2")
        thief.commit()
    proof = CliRunner().invoke(app, ["audit", "verify"], env=environment(tmp_path))
    assert (proof.exit_code, proof.stdout) == (
        1, "row 2: edited, or written under another secret\n",
    )  # fmt: skip
