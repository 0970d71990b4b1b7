"""Names that are bound again, name servers that are slow, and addresses that are dead."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest
from urls import sockets_watched

from receivers import (
    NO_CONTENT,
    SCHEDULE_SLACK_SECONDS,
    TRUSTING,
    answering,
    egress_to,
    receiving,
    send,
)
from safelight.egress import Egress, Refused, Unreachable, parse_networks
from safelight.egress.resolving import LOOKUPS_MAX, Lookups

HERE = parse_networks(["127.0.0.1/32"])


def test_a_name_that_is_bound_again_is_looked_up_once_and_dialled_as_it_was_checked():
    answers = iter([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2"]])
    asked: list[str] = []

    def rebinding(host: str) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    async def scenario() -> None:
        egress = Egress(allowed=parse_networks(["127.0.0.2/32"]), resolve=rebinding, tls=TRUSTING)
        async with (
            receiving(answering(NO_CONTENT), host="127.0.0.2") as good,
            receiving(answering(NO_CONTENT), host="127.0.0.1", port=good.port) as inner,
        ):
            with sockets_watched() as sockets:
                assert (await send(egress, good.url())).status == 204
            assert asked == ["hooks.example"]
            assert sockets.dialled == [("127.0.0.2", good.port)]
            assert sockets.looked_up == []
            # The name turns inward between two attempts, and back again.
            with sockets_watched() as sockets, pytest.raises(Refused):
                await send(egress, good.url())
            assert sockets.opened == 0
            assert (await send(egress, good.url())).status == 204
            assert (good.connections, inner.connections) == (2, 0)

    asyncio.run(scenario())


def test_an_alias_of_an_internal_name_is_refused_by_where_it_ends():
    zone = {"hooks.example": "a.example", "a.example": "db.internal", "db.internal": "127.0.0.1"}

    def following(host: str) -> Sequence[str]:
        while host in zone:
            host = zone[host]
        return [host]

    async def scenario() -> None:
        async with receiving(answering(NO_CONTENT)) as receiver:
            egress = Egress(resolve=following, allowed=parse_networks(["10.0.0.0/8"]), tls=TRUSTING)
            with pytest.raises(Refused):
                await send(egress, receiver.url())
            assert receiver.connections == 0

    asyncio.run(scenario())


def test_the_next_address_is_tried_when_one_is_dead():
    async def scenario() -> None:
        egress = egress_to("127.0.0.3", "127.0.0.1", allowed="127.0.0.0/8")
        async with receiving(answering(NO_CONTENT)) as receiver:
            with sockets_watched() as sockets:
                assert (await send(egress, receiver.url())).status == 204
            assert [host for host, _ in sockets.dialled] == ["127.0.0.3", "127.0.0.1"]
            port = receiver.port
        with pytest.raises(Unreachable, match="connection refused"):
            await send(egress, f"https://hooks.example:{port}/")

    asyncio.run(scenario())


def test_a_slow_name_server_delays_nobody_else():
    answered = threading.Event()
    asked: list[str] = []

    def resolve(host: str) -> Sequence[str]:
        asked.append(host)
        if host.endswith("slow.example"):
            answered.wait(30)
        return ["127.0.0.1"]

    async def scenario() -> None:
        egress = Egress(allowed=HERE, resolve=resolve, tls=TRUSTING)
        async with receiving(answering(NO_CONTENT)) as receiver:
            slow = [
                asyncio.create_task(
                    send(egress, receiver.url(f"a{i}.slow.example"), timeout_seconds=30)
                )
                for i in range(2 * LOOKUPS_MAX)
            ]
            began = time.monotonic()
            await asyncio.gather(*(send(egress, receiver.url()) for _ in range(20)))
            assert time.monotonic() - began < SCHEDULE_SLACK_SECONDS
            assert not any(task.done() for task in slow)
            assert len(asked) < 20 + LOOKUPS_MAX / 2
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            answered.set()
            # Places that hung are free again.
            with pytest.raises(Unreachable, match="TLS failed"):
                await send(egress, receiver.url("b.slow.example"), timeout_seconds=5)

    asyncio.run(scenario())


def test_a_lookup_ends_at_its_own_limit_and_frees_its_place_when_its_thread_ends():
    answered = threading.Event()

    def resolve(host: str) -> Sequence[str]:
        answered.wait(30)
        return ["127.0.0.1"]

    async def scenario() -> None:
        lookups = Lookups(resolve, seconds=0.2)
        for _ in range(2):
            ends = [lookups.find("a.slow.example") for _ in range(20)]
            for outcome in await asyncio.gather(*ends, return_exceptions=True):
                assert isinstance(outcome, Unreachable)
                assert outcome.reason == "DNS timed out"
        answered.set()
        found = await Lookups(resolve).find("a.slow.example")
        assert [str(address) for address in found] == ["127.0.0.1"]

    asyncio.run(scenario())


def test_lookups_do_not_run_out():
    def resolve(host: str) -> Sequence[str]:
        if host.startswith("none"):
            raise OSError
        return ["127.0.0.1"]

    async def scenario() -> None:
        lookups = Lookups(resolve)
        for i in range(LOOKUPS_MAX + 1):
            assert await lookups.find(f"a{i}.example")
            with pytest.raises(Unreachable):
                await lookups.find(f"none{i}.example")

    asyncio.run(scenario())
