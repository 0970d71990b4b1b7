"""Requests as bytes, replies as they come: over connections that are kept and reused."""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass

from fuzzing.cases import Case

REPLY_SECONDS_MAX = 20.0  # a server that takes longer hangs
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float = 0.0


class Unreadable(Exception):
    """The reply is no HTTP, or none came in time."""


class Line:
    """One connection to the server, opened anew whenever the server closed it."""

    def __init__(self, port: int):
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, case: Case) -> list[Reply]:
        """Every reply to the case: one, or for torn bytes as many as the server made of them."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(REPLY_SECONDS_MAX):
                if case.method:
                    replies = [await self._one(case, again=True)]
                else:
                    replies = await self._all(case.raw)
        except TimeoutError:
            self.close()
            raise Unreadable(f"no reply within {REPLY_SECONDS_MAX} s") from None
        seconds = time.perf_counter() - began
        return [
            Reply(status=r.status, headers=r.headers, body=r.body, seconds=seconds) for r in replies
        ]

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def _one(self, case: Case, *, again: bool) -> Reply:
        is_used = self._reader is not None
        if self._reader is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._writer is not None
        try:
            self._writer.write(case.raw)
            reply = await read_reply(self._reader, is_head=case.method == "HEAD")
        except (ConnectionError, asyncio.IncompleteReadError) as gone:
            self.close()
            if is_used and again:  # closed for being idle, as we asked
                return await self._one(case, again=False)
            raise Unreadable(f"the connection ended without a whole reply: {gone!r}") from None
        except Unreadable:
            self.close()
            raise
        if reply.headers.get("connection", "").lower() == "close":
            self.close()
        return reply

    async def _all(self, raw: bytes) -> list[Reply]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        found = b""
        try:
            with contextlib.suppress(ConnectionError):
                writer.write(raw)
                while chunk := await reader.read(1 << 20):
                    found += chunk
        finally:
            writer.transport.abort()
        # What belongs to which request cannot be known here, so bodies are not read.
        return [
            Reply(status=int(status[1]), headers={}, body=found)
            for status in STATUS.finditer(found)
            if status[1] != b"100"
        ]


async def read_reply(reader: asyncio.StreamReader, *, is_head: bool) -> Reply:
    """One reply; interim ones before it are passed over."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].split(b"\r\n")
        found = STATUS.match(first)
        if found is None:
            raise Unreadable(f"not a status line: {first[:80]!r}")
        if found[1] != b"100":
            break
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not re.fullmatch(r"[a-z0-9-]+", name, re.I):
            raise Unreadable(f"not a header: {line[:80]!r}")
        headers[name.lower()] = value.strip()
    return Reply(
        status=int(found[1]),
        headers=headers,
        body=await _body(reader, headers, int(found[1]), is_head),
    )


async def _body(
    reader: asyncio.StreamReader, headers: dict[str, str], status: int, is_head: bool
) -> bytes:
    if is_head or status in (204, 304):
        return b""
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    if headers.get("transfer-encoding") != "chunked":
        return await reader.read()
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body
