"""Behind the operator's own proxies the caller's address counts; nobody else may name one."""

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest
import requests

from running import Server
from safelight.accounts import new_key
from safelight.api.peers import is_loopback
from safelight.api.proxies import Proxies

OURS = Proxies([ipaddress.ip_network(text) for text in ("10.0.0.0/8", "2001:db8::/32")])


def unmasked(client: str, *forwarded: str, proxies: Proxies = OURS) -> str:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    scope: dict[str, Any] = {"client": (client, 1), "headers": [(b"host", b"here"), *headers]}
    proxies.unmask(scope)
    return str(scope["client"][0])


@pytest.mark.parametrize(
    ("client", "forwarded", "caller"),
    [
        ("10.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["203.0.113.9, 192.0.2.7"], "192.0.2.7"),  # the first is the caller's own word
        ("10.0.0.1", ["203.0.113.9, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        ("10.0.0.1", ["203.0.113.9", "192.0.2.7,10.0.0.2"], "192.0.2.7"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["192.0.2.7:4711"], "192.0.2.7"),
        ("10.0.0.1", ["[2001:db9::5]:443"], "2001:db9::5"),
        ("10.0.0.1", ["2001:db9::5"], "2001:db9::5"),
        ("2001:db8::1", ["192.0.2.7"], "192.0.2.7"),
        ("::ffff:10.0.0.1", ["::ffff:192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.7, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["\xff\r\n, <script>"], "10.0.0.1"),
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),  # a stranger's word about himself
        ("", ["203.0.113.9"], ""),  # a unix socket
        ("10.0.0.1", [",".join(["192.0.2.7"] + ["10.0.0.2"] * 9000)], "10.0.0.2"),
    ],
)
def test_the_list_is_read_from_its_trustworthy_end(client: str, forwarded: list[str], caller: str):
    assert unmasked(client, *forwarded) == caller


def test_without_the_setting_nobody_is_believed():
    assert unmasked("127.0.0.1", "192.0.2.7", proxies=Proxies([])) == "127.0.0.1"


def wrong(server: Server, address: str) -> int:
    headers = {"Authorization": f"Bearer {new_key()}", "X-Forwarded-For": address}
    return requests.get(f"{server.url}/v1/models", headers=headers, timeout=5).status_code


def test_each_caller_behind_a_trusted_proxy_is_damped_alone(start: Callable[..., Server]):
    server = start(LIMITS__WRONG_KEYS_PER_MINUTE=2, CONNECTIONS__PROXIES="127.0.0.0/8,::1")
    assert [wrong(server, "192.0.2.7") for _ in range(3)] == [401, 401, 429]
    assert wrong(server, "192.0.2.8") == 401
    assert wrong(server, "192.0.2.8, 192.0.2.7") == 429  # whatever he says stands before him


def test_one_who_is_no_proxy_cannot_choose_an_address(start: Callable[..., Server]):
    server = start(LIMITS__WRONG_KEYS_PER_MINUTE=2, CONNECTIONS__PROXIES="10.0.0.0/8")
    assert [wrong(server, f"192.0.2.{n}") for n in range(3)] == [401, 401, 429]


def test_this_machine_is_known_however_a_socket_writes_it():
    assert all(map(is_loopback, ("127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1")))
    assert not any(map(is_loopback, ("::ffff:1.2.3.4", "1.2.3.4", "::2", "", "localhost")))
