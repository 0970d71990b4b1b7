"""What must pass the content filters before it is drawn, and before it is stored."""

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence

from safelight import jobs, reviews
from safelight.db import Database, Transaction
from safelight.engines import Picture
from safelight.engines.diffusers.sources import read_picture
from safelight.errors import EngineError, JobErrorCode, Unavailable
from safelight.jobs import Job
from safelight.moderation import ALLOWED, Category, Level, Moderator, Refused, Verdict
from safelight.provenance import Likeness, likeness
from safelight.provenance.likeness import SAME_BITS_MAX, distance
from safelight.reviews import Finding, Kind
from safelight.telemetry import Tell, silent
from safelight.telemetry.events import Moderated

QUICK_CHARACTERS = 1000  # that the rules read within about a millisecond
BLOCKED = Verdict(Category.BLOCKED, 1.0, "blocked")  # by a person


class Review:
    """Runs a moderator beside the event loop, for every job; every verdict passes `_told`.

    Its filters fail closed: what cannot be judged raises EngineError as what was refused does.
    """

    def __init__(
        self,
        moderator: Moderator,
        level: Level = Level.BASE,
        words: Callable[[Job], str] = lambda job: job.request.prompt,
        tell: Tell = silent,
        *,
        keep_prompts: bool = False,
    ):
        """`words`: all that will be drawn; a style may add words to the prompt.

        `keep_prompts`: whether the queue for people shows them.
        """
        self._keep_prompts = keep_prompts
        self._moderator = moderator
        self._level = level
        self._words = words
        self._tell = tell

    def load(self) -> None:
        """Read the filters' weights now rather than at the first job. Raises EngineError."""
        self._moderator.load()

    async def check_request(self, job: Job) -> None:
        """Before anything is drawn, by rules. Raises EngineError for what may not be."""
        if len(self._words(job)) <= QUICK_CHARACTERS:  # a thread would cost more
            self._check_words(job)
        else:
            await asyncio.to_thread(self._check_words, job)
        if job.request.parameters.get("image_url"):
            await asyncio.to_thread(self._check_source, job)

    async def check_meaning(self, job: Job) -> Verdict:
        """By what takes its time, while the engine is at work. Raises EngineError."""
        if not self._moderator.has_slow:
            return ALLOWED
        return await asyncio.to_thread(self._check_meaning, job)

    async def check_pictures(self, job: Job, pictures: Sequence[Picture]) -> Verdict:
        """Raises EngineError when one of them may not be shown: then none may be stored."""
        found = ALLOWED
        for picture in pictures:
            verdict = await asyncio.to_thread(self._check_picture, job, picture, "picture")
            found = verdict if verdict.near else found
        return found

    async def may_preview(self, job: Job, preview: Picture, known_bad: Sequence[bytes]) -> bool:
        try:
            await asyncio.to_thread(self._check_preview, job, preview, known_bad)
        except EngineError:  # half-finished pictures are judged wrongly too: the job goes on
            return False
        return True

    async def known_bad(self, db: Database, job: Job) -> list[bytes]:
        """The likenesses of what a person has blocked. Raises EngineError: fails closed as well,
        and for a job that was blocked itself before its end.
        """
        try:
            blocked = await db.read(lambda tx: reviews.is_blocked(tx, job.id))
            known_bad = await db.read(reviews.blocked)
        except Unavailable as error:
            raise EngineError(code=JobErrorCode.SERVICE_UNAVAILABLE, retryable=True) from error
        if blocked:
            self._told(job, "picture", lambda: BLOCKED)
        return known_bad

    def check_likeness(
        self,
        job: Job,
        looks: Iterable[Likeness | None],
        known_bad: Sequence[bytes],
        layer: str = "picture",
    ) -> None:
        """Raises EngineError for a picture that looks like a blocked one."""
        for one in filter(None, looks):
            reach = SAME_BITS_MAX if one.tells else 0
            if any(distance(one.bits, bad) <= reach for bad in known_bad):
                self._told(job, layer, lambda: BLOCKED)

    async def queue_refusal(self, tx: Transaction, job: Job, refusal: Refused) -> None:
        """For people to look at; and the links to previews that were given out die."""
        await jobs.expire_previews(tx, job)
        await self._queue(tx, job, Kind.REFUSED, refusal.verdict, refusal.layer)

    async def queue_near(self, tx: Transaction, job: Job, near: Verdict) -> None:
        if near.near is not None:
            await self._queue(tx, job, Kind.NEAR, near, "")

    async def _queue(
        self, tx: Transaction, job: Job, kind: Kind, verdict: Verdict, layer: str
    ) -> None:
        score = 1.0 if math.isnan(verdict.score) else verdict.score  # the database knows no NaN
        found = Finding(
            kind=kind, layer=layer, category=str(verdict.category or verdict.near),
            filter=verdict.filter, score=score,
        )  # fmt: skip
        keep = self._keep_prompts
        await reviews.add(tx, job.id, job.account_id, self._words(job), found, keep_prompt=keep)

    def _check_words(self, job: Job) -> Verdict:
        judge = self._moderator.check_prompt
        return self._told(job, "prompt", lambda: judge(self._words(job), self._level_of(job)))

    def _check_meaning(self, job: Job) -> Verdict:
        judge = self._moderator.check_prompt_slowly
        return self._told(job, "meaning", lambda: judge(self._words(job), self._level_of(job)))

    def _check_source(self, job: Job) -> Verdict:
        request = job.request
        pixels = read_picture(request.parameters["image_url"], request.width, request.height)
        return self._check_picture(job, Picture(pixels, seed=0), "source")

    def _check_picture(self, job: Job, picture: Picture, layer: str) -> Verdict:
        def judge() -> Verdict:
            return self._moderator.check_picture(
                picture.pixels, self._level_of(job), prompt=self._words(job)
            )

        return self._told(job, layer, judge)

    def _check_preview(self, job: Job, preview: Picture, known_bad: Sequence[bytes]) -> None:
        self._check_picture(job, preview, "preview")
        if known_bad:
            self.check_likeness(job, [likeness(preview.pixels)], known_bad, "preview")

    def _told(self, job: Job, layer: str, judge: Callable[[], Verdict]) -> Verdict:
        """The verdict, once it has been told. Raises EngineError unless it is allowed."""
        try:
            found = judge()
        except EngineError:
            self._tell(Moderated(job=job.id, layer=layer, decision="failed"))
            raise
        category = None if found.category is None else str(found.category)
        decision = "allowed" if found.allowed else "refused"
        self._tell(Moderated(job=job.id, layer=layer, decision=decision, category=category))
        found.enforce(layer)
        return found

    def _level_of(self, job: Job) -> Level:
        """The install's, unless the caller asked for more."""
        return Level.STRICT if job.request.strict_moderation else self._level
