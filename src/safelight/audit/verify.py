"""Proves the audit chain from its rows: nothing edited, removed, inserted or put elsewhere."""

import re
from dataclasses import dataclass, field

from safelight.audit import EMPTY, Head, after_number, chain_key, chained, count_rows
from safelight.db import Row, Transaction

BATCH_ROWS = 5000  # read at a time, so that a long log needs no memory
PROBLEMS_MAX = 20  # told; one is an alarm already
HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


@dataclass(kw_only=True)
class Chain:
    """How far the proof has come; no problems is the proof."""

    head: Head = EMPTY
    problems: list[str] = field(default_factory=list)

    def complain(self, problem: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


def parse_head(text: str) -> Head:
    """A head as it was printed, NUMBER:HASH. Raises ValueError."""
    found = HEAD.fullmatch(text.strip())
    if found is None:
        raise ValueError("a head is NUMBER:HASH, as `safelight audit head` prints it")
    return Head(number=int(found[1]), hash=found[2])


async def verify(tx: Transaction, pepper: bytes, known: Head | None = None) -> Chain:
    """Read every row on one snapshot. `known` is a head from earlier that must still be there."""
    key, chain = chain_key(pepper), Chain()
    if known == EMPTY:
        known = None  # what was written down before the first row
    while rows := await after_number(tx, chain.head.number, BATCH_ROWS):
        for row in rows:
            _check(chain, key, row)
            if known is not None and row["number"] == known.number:
                if row["hash"] != known.hash:
                    chain.complain(f"row {known.number}: not the one whose hash was kept")
                known = None
    if (count := await count_rows(tx)) != chain.head.number:
        chain.complain(f"there are {count} rows, and the last is row {chain.head.number}")
    if known is not None:
        chain.complain(
            f"row {known.number}: gone; the log ends at row {chain.head.number}, so its end is"
            " cut off"
        )
    return chain


def _check(chain: Chain, key: bytes, row: Row) -> None:
    number = row["number"]
    if number != chain.head.number + 1:
        chain.complain(f"row {number}: follows row {chain.head.number}; what was between is gone")
    if row["previous"] != chain.head.hash:
        chain.complain(f"row {number}: not the one that was written after row {chain.head.number}")
    if row["hash"] != chained(key, row):
        chain.complain(f"row {number}: edited, or written under another secret")
    chain.head = Head(number=number, hash=row["hash"])
