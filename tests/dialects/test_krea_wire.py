"""What Krea's callers may say and are told."""

import json
import random
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagined import CREATED_MS, PICTURE, krea_job
from safelight import catalog, errors
from safelight.catalog import ImageRequest
from safelight.dialects import krea
from safelight.errors import InvalidRequest, ModelSunset, NoSuchRoute, NotFound, SafelightError
from safelight.jobs import State

CATALOG = catalog.load()
FLUX = "bfl/flux-1-dev"
ROUTES = sorted(model.krea.name for model in CATALOG.models.values() if model.krea is not None)
ID = "4d0e5f97-9721-4422-b88c-73a9032d7de1"


def parse(route: str = FLUX, headers: dict[str, str] | None = None, **body: Any) -> Any:
    raw = json.dumps({"prompt": "a lamp"} | body).encode()
    return krea.parse_submission(route, raw, headers or {}, CATALOG)


def test_the_documented_example_is_understood():
    request = parse(width=1024, height=576, steps=28).request
    assert request.model == "flux-1-dev"
    assert (request.width, request.height, request.steps) == (1024, 576, 28)
    assert (request.guidance, request.seed) == (3.0, None)
    assert dict(request.parameters) == {}


def test_krea_2_takes_a_ratio_and_a_resolution():
    submission = parse(
        "krea/krea-2/medium-turbo",
        aspect_ratio="4:5",
        resolution="1K",
        creativity="medium",
        image_style_references=[{"url": "https://a.example/ref.png", "strength": 0.6}],
        moodboards=[{"id": "1e51738c-7413-469e-93b6-ad50db460a1f", "strength": 0.35}],
        styles=[{"id": "pgozm164j", "strength": 0.8}],
        intensity=0,
        seed=42,
    )
    request = submission.request
    assert (request.width, request.height, request.seed) == (896, 1152, 42)
    assert set(request.parameters) == {
        "creativity", "image_style_references", "moodboards", "styles",
    }  # fmt: skip


@pytest.mark.parametrize("seed", [None, 0, 5, -1, 1.9, -3.7, 1e300, 2**63, 3317551338])
def test_any_number_is_a_seed_and_always_the_same_one(seed: float | None):
    first, second = parse(seed=seed).request.seed, parse(seed=seed).request.seed
    assert first == second
    assert (first is None) == (seed is None)
    assert first is None or 0 <= first < 2**63


def test_a_plain_seed_is_itself():
    assert parse(seed=42).request.seed == 42
    assert parse(seed=42.9).request.seed == 42


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("imageUrl", "image_url", "https://a.example/b.png"),
        ("presetStyles", "styles", [{"id": "a", "strength": 1}]),
        ("styleImages", "style_images", [{"strength": 1, "url": "https://a.example/b.png"}]),
        ("imageStyleRefs", "image_style_references", [{"strength": 1}]),
    ],
)
def test_outdated_names_are_still_understood_and_reported(old: str, new: str, value: Any):
    submission = parse(**{old: value})
    assert submission.request.parameters[new] == value
    assert submission.deprecated_fields == (old,)
    assert parse(**{new: value}).deprecated_fields == ()


def test_the_older_name_of_guidance_is_understood():
    assert parse(guidance_scale_flux=7).request.guidance == 7.0


def test_both_names_of_a_field_at_once_are_an_error():
    with pytest.raises(InvalidRequest, match="outdated") as caught:
        parse(imageUrl=None, image_url=None)
    assert caught.value.parameter == "imageUrl"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"batchSize": 2}, 'Unrecognized key: "batchSize"'),
        ({"a": 1, "b": 2}, 'Unrecognized keys: "a", "b"'),
        ({"": {}}, 'Unrecognized key: ""'),
        ({"model": "flux"}, 'Unrecognized key: "model"'),
    ],
)
def test_an_unknown_key_is_an_error_that_names_it(body: dict[str, Any], message: str):
    with pytest.raises(InvalidRequest) as caught:
        parse(**body)
    assert caught.value.message == message
    assert caught.value.parameter in body


def test_the_webhook_comes_in_a_header_of_any_case():
    url = "https://a.example/hook?token=1"
    assert parse(headers={"X-Webhook-URL": url}).webhook_url == url
    assert parse(headers={"x-webhook-url": url}).webhook_url == url
    assert parse().webhook_url is None


@pytest.mark.parametrize("url", ["", "http://a.example/", "https://127.0.0.1/", "nonsense"])
def test_a_wrong_webhook_is_refused_by_the_headers_name(url: str):
    with pytest.raises(InvalidRequest) as caught:
        parse(headers={"X-Webhook-URL": url})
    assert caught.value.parameter == "X-Webhook-URL"


