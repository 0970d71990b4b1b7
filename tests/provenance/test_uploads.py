"""How much of pictures that are to be checked is held in memory at a time."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request

from safelight.api.house import House
from safelight.api.provenance import Desk
from safelight.errors import InvalidRequest, Unavailable

PART = bytes(60)


class Refusing:
    """Looks at nothing, so that what is asked here is only whether a body got this far."""

    async def examine(self, data: bytes) -> Any:
        raise InvalidRequest(f"{len(data)} bytes came")


def upload(*parts: bytes, go: asyncio.Event | None = None) -> Request:
    waiting = list(parts)

    async def receive() -> dict[str, Any]:
        if go is not None and len(waiting) == 1:
            await go.wait()
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    headers = [(b"content-type", b"image/png")]
    return Request({"type": "http", "headers": headers, "client": None}, receive)


@pytest.fixture
def desk() -> Desk:
    return Desk(cast(House, SimpleNamespace(examiner=Refusing())), uploaded_bytes_max=100)


def test_what_is_held_is_let_go_whatever_came_of_it(desk: Desk) -> None:
    async def story() -> None:
        for _ in range(3):
            with pytest.raises(InvalidRequest, match="60 bytes came"):
                await desk.check(upload(PART))
            with pytest.raises(Unavailable):
                await desk.check(upload(PART, PART))

    asyncio.run(story())


def test_uploads_beside_each_other_share_the_room(desk: Desk) -> None:
    async def story() -> None:
        go = asyncio.Event()
        slow = asyncio.create_task(desk.check(upload(PART, b"", go=go)))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await desk.check(upload(PART))
        with pytest.raises(InvalidRequest, match="30 bytes came"):
            await desk.check(upload(PART[:30]))
        go.set()
        with pytest.raises(InvalidRequest, match="60 bytes came"):
            await slow

    asyncio.run(story())
