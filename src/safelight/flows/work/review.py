"""What must pass the content filters before it is drawn, and before it is stored."""

import asyncio
from collections.abc import Callable, Sequence

from safelight.engines import Picture
from safelight.engines.diffusers.sources import read_picture
from safelight.errors import EngineError
from safelight.jobs import Job
from safelight.moderation import Moderator


class Review:
    """Runs a moderator beside the event loop, for the jobs that need one.

    Its filters fail closed: what cannot be judged raises EngineError as what was refused does.
    """

    def __init__(self, moderator: Moderator, required: Callable[[Job], bool]):
        self._moderator = moderator
        self._required = required

    def load(self) -> None:
        """Read the filters' weights now rather than at the first job. Raises EngineError."""
        self._moderator.load()

    async def check_request(self, job: Job) -> None:
        """Raises EngineError when the words, or the picture to start from, may not be drawn."""
        if self._required(job):
            await asyncio.to_thread(self._check_request, job)

    async def check_pictures(self, job: Job, pictures: Sequence[Picture]) -> None:
        """Raises EngineError when one of them may not be shown: then none may be stored."""
        if self._required(job):
            for picture in pictures:
                await asyncio.to_thread(self._check_picture, job, picture)

    async def may_preview(self, job: Job, preview: Picture) -> bool:
        try:
            await self.check_pictures(job, [preview])
        except EngineError:  # half-finished pictures are judged wrongly too: the job goes on
            return False
        return True

    def _check_request(self, job: Job) -> None:
        request = job.request
        self._moderator.check_prompt(request.prompt, strict=request.strict_moderation).enforce()
        if source := request.parameters.get("image_url"):
            pixels = read_picture(source, request.width, request.height)
            self._check_picture(job, Picture(pixels, seed=0))

    def _check_picture(self, job: Job, picture: Picture) -> None:
        request = job.request
        self._moderator.check_picture(
            picture.pixels, strict=request.strict_moderation, prompt=request.prompt
        ).enforce()