@pytest.mark.parametrize("route", ["", "bfl", "bfl/flux-9", "bfl/flux-1-dev/", "../jobs"])
def test_a_route_without_a_model_does_not_exist(route: str):
    with pytest.raises(NoSuchRoute):
        parse(route)


def test_a_withdrawn_model_is_gone_with_directions():
    with pytest.raises(ModelSunset) as caught:
        parse("bytedance/seedream-3")
    status, body, _ = krea.render_error(caught.value, "req_1")
    assert status == 410
    assert body == {
        "error": "model_unavailable",
        "reason": "deprecated",
        "message": (
            "The model image/bytedance/seedream-3 was withdrawn on 2026-05-13."
            " Use image/bytedance/seedream-5-lite instead"
        ),
        "sunset_date": "2026-05-13",
        "replacement": "image/bytedance/seedream-5-lite",
    }


def test_a_submission_is_answered_with_a_queued_job():
    shown = krea.render_submitted(krea_job(), CATALOG)
    assert shown == {
        "job_id": ID,
        "status": "queued",
        "created_at": "2025-06-30T10:40:00.123Z",
        "completed_at": None,
        "type": "k2",
        "result": None,
    }


@pytest.mark.parametrize(
    ("state", "changes", "status"),
    [
        (State.BACKLOGGED, {}, "backlogged"),
        (State.QUEUED, {}, "queued"),
        (State.RUNNING, {"step": 0}, "scheduled"),
        (State.RUNNING, {"step": 1}, "sampling"),
        (State.RUNNING, {"step": 5, "has_preview": True}, "intermediate-complete"),
        (State.COMPLETED, {}, "completed"),
        (State.COMPLETED, {"has_preview": True}, "completed"),
        (State.FAILED, {}, "failed"),
        (State.CANCELLED, {}, "cancelled"),
    ],
)
def test_a_job_stands_where_its_word_says(state: State, changes: dict[str, Any], status: str):
    assert krea.render(krea_job(state, **changes), CATALOG)["status"] == status


@pytest.mark.parametrize("state", State)
def test_completed_at_is_null_until_the_end(state: State):
    shown = krea.render(krea_job(state), CATALOG)
    assert (shown["completed_at"] is not None) == state.is_final


def test_a_completed_job_has_links():
    shown = krea.render(krea_job(State.COMPLETED), CATALOG)
    assert shown == {
        "job_id": ID,
        "status": "completed",
        "created_at": "2025-06-30T10:40:00.123Z",
        "completed_at": "2025-06-30T10:40:04.723Z",
        "type": "k2",
        "result": {"urls": [PICTURE.url]},
    }


def test_a_failed_job_says_why_in_both_places_that_clients_look():
    failed = krea_job(State.FAILED, error_code="generation_timeout", error_message="too slow")
    shown = krea.render(failed, CATALOG)
    assert shown["error"] == {"code": "generation_timeout", "message": "too slow"}
    assert shown["result"] == {"error": "too slow"}


def test_a_preview_is_shown_apart_from_results():
    running = krea_job(State.RUNNING, has_preview=True, pictures=(PICTURE,))
    assert krea.render(running, CATALOG)["result"] == {"preview_urls": [PICTURE.url]}


@pytest.mark.parametrize(
    ("model", "job_type"),
    [("flux-1-dev", "flux"), ("krea-2-turbo", "k2"), ("nano-banana-pro", "externalImage")],
)
def test_a_job_tells_its_type(model: str, job_type: str):
    request = ImageRequest(model=model, prompt="a lamp", width=1024, height=1024)
    assert krea.render(krea_job(request=request), CATALOG)["type"] == job_type


def test_the_models_of_a_type_are_known():
    assert "flux-1-dev" in krea.models_of_types(frozenset({"flux", "k1"}), CATALOG)
    assert krea.models_of_types(frozenset({"k1"}), CATALOG) == frozenset()


def test_a_list_leads_to_its_next_page():
    query = krea.parse_list_query({"limit": "2"})
    jobs = [krea_job(seq=n) for n in (9, 8, 7)]
    page = krea.render_list(jobs, query, CATALOG)
    assert len(page["items"]) == 2
    onward = krea.parse_list_query({"cursor": page["next_cursor"]})
    assert (onward.before_ms, onward.before_seq) == (CREATED_MS, 8)
    assert krea.render_list(jobs[:2], query, CATALOG)["next_cursor"] is None


