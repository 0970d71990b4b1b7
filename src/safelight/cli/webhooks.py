"""Webhooks for the operator: what was delivered, once more, and an account's secrets."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from safelight import accounts, settings
from safelight.cli import bookkeeping, listing
from safelight.cli.acting import operator
from safelight.cli.assembly import run_with_database
from safelight.cli.listing import LISTED_DEFAULT, AsJson, Limit
from safelight.db import Database, Row, Transaction
from safelight.errors import ConfigurationError, NotFound
from safelight.flows import redeliver as again
from safelight.flows.reveal import reveal
from safelight.settings import Settings
from safelight.webhooks import deliveries
from safelight.webhooks.outbox import Delivery

app = typer.Typer(help="Webhooks: what was delivered, and what signs it.", no_args_is_help=True)


@app.command("list")
def list_deliveries(
    account: Annotated[str | None, typer.Option(help="Only of the account of this name.")] = None,
    status: Annotated[
        Delivery | None, typer.Option(help="Only deliveries that stand there.")
    ] = None,
    limit: Limit = LISTED_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Deliveries, newest first."""
    rows = run_with_database(
        settings.load(),
        lambda db: db.scan(lambda tx: deliveries.listed(tx, account, status, limit)),
    )
    listing.show([_delivery(row) for row in rows], _told, as_json=as_json)


@app.command()
def redeliver(
    message_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="An id of `safelight webhooks list`.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Every one that has failed.")] = False,
) -> None:
    """Send a delivery again, under the same webhook-id; a running server does it at once."""
    if (message_id is None) is not failed:
        raise typer.BadParameter("name one delivery, or say --failed")
    config = settings.load()
    pepper = settings.install_secret(config)
    count = run_with_database(config, lambda db: _redeliver(db, message_id, pepper))
    typer.echo(f"{count} to be delivered again")


@app.command()
def secret(
    account: Annotated[str, typer.Argument(help="An account's name.")],
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Put a new one in force; the old one is good for a day")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What an account's webhooks are signed with; the first line is the secret in force."""
    found = _secrets(settings.load(), account, rotate=rotate)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found:
        typer.echo(one["secret"])
        if one["expires_at"] is not None:
            Console(stderr=True).print(f"  until {one['expires_at']}", style="dim")


async def _redeliver(db: Database, message_id: str | None, pepper: bytes) -> int:
    if message_id is None:
        count = await again.redeliver_failed(db, pepper, operator())
    elif await again.redeliver_as_operator(db, message_id, pepper, operator()):
        count = 1
    else:
        raise NotFound(f"there is no delivery {message_id}; see `safelight webhooks list`")
    await asyncio.sleep(0)  # the bell rings at the end of this turn of the loop
    return count


def _secrets(config: Settings, account: str, *, rotate: bool) -> list[dict[str, Any]]:
    pepper = settings.install_secret(config)

    async def read(db: Database) -> list[dict[str, Any]]:
        async def find(tx: Transaction) -> Row | None:
            return await accounts.find(tx, account)

        row = await db.read(find)
        if row is None:
            raise ConfigurationError(f"there is no account {account}")
        found = await reveal(db, row["id"], pepper, operator() if rotate else None)
        return [
            {
                "secret": one.secret,
                "created_at": _moment(one.created_at_ms),
                "expires_at": _moment(one.expires_at_ms),
            }
            for one in found
        ]

    return run_with_database(config, read)


def _delivery(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "account": row["account"],
        "job": row["job_id"],
        "status": row["state"],
        "attempts": row["attempt"],
        "answer": row["answer_status"] or "–",
        "reason": row["answer_note"] or "",
        "made": _moment(row["created_at_ms"]),
    }


def _told(one: dict[str, Any]) -> str:
    """For people."""
    return bookkeeping.entry(
        (one["id"], one["made"], one["status"]),
        (f"attempts {one['attempts']}", f"answer {one['answer']}", one["reason"],
         f"job {one['job']}", f"account {one['account']}"),
    )  # fmt: skip


def _moment(ms: int | None) -> str | None:
    return None if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
