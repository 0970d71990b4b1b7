"""Filters elsewhere: how they are asked, and that nothing passes without a clear answer."""

import base64
import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from patterns import patterns
from PIL import Image

from callbacks import Receiver, certificates, receiving
from running import Server, until
from safelight.errors import EngineError, JobErrorCode
from safelight.moderation import (
    Category,
    Level,
    Moderator,
    NsfwClassifier,
    PromptRules,
)
from safelight.moderation.elsewhere import Service, ServicePictures, ServiceWords

PICTURE = patterns()["sunset"]
CLEAN = {"flagged": False, "categories": {"sexual": False}, "category_scores": {"sexual": 0.01}}


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates(tmp_path)))
    with receiving() as receiver:
        yield receiver


def service(vendor: Receiver, kind: Any = "openai", **fields: Any) -> Service:
    return Service(url=vendor.url, kind=kind, **{"timeout_seconds": 3.0, **fields})


def moderator(service: Service) -> Moderator:
    words, pictures = ServiceWords(service), ServicePictures(service)
    return Moderator([PromptRules(), words], [NsfwClassifier(), pictures])


def answer(vendor: Receiver, body: Any) -> None:
    vendor.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def flagged(**scores: float) -> dict[str, Any]:
    named = {name.replace("_", "/"): score for name, score in scores.items()}
    categories = {name: score > 0.5 for name, score in named.items()}
    return {"results": [{"flagged": True, "categories": categories, "category_scores": named}]}


def test_a_moderation_service_is_asked_as_openai_is(vendor: Receiver) -> None:
    answer(vendor, {"results": [CLEAN]})
    asked = service(vendor, token="secret", model="omni-moderation-latest")
    assert moderator(asked).check_prompt("a cat").allowed
    [call] = vendor.calls
    assert call.headers["authorization"] == "Bearer secret"
    assert json.loads(call.body) == {
        "model": "omni-moderation-latest",
        "input": [{"type": "text", "text": "a cat"}],
    }


def test_the_gravest_category_that_is_flagged_counts(vendor: Receiver) -> None:
    answer(vendor, flagged(sexual=0.9, sexual_minors=0.8, hate=0.7))
    assert moderator(service(vendor)).check_prompt("a cat").category is Category.MINORS


def test_a_category_that_is_none_of_ours_is_no_refusal(vendor: Receiver) -> None:
    answer(vendor, flagged(illicit=0.9))
    assert moderator(service(vendor)).check_prompt("a cat").allowed


def test_the_stricter_check_goes_by_the_score(vendor: Receiver) -> None:
    answer(vendor, flagged(sexual=0.4))
    judge = moderator(service(vendor)).check_prompt
    assert judge("a cat").allowed
    assert judge("a cat", Level.STRICT).category is Category.SEXUAL


