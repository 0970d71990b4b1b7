"""A file or its hash → whether it was made here."""

from dataclasses import dataclass
from enum import StrEnum

from safelight.db import Database
from safelight.provenance import Likeness, registry
from safelight.provenance.lookalikes import Lookalikes
from safelight.provenance.registry import Record


class Match(StrEnum):
    """How a picture was recognised."""

    EXACT = "exact"  # the very bytes that were served
    SIMILAR = "similar"  # the same picture, encoded or scaled anew
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Found:
    """What the registry knows."""

    match: Match
    record: Record | None = None
    distance: int | None = None  # of 256 bits, between the two likenesses


async def check(
    db: Database, lookalikes: Lookalikes, sha256: bytes | None, looks: Likeness | None
) -> Found:
    """The exact file if it is known, else the picture that looks the same."""
    if sha256 is not None:
        record = await db.read(lambda tx: registry.find(tx, sha256))
        if record is not None:
            return Found(Match.EXACT, record, 0)
    if looks is not None and looks.tells:
        near = await db.scan(lambda tx: lookalikes.search(tx, looks.bits))
        if near:
            distance, record = near[0]
            return Found(Match.SIMILAR, record, distance)
    return Found(Match.NONE)
