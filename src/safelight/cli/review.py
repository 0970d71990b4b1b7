"""What waits for a person's eye: listed, shown, decided, reported."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from safelight import reviews, settings
from safelight.cli import bookkeeping, listing
from safelight.cli.acting import operator
from safelight.cli.assembly import build_store, run_with_database
from safelight.cli.listing import LISTED_DEFAULT, AsJson, Limit
from safelight.db import Row
from safelight.errors import ConfigurationError, NotFound
from safelight.flows.decide import decide as decide_on
from safelight.flows.decide import report as report_on
from safelight.reviews import Decision

app = typer.Typer(help="What filters refused, nearly refused, or people reported.")
ReviewId = Annotated[str, typer.Argument(metavar="ID", help="An id of `safelight review list`.")]


@app.command("list")
def list_reviews(
    decided: Annotated[bool, typer.Option("--decided", help="Those with a decision.")] = False,
    limit: Limit = LISTED_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """What is open, newest first."""
    rows = run_with_database(
        settings.load(),
        lambda db: db.scan(lambda tx: reviews.newest(tx, limit, decided=decided)),
    )
    listing.show([_shown(row) for row in rows], _told, as_json=as_json)


@app.command()
def show(review_id: ReviewId) -> None:
    """All that is known of one, as JSON; the prompt only where the operator keeps prompts."""
    row = run_with_database(
        settings.load(), lambda db: db.scan(lambda tx: reviews.find(tx, review_id))
    )
    if row is None:
        raise ConfigurationError(f"There is no review {review_id}")
    text = json.dumps(_shown(row), indent=2, ensure_ascii=False)
    # A stranger wrote the prompt: what a terminal might obey is spelled as JSON spells it.
    typer.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


@app.command()
def decide(
    review_id: ReviewId,
    decision: Annotated[Decision, typer.Argument(help="release: a false alarm; block: gone.")],
) -> None:
    """Say what it is. "block" kills the links at once, and refuses what looks like the pictures."""
    config = settings.load()
    store, pepper = build_store(config, config.base_url), settings.install_secret(config)
    try:
        removed = run_with_database(
            config, lambda db: decide_on(db, store, review_id, decision, pepper, operator())
        )
    except NotFound as error:
        raise ConfigurationError(error.message) from None
    typer.echo(f"{decision}: {removed} pictures removed")


@app.command()
def report(
    what: Annotated[
        str, typer.Argument(help="A job's id, a picture's link or name, or its SHA-256.")
    ],
    reason: Annotated[str, typer.Option(help="What is wrong with it, in the sender's words.")],
) -> None:
    """Queue what somebody complained of."""
    config = settings.load()
    keep = config.moderation.keep_prompts
    try:
        made = run_with_database(
            config, lambda db: report_on(db, what, reason, keep_prompt=keep, origin=operator())
        )
    except NotFound as error:
        raise ConfigurationError(error.message) from None
    typer.echo(made or "it is in the queue already")


def _shown(row: Row) -> dict[str, Any]:
    at = datetime.fromtimestamp(row["created_at_ms"] / 1000, UTC)
    return {
        "id": row["id"],
        "at": at.isoformat(timespec="seconds"),
        "kind": row["kind"],
        "layer": row["layer"],
        "category": row["category"],
        "filter": row["filter"],
        "score": f"{row['score']:.3f}",
        "job": row["job_id"],
        "account": row["account_id"],
        "prompt_sha256": row["prompt_sha256"],
        "prompt": row["prompt"],
        "reason": row["reason"],
        "decision": row["decision"] or "",
    }


def _told(one: dict[str, Any]) -> str:
    """For people."""
    return bookkeeping.entry(
        (one["id"], one["at"], one["kind"]),
        (f"{one['category']} {one['score']}", one["layer"], f"job {one['job']}", one["decision"]),
    )  # fmt: skip
