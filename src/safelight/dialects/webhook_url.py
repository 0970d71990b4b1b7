"""Whether a webhook's address could ever be called: what can be told without asking DNS."""

import ipaddress
import re
import unicodedata
from urllib.parse import SplitResult, urlsplit

from safelight.catalog.parameters import URI_REST
from safelight.errors import InvalidRequest

URL_CHARACTERS_MAX = 2048
PORTS = (443, 8443)
INTERNAL_NAMES = (  # last labels that public DNS does not serve, but a local resolver may
    "localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "svc",
    "arpa", "onion",
)  # fmt: skip
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def check_webhook_url(url: str, parameter: str) -> str:
    """The address as it was given. Raises InvalidRequest, which names the parameter."""
    problem = _problem(url)
    if problem is not None:
        raise InvalidRequest(f"{parameter} {problem}", parameter=parameter)
    return url


def _problem(url: str) -> str | None:
    if len(url) > URL_CHARACTERS_MAX:
        return f"must have at most {URL_CHARACTERS_MAX} characters"
    if any(_is_forbidden(character) for character in url):
        return "must not contain spaces, control characters or backslashes"
    if url[:8].lower() != "https://":
        return "must begin with https://"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a valid URL"
    rest = url[len("https://") + len(parts.netloc) :]
    if not re.fullmatch(URI_REST, rest):
        return "is not a valid URL"
    if "@" in parts.netloc:
        return "must not carry a user name or password"
    if parts.netloc.endswith(":") or (port is not None and port not in PORTS):
        return "may only use port 443 or 8443"
    return _host_problem(parts)


def _host_problem(parts: SplitResult) -> str | None:
    host = (parts.hostname or "").removesuffix(".")
    if not host:
        return "must name a host"
    if "%" in host:  # a zone, or an escape that clients read differently
        return "must name a valid host"
    if parts.netloc.startswith("["):
        return _address_problem(host)
    try:
        host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        return "must name a valid host"
    labels = host.lower().split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return "must name a valid host"
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):  # clients read such a host as IPv4
        return _address_problem(host)
    if len(labels) == 1 or labels[-1] in INTERNAL_NAMES:
        return "must name a host on the public internet"
    return None


def _address_problem(host: str) -> str | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "must name a valid host"
    if not address.is_global or address.is_multicast or _embeds_ipv4(address):
        return "must not point to an internal address"
    return None


def _embeds_ipv4(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Translated forms may lead to an internal IPv4 address: ::ffff:10.0.0.1, 2002:a00:1::"""
    if isinstance(address, ipaddress.IPv4Address):
        return False
    return address not in ipaddress.ip_network("2000::/3") or any(
        (address.ipv4_mapped, address.sixtofour, address.teredo)
    )


def _is_forbidden(character: str) -> bool:
    return (
        character <= " "
        or character in '\\<>"{}|^`\x7f'
        or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp")
    )
