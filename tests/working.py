"""Workers in this process: engines of every temper, on the books that keeping.py keeps."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from time import sleep
from typing import Any

from keeping import Books, link, request
from safelight import jobs
from safelight.catalog.request import ImageRequest
from safelight.egress import Egress
from safelight.engines import Aside, Engine, Made, Picture, Step
from safelight.engines.fake import FakeEngine
from safelight.flows.work import Worker, WorkSettings
from safelight.flows.work.filing import Marking
from safelight.flows.work.progress import PROGRESS_SECONDS
from safelight.flows.work.review import Review
from safelight.flows.work.sources import Sources
from safelight.images import ImageStore
from safelight.jobs import Job
from safelight.moderation import Level, Moderator, NsfwClassifier, PromptRules
from signed import anchors, install_signer


class Pausing:
    """The fake engine, standing still before one of its eight steps until it may go on."""

    name = "fake"
    starts_aside = False

    def __init__(self, before_step: int):
        self._before_step = before_step
        self.go = Event()

    def load(self) -> None: ...

    def unsupported(self, request: ImageRequest) -> str | None: ...

    def generate(self, request: ImageRequest) -> Iterator[Step | Picture]:
        for made in FakeEngine().generate(request):
            if isinstance(made, Step) and made.number == self._before_step:
                assert self.go.wait(30)
            yield made


class Crowd:
    """The fake engine, noting which prompts are at work beside each other."""

    name = "fake"
    starts_aside = True  # each begins as soon as it is in hand

    def __init__(self) -> None:
        self._here: set[str] = set()
        self.company: dict[str, set[str]] = {}

    def load(self) -> None: ...

    def unsupported(self, request: ImageRequest) -> str | None: ...

    def generate(self, request: ImageRequest) -> Iterator[Made]:
        self._here.add(request.prompt)
        for made in FakeEngine(seconds=0.08).generate(request):
            for prompt in self._here:
                self.company[prompt] = self.company.get(prompt, set()) | self._here
            yield made
        self._here.remove(request.prompt)


class EndsLast:
    """The fake engine, in which one job goes on and on until another one has passed it."""

    name = "fake"
    starts_aside = False

    def __init__(self, last: Job):
        self._last = last.request
        self._passed = False

    def load(self) -> None: ...

    def unsupported(self, request: ImageRequest) -> str | None: ...

    def generate(self, request: ImageRequest) -> Iterator[Made]:
        for made in FakeEngine().generate(request):
            while request.width == self._last.width and not self._passed:
                yield Step(1, 8)
            yield made
        self._passed = True


class Repeating:
    """The fake engine, whose fourth step is done again and again, each time with its preview."""

    name = "fake"
    starts_aside = False

    def load(self) -> None: ...

    def unsupported(self, request: ImageRequest) -> str | None: ...

    def generate(self, request: ImageRequest) -> Iterator[Made]:
        for made in FakeEngine(seconds=0.08).generate(request):
            yield made
            if isinstance(made, Step) and made.preview is not None:
                for _ in range(3):
                    sleep(PROGRESS_SECONDS)
                    yield made


class HangingAside:
    """Needs no turn, and never comes back from where it went, until `go` is set."""

    name = "fake"
    starts_aside = True

    def __init__(self) -> None:
        self.go = Event()

    def load(self) -> None: ...

    def unsupported(self, request: ImageRequest) -> str | None: ...

    def generate(self, request: ImageRequest) -> Iterator[Made]:
        yield Aside(self.go.wait)


class Raising:
    """Ends every request with this error."""

    name = "fake"
    starts_aside = False

    def __init__(self, error: Exception):
        self._error = error
        self.requests = 0

    def load(self) -> None: ...

    def unsupported(self, request: ImageRequest) -> str | None: ...

    def generate(self, request: ImageRequest) -> Iterator[Step | Picture]:
        self.requests += 1
        yield Step(1, 8)
        raise self._error


class Studio:
    """Books, a folder of pictures, and workers for engines of the test's choice."""

    def __init__(self, books: Books, folder: Path):
        self.books = books
        self.caller = books.customer(100)
        self.store = ImageStore(folder, b"sixteen characters", "http://here")
        self.moderator = Moderator([PromptRules()], [NsfwClassifier()])
        self.level = Level.BASE
        self.keep_prompts = False
        self.words: Callable[[Job], str] = lambda job: job.request.prompt
        self.egress: Egress | None = None
        self.home = folder.parent
        self.marking = Marking(install_signer(self.home))

    def order(self, prompt: str = "a cat", engine: str = "fake", **fields: Any) -> Job:
        return self.books.submit(self.caller, request=request(prompt, **fields), engine=engine)

    def worker(
        self, engine: Engine, name: str = "w1", timeout_seconds: float = 20, jobs_max: int = 4
    ) -> Worker:
        settings = WorkSettings(
            defaults=self.books.defaults, timeout_seconds=timeout_seconds, stuck_seconds=0.02,
            picture_seconds=60, jobs_max=jobs_max,
        )  # fmt: skip
        review = Review(self.moderator, self.level, self.words, keep_prompts=self.keep_prompts)
        sources = Sources(self.books.db, self.store, self.egress or Egress())
        engines = {"fake": engine}.get
        return Worker(
            name, self.books.db, self.store, engines, sources, review, self.marking, settings
        )

    def work(self, engine: Engine, *ordered: Job, **options: Any) -> list[Job]:
        """Let a worker live until these jobs have ended; how they ended."""

        async def life() -> list[Job]:
            worker = self.worker(engine, **options)
            running = asyncio.create_task(worker.run())
            ended = [await self.until(job, lambda now: now.state.is_final) for job in ordered]
            worker.drain()
            await running
            return ended

        return self.books.run(life())

    async def until(self, job: Job, condition: Callable[[Job], bool]) -> Job:
        async with asyncio.timeout(20):
            while not condition(now := await self.now(job)):
                await asyncio.sleep(0.001)
            return now

    async def now(self, job: Job) -> Job:
        return await self.books.db.read(lambda tx: jobs.get(tx, job.id, link, dialect=job.dialect))

    def names(self, job: Job, kind: str) -> list[str]:
        rows = self.books.rows(
            "select name from pictures where job_id = $1 and kind = $2 order by position",
            job.id, kind,
        )  # fmt: skip
        return [row["name"] for row in rows]

    def files(self) -> set[str]:
        return {path.name for path in self.store.root.glob("*/*")}

    def content(self, name: str) -> bytes:
        return (self.store.root / name[:2] / name).read_bytes()

    def anchors(self) -> str:
        return anchors(self.home)

    def assert_nothing_was_charged(self) -> None:
        balance = self.books.balance(self.caller)
        assert (balance.available, balance.held, balance.spent) == (100_000_000, 0, 0)
        assert self.books.verify().problems == ()
