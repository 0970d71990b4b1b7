"""A refusal as callers meet it: a failed task with the documented code, unpaid, with no picture."""

import json
from collections.abc import Callable, Iterator

import pytest
import requests

from callbacks import LOOPBACK, Receiver, certificates, receiving
from running import KREA_ROUTE, Customer, Server, command, until

REFUSED = "a nude woman on a bed"
ONLY_STRICT = "a woman in lingerie, boudoir photograph"  # suggestive: refused by nsfw_check alone
CODE = "content_policy_violation"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificates(folder)))
        server = Server(folder / "home", EGRESS_ALLOW=LOOPBACK).start()
        yield server
        server.close()


@pytest.fixture
def caller(guarded: Server) -> Customer:
    return guarded.customer()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def assert_it_left_no_trace(server: Server, caller: Customer, job_id: str) -> None:
    assert server.balance(caller) == {"available": 1000, "held": 0, "spent": 0, "granted": 1000}
    assert server.count(f"pictures where job_id = '{job_id}'") == 0
    server.assert_books_agree()


def test_evolinks_task_fails_with_the_documented_code_and_its_caller_is_told(
    guarded: Server, caller: Customer, receiver: Receiver
) -> None:
    task_id = caller.ordered(REFUSED, callback_url=receiver.url)
    task = caller.finished(task_id)
    assert task["status"] == "failed"
    assert task["error"]["code"] == CODE
    assert task["error"]["type"] == "task_error"
    assert task["error"]["message"].startswith("Content policy violation.\n")
    assert "nude" not in json.dumps(task["error"])
    assert not task.get("results")
    until(lambda: receiver.calls)
    assert json.loads(receiver.calls[0].body) == task
    assert_it_left_no_trace(guarded, caller, task_id)


def test_kreas_job_fails_with_the_documented_reason_and_its_caller_is_told(
    guarded: Server, caller: Customer, receiver: Receiver
) -> None:
    body = {"prompt": REFUSED, "aspect_ratio": "1:1", "resolution": "1K"}
    headers = {"X-Webhook-URL": receiver.url}
    ordered = caller.call("POST", f"/generate/image/{KREA_ROUTE}", json=body, headers=headers)
    job_id = ordered.json()["job_id"]
    job = caller.job(job_id, wait=30)
    assert job["status"] == "failed"
    assert job["error"]["code"] == CODE
    assert job["result"]["error"] == job["error"]["message"]
    assert "urls" not in job["result"]
    until(lambda: receiver.calls)
    assert json.loads(receiver.calls[0].body) == job
    assert_it_left_no_trace(guarded, caller, job_id)


def test_an_operator_looks_at_refusals_and_takes_pictures_away(
    guarded: Server, caller: Customer
) -> None:
    refused = caller.ordered(REFUSED)
    caller.finished(refused)
    [waiting] = [r for r in guarded.read_json("review", "list") if r["job"] == refused]
    assert (waiting["kind"], waiting["category"], waiting["prompt"]) == ("refused", "sexual", None)
    lines = command(guarded.home, "review", "list").stdout.splitlines()
    assert waiting["id"] in {line.split()[0] for line in lines}  # whole, to be copied
    assert max(len(line) for line in lines) <= 80
    [link] = caller.finished(caller.ordered("a lighthouse"))["results"]
    assert requests.get(link, timeout=5).status_code == 200
    reason = "it shows my house\u009b2J\u202e"  # which would move cursors and turn words around
    reported = command(guarded.home, "review", "report", link, "--reason", reason)
    shown = command(guarded.home, "review", "show", reported.stdout.strip()).stdout
    assert json.loads(shown)["reason"] == reason
    assert "\u009b" not in shown
    decided = command(guarded.home, "review", "decide", reported.stdout.strip(), "block")
    assert decided.returncode == 0, decided.stderr
    assert requests.get(link, timeout=5).status_code == 404
    audited = guarded.read_json("audit", "list", "--action", "review.decided")
    assert audited[0]["object"] == reported.stdout.strip()
    # The fake engine's tiles look alike: what comes next on this server must not be refused.
    taken_back = command(guarded.home, "review", "decide", reported.stdout.strip(), "release")
    assert taken_back.returncode == 0, taken_back.stderr


def test_nsfw_check_refuses_more_of_a_stand_in_too(caller: Customer) -> None:
    plain = caller.finished(caller.ordered(ONLY_STRICT))
    strict = caller.finished(caller.ordered(ONLY_STRICT, nsfw_check=True))
    assert (plain["status"], strict["status"]) == ("completed", "failed")
    assert strict["error"]["code"] == CODE


def test_a_harmless_prompt_passes_the_stricter_check(caller: Customer) -> None:
    task = caller.finished(caller.ordered("세 마리 펭귄", nsfw_check=True))
    assert task["status"] == "completed"


def test_the_loosest_level_is_said_loudly_and_still_protects_minors(
    start: Callable[..., Server],
) -> None:
    server = start(MODERATION__LEVEL="minors")
    caller = server.customer()
    assert caller.finished(caller.ordered(REFUSED))["status"] == "completed"
    task = caller.finished(caller.ordered("a nude child"))
    assert task["error"]["code"] == CODE
    assert "sexual content with minors only" in server.log.read_text()
    doctor = command(server.home, "doctor", MODERATION__LEVEL="minors")
    assert "sexual content with minors only" in " ".join(doctor.stdout.split())


def test_no_level_is_looser_than_a_licence_allows(start: Callable[..., Server]) -> None:
    done = command(
        start().home, "serve", "--port", "0", MODELS__KREA_2_TURBO="/nowhere",
        MODERATION__LEVEL="minors",
    )  # fmt: skip
    assert done.returncode != 0
    assert "asks for content filters" in " ".join((done.stdout + done.stderr).split())
