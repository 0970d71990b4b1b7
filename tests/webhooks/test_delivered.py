"""Webhooks from a real server to real HTTPS receivers, through both doors."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import standardwebhooks
import svix
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from callbacks import LOOPBACK, Call, Receiver, certificates, receiving
from running import Customer, Server, command, until
from safelight.flows.deliver import POLL_SECONDS

KREA = "/generate/image/krea/krea-2/medium-turbo"
BODY = {"prompt": "a cat", "aspect_ratio": "1:1", "resolution": "1K"}


@pytest.fixture(scope="module")
def posting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may call loopback, and trusts the receivers' authority."""
    folder = tmp_path_factory.mktemp("posting")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificates(folder)))
        server = Server(folder / "home", EGRESS_ALLOW=LOOPBACK, WEBHOOKS__ATTEMPT_SECONDS=1)
        yield server.start()
        server.close()


@pytest.fixture
def owner(posting: Server) -> Customer:
    return posting.customer()


def arrived(receiver: Receiver, count: int = 1) -> Call:
    until(lambda: len(receiver.calls) >= count, 10)
    return receiver.calls[count - 1]


def settled(owner: Customer, prefix: str = "/v1/webhooks", **query: str) -> dict[str, Any]:
    """The newest delivery, once it is no longer pending."""

    def found() -> dict[str, Any] | None:
        page = owner.call("GET", f"{prefix}/deliveries", params=query).json()
        newest = (page.get("data") or page.get("items") or [{}])[0]
        return newest if newest.get("status") in ("delivered", "failed") else None

    return until(found, 20)


def secret(owner: Customer) -> str:
    reply = owner.call("GET", "/v1/webhooks/secret")
    assert reply.headers["cache-control"] == "no-store"
    return str(reply.json()["data"][0]["secret"])


def verify_v1a(server: Server, call: Call) -> None:
    """As a receiver would: the key set, the key by its id, and the signature."""
    keys = requests.get(f"{server.url}/.well-known/jwks.json", timeout=5).json()["keys"]
    [key] = [key for key in keys if key["kid"] == call.headers["webhook-key-id"]]
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "="))
    content = f"{call.id}.{call.headers['webhook-timestamp']}.".encode() + call.body
    [v1a] = [s for s in call.headers["webhook-signature"].split() if s.startswith("v1a,")]
    public.verify(base64.b64decode(v1a.removeprefix("v1a,")), content)


def assert_signed(server: Server, owner: Customer, call: Call) -> None:
    for library in (standardwebhooks.Webhook, svix.Webhook):
        library(secret(owner)).verify(call.body, call.headers)
    verify_v1a(server, call)


def test_evolinks_callback_is_the_polls_body_signed_and_its_links_open(
    posting: Server, owner: Customer
):
    with receiving() as receiver:
        task_id = owner.ordered(callback_url=receiver.url + "?secret=%2Fs&n=1")
        call = arrived(receiver)
    assert call.path == "/hook?secret=%2Fs&n=1"
    assert call.headers["content-type"] == "application/json"
    assert call.body == owner.call("GET", f"/v1/tasks/{task_id}").content
    task = json.loads(call.body)
    assert (task["id"], task["status"]) == (task_id, "completed")
    assert requests.get(task["results"][0], timeout=5).status_code == 200
    assert_signed(posting, owner, call)
    assert posting.balance(owner)["held"] == 0  # it was settled before


def test_kreas_webhook_is_the_polls_body_and_signed(posting: Server, owner: Customer):
    with receiving() as receiver:
        headers = {"X-Webhook-URL": receiver.url}
        job_id = owner.call("POST", KREA, json=BODY, headers=headers).json()["job_id"]
        call = arrived(receiver)
    assert call.body == owner.call("GET", f"/jobs/{job_id}").content
    assert json.loads(call.body)["status"] == "completed"
    assert_signed(posting, owner, call)
    delivery = settled(owner, "/webhooks", job_id=job_id)
    assert delivery["status"] == "delivered"
    assert delivery["attempts"][0]["status_code"] == 200
    assert owner.call("GET", "/v1/webhooks/deliveries").json()["data"] == []  # the other door's


def test_a_webhook_follows_the_jobs_end_at_once(owner: Customer):
    with receiving() as receiver:
        began = time.monotonic()
        for number in range(1, 5):
            owner.ordered(callback_url=receiver.url)
            arrived(receiver, number)
        assert time.monotonic() - began < 2 * POLL_SECONDS  # nobody waits for the next look


def test_a_delivery_is_logged_and_sent_again_when_its_owner_asks(posting: Server, owner: Customer):
    with receiving(statuses=(500, 200), body=b'{"ok": false}') as receiver:
        task_id = owner.ordered(callback_url=receiver.url)
        delivery = settled(owner, task_id=task_id)
        assert [attempt["status_code"] for attempt in delivery["attempts"]] == [500, 200]
        assert delivery["attempts"][0]["reason"] == "the receiver answered 500"
        assert delivery["url"] == receiver.url
        one = f"/v1/webhooks/deliveries/{delivery['id']}"
        assert owner.call("GET", one).json()["attempts"][0]["answer"] == '{"ok": false}'
        again = owner.call("POST", f"{one}/redeliver")
        assert again.json()["status"] == "pending"
        assert arrived(receiver, 3).id == receiver.calls[0].id == delivery["id"]
        until(lambda: owner.call("GET", one).json()["status"] == "delivered")
        assert len(owner.call("GET", one).json()["attempts"]) == 3


