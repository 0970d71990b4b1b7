"""Replies to connections that are gone: nobody hears them, and nothing is raised."""

import asyncio
import socket

import pytest
import uvloop

from safelight.cli.one_write import JoiningTransport


async def written_after_the_end(head_first: bool) -> bytes:
    """What arrives of a reply whose connection is cut off before or between its parts."""
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    complaints: list[object] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    joined = JoiningTransport(transport, loop)
    if head_first:
        joined.write(b"HTTP/1.1 200 OK\r\n\r\n")
    transport.abort()
    await asyncio.sleep(0.01)  # until it is not only closing but closed
    joined.write(b"body")
    joined.write(b"more")
    await asyncio.sleep(0.01)
    assert complaints == []
    with theirs:
        return theirs.recv(100)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("head_first", [False, True])
def test_what_is_written_to_a_connection_that_is_gone_is_dropped(loop, head_first: bool):
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(written_after_the_end(head_first)) == b""
