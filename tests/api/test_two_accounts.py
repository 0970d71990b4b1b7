"""Two accounts, and every route that takes an id: what is another's is as if it had never been.

The routes are the router's own: a new one that takes an id fails here until it has a row.
"""

import contextlib
import random
import socket
import sqlite3
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from lines import line
from routing import RealRoute, real_routes
from running import NOBODY, Customer, Server
from safelight import catalog
from safelight.accounts import new_key
from safelight.api import openapi
from safelight.cli import bookkeeping

pytestmark = pytest.mark.xdist_group("hostile")  # one server for all of it, in one process

EVOLINK = "/v1/images/generations"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SECRET_WORDS = "the owner's own words"  # a prompt that a stranger must never read
PAIRS = 120  # of requests whose times are compared
SLOWER_MAX = 1.25  # a median over the other; and on top of that …
NOISE_SECONDS = 0.0002  # … what two cores shared with other tests make of equal work

# What stands in a path: whose ids, or why it is nobody's.
TASK, JOB, DELIVERY, PICTURE = "task", "job", "delivery", "picture"
PUBLIC = "public"  # the same for everybody, key or no key
NAMES_A_MODEL = "names a model"
ROWS = {
    "/v1/tasks/{task_id:task}": TASK,
    "/v1/tasks/{task_id:task}/events": TASK,
    "/jobs/{job_id}": JOB,
    "/jobs/{job_id}/events": JOB,
    "/v1/webhooks/deliveries/{message_id}": DELIVERY,
    "/v1/webhooks/deliveries/{message_id}/redeliver": DELIVERY,
    "/webhooks/deliveries/{message_id}": DELIVERY,
    "/webhooks/deliveries/{message_id}/redeliver": DELIVERY,
    "/pictures/{name}": PICTURE,
    "/legal/{model_id}": PUBLIC,
    "/generate/image/{route:path}": NAMES_A_MODEL,
}
# The same for ids that do not stand in a path; test_every_id_… finds new ones in the document.
ASKED_FOR = {
    ("/v1/webhooks/deliveries", "task_id"), ("/v1/webhooks/deliveries", "cursor"),
    ("/webhooks/deliveries", "job_id"), ("/webhooks/deliveries", "cursor"),
    ("/jobs", "cursor"),
}  # fmt: skip
MALFORMED = [
    "a", "%00", "%ff", "..%2f..", "%ed%a0%80", "a" * 3000, "task-unified-", "task-unified-1-%41",
    "msg_", "msg_" + "g" * 24, "msg_" + "0" * 25, "00000000-0000-4000-8000-00000000000g", "1.png",
]  # fmt: skip


@dataclass(frozen=True)
class Things:
    """What an account has: ids by kind."""

    ids: dict[str, str]
    link: str


@dataclass(frozen=True)
class Street:
    """A server, who owns what is asked for, and who asks."""

    server: Server
    owner: Customer
    stranger: Customer
    theirs: Things

    def told(self) -> list[str]:
        """What no answer to the stranger may hold, but for the id that was asked for."""
        return [SECRET_WORDS, self.owner.account, self.owner.key, *self.theirs.ids.values()]


@pytest.fixture(scope="module")
def street(server: Server) -> Street:
    owner, stranger = server.customer(), server.customer()
    return Street(server, owner, stranger, things_of(owner))


def things_of(customer: Customer) -> Things:
    """A task, a job, and the delivery that each has had."""
    hook = f"https://{NOBODY}/hook"
    task = customer.finished(customer.ordered(SECRET_WORDS, callback_url=hook))
    job = customer.order_krea(SECRET_WORDS).json()["job_id"]
    customer.job(job, wait=30)
    [delivery] = customer.call("GET", "/v1/webhooks/deliveries").json()["data"]
    [link] = task["results"]
    name = link.split("?")[0].rpartition("/")[2]
    ids = {TASK: task["id"], JOB: job, DELIVERY: delivery["id"], PICTURE: name}
    return Things(ids, link)


