"""Which URLs are refused, before DNS is asked and after, and which are taken."""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from urllib3.util import parse_url
from urls import CORPUS, REFUSED, RESOLVING, TAKEN, Resolving, sockets_watched

from safelight.egress import Egress, Refused, Unreachable, check_url, parse_networks
from safelight.egress.addresses import FAMILIES
from safelight.egress.destination import read_url

TLS = ssl.create_default_context()  # reading the system's certificates takes a while
PRIVATE = parse_networks(["10.0.0.0/8"])
LENGTH_MAX = 2048


def send(egress: Egress, url: str) -> None:
    asyncio.run(egress.send("POST", url, headers={}, timeout_seconds=5, answer_bytes_max=1024))


def test_the_corpus_is_as_large_as_it_must_be():
    assert len(set(REFUSED)) == len(REFUSED) >= 80
    assert len(set(TAKEN)) == len(TAKEN) >= 20


@pytest.mark.parametrize("url", REFUSED, ids=ascii)
def test_a_bad_url_is_refused_without_a_lookup_or_a_socket(url: str):
    asked: list[str] = []

    def resolve(host: str) -> list[str]:
        asked.append(host)
        return ["93.184.215.14"]

    with pytest.raises(Refused) as early:
        check_url(url)
    egress = Egress(tls=TLS, resolve=resolve)

    async def attempt() -> None:
        with sockets_watched() as sockets, pytest.raises(Refused) as late:
            await egress.send("POST", url, headers={}, timeout_seconds=5, answer_bytes_max=9)
        assert late.value.reason == early.value.reason
        assert (sockets.opened, sockets.dialled, sockets.looked_up, asked) == (0, [], [], [])

    asyncio.run(attempt())


@pytest.mark.parametrize("url", TAKEN)
def test_a_good_url_is_taken_and_its_name_is_looked_up_once(url: str):
    check_url(url)
    asked: list[str] = []

    def resolve(host: str) -> list[str]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    destination = read_url(url)
    if destination.address is None:
        with pytest.raises(Unreachable, match="does not resolve"):
            send(Egress(tls=TLS, resolve=resolve), url)
        assert asked == [destination.host]
        assert re.fullmatch(r"[a-z0-9_.-]+[a-z0-9]", destination.host)


@pytest.mark.parametrize("case", RESOLVING, ids=lambda case: case.what)
def test_a_name_is_refused_when_any_of_its_addresses_is_bad(case: Resolving):
    check_url(case.url)
    egress = Egress(tls=TLS, resolve=lambda host: case.addresses)

    async def attempt() -> None:
        with sockets_watched() as sockets, pytest.raises(Refused) as refused:
            await egress.send("POST", case.url, headers={}, timeout_seconds=5, answer_bytes_max=9)
        assert sockets.opened == 0
        assert refused.value.reason == "must not point to an internal address"

    asyncio.run(attempt())


@pytest.mark.parametrize("family", FAMILIES)
def test_no_family_can_be_left_out(family: str):
    """Some URL of the corpus is refused because of this network and of no other."""
    corpus = CORPUS["refused"]
    hosts = [
        url.removeprefix("https://").split("/")[0].removesuffix(":8443").strip("[]")
        for kind in ("IPv4 that is not public", "IPv6 that is not public")
        for url in corpus[kind]
    ]
    addresses = [ipaddress.ip_address(host) for host in hosts if "%" not in host]
    only = [
        address
        for address in addresses
        if [name for name, network in FAMILIES.items() if address in network] == [family]
    ]
    assert only


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_refused_to_its_edges_as_literal_and_as_answer(family: str):
    network = FAMILIES[family]
    for address in (network[0], network[-1]):
        host = str(address) if address.version == 4 else f"[{address}]"
        with pytest.raises(Refused):
            check_url(f"https://{host}/")
        with pytest.raises(Refused):
            send(
                Egress(tls=TLS, resolve=lambda name, one=address: [str(one)]), "https://a.example/"
            )


