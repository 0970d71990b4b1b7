"""Names to addresses in threads, so that a slow name server delays nobody else's lookups."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from weakref import WeakValueDictionary

from safelight.egress.addresses import Address, read_address
from safelight.egress.outcome import Unreachable

Resolve = Callable[[str], Sequence[str]]  # blocks; addresses as text; raises OSError for none

LOOKUP_SECONDS = 5.0
LOOKUPS_MAX = 64  # threads; one that hangs is left to itself, and its place is free when it ends
LOOKUPS_PER_DOMAIN_MAX = 8  # so that one domain's dead name server cannot take all of them


def system_resolve(host: str) -> Sequence[str]:
    """What this machine's resolver says, in its order of preference."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Lookups:
    """Those in hand. A pool of threads would not do: at exit Python waits for its threads."""

    def __init__(self, resolve: Resolve, seconds: float = LOOKUP_SECONDS):
        self._resolve = resolve
        self._seconds = seconds
        self._all = asyncio.Semaphore(LOOKUPS_MAX)
        self._domains: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def find(self, host: str) -> tuple[Address, ...]:
        """Every address of the host, from one lookup. Raises Unreachable."""
        try:
            async with asyncio.timeout(self._seconds):
                texts = await self._look_up(host)
        except TimeoutError:
            raise Unreachable("DNS timed out") from None
        except (OSError, UnicodeError):
            raise Unreachable("the host's name does not resolve") from None
        if not texts:
            raise Unreachable("the host's name does not resolve")
        return tuple(map(read_address, texts))

    async def _look_up(self, host: str) -> Sequence[str]:
        domain = self._domains.setdefault(_domain(host), asyncio.Semaphore(LOOKUPS_PER_DOMAIN_MAX))
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[str]] = loop.create_future()

        def finish(outcome: Sequence[str] | Exception) -> None:
            domain.release()
            self._all.release()
            if found.done():  # nobody waits any more
                return
            if isinstance(outcome, Exception):
                found.set_exception(outcome)
            else:
                found.set_result(outcome)

        def work() -> None:
            outcome: Sequence[str] | Exception
            try:
                outcome = self._resolve(host)
            except Exception as error:
                outcome = error
            with contextlib.suppress(RuntimeError):  # the loop has ended before us
                loop.call_soon_threadsafe(finish, outcome)

        await domain.acquire()
        try:
            await self._all.acquire()
        except BaseException:
            domain.release()
            raise
        threading.Thread(target=work, name=f"lookup {host}", daemon=True).start()
        return await found


def _domain(host: str) -> str:
    """What one party is likely to own: the last two labels, three below co.kr and the like."""
    labels = host.split(".")
    return ".".join(labels[-3 if len(labels) > 2 and len(labels[-2]) <= 3 else -2 :])
