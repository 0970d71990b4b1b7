"""How many jobs, pictures and credits stand where: what whoever watches the house looks at."""

from dataclasses import dataclass

from safelight.db import Transaction
from safelight.jobs import State


@dataclass(frozen=True, kw_only=True)
class Census:
    """Of one moment."""

    by_state: dict[str, int]  # of jobs that have not ended
    oldest_queued_ms: int | None  # when the first in the queue was created
    pictures: int
    picture_bytes: int


async def take(tx: Transaction) -> Census:
    """Counts along partial indexes: its time grows with what is unfinished, not with the past."""
    counts = await tx.fetch_one(
        "select (select count(*) from jobs where state = 'backlogged') as backlogged,"
        " (select count(*) from jobs where state = 'queued') as queued,"
        " (select count(*) from jobs where state = 'running') as running,"
        " (select created_at_ms from jobs where state = 'queued' order by seq limit 1) as oldest"
    )
    pictures = await tx.fetch_one(
        "select count(*) as n, coalesce(sum(size_bytes), 0) as bytes from pictures"
        " where removed_at_ms is null"
    )
    assert counts is not None
    assert pictures is not None
    waiting = (State.BACKLOGGED, State.QUEUED, State.RUNNING)
    return Census(
        by_state={state.value: counts[state.value] for state in waiting},
        oldest_queued_ms=counts["oldest"],
        pictures=pictures["n"],
        picture_bytes=pictures["bytes"],
    )
