"""Bad input through a real server: a clear error in the door's own form, and nothing happened."""

import json
from typing import Any

import pytest
import requests

from running import KREA_ROUTE, Customer, Server

EVOLINK = "/v1/images/generations"
KREA = f"/generate/image/{KREA_ROUTE}"
FLUX = "/generate/image/bfl/flux-1-dev"
DOORS = [EVOLINK, KREA]

NOT_JSON = {
    "empty": b"",
    "not json": b"prompt=a cat",
    "cut off": b'{"model": "krea-2-turbo", "prompt": "a c',
    "two values": b'{"prompt": "a"} {"prompt": "b"}',
    "a list": b'[{"model": "krea-2-turbo", "prompt": "a cat"}]',
    "null": b"null",
    "a string": b'"a cat"',
    "utf-16": '{"model": "krea-2-turbo", "prompt": "a cat"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"model": "krea-2-turbo", "prompt": "a cat"}',
    "not utf-8": b'{"model": "krea-2-turbo", "prompt": "\xff\xfe"}',
    "NaN": b'{"model": "krea-2-turbo", "prompt": "a cat", "seed": NaN}',
    "Infinity": b'{"model": "krea-2-turbo", "prompt": "a cat", "seed": Infinity}',
    "-Infinity": b'{"model": "krea-2-turbo", "prompt": "a cat", "seed": -Infinity}',
    "1e400": b'{"model": "krea-2-turbo", "prompt": "a cat", "seed": 1e400}',
    "five thousand digits": b'{"model": "krea-2-turbo", "prompt": "a", "seed": '
    + b"9" * 5000
    + b"}",
    "lone surrogate": rb'{"model": "krea-2-turbo", "prompt": "a \ud800 cat"}',
    "raw surrogate": b'{"model": "krea-2-turbo", "prompt": "a \xed\xa0\x80 cat"}',
    "NUL": rb'{"model": "krea-2-turbo", "prompt": "a \u0000 cat"}',
    "duplicate keys": b'{"model": "krea-2-turbo", "prompt": "a cat", "prompt": "a dog"}',
    "ten thousand levels": b'{"prompt": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "ten thousand objects": b'{"prompt": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
}


def assert_refused(reply: requests.Response, status: int, *words: str) -> None:
    """The status, and an error in the form of the door that was knocked at."""
    assert reply.status_code == status, reply.text
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["X-Request-Id"]
    error = reply.json()["error"]
    if reply.request.path_url.startswith("/v1/"):
        assert set(error) >= {"code", "message", "type"}
        error = error["message"]
    assert isinstance(error, str)
    for word in words:
        assert word.lower() in error.lower(), error


def assert_nothing_happened(server: Server, customer: Customer) -> None:
    balance = server.balance(customer)
    assert balance["available"] == balance["granted"]
    assert customer.call("GET", "/v1/tasks").json()["total"] == 0
    assert customer.call("GET", "/jobs").json()["items"] == []


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_a_body_that_nobody_should_send_is_refused(
    server: Server, customer: Customer, door: str, body: bytes
) -> None:
    assert_refused(customer.call("POST", door, data=body), 400)
    assert_nothing_happened(server, customer)


@pytest.mark.parametrize("door", DOORS)
def test_a_body_over_64_kib_is_refused_whether_or_not_it_says_so(
    server: Server, customer: Customer, door: str
) -> None:
    body = json.dumps({"model": "krea-2-turbo", "prompt": "a" * 70_000}).encode()
    assert_refused(customer.call("POST", door, data=body), 413, "64 KiB")
    chunked = customer.call("POST", door, data=iter([body[:40_000], body[40_000:]]))
    assert_refused(chunked, 413, "64 KiB")
    assert_nothing_happened(server, customer)


EVOLINK_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"prompt": 5}, "prompt"),
    ({"prompt": None}, "prompt"),
    ({"prompt": ["a cat"]}, "prompt"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": " \n\t"}, "prompt"),
    ({"prompt": "cat " * 641}, "641"),
    ({"size": "16:10"}, "size"),
    ({"size": "1024x1024"}, "size"),
    ({"size": 1}, "size"),
    ({"quality": "4K"}, "quality"),
    ({"quality": "1k"}, "quality"),
    ({"seed": -1}, "seed"),
    ({"seed": 1_048_577}, "seed"),
    ({"seed": 1.5}, "seed"),
    ({"seed": "12"}, "seed"),
    ({"seed": True}, "seed"),
    ({"nsfw_check": "yes"}, "nsfw_check"),
    ({"nsfw_check": 0}, "nsfw_check"),
    ({"callback_url": "http://example.com/hook"}, "callback_url"),
    ({"callback_url": "https://127.0.0.1/hook"}, "callback_url"),
    ({"callback_url": "https://10.1.2.3/hook"}, "callback_url"),
    ({"callback_url": "https://user:pass@example.com/"}, "callback_url"),
    ({"callback_url": "https://example.com/" + "a" * 2048}, "callback_url"),
    ({"callback_url": 7}, "callback_url"),
]


