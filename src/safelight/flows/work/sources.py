"""Fetches the pictures that requests name, before anything is drawn, through the egress guard."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import urljoin

import msgspec

from safelight.catalog.request import ImageRequest
from safelight.catalog.sources import NOT_READ, SOURCE, is_data, kind_of, write_data
from safelight.db import Database, Transaction
from safelight.egress import Answer, Egress, Refused, Unreachable
from safelight.errors import EngineError, JobErrorCode
from safelight.images import ImageStore
from safelight.jobs import Job

PICTURE_BYTES_MAX = 16 * 1024 * 1024
FETCH_SECONDS = 15.0  # for all of it: every lookup, redirect and second try
TRIES = 2
AGAIN_SECONDS = 0.5  # before the second try
REDIRECTS_MAX = 3
FETCHES_MAX = 8  # at a time, so that pictures without a place take 128 MiB at most
PER_ACCOUNT = 2  # whose slow addresses are not to hold up everybody's
ASKED = {"accept": "image/png, image/jpeg, image/webp"}
MOVED = frozenset((301, 302, 303, 307, 308))

log = logging.getLogger(__name__)


class Sources:
    """Brings a job the picture it starts from: fetched, or from our own disk for our own links."""

    def __init__(self, db: Database, store: ImageStore, egress: Egress):
        self._db = db
        self._store = store
        self._egress = egress
        self._slots = asyncio.Semaphore(FETCHES_MAX)
        self._accounts: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(PER_ACCOUNT)
        )
        self.fetching = 0  # jobs that wait for their turn, for a picture, or for a place with it

    def needed(self, job: Job) -> bool:
        uri = job.request.parameters.get(SOURCE) or ""
        return bool(uri) and not is_data(uri)

    def may_take_long(self, job: Job) -> bool:
        """Whether somebody else has the picture."""
        return not self._store.is_own(job.request.parameters[SOURCE])

    @contextlib.asynccontextmanager
    async def turn(self, job: Job) -> AsyncIterator[None]:
        """Of the few who fetch at a time, kept for as long as the picture waits for its place."""
        self.fetching += 1
        try:
            async with self._accounts[job.account_id], self._slots:
                yield
        finally:
            self.fetching -= 1
            if not self.fetching:
                self._accounts.clear()

    async def bring(self, job: Job) -> Job:
        """The job with the picture in its request. Raises EngineError when there is none."""
        url = job.request.parameters[SOURCE]
        if self._store.is_own(url):
            data = await self._read_own(url)
        else:
            data = await self._fetch(url)
        kind = kind_of(data)
        if kind is None:
            raise _refusal(NOT_READ)
        return msgspec.structs.replace(job, request=_with(job.request, write_data(kind, data)))

    async def _read_own(self, url: str) -> bytes:
        async def now(tx: Transaction) -> int:
            return tx.now_ms

        path = self._store.find_own(url, await self._db.read(now))
        try:
            if path is not None:
                return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:  # swept since
            pass
        except OSError as error:
            log.error("a picture to start from cannot be read: %s", error)
            raise EngineError("The server could not read the picture to start from.") from error
        raise _refusal("is a link of this server that has expired, or never was good")

    async def _fetch(self, url: str) -> bytes:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                for _ in range(TRIES - 1):
                    try:
                        return _body(await self._follow(url))
                    except Unreachable:
                        await asyncio.sleep(AGAIN_SECONDS)
                return _body(await self._follow(url))
        except Refused as refused:
            raise _refusal(refused.reason) from None
        except Unreachable as unreachable:
            raise _refusal(f"cannot be fetched: {unreachable.reason}") from None
        except TimeoutError:
            raise _refusal("cannot be fetched: timed out") from None

    async def _follow(self, url: str) -> Answer:
        """The answer behind a few redirects; the guard reads each address as it read the first."""
        for _ in range(REDIRECTS_MAX + 1):
            answer = await self._egress.send(
                "GET", url, headers=ASKED, timeout_seconds=FETCH_SECONDS,
                answer_bytes_max=PICTURE_BYTES_MAX,
            )  # fmt: skip
            to = answer.headers.get("location")
            if answer.status not in MOVED or not to:
                return answer
            url = _joined(url, to)
        raise Refused(f"redirects more than {REDIRECTS_MAX} times")


def _joined(url: str, to: str) -> str:
    try:
        return urljoin(url, to).partition("#")[0]
    except ValueError:  # a stranger's header: brackets that do not pair, for instance
        raise Refused("redirects to what is not a valid URL") from None


def _body(answer: Answer) -> bytes:
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unreachable(f"it answers {answer.status}")
    if answer.status != HTTPStatus.OK:
        raise Refused(f"cannot be fetched: it answers {answer.status}")
    if answer.truncated:
        raise Refused(f"has more than {PICTURE_BYTES_MAX >> 20} MiB")
    return answer.body


def _with(request: ImageRequest, uri: str) -> ImageRequest:
    return ImageRequest(**vars(request) | {"parameters": {**request.parameters, SOURCE: uri}})


def _refusal(reason: str) -> EngineError:
    return EngineError(f"{SOURCE} {reason}.", code=JobErrorCode.INVALID_PARAMETERS)
