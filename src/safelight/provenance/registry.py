"""The rows of what was made here: found again by a file's SHA-256 or by its looks."""

from collections.abc import Sequence
from dataclasses import dataclass

from safelight.db import Row, Transaction
from safelight.provenance.likeness import Likeness
from safelight.provenance.manifest import Origin

DAY_MS = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Record:
    """A picture that was made here."""

    seq: int
    likeness: bytes
    model: str
    asked_for: str
    engine: str
    made_at_ms: int


async def insert(
    tx: Transaction, sha256: bytes, looks: Likeness, origin: Origin, job_id: str, position: int
) -> None:
    """Note a picture, in the transaction that completes its job."""
    await tx.execute(
        "insert into provenance (sha256, likeness, quality, job_id, position, model, asked_for,"
        " engine, created_at_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        sha256, looks.bits, looks.quality, job_id, position, origin.model, origin.asked_for,
        origin.engine, tx.now_ms,
    )  # fmt: skip


async def find(tx: Transaction, sha256: bytes) -> Record | None:
    """The picture that is this very file."""
    row = await tx.fetch_one("select * from provenance where sha256 = $1", sha256)
    return None if row is None else _record(row)


async def records(tx: Transaction, seqs: Sequence[int]) -> list[Record]:
    """Those that are not forgotten, in the order given."""
    found = [await tx.fetch_one("select * from provenance where seq = $1", seq) for seq in seqs]
    return [_record(row) for row in found if row is not None]


async def oldest(tx: Transaction) -> int:
    """The seq of the oldest that is kept; 0 when there is none."""
    row = await tx.fetch_one("select coalesce(min(seq), 0) as seq from provenance")
    return int(row["seq"]) if row else 0


async def likenesses(
    tx: Transaction, after_seq: int, quality_min: int, limit: int
) -> tuple[str, str]:
    """The next ones that tell something: seqs with commas between them, and hashes in hex.

    Two strings rather than rows, because a million rows would keep Python busy for a second.
    """
    row = await tx.fetch_one(
        "select group_concat(seq, ',') as seqs, group_concat(hex(likeness), '') as likenesses"
        " from (select seq, likeness from provenance where seq > $1 and quality >= $2"
        " order by seq limit $3) as next",
        after_seq, quality_min, limit,
    )  # fmt: skip
    if row is None or row["seqs"] is None:
        return "", ""
    return row["seqs"], row["likenesses"]


async def forget(tx: Transaction, keep_days: int, limit: int) -> int:
    """Delete the oldest that were kept for long enough; returns how many."""
    return await tx.execute(
        "delete from provenance where seq in (select seq from provenance order by seq limit $1)"
        " and created_at_ms < $2",
        limit, tx.now_ms - keep_days * DAY_MS,
    )  # fmt: skip


def _record(row: Row) -> Record:
    return Record(
        seq=row["seq"],
        likeness=bytes(row["likeness"]),
        model=row["model"],
        asked_for=row["asked_for"],
        engine=row["engine"],
        made_at_ms=row["created_at_ms"],
    )