def test_a_url_has_at_most_2048_characters():
    longest = "https://hooks.example.com/".ljust(LENGTH_MAX, "x")
    check_url(longest)
    with pytest.raises(Refused, match="2048"):
        check_url(longest + "x")


def test_a_host_has_at_most_253_characters():
    longest = "a." * 123 + "example"
    check_url(f"https://{longest}/")
    check_url(f"https://{longest}./")
    for longer in (f"a{longest}", "한." * 60 + "example"):
        with pytest.raises(Refused, match="valid host"):
            check_url(f"https://{longer}/")


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://Hooks.Example.com.:443/", "hooks.example.com"),
        ("https://hooks.example.com:8443/", "hooks.example.com:8443"),
        ("https://[2606:4700:4700:0::1111]/", "[2606:4700:4700::1111]"),
        ("https://[2606:4700:4700::1111]:8443/", "[2606:4700:4700::1111]:8443"),
    ],
)
def test_the_receiver_reads_its_own_name(url: str, authority: str):
    assert read_url(url).authority == authority


def test_a_lone_surrogate_is_refused():
    for url in ("https://hooks.example.com/\ud800", "https://\udfff.example.com/"):
        with pytest.raises(Refused):
            check_url(url)


def _number_in(base: str) -> Callable[[int], str]:
    return {"decimal": str, "hex": hex, "HEX": lambda n: hex(n).upper(), "octal": "0{:o}".format}[
        base
    ]


def _disguised(text: str, digits: str, dot: str) -> str:
    zero = {"ascii": "0", "full-width": "０", "bold": "𝟎"}[digits]
    digit = {str(i): chr(ord(zero) + i) for i in range(10)}
    return "".join(digit.get(c, dot if c == "." else c) for c in text)


@given(
    address=st.one_of(
        [st.ip_addresses(v=4, network=n) for n in FAMILIES.values() if n.version == 4]
    ),
    base=st.sampled_from(["decimal", "hex", "HEX", "octal"]),
    parts=st.integers(1, 4),
    digits=st.sampled_from(["ascii", "full-width", "bold"]),
    dot=st.sampled_from([".", "。", "．", "｡"]),
    last=st.sampled_from(["", ".", "。"]),
)
@example(ipaddress.IPv4Address("127.0.0.1"), "decimal", 4, "full-width", "。", "")
def test_no_spelling_of_an_internal_ipv4_address_is_taken(
    address: ipaddress.IPv4Address, base: str, parts: int, digits: str, dot: str, last: str
):
    spelled = _number_in(base)
    octets = list(address.packed)
    rest = int.from_bytes(bytes(octets[parts - 1 :]), "big")
    text = ".".join([*map(spelled, octets[: parts - 1]), spelled(rest)])
    with pytest.raises(Refused):
        check_url(f"https://{_disguised(text, digits, dot)}{last}/")


@given(st.ip_addresses(v=4, network="10.0.0.0/8"), st.data())
def test_no_ipv6_address_that_carries_an_internal_one_is_taken(
    inner: ipaddress.IPv4Address, data: st.DataObject
):
    number = int(inner)
    prefix, shift = data.draw(
        st.sampled_from(
            [("::", 0), ("::ffff:0:0", 0), ("::ffff:0:0:0", 0), ("64:ff9b::", 0),
             ("64:ff9b:1::", 0), ("2002::", 80), ("2001::", 0), ("2001::", 64)]
        )
    )  # fmt: skip
    outer = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | number << shift)
    for text in (outer.compressed, outer.exploded, outer.exploded.upper()):
        with pytest.raises(Refused):
            check_url(f"https://[{text}]/")


