"""Where a request comes from, and slowing down who tries keys from there."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache

from safelight.errors import TooManyRequests

WINDOW_SECONDS = 60.0
PEERS_MAX = 10_000  # counted at a time; about 2 MB
IPV6_NETWORK_BITS = 64  # what one subscriber has: addresses within it cost nothing


@lru_cache(PEERS_MAX)
def peer_of(address: str) -> str:
    """The address as limits count it: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # a unix socket has no address: all who come through it are one
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, IPV6_NETWORK_BITS), strict=False))


def is_loopback(address: str) -> bool:
    """Whether it is this machine, written as a literal."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback  # as one socket for both families writes 127.0.0.1


class Damping:
    """Counts what each peer did in a minute: wrong keys, or checks without a key."""

    def __init__(self, per_minute_max: int, clock: Callable[[], float] = time.monotonic):
        self._max = per_minute_max
        self._clock = clock
        self._counted: OrderedDict[str, tuple[float, int]] = OrderedDict()  # (window's end, count)

    def wrong_key(self, address: str) -> None:
        """Note one. Raises TooManyRequests once there were too many in this minute."""
        self.note(address, "wrong keys", "Too many wrong API keys from this address")

    def note(self, address: str, limit: str, message: str) -> None:
        peer, now = peer_of(address), self._clock()
        ends, count = self._counted.pop(peer, (0.0, 0))
        if now >= ends:
            ends, count = now + WINDOW_SECONDS, 0
        self._counted[peer] = (ends, min(count + 1, self._max + 1))
        if len(self._counted) > PEERS_MAX:
            self._counted.popitem(last=False)  # who was not heard of for the longest time
        if count >= self._max:
            raise TooManyRequests(message, limit=limit, retry_after_seconds=int(ends - now) + 1)