@pytest.mark.parametrize(("fields", "named"), EVOLINK_FIELDS)
def test_evolinks_door_names_the_field_that_is_wrong(
    server: Server, customer: Customer, fields: dict[str, Any], named: str
) -> None:
    body = {"model": "krea-2-turbo", "prompt": "a cat"} | fields
    reply = customer.call("POST", EVOLINK, json=body)
    assert_refused(reply, 400, named)
    assert reply.json()["error"]["code"] == "invalid_request"
    assert_nothing_happened(server, customer)


def test_640_tokens_are_still_a_prompt(customer: Customer) -> None:
    assert customer.order("cat " * 640).status_code == 200


KREA_FIELDS: list[tuple[str, dict[str, Any], str]] = [
    (KREA, {"aspect_ratio": "7:5"}, "aspect_ratio"),
    (KREA, {"resolution": "8K"}, "resolution"),
    (KREA, {"creativity": "wild"}, "creativity"),
    (KREA, {"intensity": 101}, "intensity"),
    (KREA, {"intensity": 0.5}, "intensity"),
    (KREA, {"moodboards": [{"id": "not a uuid"}]}, "moodboards"),
    (KREA, {"styles": [{"id": "x"}]}, "strength"),
    (KREA, {"image_style_references": "https://example.com/a.png"}, "image_style_references"),
    (KREA, {"colour": "red"}, "colour"),
    (KREA, {"n": 2}, "n"),
    (FLUX, {"width": 511}, "width"),
    (FLUX, {"width": 2369}, "width"),
    (FLUX, {"width": "1024"}, "width"),
    (FLUX, {"width": True}, "width"),
    (FLUX, {"height": None}, "height"),
    (FLUX, {"steps": 0}, "steps"),
    (FLUX, {"steps": 2.5}, "steps"),
    (FLUX, {"prompt": "a" * 1801}, "prompt"),
    (FLUX, {"prompt": ""}, "prompt"),
    (FLUX, {"imageUrl": None, "image_url": None}, "imageUrl"),
]


@pytest.mark.parametrize(("route", "fields", "named"), KREA_FIELDS)
def test_kreas_door_names_the_field_that_is_wrong(
    server: Server, customer: Customer, route: str, fields: dict[str, Any], named: str
) -> None:
    whole = {"aspect_ratio": "1:1", "resolution": "1K"} if route == KREA else {}
    reply = customer.call("POST", route, json={"prompt": "a cat"} | whole | fields)
    assert_refused(reply, 400, named)
    assert_nothing_happened(server, customer)


@pytest.mark.parametrize("missing", ["prompt", "aspect_ratio", "resolution"])
def test_kreas_door_names_the_field_that_is_missing(customer: Customer, missing: str) -> None:
    body = {"prompt": "a cat", "aspect_ratio": "1:1", "resolution": "1K"}
    del body[missing]
    assert_refused(customer.call("POST", KREA, json=body), 400, missing)


def test_a_model_that_nobody_offers_is_named(server: Server, customer: Customer) -> None:
    reply = customer.order(model="dall-e-9")
    assert_refused(reply, 403, "dall-e-9")
    assert reply.json()["error"]["code"] == "model_access_denied"
    unknown = customer.call("POST", "/generate/image/acme/dall-e-9", json={"prompt": "a cat"})
    assert_refused(unknown, 404)
    assert_nothing_happened(server, customer)


def test_a_model_that_was_withdrawn_says_what_to_use_instead(customer: Customer) -> None:
    reply = customer.call("POST", "/generate/image/bytedance/seedream-3", json={"prompt": "a"})
    assert reply.status_code == 410
    assert reply.json()["error"] == "model_unavailable"
    assert reply.json()["reason"] == "deprecated"
    assert "seedream-5-lite" in reply.json()["replacement"]