def test_a_picture_is_sent_small_and_judged(vendor: Receiver) -> None:
    answer(vendor, flagged(violence_graphic=0.9))
    verdict = moderator(service(vendor)).check_picture(PICTURE.repeat(8, 0).repeat(8, 1))
    assert verdict.category is Category.GORE
    [part] = json.loads(vendor.calls[0].body)["input"]
    head, _, data = part["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as sent:
        assert max(sent.size) == 1024


def test_a_hook_is_told_what_it_needs_and_its_word_counts(vendor: Receiver) -> None:
    answer(vendor, {"allowed": False, "category": "hate", "score": 0.7})
    hook = moderator(service(vendor, "hook"))
    assert hook.check_prompt("a cat", Level.STRICT).category is Category.HATE
    assert hook.check_picture(PICTURE, prompt="a child").category is Category.HATE
    prompt, picture = (json.loads(call.body) for call in vendor.calls)
    assert prompt == {"kind": "prompt", "text": "a cat", "strict": True}
    assert (picture["kind"], picture["strict"], picture["minors"]) == ("picture", False, True)


def test_what_a_service_allows_the_built_in_filters_still_refuse(vendor: Receiver) -> None:
    answer(vendor, {"allowed": True})
    hook = moderator(service(vendor, "hook"))
    assert hook.check_prompt("a nude woman on a bed").category is Category.SEXUAL


@pytest.mark.parametrize("kind", ["openai", "hook"])
@pytest.mark.parametrize(
    "body",
    [
        b"", b"not json", b"[]", b"{}", b"null", b'{"results": []}', b'{"results": [{}]}',
        b'{"results": [{"flagged": "no", "categories": {}, "category_scores": {}}]}',
        b'{"allowed": "yes"}', b'{"allowed": 1}', b'{"allowed": false, "category": "other"}',
        b" " * 300_000,
    ],
)  # fmt: skip
def test_what_is_no_clear_answer_lets_nothing_pass(
    vendor: Receiver, kind: str, body: bytes
) -> None:
    answer(vendor, body)
    assert_nothing_passes(service(vendor, kind))


@pytest.mark.parametrize("status", [201, 204, 302, 401, 429, 500])
def test_any_status_but_200_lets_nothing_pass(vendor: Receiver, status: int) -> None:
    answer(vendor, {"allowed": True})
    vendor.statuses = (status,)
    vendor.headers = {"location": vendor.url}
    assert_nothing_passes(service(vendor, "hook"))
    assert len(vendor.calls) == 1, "redirects are not followed"


def test_an_answer_that_drips_is_waited_for_only_so_long(vendor: Receiver) -> None:
    def drip() -> Iterator[bytes]:
        while not vendor.closing.wait(0.05):
            yield b" "

    vendor.pieces = drip
    began = time.monotonic()
    assert_nothing_passes(service(vendor, "hook", timeout_seconds=0.3))
    assert time.monotonic() - began < 3


def test_headers_that_drip_are_waited_for_only_so_long() -> None:
    ended = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not ended.wait(0.05):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        dripping = threading.Thread(target=drip)
        dripping.start()
        began = time.monotonic()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        stopping = threading.Timer(5, ended.set)
        stopping.start()
        try:
            assert_nothing_passes(Service(url=url, kind="hook", timeout_seconds=0.3))
            assert time.monotonic() - began < 3
        finally:
            ended.set()
            stopping.cancel()
            dripping.join()


def test_a_service_that_cannot_prove_who_it_is_lets_nothing_pass(
    vendor: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    answer(vendor, {"allowed": True})
    assert_nothing_passes(service(vendor, "hook"))
    assert vendor.calls == []


def assert_nothing_passes(service: Service) -> None:
    with pytest.raises(EngineError) as failed:
        moderator(service).check_prompt("a cat")
    assert failed.value.code is JobErrorCode.SERVICE_UNAVAILABLE


def test_a_picture_that_a_hook_refuses_leaves_no_trace(
    start: Callable[..., Server], vendor: Receiver
) -> None:
    """The hook lets the prompt and the first preview pass, and refuses what comes next."""
    answer(vendor, {"allowed": True})
    server = start(
        MODERATION__SERVICE_URL=vendor.url, MODERATION__SERVICE_KIND="hook",
        ENGINE__FAKE_SECONDS=1.5,
    )  # fmt: skip
    caller = server.customer()
    job_id = caller.order_krea().json()["job_id"]
    preview = until(lambda: caller.job(job_id)["result"].get("preview_urls"))[0]
    assert requests.get(preview, timeout=5).status_code == 200
    answer(vendor, {"allowed": False, "category": "gore"})
    job = caller.job(job_id, wait=30)
    assert (job["status"], job["error"]["code"]) == ("failed", "content_policy_violation")
    assert set(job["result"]) == {"error"}
    until(lambda: requests.head(preview, timeout=5).status_code == 404, 10)
    until(lambda: not list((server.home / "pictures").glob("*/*.png")), 10)
    assert server.balance(caller)["spent"] == 0
    server.assert_books_agree()


def test_what_a_hook_finds_in_a_picture_of_children_is_refused_on_every_level(
    vendor: Receiver,
) -> None:
    answer(vendor, {"allowed": False, "category": "sexual"})
    check = moderator(service(vendor, "hook")).check_picture
    assert check(PICTURE, Level.MINORS, prompt="a child").category is Category.MINORS
    assert check(PICTURE, Level.MINORS, prompt="a cat").allowed
