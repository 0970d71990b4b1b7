"""A person's word on what waits for review, and what somebody reported."""

import asyncio

from safelight import audit, reviews
from safelight.audit import Action, Origin
from safelight.catalog.request import ImageRequest
from safelight.db import Database, Transaction
from safelight.errors import NotFound
from safelight.images import ImageStore
from safelight.reviews import Decision, Finding, Kind


async def decide(
    db: Database,
    store: ImageStore,
    review_id: str,
    decision: Decision,
    pepper: bytes,
    origin: Origin,
) -> int:
    """Commit the word; after "block" links to the job's pictures are dead. How many there were.

    Raises NotFound.
    """

    async def commit(tx: Transaction) -> list[str]:
        row = await reviews.find(tx, review_id)
        if row is None:
            raise NotFound(f"There is no review {review_id}")
        await reviews.decide(tx, review_id, decision)
        await audit.append(
            tx, pepper, origin, Action.REVIEW_DECIDED, review_id,
            before={"decision": row["decision"]},
            after={"decision": str(decision), "job": row["job_id"]},
        )  # fmt: skip
        return await _block(tx, review_id, row["job_id"]) if decision is Decision.BLOCK else []

    names = await db.write(commit)
    for name in names:
        await asyncio.to_thread(store.remove, name)
    return len(names)


async def _block(tx: Transaction, review_id: str, job_id: str) -> list[str]:
    """The pictures of a job come to their end; what looks like them is refused. Their files."""
    looks = await tx.fetch_all("select likeness from provenance where job_id = $1", job_id)
    await reviews.block(tx, review_id, [bytes(row["likeness"]) for row in looks])
    await tx.execute(
        "update pictures set expires_at_ms = $1 where job_id = $2 and expires_at_ms > $1",
        tx.now_ms, job_id,
    )  # fmt: skip
    rows = await tx.fetch_all("select name from pictures where job_id = $1", job_id)
    return [row["name"] for row in rows]


async def report(
    db: Database, what: str, reason: str, *, keep_prompt: bool, origin: Origin
) -> str | None:
    """Queue what somebody complained of: a job's id, a picture's name, its link, or its SHA-256.

    Its id in the queue; None when the job is there already. Raises NotFound.
    """
    name = what.partition("?")[0].rpartition("/")[2]

    async def commit(tx: Transaction) -> str | None:
        job = await tx.fetch_one(
            "select id, account_id, request from jobs where id = $1"
            " or id in (select job_id from pictures where name = $2 or sha256 = $3)",
            what, name, what.lower(),
        )  # fmt: skip
        if job is None:
            raise NotFound("No job here has this id, picture or SHA-256")
        found = Finding(
            kind=Kind.REPORTED, layer="picture", category="reported", filter=origin.actor,
            score=0.0, reason=reason,
        )  # fmt: skip
        prompt = ImageRequest.from_json(job["request"]).prompt
        return await reviews.add(
            tx, job["id"], job["account_id"], prompt, found, keep_prompt=keep_prompt
        )

    return await db.write(commit)