@given(st.text() | st.text("htps:/.@[]%0123456789abcx?#\\ 。①", min_size=1).map("https://".__add__))
def test_any_text_is_read_or_refused(url: str):
    with suppress(Refused):
        destination = read_url(url)
        assert destination.host.isascii()
        assert destination.target.isascii()
        assert destination.target.startswith("/")
        assert destination.port in (443, 8443)


@given(st.text("ab.:@[]%01/?#&;,!\\ -_", min_size=1).map("https://".__add__))
@example("https://127.0.0.1.example.com?@10.0.0.1/")
@example("https://hooks.example.com;@10.0.0.1/")
@example("https://hooks.example.com#@10.0.0.1/")
def test_other_parsers_see_the_same_host_in_what_is_taken(url: str):
    with suppress(Refused):
        host = read_url(url).host
        for other in (urlsplit(url).hostname, parse_url(url).host):
            assert other is not None
            assert other.lower().strip("[]").removesuffix(".") == host


@given(st.text("abc%/?&=+;:@!$'()*,-._~0189"))
def test_path_and_query_stay_as_they_were_written(rest: str):
    assert read_url(f"https://hooks.example.com/{rest}").target == f"/{rest}"
    assert read_url(f"https://hooks.example.com?{rest}").target == f"/?{rest}"


def test_an_allowed_network_may_use_any_port():
    check_url("https://10.1.2.3:9000/", PRIVATE)
    check_url("https://10.1.2.3/", PRIVATE)
    with pytest.raises(Refused):
        check_url("https://10.1.2.3:9000/")
    with pytest.raises(Refused):
        check_url("https://11.1.2.3:9000/", PRIVATE)
    with pytest.raises(Refused):
        check_url("https://192.168.0.1/", PRIVATE)
    for url in ("http://10.1.2.3:9000/", "https://10.1.2.3:0/", "https://10.1.2.3:/"):
        with pytest.raises(Refused):
            check_url(url, PRIVATE)


@pytest.mark.parametrize("url", ["https://receiver/", "https://a.corp/", "https://a.example:9000/"])
def test_what_only_an_allowed_network_can_mean_is_decided_by_its_addresses(url: str):
    with pytest.raises(Refused):
        check_url(url)
    check_url(url, PRIVATE)
    for answers in (["93.184.215.14"], ["10.0.0.1", "93.184.215.14"], ["192.168.0.1"]):
        egress = Egress(tls=TLS, allowed=PRIVATE, resolve=lambda host, these=answers: these)
        with sockets_watched() as sockets, pytest.raises(Refused):
            send(egress, url)
        assert sockets.dialled == []


def test_behind_an_allowed_translator_the_translated_address_counts():
    translator = parse_networks(["64:ff9b::/96"])
    check_url("https://[64:ff9b::8.8.8.8]/", translator)
    for inner in ("10.0.0.1", "127.0.0.1", "169.254.169.254"):
        with pytest.raises(Refused):
            check_url(f"https://[64:ff9b::{inner}]/", translator)
    check_url("https://[64:ff9b::10.0.0.1]/", translator + PRIVATE)


@pytest.mark.parametrize("answers", [[], socket.gaierror(), UnicodeError()], ids=repr)
def test_a_name_without_an_address_is_unreachable(answers: list[str] | Exception):
    def resolve(host: str) -> list[str]:
        if isinstance(answers, Exception):
            raise answers
        return answers

    with pytest.raises(Unreachable, match="does not resolve"):
        send(Egress(tls=TLS, resolve=resolve), "https://hooks.example.com/")


def test_the_machines_own_resolver_is_checked_like_any_other():
    with sockets_watched() as sockets, pytest.raises(Refused, match="internal"):
        send(Egress(tls=TLS, allowed=PRIVATE), "https://localhost/")
    assert sockets.looked_up == ["localhost"]
    assert sockets.dialled == []


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "example.com", ""])
def test_a_network_that_is_none_is_not_taken(text: str):
    with pytest.raises(ValueError, match=r"network|host bits"):
        parse_networks([text])
