"""`python -m bench`: measure the promises, and print the table that the README quotes."""

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from bench import doors, install, journey
from bench.figures import Row, markdown

ROUNDS = 5
ROUND_SECONDS = 1.5
STARTS = 3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="doors, journey, install; or all")
    parser.add_argument("--json", type=Path, help="also write every round to this file")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    parser.add_argument("--folder", type=Path, help="where the databases lie: which disk counts")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=ROUND_SECONDS, help="of each load")
    options = parser.parse_args()
    rows = _measure(options)
    print(markdown(rows))
    if options.markdown:
        options.markdown.write_text(f"{markdown(rows)}\n\n{_machine(options.rounds)}\n")
    if options.json:
        options.json.write_text(json.dumps(_report(rows), indent=2, ensure_ascii=False) + "\n")


def _measure(options: argparse.Namespace) -> list[Row]:
    parts: dict[str, Callable[[Path], list[Row]]] = {
        "doors": lambda folder: doors.measure(folder, options.rounds, options.seconds),
        "journey": lambda folder: journey.measure(folder, options.rounds),
        "install": lambda folder: install.measure(folder, STARTS),
    }
    unknown = set(options.parts) - set(parts)
    if unknown:
        sys.exit(f"no such part: {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder:
        for part in options.parts or parts:
            begun = time.monotonic()
            rows += parts[part](Path(folder))
            print(f"{part}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return rows


def _machine(rounds: int) -> str:
    """What the table was made on, below it."""
    return (
        f"Medians of {rounds} interleaved rounds, the least and the greatest in parentheses;"
        f" {_system()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}."
    )


def _system() -> str:
    cores = len(os.sched_getaffinity(0))
    return f"{platform.system()} {platform.machine()}, {cores} cores"


def _report(rows: list[Row]) -> dict[str, object]:
    return {
        "machine": _system(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "rows": [asdict(row) for row in rows],
    }


if __name__ == "__main__":
    main()
