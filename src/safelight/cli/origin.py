"""`safelight provenance FILE`: what a file says of its origin, in plain words."""

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safelight.cli.assembly import run_with_database
from safelight.errors import ConfigurationError
from safelight.provenance import Integrity, Report, read, read_own, registry, trust_of
from safelight.settings import Settings

EXITS = {Integrity.CHANGED: 1, Integrity.ABSENT: 3}
EXIT_UNREAD = 2  # as for an argument that was not understood
EXIT_STRANGER = 4
VERDICTS = {
    Integrity.INTACT: "intact: every byte that was signed is as it was signed",
    Integrity.CHANGED: "changed: this is not the file that was signed",
    Integrity.ABSENT: "no C2PA manifest: the file says nothing of its origin",
}


def examine(config: Settings, file: Path, trust: Path | None) -> tuple[dict[str, Any], int]:
    """What was found, and the exit code that says it to scripts. Needs no server, no network."""
    data = file.read_bytes()
    own = trust_of(config.home, config.provenance.certificate)
    report = read_own(data, own)
    if trust is not None and not report.ours:
        report = read(data, own.anchors + _pem(trust))
    found = report.as_dict() | {"in_registry": _is_known(config, data)}
    return found, _exit_code(report)


def describe(found: dict[str, Any]) -> Iterator[str]:
    """Lines for people."""
    integrity = Integrity(found["integrity"])
    yield VERDICTS[integrity]
    if found["in_registry"]:
        yield "this install's registry knows it as a file that was served here"
    for problem in found["problems"]:
        yield f"  problem: {problem}"
    if integrity is Integrity.ABSENT:
        return
    if integrity is Integrity.CHANGED:
        yield "what follows is what it says, and may have been changed too"
    yield f"  signed by   {found['signer'] or 'nobody'}: {_standing(found)}"
    yield from _claims(found)


def _claims(found: dict[str, Any]) -> Iterator[str]:
    stand_in = f", in place of {found['asked_for']}" if found["asked_for"] else ""
    when = found["signed_at"]
    rows = {
        "made by": found["model"] and f"the model {found['model']}{stand_in}",
        "engine": found["engine"],
        "source type": found["source_type"],
        "software": found["software"],
        "made at": found["made_at"] and f"{found['made_at']}, by the signer's word",
        "time stamp": when and f"{when}, by a time authority",
        "prompt": found["prompt"],
        "account": found["account"],
    }
    for name, value in rows.items():
        if value:
            yield f"  {name:<11} {_printable(value)}"


def _standing(found: dict[str, Any]) -> str:
    if found["ours"]:
        return "this install"
    if found["trusted"]:
        return "certified by a certificate that you trust"
    return "not known here; --trust names a certificate to believe"


def _printable(text: str) -> str:
    """Strangers write it: a terminal must not obey it."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _exit_code(report: Report) -> int:
    if report.integrity is Integrity.INTACT:
        return 0 if report.trusted else EXIT_STRANGER
    return EXITS[report.integrity]


def _is_known(config: Settings, data: bytes) -> bool:
    if not config.database_path.exists():
        return False
    sha256 = hashlib.sha256(data).digest()
    try:
        found = run_with_database(config, lambda db: db.read(lambda tx: registry.find(tx, sha256)))
    except sqlite3.Error as error:
        raise ConfigurationError(f"the registry cannot be read: {error}") from None
    return found is not None


def _pem(path: Path) -> str:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError):
        text = ""
    if "BEGIN CERTIFICATE" not in text:
        raise ConfigurationError(f"{path} holds no certificate in PEM form")
    return text
