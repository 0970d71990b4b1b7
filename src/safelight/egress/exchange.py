"""One request and its answer over an open connection, with a bound on all that is read."""

import asyncio
from collections.abc import Mapping

import h11

from safelight.egress.outcome import Answer, Unreachable

HEAD_BYTES_MAX = 32 * 1024  # of status line and headers, answers like 103 included
READ_BYTES = 16 * 1024  # at a time
PIECES_MAX = 1024  # of a body; more only when they carry PIECE_BYTES each, for each costs time
PIECE_BYTES = 64


async def exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    answer_bytes_max: int,
) -> Answer:
    """Raises Unreachable. The connection is of no use afterwards."""
    wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX + READ_BYTES)
    request = h11.Request(method=method, target=target, headers=list(headers.items()))
    # Not drained: a receiver may well answer before it has read everything.
    for part in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(wire.send(part) or b"")
    bytes_left = HEAD_BYTES_MAX
    head: h11.Response | None = None
    kept = bytearray()
    pieces = 0
    closed = False
    while True:
        try:
            event = wire.next_event()
        except h11.RemoteProtocolError:
            raise Unreachable(_CLOSED if closed else "the answer is not HTTP/1.1") from None
        if event is h11.NEED_DATA:
            if bytes_left <= 0:
                break
            data = await reader.read(READ_BYTES)
            bytes_left -= len(data)
            closed = not data
            wire.receive_data(data)
        elif isinstance(event, h11.Response):
            head = event
            bytes_left += READ_BYTES + 2 * answer_bytes_max  # chunks have heads of their own
        elif isinstance(event, h11.Data):
            kept += event.data
            pieces += 1
            if len(kept) > answer_bytes_max or pieces > PIECES_MAX + len(kept) // PIECE_BYTES:
                break
        elif not isinstance(event, h11.InformationalResponse):
            return _answer(head, kept, answer_bytes_max, truncated=False)
    return _answer(head, kept, answer_bytes_max, truncated=True)


_CLOSED = "the connection closed before the answer was complete"


def _answer(
    head: h11.Response | None, body: bytearray, bytes_max: int, *, truncated: bool
) -> Answer:
    if head is None:
        raise Unreachable("the answer's headers are too long" if truncated else _CLOSED)
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Answer(head.status_code, headers, bytes(body[:bytes_max]), truncated)