def other(thing: str) -> str:
    """An id of the same form that nobody was ever given."""
    at = max(thing.rfind(c, 0, -4) for c in "0123456789abcdef")  # before a file's ending
    digit = "1" if thing[at] == "0" else "0"
    letter = "b" if thing[at] == "a" else "a"
    return thing[:at] + (digit if thing[at].isdigit() else letter) + thing[at + 1 :]


def seen(reply: requests.Response, asked_for: str) -> tuple[Any, ...]:
    """What a stranger can see of a reply, without what differs between any two."""
    headers = {k.lower(): v for k, v in reply.headers.items()}
    for varying in ("x-request-id", "date"):
        headers.pop(varying, None)
    return reply.status_code, reply.text.replace(asked_for, "…"), headers


def test_every_route_that_takes_an_id_has_a_row():
    taking = {route.path for route in real_routes() if route.parameters}
    assert taking == ROWS.keys()


def test_every_id_that_is_asked_for_in_a_query_has_a_row():
    document = openapi.document(catalog.load(), "0")
    found = {
        (path, parameter["name"])
        for path, item in document["paths"].items()
        for operation in item.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
        and (parameter["name"].endswith("id") or parameter["name"] in ("cursor", "before", "after"))
    }
    assert found == ASKED_FOR


MATRIX = [
    (route, method)
    for route in real_routes()
    if ROWS.get(route.path) in (TASK, JOB, DELIVERY, PICTURE)
    for method in METHODS
]


@pytest.mark.parametrize(
    ("route", "method"), MATRIX, ids=lambda part: part if isinstance(part, str) else part.path
)
def test_what_is_another_s_looks_like_what_never_was(street: Street, route: RealRoute, method: str):
    foreign = street.theirs.ids[ROWS[route.path]]
    unknown = other(foreign)
    assert unknown != foreign
    [name] = route.parameters
    for query in ("", "?wait=1", "?expires=9999999999&signature=" + "0" * 64):
        replies = {
            thing: street.stranger.call(method, route.at(**{name: thing}) + query, data=b"{}")
            for thing in (foreign, unknown)
        }
        assert seen(replies[foreign], foreign) == seen(replies[unknown], unknown)
        answered = (method if method != "HEAD" else "GET") in route.methods
        assert replies[foreign].status_code == (404 if answered else 405)
        for words in street.told():
            if words != foreign:
                assert words not in replies[foreign].text


@pytest.mark.parametrize("route", sorted({route for route, _ in MATRIX}), ids=lambda r: r.path)
def test_what_is_no_id_at_all_is_refused_alike_for_everybody(street: Street, route: RealRoute):
    [name] = route.parameters
    for malformed in MALFORMED:
        path = route.at(**{name: malformed})
        for method in METHODS:
            asked = [who.call(method, path, data=b"{}") for who in (street.owner, street.stranger)]
            assert len({repr(seen(reply, malformed)) for reply in asked}) == 1
            assert asked[0].status_code in (400, 404, 405)


def test_an_id_of_one_door_is_unknown_at_the_other_even_to_its_owner(street: Street):
    ids, owner = street.theirs.ids, street.owner
    assert owner.call("GET", f"/v1/tasks/{ids[JOB]}").status_code == 400
    assert owner.call("GET", f"/jobs/{ids[TASK]}").status_code == 404
    assert owner.call("GET", f"/v1/webhooks/deliveries/{ids[DELIVERY]}").status_code == 200
    assert owner.call("GET", f"/webhooks/deliveries/{ids[DELIVERY]}").status_code == 404


def test_a_stranger_stops_nobody_s_work(street: Street):
    slow = {"prompt": "slow", "width": 512, "height": 512, "steps": 20}  # of 50 ms each
    job = street.owner.call("POST", "/generate/image/bfl/flux-1-dev", json=slow).json()["job_id"]
    assert street.stranger.call("DELETE", f"/jobs/{job}").status_code == 404
    assert street.owner.job(job, wait=30)["status"] == "completed"


