"""Where a URL leads, read in one strict way, and what is refused before DNS is asked."""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote

import idna

from safelight.egress.addresses import (
    Address,
    Networks,
    is_allowed,
    may_be_dialled,
    read_address,
)
from safelight.egress.outcome import Refused

URL_CHARACTERS_MAX = 2048
HOST_CHARACTERS_MAX = 253
PORTS = (443, 8443)
PORT_MAX = 65535
INTERNAL = "must not point to an internal address"  # the same words whatever answered
INTERNAL_NAMES = (  # last labels that public DNS does not serve, but a local resolver may
    "localhost", "localdomain", "local", "internal", "intranet", "private", "lan", "home", "corp",
    "svc", "test", "invalid", "alt", "arpa", "onion",
)  # fmt: skip
# Nothing but this is taken, so no two parsers can disagree about where the host ends.
_URL = re.compile(r"(?i:https)://([^/?#]*)([^#]*)(?:#.*)?")
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([0-9]*))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))  # of a target stays as it is, a lone % included


@dataclass(frozen=True)
class Destination:
    """A URL that may be called, unless its name resolves to what may not."""

    host: str  # ASCII, lower case, without a last dot or brackets
    port: int
    target: str  # path and query, as they were written
    address: Address | None  # of a host that is one
    only_allowed: bool  # by its port or its name, only the operator's networks can be meant

    @property
    def authority(self) -> str:
        """As in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"

    def admits(self, address: Address, allowed: Networks) -> bool:
        """Whether this address may answer for the host."""
        return (is_allowed if self.only_allowed else may_be_dialled)(address, allowed)


def check_url(url: str, allowed: Networks = ()) -> None:
    """Raises Refused for a URL that could never be called, as far as that needs no DNS."""
    read_url(url, allowed)


def read_url(url: str, allowed: Networks = ()) -> Destination:
    """Raises Refused."""
    if len(url) > URL_CHARACTERS_MAX:
        raise Refused(f"must have at most {URL_CHARACTERS_MAX} characters")
    if any(_is_forbidden(character) for character in url):
        raise Refused("must not contain spaces, control characters or backslashes")
    if url[:8].lower() != "https://":
        raise Refused("must begin with https://")
    whole = _URL.fullmatch(url)
    if whole is None:
        raise Refused("is not a valid URL")
    authority, target = whole.groups()
    if "@" in authority:
        raise Refused("must not carry a user name or password")
    split = _AUTHORITY.fullmatch(authority)
    if split is None:
        raise Refused("is not a valid URL")
    port = _port(split[2])
    host, address = _host(split[1])
    destination = Destination(
        host=host,
        port=port,
        target=quote(target if target.startswith("/") else f"/{target}", safe=_ASCII),
        address=address,
        only_allowed=port not in PORTS or (address is None and _is_internal(host)),
    )
    _refuse_unless_admitted(destination, allowed)
    return destination


def _refuse_unless_admitted(destination: Destination, allowed: Networks) -> None:
    address = destination.address
    if address is None and (allowed or not destination.only_allowed):
        return  # its addresses will tell
    if address is not None and destination.admits(address, allowed):
        return
    if destination.port not in PORTS:
        raise Refused("may only use port 443 or 8443")
    raise Refused("must name a host on the public internet" if address is None else INTERNAL)


def _port(digits: str | None) -> int:
    if digits is None:
        return 443
    if len(digits) > 5 or int(digits or 0) > PORT_MAX:
        raise Refused("is not a valid URL")
    if int(digits or 0) == 0:  # "https://example.com:/" has no port, and clients differ about it
        raise Refused("may only use port 443 or 8443")
    return int(digits)


def _host(text: str) -> tuple[str, Address | None]:
    """The host in ASCII, and the address when it is one."""
    if not text:
        raise Refused("must name a host")
    if text.startswith("["):
        return _literal(text[1:-1], in_brackets=True)
    host = _ascii(text).removesuffix(".")
    labels = host.split(".")
    if len(host) > HOST_CHARACTERS_MAX or not all(map(_LABEL.fullmatch, labels)):
        raise Refused("must name a valid host")
    if _NUMBER.fullmatch(labels[-1]):  # clients read such a host as IPv4, in a dozen spellings
        return _literal(host, in_brackets=False)
    return host, None


def _ascii(host: str) -> str:
    """The host as DNS knows it. Look-alikes of digits and dots become what they look like."""
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host[: HOST_CHARACTERS_MAX + 1], uts46=True).decode().lower()
    except UnicodeError:
        raise Refused("must name a valid host") from None


def _literal(text: str, *, in_brackets: bool) -> tuple[str, Address]:
    try:
        address = read_address(text)
    except ValueError:
        raise Refused("must name a valid host") from None
    if "%" in text or (address.version == 6) != in_brackets:  # % is a zone of this machine's own
        raise Refused("must name a valid host")
    return str(address), address


def _is_internal(host: str) -> bool:
    labels = host.split(".")
    return len(labels) == 1 or labels[-1] in INTERNAL_NAMES


def _is_forbidden(character: str) -> bool:
    return (
        character <= " "
        or character in '\\<>"{}|^`\x7f'
        or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp")
    )
