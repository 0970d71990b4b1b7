"""A database is brought to this version's schema, whoever comes first and however often."""

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from running import command
from safelight.db.migrate import migrate
from safelight.errors import ConfigurationError


def schema(path: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(path)
    found = connection.execute("select name, sql from sqlite_schema order by name").fetchall()
    connection.close()
    return found


def test_migrating_twice_is_migrating_once(tmp_path: Path):
    path = tmp_path / "new" / "home" / "safelight.db"
    version = migrate(path)
    first = schema(path)
    assert migrate(path) == version
    assert schema(path) == first


def test_the_database_is_readable_by_its_owner_alone(tmp_path: Path):
    path = tmp_path / "home" / "safelight.db"
    migrate(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "safelight.db"
    version = migrate(path)
    connection = sqlite3.connect(path)
    connection.execute("insert into schema_versions values (?, 0)", (version + 1,))
    connection.commit()
    connection.close()
    before = schema(path)
    with pytest.raises(ConfigurationError, match=f"schema {version + 1}.*knows {version}"):
        migrate(path)
    assert schema(path) == before
    refused = command(tmp_path, "ledger", "verify")
    assert refused.returncode == 1
    assert refused.stderr.startswith("safelight: the database is at schema")


def test_threads_that_start_at_once_all_find_the_same_schema(tmp_path: Path):
    for attempt in range(10):
        path = tmp_path / f"{attempt}.db"
        with ThreadPoolExecutor(8) as threads:
            versions = list(threads.map(lambda _, path=path: migrate(path), range(8)))
        assert len(set(versions)) == 1


def test_processes_that_start_at_once_share_a_fresh_home(tmp_path: Path):
    home = tmp_path / "home"
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda n: command(home, "keys", "create", f"a{n}"), range(4)))
    assert [done.returncode for done in made] == [0] * 4, [done.stderr for done in made]
    assert [file.name for file in home.glob("secret*")] == ["secret"]
    listed = command(home, "keys", "list", "--json")
    assert listed.stdout.count('"state": "open"') == 4