LISTS = [
    "/v1/tasks", "/v1/tasks?page_size=50", "/jobs", "/jobs?limit=1000", "/v1/webhooks/deliveries",
    "/webhooks/deliveries", "/v1/credits", "/v1/models", "/v1/webhooks/secret", "/webhooks/secret",
    "/legal", "/provenance/ca.pem", "/openapi.json", "/livez", "/readyz", "/.well-known/jwks.json",
]  # fmt: skip


def test_every_route_without_an_id_is_in_one_of_the_lists():
    """What takes no id could still tell of others; each such route is asked below."""
    listed = {path.split("?")[0] for path in LISTS}
    routes = [route for route in real_routes() if not route.parameters]
    assert {route.path for route in routes if "GET" in route.methods} == listed


@pytest.mark.parametrize("path", LISTS)
def test_no_list_holds_what_is_another_s(street: Street, path: str):
    reply = street.stranger.call("GET", path)
    assert reply.status_code == 200
    for words in street.told():
        assert words not in reply.text


def test_asking_for_what_is_another_s_finds_nothing(street: Street):
    ids, stranger = street.theirs.ids, street.stranger
    for door, name, kind in (("/v1", "task_id", TASK), ("", "job_id", JOB)):
        path = f"{door}/webhooks/deliveries?{name}="
        foreign = stranger.call("GET", path + ids[kind])
        unknown = stranger.call("GET", path + other(ids[kind]))
        assert seen(foreign, ids[kind]) == seen(unknown, other(ids[kind]))
    batch = [
        stranger.call("POST", "/v1/tasks/batch", json={"task_ids": [thing]})
        for thing in (ids[TASK], other(ids[TASK]))
    ]
    assert seen(batch[0], ids[TASK]) == seen(batch[1], other(ids[TASK]))
    assert batch[0].json()["data"] == []


def test_an_owner_s_cursor_leads_a_stranger_to_the_stranger_s_own(street: Street):
    owner, stranger = street.owner, street.stranger
    owner.order_krea("second")
    cursor = owner.call("GET", "/jobs?limit=1").json()["next_cursor"]
    mine = stranger.order_krea("mine").json()["job_id"]
    stranger.job(mine, wait=30)
    page = stranger.call("GET", "/jobs", params={"cursor": cursor, "limit": "50"})
    assert page.status_code == 200
    assert all(words not in page.text for words in street.told())


def test_an_idempotency_key_is_the_account_s_own(street: Street):
    headers = {"Idempotency-Key": "order-of-a-hundred-cats"}
    theirs = street.owner.order(SECRET_WORDS, headers=headers)
    ours = street.stranger.order("another prompt", headers=headers)
    assert (theirs.status_code, ours.status_code) == (200, 200)
    assert ours.json()["id"] != theirs.json()["id"]
    assert "Idempotency-Replayed" not in ours.headers
    assert street.owner.order("a third", headers=headers).status_code == 409


def test_a_stranger_s_rotation_leaves_an_owner_s_secret_as_it_was(street: Street):
    before = street.owner.call("GET", "/v1/webhooks/secret").text
    rotated = street.stranger.call("POST", "/webhooks/secret/rotate")
    assert rotated.status_code == 200
    assert street.owner.call("GET", "/v1/webhooks/secret").text == before
    assert rotated.text != before


def test_a_picture_s_link_is_the_permission_and_no_other_key_is_one(street: Street):
    link = street.theirs.link
    assert requests.get(link, timeout=10).status_code == 200
    stripped, _, signature = link.rpartition("=")
    forged = f"{stripped}={'0' if signature[0] != '0' else '1'}{signature[1:]}"
    for path in (link.split("?")[0], forged):
        for headers in ({}, {"Authorization": f"Bearer {street.owner.key}"}):
            assert requests.get(path, headers=headers, timeout=10).status_code == 404


