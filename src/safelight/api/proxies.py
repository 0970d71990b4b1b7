"""Who stands behind the operator's own proxies: X-Forwarded-For, read from its trustworthy end."""

import ipaddress
import re
from collections.abc import MutableMapping, Sequence
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

ENTRIES_MAX = 32  # of the header; more are not looked at
PORT = re.compile(r"^(?:\[([^\]]*)\](?::\d+)?|([0-9.]+):\d+)$")  # [::1]:80, [::1] and 1.2.3.4:80


class Proxies:
    """The networks whose word is taken for where a request comes from; by default nobody's."""

    def __init__(self, trusted: Sequence[Network]):
        self._trusted = tuple(trusted)

    def trusts(self, address: str) -> bool:
        found = read_address(address)
        return found is not None and self._contains(found)

    def unmask(self, scope: MutableMapping[str, Any]) -> None:
        """Put the caller's address into `scope["client"]` in place of a trusted proxy's.

        Each proxy appends whom it heard. So the list is read from its end, and the first address
        that is no proxy of ours is the caller's; what stands before it anybody may have written.
        """
        client = scope.get("client")
        if not self._trusted or not client or not self.trusts(client[0]):
            return
        nearest = None
        for entry in reversed(_forwarded(scope["headers"])):
            address = read_address(entry)
            if address is None:
                break
            nearest = address
            if not self._contains(address):
                break
        if nearest is not None:
            scope["client"] = (str(nearest), 0)

    def _contains(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def read_address(text: str) -> Address | None:
    """An address, with or without a port; one of IPv4 written as IPv6 is read as IPv4."""
    text = text.strip()
    if with_port := PORT.match(text):
        text = with_port[1] or with_port[2] or ""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _forwarded(headers: Sequence[tuple[bytes, bytes]]) -> list[str]:
    lines = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    return ",".join(lines).rsplit(",", ENTRIES_MAX)[-ENTRIES_MAX:] if lines else []
