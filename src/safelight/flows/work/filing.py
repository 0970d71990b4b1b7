"""Pictures on their way from the engine to the disk and the database."""

import asyncio
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from safelight import images, jobs
from safelight.db import Transaction
from safelight.engines import Picture
from safelight.images import ImageStore, StoredFile
from safelight.jobs import Job
from safelight.telemetry import Tell, silent
from safelight.telemetry.events import PictureStored

ENCODERS = 2  # threads that encode and store while the engine goes on


class Files:
    """Encodes pictures and stores them, beside the event loop, and records where they are."""

    def __init__(self, store: ImageStore, picture_seconds: int, tell: Tell = silent):
        self._tell = tell
        self._store = store
        self._picture_seconds = picture_seconds
        self._encoders = ThreadPoolExecutor(ENCODERS, thread_name_prefix="encode")

    async def put(self, job: Job, picture: Picture, position: str) -> StoredFile:
        """Raises OSError when the disk does not take it."""
        began = time.perf_counter()
        file = await asyncio.get_running_loop().run_in_executor(
            self._encoders, self._encode_and_store, job, picture, position
        )
        self._tell(
            PictureStored(
                job=job.id,
                kind="preview" if position.startswith("p") else "final",
                size_bytes=file.size_bytes,
                seconds=time.perf_counter() - began,
            )
        )
        return file

    async def add(
        self, tx: Transaction, job: Job, kind: str, position: int, file: StoredFile, seed: int
    ) -> None:
        """Record a stored file as the job's picture."""
        life = self._picture_seconds
        await jobs.add_picture(
            tx, job, kind=kind, position=position, name=file.name, width=file.width,
            height=file.height, content_type=file.content_type, size_bytes=file.size_bytes,
            sha256=file.sha256, seed=seed,
            life_seconds=min(images.PREVIEW_LIFE_SECONDS, life) if kind == "preview" else life,
        )  # fmt: skip

    async def discard(self, files: Iterable[StoredFile]) -> None:
        """Remove what nobody will ever be shown."""
        for file in files:
            await asyncio.to_thread(self._store.remove, file.name)

    def _encode_and_store(self, job: Job, picture: Picture, position: str) -> StoredFile:
        height, width, _ = picture.pixels.shape
        png = images.encode_png(picture.pixels)
        return self._store.put(
            png, width=width, height=height, attempt=job.attempt, position=position
        )
