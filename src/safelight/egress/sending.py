"""Call a URL: resolve once, check every address, dial exactly a checked one, read a bounded answer.

On h11 over asyncio's streams, which the core has through uvicorn anyway. An HTTP client would bring
what must not be here (proxies from the environment, redirects, pools of connections, decompression)
and two more packages; what is left for us to write is one exchange on one connection.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence

from safelight import __version__
from safelight.egress.addresses import Address, Networks, read_address
from safelight.egress.destination import INTERNAL, Destination, read_url
from safelight.egress.exchange import exchange
from safelight.egress.outcome import Answer, Refused, Unreachable
from safelight.egress.resolving import Lookups, Resolve, system_resolve

CONNECT_SECONDS = 4.0  # per address, so that a dead one leaves time for the next
ADDRESSES_DIALLED_MAX = 4


def verifying_context() -> ssl.SSLContext:
    """Trusts what the system trusts (SSL_CERT_FILE adds an operator's own authority)."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class Egress:
    """The guard. One for a process and its event loop; holds no connections."""

    def __init__(
        self,
        *,
        allowed: Networks = (),
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ):
        self._allowed = allowed
        self._lookups = Lookups(resolve or system_resolve)
        self._tls = tls or verifying_context()
        if not self._tls.check_hostname or self._tls.verify_mode is not ssl.CERT_REQUIRED:
            raise ValueError("the TLS context must check certificates and the names in them")

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        timeout_seconds: float,
        answer_bytes_max: int,
    ) -> Answer:
        """One attempt. `timeout_seconds` is for all of it: lookup, connecting, TLS, sending and
        the whole answer. Raises Refused or Unreachable.
        """
        destination = read_url(url, self._allowed)
        fields = _fields(method, destination, headers, body)
        try:
            async with asyncio.timeout(timeout_seconds):
                reader, writer = await self._open(destination)
                try:
                    return await exchange(
                        reader, writer, method, destination.target, fields, body, answer_bytes_max
                    )
                finally:
                    # A polite end would wait for the peer, who may not be polite.
                    writer.transport.abort()
        except TimeoutError:
            raise Unreachable("timed out") from None
        except OSError:
            raise Unreachable("the connection broke") from None

    async def _open(
        self, destination: Destination
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connection = await _connect(await self._addresses(destination), destination.port)
        try:
            return await asyncio.open_connection(
                sock=connection, ssl=self._tls, server_hostname=destination.host
            )
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(f"TLS failed: {error.verify_message}") from None
        except ssl.SSLError:
            raise Unreachable("TLS failed") from None

    async def _addresses(self, destination: Destination) -> Sequence[Address]:
        """All of them are good, or none is dialled: a mixture is how rebinding begins."""
        if destination.address is not None:
            return (destination.address,)
        found = await self._lookups.find(destination.host)
        if not all(destination.admits(address, self._allowed) for address in found):
            raise Refused(INTERNAL)
        return found


async def _connect(addresses: Sequence[Address], port: int) -> socket.socket:
    """A connection to the first that takes it. Raises Unreachable."""
    reason = "no connection"
    for address in addresses[:ADDRESSES_DIALLED_MAX]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await _dial(address, port)
        except ConnectionRefusedError:
            reason = "connection refused"
        except TimeoutError:
            reason = "timed out"
        except OSError:
            reason = "no connection"
    raise Unreachable(reason)


async def _dial(address: Address, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (str(address), port))
        if read_address(connection.getpeername()[0]) != address:
            raise Refused(INTERNAL)
    except BaseException:
        connection.close()
        raise
    return connection


def _fields(
    method: str, destination: Destination, headers: Mapping[str, str], body: bytes
) -> dict[str, str]:
    """The caller's headers, and above them those that say how this connection is used."""
    fields = {"user-agent": f"Safelight/{__version__}"}
    fields |= {name.lower(): value for name, value in headers.items()}
    fields.pop("transfer-encoding", None)
    fields |= {
        "host": destination.authority,
        "connection": "close",
        "accept-encoding": "identity",
    }
    if body or method not in ("GET", "HEAD"):
        fields["content-length"] = str(len(body))
    return fields