def test_what_is_public_is_the_same_for_everybody(street: Street):
    for path in ("/legal", "/legal/flux-1-dev", "/legal/nobody"):
        replies = [who.call("GET", path) for who in (street.owner, street.stranger)]
        replies.append(requests.get(street.server.url + path, timeout=5))
        assert len({repr(seen(reply, "")) for reply in replies}) == 1


def test_a_check_of_a_picture_tells_its_owner_no_more_than_a_stranger(street: Street):
    picture = requests.get(street.theirs.link, timeout=10).content
    kind = {"Content-Type": "image/png"}
    told = [
        who.call("POST", "/provenance/check", data=picture, headers=kind)
        for who in (street.owner, street.stranger)
    ]
    assert told[0].json()["ours"] is True
    assert told[0].text == told[1].text
    assert all(words not in told[0].text for words in street.told())


def compared(server: Server, requests_made: list[bytes]) -> list[float]:
    """The median seconds to each reply, asked in turn, in another order each time."""
    found: list[list[float]] = [[] for _ in requests_made]
    chance = random.Random(1)
    with line(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(PAIRS):
            for which in chance.sample(range(len(requests_made)), len(requests_made)):
                began = time.perf_counter()
                connection.sendall(requests_made[which])
                reply = connection.recv(65536)
                found[which].append(time.perf_counter() - began)
                assert reply.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 401 "))
    return [statistics.median(seconds) for seconds in found]


def close_together(medians: list[float]) -> bool:
    return max(medians) <= SLOWER_MAX * min(medians) + NOISE_SECONDS


def at_last(measure: Callable[[], list[float]]) -> list[float]:
    """Medians that are close together, or the third that were not: other tests share the cores."""
    for _ in range(3):
        if close_together(medians := measure()):
            break
    return medians


@pytest.mark.parametrize(
    "route", [route for route, method in MATRIX if method == "GET" and "GET" in route.methods],
    ids=lambda route: route.path,
)  # fmt: skip
def test_what_is_another_s_takes_as_long_as_what_never_was(street: Street, route: RealRoute):
    foreign = street.theirs.ids[ROWS[route.path]]
    [name] = route.parameters
    asked = [
        f"GET {route.at(**{name: thing})} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {street.stranger.key}\r\n\r\n".encode()
        for thing in (foreign, other(foreign))
    ]
    medians = at_last(lambda: compared(street.server, asked))
    print(route.path, medians)
    assert close_together(medians), medians


def key_id(server: Server, customer: Customer) -> str:
    listed = bookkeeping.list_keys(server.config)
    return str(next(key["id"] for key in listed if key["account"] == customer.account))


def expire(server: Server, customer: Customer) -> None:
    """As a day or more would."""
    with contextlib.closing(sqlite3.connect(server.config.database_path, timeout=10)) as rows:
        rows.execute("update keys set expires_at_ms = 1 where id = ?", (key_id(server, customer),))
        rows.commit()


def test_keys_that_open_nothing_look_alike_in_words_and_time(street: Street):
    """Unknown, revoked and expired ones; a wrong checksum is public, and may be noticed sooner."""
    server = street.server
    revoked, expired = server.customer(), server.customer(days=1)
    bookkeeping.revoke_key(server.config, key_id(server, revoked))
    expire(server, expired)
    unknown, typo = new_key(), revoked.key[:-1] + ("0" if revoked.key[-1] != "0" else "1")
    keys = [unknown, revoked.key, expired.key, typo]
    for method, path in (("GET", "/v1/credits"), ("POST", EVOLINK), ("GET", "/jobs")):
        replies = [Customer(server.url, key, "").call(method, path) for key in keys]
        assert {reply.status_code for reply in replies} == {401}
        assert len({repr(seen(reply, "")) for reply in replies}) == 1
    head = "GET /v1/credits HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer"
    asked = [f"{head} {key}\r\n\r\n".encode() for key in keys[:3]]
    medians = at_last(lambda: compared(server, asked))
    print("keys", medians)
    assert close_together(medians), medians
