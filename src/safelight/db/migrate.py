"""Brings a database to this version's schema: numbered SQL files, each applied once, in order."""

import sqlite3
from importlib import resources
from pathlib import Path

from safelight.db.sqlite import begin_immediate, connect, system_clock_ms
from safelight.errors import ConfigurationError

# What the two backends spell differently; everything else in the files is common to both.
SQLITE_WORDS = {"identity_key": "integer primary key autoincrement", "octets": "blob"}


def migrate(path: Path) -> int:
    """Apply what is missing and return the schema's version. Safe to run by many at once.

    Raises ConfigurationError for a file that is no database, or one of a newer Safelight's.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        connection = connect(path)
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(f"the database {path} cannot be opened: {error}") from error
    try:
        path.chmod(0o600)
        begin_immediate(connection)
        version = _current_version(connection)
        scripts = _scripts()
        if version > max(scripts):
            raise ConfigurationError(
                f"the database is at schema {version}, this version knows {max(scripts)}:"
                " run the newer Safelight, or restore a backup"
            )
        for number in sorted(n for n in scripts if n > version):
            for statement in _statements(scripts[number]):
                connection.execute(statement)
            connection.execute(
                "insert into schema_versions (version, applied_at_ms) values (?, ?)",
                (number, system_clock_ms()),
            )
        connection.execute("commit")
        return max(scripts)
    finally:
        connection.close()


def _current_version(connection: sqlite3.Connection) -> int:
    connection.execute(
        "create table if not exists schema_versions"
        " (version integer primary key, applied_at_ms bigint not null)"
    )
    (version,) = connection.execute(
        "select coalesce(max(version), 0) from schema_versions"
    ).fetchone()
    return int(version)


def _scripts() -> dict[int, str]:
    """Number → SQL: `0001_house.sql` for both backends, `0001_house.sqlite.sql` for this one."""
    found: dict[int, str] = {}
    folder = resources.files("safelight") / "migrations"
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql") and not file.name.endswith(".postgres.sql"):
            number = int(file.name.split("_", 1)[0])
            found[number] = found.get(number, "") + file.read_text() + "\n"
    return found


def _statements(script: str) -> list[str]:
    for word, spelling in SQLITE_WORDS.items():
        script = script.replace(word, spelling)
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements
