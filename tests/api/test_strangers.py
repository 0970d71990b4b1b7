"""Whom the server answers: Hosts, headers for browsers, wrong keys, and starting before any key."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from keeping import Books
from lines import asked
from running import Customer, Server, command, environment, until
from safelight import accounts
from safelight.accounts import new_key
from safelight.api.hosts import Hosts
from safelight.api.peers import PEERS_MAX, Damping, peer_of
from safelight.cli import bookkeeping
from safelight.cli.exposure import check_exposure
from safelight.errors import ConfigurationError, InvalidRequest, TooManyRequests
from safelight.settings import Settings

pytestmark = pytest.mark.xdist_group("hostile")

PLAIN = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def status(server: Server, target: str, *headers: str, version: str = "1.1") -> int:
    lines = [f"GET {target} HTTP/{version}", *headers, "Connection: close", "", ""]
    found = asked(server, "\r\n".join(lines).encode())
    return int(found.split(b" ", 2)[1])


def test_only_our_own_names_are_answered(server: Server):
    numbers = ["127.0.0.1:1234", "[::1]:80", "192.0.2.7"]
    ours = ["localhost", "LOCALHOST.", socket.gethostname(), *numbers]
    for host in ours:
        assert status(server, "/v1/models", f"Host: {host}") == 401, host
    strange = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "2130706433"]
    strange += ["a@localhost", "localhost:x", "localhost localhost", "localhost:123456", "[::1", ""]
    for host in strange:
        assert status(server, "/v1/models", f"Host: {host}") == 400, host


def test_there_is_one_host_and_the_request_line_s_counts(server: Server):
    assert status(server, "/v1/models") == 400
    assert status(server, "/v1/models", version="1.0") == 400
    assert status(server, "/v1/models", "Host: localhost", "Host: localhost") == 400
    assert status(server, "http://localhost/v1/models", "Host: evil.example") == 401
    assert status(server, "http://[::1]:80/v1/models") == 401
    assert status(server, "http://evil.example/v1/models", "Host: localhost") == 400
    assert status(server, "/livez", "Host: evil.example") == 200  # probes come by any name


def test_a_stranger_s_host_is_refused_in_the_words_of_the_door(server: Server):
    headers = {"Host": "evil.example"}
    evolink = requests.get(f"{server.url}/v1/models", headers=headers, timeout=5)
    assert "SAFELIGHT_HOSTS" in evolink.json()["error"]["message"]
    krea = requests.get(f"{server.url}/jobs", headers=headers, timeout=5)
    assert "SAFELIGHT_HOSTS" in krea.json()["error"]


@pytest.mark.parametrize(
    ("allowed", "public_url", "host", "answered"),
    [
        ([], "https://pictures.example/a", "pictures.example", True),
        ([], "https://pictures.example/a", "pictures.example:8443", True),
        ([], "https://pictures.example/a", "Pictures.Example.", True),
        ([], "https://pictures.example/a", "other.example", False),
        ([], "https://pictures.example/a", "192.0.2.7", False),
        ([], "https://pictures.example/a", "127.0.0.1:8000", True),
        (["a.example", "b.example:81"], None, "a.example:5", True),
        (["a.example", "b.example:81"], None, "b.example:81", True),
        (["a.example", "b.example:81"], None, "b.example:82", False),
        (["a.example", "b.example:81"], None, "b.example", False),
        (["2001:db8::1"], None, "[2001:db8::1]:80", True),
        (["*"], None, "whatever.example", True),
        (["*"], None, "no host at all", False),
    ],
)
def test_the_list_and_the_public_url_name_the_hosts(
    allowed: list[str], public_url: str | None, host: str, answered: bool
):
    with contextlib.nullcontext() if answered else pytest.raises(InvalidRequest):
        Hosts(allowed, public_url).check([host.encode()], "1.1")


def test_every_reply_tells_browsers_to_make_nothing_of_it(server: Server, customer: Customer):
    task = customer.ordered()
    customer.finished(task)
    replies = {
        200: customer.call("GET", "/v1/models"),
        404: customer.call("GET", "/nowhere"),
        405: customer.call("PUT", "/v1/tasks"),
        401: requests.get(f"{server.url}/jobs", timeout=5),
        400: customer.call("POST", "/v1/images/generations", data=b"{"),
    }
    for code, reply in [*replies.items(), (200, customer.call("GET", f"/v1/tasks/{task}/events"))]:
        assert reply.status_code == code
        assert PLAIN.items() <= {k.lower(): v for k, v in reply.headers.items()}.items(), code
        assert "Strict-Transport-Security" not in reply.headers
    refused = asked(server, b"what\r\n\r\n").decode()
    for name, value in PLAIN.items():
        assert f"\r\n{name}: {value}\r\n" in refused


def test_a_picture_may_be_shown_and_read_by_any_page_and_nothing_else_may(customer: Customer):
    task = customer.ordered()
    [link] = customer.finished(task)["results"]
    origin = {"Origin": "https://page.example"}
    picture = requests.get(link, headers=origin, timeout=5)
    assert picture.headers["Access-Control-Allow-Origin"] == "*"
    assert picture.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert picture.headers["Cache-Control"].startswith("private, max-age=")
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    assert picture.headers["Content-Security-Policy"] == PLAIN["content-security-policy"]
    for method in ("GET", "OPTIONS"):
        for path in ("/v1/models", f"/v1/tasks/{task}", "/jobs", "/openapi.json"):
            reply = customer.call(method, path, headers=origin)
            assert not [name for name in reply.headers if name.lower().startswith("access-control")]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server on every address, whose public one is another; gives where it listens, and a key."""
    home = tmp_path_factory.mktemp("published")
    key = bookkeeping.create_key(Settings(home=home), "someone")["key"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        "HOST": "0.0.0.0", "PUBLIC_URL": "https://pictures.example",
        "LIMITS__WRONG_KEYS_PER_MINUTE": 5,
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "safelight", "serve", "--port", str(port), "--no-workers"],
        env=environment(home, **variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(url))
        yield url, key
    finally:
        process.terminate()
        process.communicate(timeout=30)


