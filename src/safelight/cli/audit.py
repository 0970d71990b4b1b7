"""The audit log for the operator: read, proven, exported."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from safelight import audit, settings
from safelight.audit.verify import Chain, parse_head
from safelight.audit.verify import verify as verify_chain
from safelight.cli import bookkeeping, listing
from safelight.cli.assembly import run_with_database
from safelight.cli.listing import LISTED_DEFAULT, AsJson, Limit
from safelight.db import Database, Row, Transaction

EXPORTED_ROWS = 5000  # read at a time

app = typer.Typer(help="Who changed what, in a chain of rows.", no_args_is_help=True)


@app.command("list")
def list_rows(
    action: Annotated[
        audit.Action | None, typer.Option(help="Only what was done in this way.")
    ] = None,
    about: Annotated[str | None, typer.Option(help="Only what was done to this id.")] = None,
    limit: Limit = LISTED_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """What was done, newest first."""
    rows = run_with_database(
        settings.load(), lambda db: db.scan(lambda tx: audit.newest(tx, limit, action, about))
    )
    listing.show([_shown(row) for row in rows], _told, as_json=as_json)


@app.command()
def verify(
    head: Annotated[
        str | None,
        typer.Option(help="A head of earlier (NUMBER:HASH), which must still be in the log."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that no row was changed, removed or added: exit 0 and one line, or 1 and what is wrong.

    Only with a head that was kept elsewhere can a cut-off end be noticed.
    """
    try:
        known = None if head is None else parse_head(head)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    config = settings.load()
    pepper = settings.install_secret(config)

    async def prove(db: Database) -> Chain:
        return await db.scan(lambda tx: verify_chain(tx, pepper, known))

    chain = run_with_database(config, prove)
    if as_json:
        typer.echo(json.dumps({"head": str(chain.head), "problems": chain.problems}))
    elif chain.problems:
        typer.echo("\n".join(chain.problems))
    else:
        typer.echo(f"ok: {chain.head.number} rows, each after the one before; head {chain.head}")
    if chain.problems:
        raise typer.Exit(1)


@app.command()
def head() -> None:
    """The newest row, as NUMBER:HASH: keep it elsewhere, for `verify --head`."""
    typer.echo(run_with_database(settings.load(), lambda db: db.read(audit.head)))


@app.command()
def export() -> None:
    """Every row as a line of JSON, oldest first, with what its hash was made of."""

    async def write(tx: Transaction) -> None:
        number = 0
        while rows := await audit.after_number(tx, number, EXPORTED_ROWS):
            for row in rows:
                typer.echo(json.dumps(dict(row)))
            number = rows[-1]["number"]

    run_with_database(settings.load(), lambda db: db.scan(write))


def _shown(row: Row) -> dict[str, Any]:
    at = datetime.fromtimestamp(row["at_ms"] / 1000, UTC)
    return {**dict(row), "at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}


def _told(row: dict[str, Any]) -> str:
    """For people: who did what, and under it what it was done to, and how that changed."""
    through = {"request": row["request_id"], "from": row["address"]}
    facts = [*_changes(row["details"]), *(f"{name} {is_}" for name, is_ in through.items() if is_)]
    return bookkeeping.entry(
        (f"{row['number']:>4}", row["at"], row["actor"], row["action"]),
        (row["object"] + (f": {', '.join(facts)}" if facts else ""),),
    )


def _changes(details: str) -> Iterator[str]:
    """What was set, and what it was before."""
    try:
        found = json.loads(details)
        before, after = found.get("before") or {}, found.get("after") or {}
    except (ValueError, AttributeError):  # then `verify` has more to say
        yield details
        return
    for name in sorted(before.keys() | after.keys()):
        was, is_ = _value(before.get(name)), _value(after.get(name))
        if was and was != is_:
            yield f"{name} {was} → {is_ or 'none'}"
        elif is_:
            yield f"{name} {is_}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(str(part) for part in value)
    return "" if value is None else str(value)
