"""Which addresses may be dialled: public ones, and what the operator allows besides."""

from collections.abc import Iterable, Mapping
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Networks = tuple[Network, ...]

# `ip_address(…).is_global` is not enough: it takes multicast, 6to4 and NAT64 addresses and the
# clouds' own services for public, and its answer differs between patch releases of Python.
# For IPv4 what is not public is listed. For IPv6 only 2000::/3 is public, with exceptions: the
# first three families are all the rest, that is ::1, fc00::/7, fe80::/10, ff00::/8, and every
# form that carries an IPv4 address (::ffff:10.0.0.1, ::10.0.0.1, 64:ff9b::10.0.0.1).
# Sources: https://www.iana.org/assignments/iana-ipv4-special-registry and …-ipv6-…
FAMILIES: Mapping[str, Network] = {
    family: ip_network(network)
    for family, network in {
        "this network": "0.0.0.0/8",
        "private 10": "10.0.0.0/8",
        "private 172": "172.16.0.0/12",
        "private 192": "192.168.0.0/16",
        "carriers' NAT, Alibaba's metadata": "100.64.0.0/10",
        "loopback": "127.0.0.0/8",
        "link-local, most clouds' metadata": "169.254.0.0/16",
        "Azure's wireserver": "168.63.129.16/32",
        "IBM Cloud's shared services": "161.26.0.0/16",
        "IBM Cloud's service endpoints": "166.8.0.0/14",
        "protocol assignments, Oracle's metadata": "192.0.0.0/24",
        "documentation 1": "192.0.2.0/24",
        "documentation 2": "198.51.100.0/24",
        "documentation 3": "203.0.113.0/24",
        "6to4 relays": "192.88.99.0/24",
        "benchmarks": "198.18.0.0/15",
        "multicast": "224.0.0.0/4",
        "reserved and broadcast": "240.0.0.0/4",
        "below 2000::/3": "::/3",
        "above 3fff::": "4000::/2",
        "the upper half": "8000::/1",
        "IPv6 protocol assignments, Teredo": "2001::/23",
        "IPv6 documentation": "2001:db8::/32",
        "6to4": "2002::/16",
        "newer IPv6 documentation": "3fff::/20",
    }.items()
}
NAT64 = IPv6Network("64:ff9b::/96")


def parse_networks(texts: Iterable[str]) -> Networks:
    """Networks in CIDR form. Raises ValueError for anything else, host bits included."""
    return tuple(ip_network(text) for text in texts)


def read_address(text: str) -> Address:
    """Raises ValueError for all but the canonical spellings: four decimal numbers, or RFC 4291."""
    return ip_address(text)


def is_allowed(address: Address, allowed: Networks) -> bool:
    """Whether the operator named it. Behind an allowed NAT64 prefix the real target counts."""
    if not any(address in network for network in allowed):
        return False
    if isinstance(address, IPv6Address) and address in NAT64:
        return may_be_dialled(IPv4Address(int(address) & 0xFFFF_FFFF), allowed)
    return True


def may_be_dialled(address: Address, allowed: Networks) -> bool:
    return is_allowed(address, allowed) or not any(
        address in network for network in FAMILIES.values()
    )