def test_somebody_elses_delivery_looks_unknown(posting: Server, owner: Customer):
    stranger = posting.customer()
    with receiving() as receiver:
        task_id = owner.ordered(callback_url=receiver.url)
        delivery = settled(owner, task_id=task_id)
    assert stranger.call("GET", "/v1/webhooks/deliveries").json()["data"] == []
    page = stranger.call("GET", "/v1/webhooks/deliveries", params={"task_id": task_id})
    assert page.json()["data"] == []
    unknown = "msg_" + "0" * 24
    for prefix in ("/v1/webhooks", "/webhooks"):
        for method, end in (("GET", ""), ("POST", "/redeliver")):
            told = [
                stranger.call(method, f"{prefix}/deliveries/{message_id}{end}")
                for message_id in (delivery["id"], unknown, "nonsense")
            ]
            assert [reply.status_code for reply in told] == [404] * 3
            assert len({reply.text for reply in told}) == 1
    assert owner.call("GET", f"/webhooks/deliveries/{delivery['id']}").status_code == 404
    assert len(receiver.calls) == 1


def test_pages_of_deliveries_follow_each_other(posting: Server, owner: Customer):
    with receiving() as receiver:
        for _ in range(5):
            owner.ordered(callback_url=receiver.url)
        arrived(receiver, 5)
    for prefix, page_name in (("/v1/webhooks", "data"), ("/webhooks", "items")):
        seen, cursor = [], None
        for _ in range(4):
            query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            page = owner.call("GET", f"{prefix}/deliveries", params=query).json()
            seen += [one["id"] for one in page[page_name]]
            if (cursor := page["next_cursor"]) is None:
                break
        wanted = sorted({call.id for call in receiver.calls}) if page_name == "data" else []
        assert sorted(seen) == wanted


@pytest.mark.parametrize("prefix", ["/v1/webhooks", "/webhooks"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"), ("limit", "101"), ("limit", "two"), ("cursor", "x"), ("status", "odd"),
        ("cursor", "1_msg_0"), ("job", "x"),
    ],
)  # fmt: skip
def test_a_bad_query_is_refused_in_the_doors_own_words(
    owner: Customer, prefix: str, name: str, value: str
):
    name = {"job": "task_id" if prefix == "/v1/webhooks" else "job_id"}.get(name, name)
    reply = owner.call("GET", f"{prefix}/deliveries", params={name: value})
    assert reply.status_code == 400
    if prefix == "/v1/webhooks":
        assert reply.json()["error"]["code"] == "invalid_request"
    else:
        assert reply.json()["issues"][0]["path"] == name


def test_a_rotated_secret_signs_beside_the_old_one(posting: Server, owner: Customer):
    old = secret(owner)
    reply = owner.call("POST", "/v1/webhooks/secret/rotate")
    new, kept = reply.json()["data"]
    assert (kept["secret"], new["expires_at"]) == (old, None)
    assert 86_390 < kept["expires_at"] - time.time() <= 86_401
    with receiving() as receiver:
        owner.ordered(callback_url=receiver.url)
        call = arrived(receiver)
    for one in (old, new["secret"]):
        standardwebhooks.Webhook(one).verify(call.body, call.headers)
    shown = owner.call("GET", "/webhooks/secret").json()["items"]
    assert [one["secret"] for one in shown] == [new["secret"], old]


def test_what_a_killed_server_had_claimed_is_delivered_after_a_restart(
    start: Callable[..., Server], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates(tmp_path)))
    server = start(EGRESS_ALLOW=LOOPBACK, WEBHOOKS__ATTEMPT_SECONDS=1)
    owner = server.customer()
    with receiving() as receiver:
        receiver.before = lambda: receiver.closing.wait(20)
        task_id = owner.ordered(callback_url=receiver.url)
        call = arrived(receiver)  # claimed and sent, and not yet recorded
        server.kill()
        receiver.before = lambda: None
        server.start(ready=False)
        again = arrived(receiver, 2)
        assert again.id == call.id
        assert again.body == owner.call("GET", f"/v1/tasks/{task_id}").content
        delivery = settled(owner)
    assert delivery["status"] == "delivered"
    assert len(delivery["attempts"]) == 1  # what was never recorded did not count
    server.assert_books_agree()


def test_the_operator_lists_redelivers_and_rotates(posting: Server, owner: Customer):
    with receiving(statuses=(201,)) as receiver:
        owner.ordered(callback_url=receiver.url)
        delivery = settled(owner)
        arguments = ("--account", owner.account, "--status", "delivered")
        [listed] = posting.read_json("webhooks", "list", *arguments)
        assert (listed["id"], listed["answer"]) == (delivery["id"], 201)
        lines = command(posting.home, "webhooks", "list", *arguments).stdout.splitlines()
        assert lines[0].split()[0] == delivery["id"]  # whole, to be copied
        assert max(len(line) for line in lines) <= 80
        done = command(posting.home, "webhooks", "redeliver", delivery["id"])
        assert done.stdout == "1 to be delivered again\n"
        arrived(receiver, 2)
    shown = command(posting.home, "webhooks", "secret", owner.account)
    assert shown.stdout.strip() == secret(owner)
    rotated = command(posting.home, "webhooks", "secret", owner.account, "--rotate")
    assert rotated.stdout.split() == [secret(owner), shown.stdout.strip()]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("redeliver", "msg_0"), "there is no delivery msg_0"),
        (("redeliver",), "--failed"),
        (("secret", "nobody"), "there is no account nobody"),
    ],
)
def test_the_operator_is_told_what_cannot_be_done(
    posting: Server, arguments: tuple[str, ...], said: str
):
    done = command(posting.home, "webhooks", *arguments)
    assert done.returncode != 0
    assert said in done.stderr
