"""What must pass the content filters before it is drawn, and before it is stored."""

import asyncio
from collections.abc import Callable, Sequence

from safelight.engines import Picture
from safelight.engines.diffusers.sources import read_picture
from safelight.errors import EngineError
from safelight.jobs import Job
from safelight.moderation import Level, Moderator, Verdict
from safelight.telemetry import Tell, silent
from safelight.telemetry.events import Moderated

QUICK_CHARACTERS = 1000  # that the rules read within about a millisecond


class Review:
    """Runs a moderator beside the event loop, for every job.

    Its filters fail closed: what cannot be judged raises EngineError as what was refused does.
    """

    def __init__(
        self,
        moderator: Moderator,
        level: Level = Level.BASE,
        words: Callable[[Job], str] = lambda job: job.request.prompt,
        tell: Tell = silent,
    ):
        """`words`: all that will be drawn; a style may add words to the prompt."""
        self._moderator = moderator
        self._level = level
        self._words = words
        self._tell = tell

    def load(self) -> None:
        """Read the filters' weights now rather than at the first job. Raises EngineError."""
        self._moderator.load()

    async def check_request(self, job: Job) -> None:
        """Raises EngineError when the words, or the picture to start from, may not be drawn."""
        if self._is_quick(job):
            self._check_request(job)
        else:
            await asyncio.to_thread(self._check_request, job)

    async def check_pictures(self, job: Job, pictures: Sequence[Picture]) -> None:
        """Raises EngineError when one of them may not be shown: then none may be stored."""
        for picture in pictures:
            await asyncio.to_thread(self._check_picture, job, picture, "picture")

    async def may_preview(self, job: Job, preview: Picture) -> bool:
        try:
            await asyncio.to_thread(self._check_picture, job, preview, "preview")
        except EngineError:  # half-finished pictures are judged wrongly too: the job goes on
            return False
        return True

    def _is_quick(self, job: Job) -> bool:
        """Whether a thread would cost more than the check."""
        words = self._words(job)
        return len(words) <= QUICK_CHARACTERS and not job.request.parameters.get("image_url")

    def _check_request(self, job: Job) -> None:
        request = job.request
        level = self._level_of(job)
        self._enforce(job, "prompt", lambda: self._moderator.check_prompt(self._words(job), level))
        if source := request.parameters.get("image_url"):
            pixels = read_picture(source, request.width, request.height)
            self._check_picture(job, Picture(pixels, seed=0), "source")

    def _check_picture(self, job: Job, picture: Picture, layer: str) -> None:
        level, words = self._level_of(job), self._words(job)
        self._enforce(
            job, layer, lambda: self._moderator.check_picture(picture.pixels, level, prompt=words)
        )

    def _enforce(self, job: Job, layer: str, judge: Callable[[], Verdict]) -> None:
        """Raises EngineError unless it is allowed; tells what was decided either way."""
        try:
            verdict = judge()
        except EngineError:
            self._tell(Moderated(job=job.id, layer=layer, decision="failed"))
            raise
        decision = "allowed" if verdict.allowed else "refused"
        self._tell(Moderated(job=job.id, layer=layer, decision=decision, category=verdict.category))
        verdict.enforce()

    def _level_of(self, job: Job) -> Level:
        """The install's, unless the caller asked for more."""
        return Level.STRICT if job.request.strict_moderation else self._level
