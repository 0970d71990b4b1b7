"""The names this server answers to: a page of a stranger's name must not talk to it."""

import ipaddress
import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from safelight.errors import InvalidRequest

ANY = "*"
# RFC 3986's host and port, as far as they occur: a name, an IPv4 address or an IPv6 one in brackets
AUTHORITY = re.compile(
    r"(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]{0,253}[a-z0-9_.])?)(?::(\d{1,5})?)?"
)


UNKNOWN = "This server does not answer to that Host; its operator can add it to SAFELIGHT_HOSTS"


class Hosts:
    """Decides whether a Host header names this server.

    With a list or a public URL it is those and loopback. With neither it is whatever cannot be a
    name that a stranger's DNS points here: addresses, localhost, and the machine's own name.
    """

    def __init__(self, allowed: Sequence[str], public_url: str | None):
        named = [entry.lower() for entry in allowed]
        if public_url is not None:
            named.append(urlsplit(public_url).hostname or "")
        self._any = ANY in named
        self._addresses = not named
        self._named = {*named, *(f"[{name}]" for name in named if name.count(":") > 1)}
        if not named:
            self._named = {socket.gethostname().lower()}
        self._last: bytes | None = None  # nearly always the same as before

    def check(self, values: list[bytes], version: str) -> None:
        """The Host headers of a request, of which there must be one. Raises InvalidRequest."""
        if len(values) == 1 and values[0] == self._last:
            return
        if not values and version == "1.0" and self._any:
            return  # HTTP/1.0 did not ask for one
        if len(values) != 1:
            raise InvalidRequest("A request needs exactly one Host header")
        if not self._answers_to(values[0].decode("latin-1").strip().lower()):
            raise InvalidRequest(UNKNOWN)
        self._last = values[0]

    def _answers_to(self, host: str) -> bool:
        found = AUTHORITY.fullmatch(host)
        if found is None:
            return False
        name = found[1].rstrip(".")
        return (
            self._any
            or name in self._named
            or f"{name}:{found[2]}" in self._named
            or name == "localhost"
            or self._is_our_address(name.strip("[]"))
        )

    def _is_our_address(self, name: str) -> bool:
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._addresses or address.is_loopback
