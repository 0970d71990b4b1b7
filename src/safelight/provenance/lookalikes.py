"""Finds pictures that look alike among a million in 10 ms: all likenesses, in memory, compared.

An index on disk would have to hold each hash in some sixteen pieces, which costs every picture
made more than all searches will ever take. So a process that is asked reads the hashes (32 MB a
million) at its first search, and before each later one what was added since.
"""

import threading
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from safelight.db import Transaction
from safelight.provenance import registry
from safelight.provenance.likeness import LIKENESS_BYTES, QUALITY_MIN, SAME_BITS_MAX

PAGE_ROWS = 32_768  # read at a time, and compared at a time: what is between fits into a cache
FOUND_MAX = 8
WORDS = LIKENESS_BYTES // 8  # of 64 bits


class Page(NamedTuple):
    """Some of the registry's pictures."""

    seqs: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]  # [4, pictures]


class Lookalikes:
    """The likenesses of the registry. Used from threads, one at a time."""

    def __init__(self, page_rows: int = PAGE_ROWS) -> None:
        self._page_rows = page_rows
        self._lock = threading.Lock()
        self._pages: list[Page] = []

    async def search(self, tx: Transaction, bits: bytes) -> list[tuple[int, registry.Record]]:
        """The nearest pictures within the distance at which they are the same, nearest first."""
        with self._lock:
            await self._catch_up(tx)
            near = self._nearest(bits)
        found = await registry.records(tx, [seq for _, seq in near])
        distances = {seq: distance for distance, seq in near}
        return [(distances[record.seq], record) for record in found]

    async def _catch_up(self, tx: Transaction) -> None:
        oldest = await registry.oldest(tx)
        while self._pages and self._pages[0].seqs[-1] < oldest:
            del self._pages[0]  # the registry has forgotten all of it
        if self._pages and self._pages[0].seqs[0] < oldest:  # or some: they must not be the nearest
            first = self._pages[0]
            kept = int(np.searchsorted(first.seqs, oldest))
            self._pages[0] = Page(first.seqs[kept:], first.hashes[:, kept:])
        while True:
            last = int(self._pages[-1].seqs[-1]) if self._pages else 0
            seqs, hashes = await registry.likenesses(tx, last, QUALITY_MIN, self._page_rows)
            if not seqs:
                return
            words = np.frombuffer(bytes.fromhex(hashes), np.uint64).reshape(-1, WORDS)
            self._append(Page(np.fromstring(seqs, np.int64, sep=","), words.T.copy()))

    def _append(self, page: Page) -> None:
        """Together with the last one while that is small, or each search would add a page."""
        if self._pages and len(self._pages[-1].seqs) + len(page.seqs) <= self._page_rows:
            last = self._pages.pop()
            page = Page(np.append(last.seqs, page.seqs), np.append(last.hashes, page.hashes, 1))
        self._pages.append(page)

    def _nearest(self, bits: bytes) -> list[tuple[int, int]]:
        """(distance, seq) of the nearest."""
        wanted = np.frombuffer(bits, np.uint64)
        near: list[tuple[int, int]] = []
        for page in self._pages:
            distances = np.zeros(len(page.seqs), np.uint16)
            for word, theirs in zip(wanted, page.hashes, strict=True):
                distances += np.bitwise_count(theirs ^ word)
            [within] = np.nonzero(distances <= SAME_BITS_MAX)
            near += [(int(distances[place]), int(page.seqs[place])) for place in within]
        return sorted(near)[:FOUND_MAX]
