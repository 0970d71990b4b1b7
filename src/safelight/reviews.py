"""What filters refused or nearly did, and what was reported: a queue for people, and their word."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from safelight.db import Row, Transaction

ID_BYTES = 8
REASON_CHARACTERS_MAX = 500
BATCH_ROWS = 500
DAY_MS = 24 * 3_600_000


class Kind(StrEnum):
    """How it came into the queue."""

    REFUSED = "refused"
    NEAR = "near"  # allowed, with a score close to the threshold
    REPORTED = "reported"


class Decision(StrEnum):
    """What a person says of it."""

    RELEASE = "release"  # nothing is wrong with it: a false alarm, if it was refused
    BLOCK = "block"  # its pictures are gone, and what looks like them is refused from now on


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What there is to look at."""

    kind: Kind
    layer: str
    category: str
    filter: str
    score: float
    reason: str | None = None


async def add(
    tx: Transaction, job_id: str, account_id: str, prompt: str, found: Finding, *, keep_prompt: bool
) -> str | None:
    """Queue it; its id, or None when the job has one of this kind already."""
    review_id = f"review-{secrets.token_hex(ID_BYTES)}"
    added = await tx.execute(
        "insert into reviews (id, job_id, account_id, kind, layer, category, filter, score,"
        " prompt_sha256, prompt, reason, created_at_ms)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing",
        review_id, job_id, account_id, found.kind, found.layer, found.category, found.filter,
        found.score, hashlib.sha256(prompt.encode()).hexdigest(), prompt if keep_prompt else None,
        found.reason and found.reason[:REASON_CHARACTERS_MAX], tx.now_ms,
    )  # fmt: skip
    return review_id if added else None


async def find(tx: Transaction, review_id: str) -> Row | None:
    return await tx.fetch_one("select * from reviews where id = $1", review_id)


async def newest(tx: Transaction, limit: int, *, decided: bool) -> list[Row]:
    return await tx.fetch_all(
        "select * from reviews where (decision is not null) = $1"
        " order by created_at_ms desc, id limit $2",
        decided, limit,
    )  # fmt: skip


async def decide(tx: Transaction, review_id: str, decision: Decision) -> None:
    """The last word counts: a decision may be revised."""
    await tx.execute(
        "update reviews set decision = $1, decided_at_ms = $2 where id = $3",
        decision, tx.now_ms, review_id,
    )  # fmt: skip
    if decision is Decision.RELEASE:
        await tx.execute("delete from blocked where review_id = $1", review_id)


async def block(tx: Transaction, review_id: str, likenesses: Collection[bytes]) -> None:
    for likeness in likenesses:
        await tx.execute(
            "insert into blocked (likeness, review_id, created_at_ms) values ($1, $2, $3)"
            " on conflict do nothing",
            likeness, review_id, tx.now_ms,
        )  # fmt: skip


async def is_blocked(tx: Transaction, job_id: str) -> bool:
    """Whether a person has said so of this very job."""
    row = await tx.fetch_one(
        "select 1 from reviews where job_id = $1 and decision = 'block'", job_id
    )
    return row is not None


async def blocked(tx: Transaction) -> list[bytes]:
    """What pictures must not look like."""
    rows = await tx.fetch_all("select distinct likeness from blocked")
    return [bytes(row["likeness"]) for row in rows]


async def forget(tx: Transaction, keep_days: int) -> None:
    """Delete what has been there for as long as jobs are kept; what is blocked stays blocked."""
    await tx.execute(
        "delete from reviews where id in (select id from reviews where created_at_ms < $1"
        " order by created_at_ms limit $2)",
        tx.now_ms - keep_days * DAY_MS, BATCH_ROWS,
    )  # fmt: skip