def test_the_next_cursor_is_a_timestamp_that_any_client_can_read():
    query = krea.parse_list_query({"limit": "1"})
    cursor = krea.render_list([krea_job(), krea_job()], query, CATALOG)["next_cursor"]
    assert cursor == "2025-06-30T10:40:00.123000000000045Z"


@pytest.mark.parametrize(
    ("cursor", "before_ms"),
    [
        ("2025-06-30T10:40:00.123Z", CREATED_MS),
        ("2025-06-30T10:40:00.123456Z", CREATED_MS + 1),
        ("2025-06-30T12:40:00.123+02:00", CREATED_MS),
        ("2025-06-30t10:40:00z", CREATED_MS - 123),
        ("0001-01-01T00:00:00+23:59", -62135683140000),
    ],
)
def test_any_timestamp_is_a_cursor(cursor: str, before_ms: int):
    query = krea.parse_list_query({"cursor": cursor})
    assert (query.before_ms, query.before_seq) == (before_ms, 0)


def test_a_status_selects_exactly_its_jobs():
    query = krea.parse_list_query({"status": "sampling"})
    assert query.states == {State.RUNNING}
    jobs = [krea_job(State.RUNNING, step=0), krea_job(State.RUNNING, step=2)]
    shown = krea.render_list(jobs, query, CATALOG)["items"]
    assert [item["status"] for item in shown] == ["sampling"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "ten"),
        ("limit", "-5"),
        ("status", "done"),
        ("limit", ""),
        ("status", ""),
        ("cursor", ""),
        ("cursor", "yesterday"),
        ("cursor", "2025-06-30"),
        ("cursor", "2025-06-30T10:40:00"),
        ("cursor", "2025-06-30T10:40:60Z"),
        ("cursor", "2025-13-01T00:00:00Z"),
        ("cursor", "x" * 30_000),
        ("types", "," * 100),
    ],
)
def test_a_wrong_query_is_refused(name: str, value: str):
    with pytest.raises(InvalidRequest) as caught:
        krea.parse_list_query({name: value})
    assert caught.value.parameter == name


@given(st.text() | st.text("0123456789-:TZ.+", max_size=40))
def test_any_text_is_a_cursor_or_refused(text: str):
    with suppress(InvalidRequest):
        assert isinstance(krea.parse_list_query({"cursor": text}).before_ms, int)


def test_an_invalid_request_names_its_issue():
    error = InvalidRequest("width must be a number", parameter="width")
    assert krea.render_error(error, "r") == (
        400,
        {
            "error": "width must be a number",
            "issues": [{"path": "width", "message": "width must be a number"}],
        },
        {},
    )


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Unauthenticated(), 401),
        (errors.InsufficientCredits(), 402),
        (errors.ModelNotAllowed("flux-1-dev"), 403),
        (errors.NotFound(), 404),
        (errors.RequestTooLarge(), 413),
        (errors.TooManyRequests(retry_after_seconds=3), 429),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_refusals_are_one_sentence(error: SafelightError, status: int):
    found, body, _ = krea.render_error(error, "r")
    assert found == status
    assert list(body) == ["error"]
    assert isinstance(body["error"], str)


def test_a_mistake_of_ours_is_not_told():
    assert krea.render_error(errors.InternalError("/secret/path"), "r")[:2] == (
        500,
        {"error": "Internal server error"},
    )


def test_ids_are_random_uuids():
    drawn = random.Random(1)
    made = {krea.new_id(CREATED_MS, drawn) for _ in range(500)}
    assert len(made) == 500
    for job_id in made:
        assert UUID(job_id).version == 4
        krea.check_id(job_id)
        krea.check_id(job_id.upper())


@pytest.mark.parametrize(
    "text", ["", "x", ID + "\n", "{" + ID + "}", ID.replace("-", ""), ID + "\x00"]
)
def test_an_id_of_another_form_is_unknown(text: str):
    with pytest.raises(NotFound):
        krea.check_id(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(route=st.sampled_from(ROUTES), data=st.data())
def test_any_values_are_understood_or_refused(route: str, data: st.DataObject):
    model = CATALOG.by_krea_route(route)
    assert model is not None
    assert model.krea is not None
    names = st.sampled_from([*model.krea.parameters, *model.krea.aliases, "other", ""])
    body = data.draw(st.dictionaries(names, JSON, max_size=4))
    with suppress(InvalidRequest):
        parse(route, **body)


@given(st.binary(max_size=300))
def test_any_bytes_are_understood_or_refused(body: bytes):
    with suppress(InvalidRequest):
        krea.parse_submission(FLUX, body, {}, CATALOG)