def answers(url: str) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{url}/livez", timeout=5).ok
    return False


def test_a_server_behind_tls_says_so_to_browsers_for_a_year(published: tuple[str, str]):
    url, _ = published
    for path in ("/v1/models", "/pictures/none.png", "/livez"):
        reply = requests.get(url + path, headers={"Host": "pictures.example"}, timeout=5)
        assert reply.headers["Strict-Transport-Security"] == "max-age=31536000", path


def test_others_are_not_served_before_there_is_a_key(tmp_path: Path):
    refused = command(tmp_path, "serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 1
    assert "safelight keys create" in refused.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", ""])
def test_only_an_open_key_opens_an_address_that_others_reach(books: Books, host: str):
    home = books.path.parent

    def checked(host: str) -> None:
        books.run(check_exposure(Settings(home=home, host=host), books.db))

    checked("localhost")
    checked("127.0.0.1")
    with pytest.raises(ConfigurationError):
        checked(host)
    gone = books.customer().key_id
    checked(host)
    books.write(lambda tx: accounts.revoke_key(tx, gone))
    with pytest.raises(ConfigurationError):
        checked(host)


def test_wrong_keys_from_one_address_are_damped_and_good_ones_are_not(published: tuple[str, str]):
    url, good = published

    def tried(key: str, path: str = "/v1/models") -> requests.Response:
        return requests.get(url + path, headers={"Authorization": f"Bearer {key}"}, timeout=5)

    assert [tried(new_key()).status_code for _ in range(7)] == [401] * 5 + [429] * 2
    refused = tried("sl-typo", "/jobs")
    assert (refused.status_code, list(refused.json())) == (429, ["error"])
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert tried(good).status_code == 200
    assert requests.get(f"{url}/v1/models", timeout=5).status_code == 401  # tried no key
    assert tried(new_key()).status_code == 429


def test_damping_ends_with_its_minute_and_counts_each_address():
    now = 100.0
    damping = Damping(2, lambda: now)
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"):
        damping.wrong_key(address)
    for address in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::ffff"):
        with pytest.raises(TooManyRequests):
            damping.wrong_key(address)
    damping.wrong_key("192.0.2.2")
    now += 60
    damping.wrong_key("192.0.2.1")


def test_damping_keeps_no_more_than_so_many_addresses():
    damping = Damping(1, lambda: 0.0)
    for number in range(2 * PEERS_MAX):
        damping.wrong_key(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(damping._counted) == PEERS_MAX
    assert peer_of("2001:db8::1") == "2001:db8::/64"
