"""Pictures on their way from the engine to the disk and the database: encoded, signed, stored."""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from safelight import images, jobs, provenance
from safelight.db import Transaction
from safelight.engines import Picture
from safelight.images import ImageStore, StoredFile
from safelight.jobs import Job
from safelight.provenance import Likeness, Origin, Signer, registry
from safelight.telemetry import Tell, silent
from safelight.telemetry.events import PictureSigned, PictureStored

ENCODERS = 2  # threads that encode, sign and store while the engine goes on


@dataclass(frozen=True, slots=True)
class Prepared:
    """A signed picture in memory, which the filters have yet to allow."""

    png: bytes
    width: int
    height: int
    position: str
    origin: Origin
    looks: Likeness | None


@dataclass(frozen=True, slots=True)
class Filed:
    """A signed picture on disk, and what the registry is to know of it."""

    file: StoredFile
    origin: Origin
    looks: Likeness | None  # None: a preview, which the registry does not list


class Marking:
    """What is written into pictures, and by whom it is signed."""

    def __init__(self, signer: Signer, *, prompt: bool = False, account: bool = False):
        """`prompt`, `account`: whether pictures tell them too."""
        self.signer = signer
        self._prompt = prompt
        self._account = account

    def origin(self, job: Job) -> Origin:
        return Origin(
            model=job.stand_in or job.request.model,
            asked_for=job.request.model,
            engine=job.engine or "",
            prompt=job.request.prompt if self._prompt else None,
            account=job.account_id if self._account else None,
        )


class Files:
    """Encodes, signs and stores pictures, beside the event loop, and records where they are."""

    def __init__(
        self, store: ImageStore, marking: Marking, picture_seconds: int, tell: Tell = silent
    ):
        self._tell = tell
        self._store = store
        self._marking = marking
        self._picture_seconds = picture_seconds
        self._encoders = ThreadPoolExecutor(ENCODERS, thread_name_prefix="encode")

    async def prepare(self, job: Job, picture: Picture, position: str) -> Prepared:
        """Encode and sign in memory, while the filters look. Raises EngineError.

        Nothing of it is on disk before they have answered.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._encoders, self._encode_and_sign, job, picture, position
        )

    async def keep(self, job: Job, prepared: Prepared) -> Filed:
        """Store what may be shown. Raises OSError when the disk does not take it."""
        began = time.perf_counter()
        filed = await asyncio.get_running_loop().run_in_executor(
            self._encoders, self._store_signed, job, prepared
        )
        self._tell(
            PictureStored(
                job=job.id,
                kind="preview" if prepared.position.startswith("p") else "final",
                size_bytes=filed.file.size_bytes,
                seconds=time.perf_counter() - began,
            )
        )
        return filed

    async def add(
        self, tx: Transaction, job: Job, kind: str, position: int, filed: Filed, seed: int
    ) -> None:
        """Record a stored file as the job's picture, and a final one in the registry."""
        life, file = self._picture_seconds, filed.file
        await jobs.add_picture(
            tx, job, kind=kind, position=position, name=file.name, width=file.width,
            height=file.height, content_type=file.content_type, size_bytes=file.size_bytes,
            sha256=file.sha256, seed=seed,
            life_seconds=min(images.PREVIEW_LIFE_SECONDS, life) if kind == "preview" else life,
        )  # fmt: skip
        if filed.looks is not None:
            sha256 = bytes.fromhex(file.sha256)
            await registry.insert(tx, sha256, filed.looks, filed.origin, job.id, position)

    async def discard(self, filed: Iterable[Filed]) -> None:
        """Remove what nobody will ever be shown; if the disk refuses, it is the sweep's."""
        for one in filed:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._store.remove, one.file.name)

    def _encode_and_sign(self, job: Job, picture: Picture, position: str) -> Prepared:
        height, width, _ = picture.pixels.shape
        origin = self._marking.origin(job)
        png = images.encode_png(picture.pixels, provenance.xmp(origin.model))
        began = time.perf_counter()
        signed = self._marking.signer.sign(png, origin)
        self._tell(PictureSigned(job=job.id, seconds=time.perf_counter() - began))
        looks = provenance.likeness(picture.pixels) if position.isdigit() else None
        return Prepared(signed, width, height, position, origin, looks)

    def _store_signed(self, job: Job, prepared: Prepared) -> Filed:
        file = self._store.put(
            prepared.png, width=prepared.width, height=prepared.height, attempt=job.attempt,
            position=prepared.position,
        )  # fmt: skip
        return Filed(file, prepared.origin, prepared.looks)
