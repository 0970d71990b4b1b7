"""Sends cases to a server over many connections, counts what came, and stops at what is wrong."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from fuzzing.cases import Case, Ground, make
from fuzzing.judging import Judge
from fuzzing.talking import Line, Unreadable

KEPT_LINES = 6  # connections that are used again and again
TORN_LINES = 48  # those of torn requests mostly wait for a deadline


@dataclass
class Tally:
    """What became of the cases."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    failures: list[tuple[Case, str]] = field(default_factory=list)
    cases: int = 0
    wall_seconds: float = 0.0

    @property
    def p99_seconds(self) -> float:
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)] if self.seconds else 0.0


class Run:
    """Some cases on one server."""

    def __init__(self, port: int, ground: Ground, judge: Judge, failures_max: int = 5):
        self.tally = Tally()
        self._port = port
        self._ground = ground
        self._judge = judge
        self._failures_max = failures_max

    def numbers(self, seed: int, numbers: range) -> Tally:
        """Every case of that seed with these numbers."""
        began = time.perf_counter()
        asyncio.run(self._all(make(self._ground, seed, number) for number in numbers))
        self.tally.wall_seconds += time.perf_counter() - began
        return self.tally

    def complaint(self, case: Case) -> str | None:
        """What is wrong with the reply to this one case."""
        return asyncio.run(self._alone(case))

    async def _alone(self, case: Case) -> str | None:
        line = Line(self._port)
        try:
            return await self._ask(line, case, Tally())
        finally:
            line.close()

    async def _all(self, cases: Iterator[Case]) -> None:
        kept: asyncio.Queue[Case | None] = asyncio.Queue(KEPT_LINES * 4)
        torn: asyncio.Queue[Case | None] = asyncio.Queue(TORN_LINES * 4)
        workers = [asyncio.create_task(self._work(kept)) for _ in range(KEPT_LINES)]
        workers += [asyncio.create_task(self._work(torn)) for _ in range(TORN_LINES)]
        for case in cases:
            await (kept if case.method else torn).put(case)
            if len(self.tally.failures) >= self._failures_max:
                break
        for queue, count in ((kept, KEPT_LINES), (torn, TORN_LINES)):
            for _ in range(count):
                await queue.put(None)
        await asyncio.gather(*workers)

    async def _work(self, queue: "asyncio.Queue[Case | None]") -> None:
        line = Line(self._port)
        while (case := await queue.get()) is not None:
            complaint = await self._ask(line, case, self.tally)
            if complaint is not None:
                self.tally.failures.append((case, complaint))
        line.close()

    async def _ask(self, line: Line, case: Case, tally: Tally) -> str | None:
        tally.cases += 1
        try:
            replies = await line.ask(case)
        except Unreadable as unreadable:
            return str(unreadable)
        for reply in replies:
            tally.statuses[reply.status] += 1
            if case.method and not case.streams:
                tally.seconds.append(reply.seconds)
            if (complaint := self._judge.complaint(case, reply)) is not None:
                return complaint
        return None