def test_unknown_fields_are_ignored_at_evolinks_door(customer: Customer) -> None:
    assert customer.order(n=3, style="vivid", image_urls=[]).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer sl-not-a-key"},
        {"Authorization": "Bearer sl-" + "0" * 38},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer " + "a" * 5000},
    ],
    ids=["empty", "no key", "blank key", "no form", "wrong checksum", "other scheme", "long"],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", EVOLINK),
        ("GET", "/v1/tasks"),
        ("GET", "/v1/tasks/task-unified-1-aaaaaaaa"),
        ("POST", "/v1/tasks/batch"),
        ("GET", "/v1/credits"),
        ("GET", "/v1/models"),
        ("POST", KREA),
        ("GET", "/jobs"),
        ("GET", "/jobs/00000000-0000-4000-8000-000000000000"),
        ("DELETE", "/jobs/00000000-0000-4000-8000-000000000000"),
    ],
)
def test_without_a_good_key_every_door_stays_shut(
    customer: Customer, method: str, path: str, headers: dict[str, str]
) -> None:
    reply = customer.call(method, path, headers=headers, data=b"{}")
    assert_refused(reply, 401)


def test_both_schemes_open_kreas_door_and_only_bearer_evolinks(customer: Customer) -> None:
    key = {"Authorization": f"Key {customer.key}"}
    assert customer.call("GET", "/jobs", headers=key).status_code == 200
    assert customer.call("GET", "/v1/tasks", headers=key).status_code == 401
    bearer = {"Authorization": f"bearer {customer.key}"}
    assert customer.call("GET", "/v1/tasks", headers=bearer).status_code == 200


def test_another_accounts_job_looks_like_one_that_never_was(server: Server) -> None:
    owner, stranger = server.customer(), server.customer()
    task_id = owner.ordered()
    job_id = owner.order_krea().json()["job_id"]
    for method, path in (
        ("GET", f"/v1/tasks/{task_id}"),
        ("GET", f"/v1/tasks/{task_id}/events"),
        ("GET", f"/jobs/{job_id}"),
        ("GET", f"/jobs/{job_id}/events"),
        ("DELETE", f"/jobs/{job_id}"),
    ):
        foreign = stranger.call(method, path)
        last = path.split("/")[-2 if path.endswith("events") else -1]
        flipped = last[:-1] + ("a" if last[-1] != "a" else "b")
        unknown = stranger.call(method, path.replace(last, flipped))
        assert_refused(foreign, 404)
        assert foreign.text.replace(last, "") == unknown.text.replace(flipped, "")
    batch = stranger.call("POST", "/v1/tasks/batch", json={"task_ids": [task_id]})
    assert batch.json() == {"code": 200, "data": []}
    assert owner.job(job_id, wait=30)["status"] == "completed"


def test_an_id_of_another_form_is_told_what_ids_look_like(customer: Customer) -> None:
    reply = customer.call("GET", "/v1/tasks/550e8400-e29b-41d4-a716-446655440000")
    assert_refused(reply, 400, "task-unified-")
    assert reply.json()["error"]["code"] == "invalid_task_id"


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/v1/tasks?page=0", "page"),
        ("/v1/tasks?page_size=51", "page_size"),
        ("/v1/tasks?status=lost", "status"),
        ("/jobs?limit=0", "limit"),
        ("/jobs?limit=1001", "limit"),
        ("/jobs?cursor=yesterday", "cursor"),
        ("/jobs?status=lost", "status"),
        ("/v1/tasks/task-unified-1-aaaaaaaa?wait=-1", "wait"),
        ("/v1/tasks/task-unified-1-aaaaaaaa?wait=61", "wait"),
    ],
)
def test_a_bad_query_is_named(customer: Customer, path: str, named: str) -> None:
    reply = customer.call("GET", path)
    if "wait" in path and reply.status_code == 404:
        pytest.skip("the unknown task is noticed first")
    assert_refused(reply, 400, named)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v2/images/generations", 404),
        ("GET", "/generate/image", 404),
        ("GET", EVOLINK, 405),
        ("PUT", "/jobs/00000000-0000-4000-8000-000000000000", 405),
        ("DELETE", "/v1/tasks", 405),
    ],
)
def test_paths_and_methods_that_do_not_exist_get_the_doors_own_error(
    customer: Customer, method: str, path: str, status: int
) -> None:
    reply = customer.call(method, path)
    assert reply.status_code == status
    assert "error" in reply.json()
    if status == 405:
        assert "Allow" in reply.headers


def test_a_callers_own_request_id_is_kept_when_it_is_harmless(customer: Customer) -> None:
    given = customer.call("GET", "/livez", headers={"X-Request-Id": "trace-0123456789"})
    assert given.headers["X-Request-Id"] == "trace-0123456789"
    odd = customer.call("GET", "/livez", headers={"X-Request-Id": "<script>"})
    assert odd.headers["X-Request-Id"].startswith("req_")
