"""What EvoLink's callers may say."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight import catalog
from safelight.dialects import evolink
from safelight.errors import InvalidRequest, ModelNotAllowed
from safelight.jobs import State

CATALOG = catalog.load()
PLAIN = {"model": "krea-2-turbo", "prompt": "a lamp"}


def parse(**body: Any) -> Any:
    return evolink.parse_submission(json.dumps(PLAIN | body).encode(), CATALOG)


def test_the_documented_example_is_understood():
    submission = parse(
        prompt="A cinematic product poster",
        size="16:9",
        quality="2K",
        seed=12345,
        nsfw_check=True,
        callback_url="https://your-domain.com/webhooks/image-task-completed",
    )
    request = submission.request
    assert (request.model, request.prompt) == ("krea-2-turbo", "A cinematic product poster")
    assert (request.width, request.height, request.tier) == (2688, 1472, "2K")
    assert (request.seed, request.count, request.strict_moderation) == (12345, 1, True)
    assert submission.webhook_url == "https://your-domain.com/webhooks/image-task-completed"


def test_defaults_are_a_square_at_1k_with_a_random_seed():
    submission = parse()
    request = submission.request
    assert (request.width, request.height, request.tier) == (1024, 1024, "1K")
    assert (request.seed, request.strict_moderation) == (None, False)
    assert submission.webhook_url is None


def test_seed_0_is_random():
    assert parse(seed=0).request.seed is None


def test_unknown_fields_are_ignored():
    assert parse(n=4, image_urls=["x"], whatever={"": None}).request == parse().request


def test_a_model_without_seeds_is_not_confused_by_an_empty_key():
    body = {"model": "gemini-3-pro-image-preview", "": {}}
    assert parse(**body).request.seed is None


def test_other_names_of_a_model_lead_to_it():
    assert parse(model="gemini-2.5-flash-image").request.model == "nano-banana"


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 1048577}, "seed"),
        ({"seed": True}, "seed"),
        ({"seed": "12"}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"size": "1024x1024"}, "size"),
        ({"size": None}, "size"),
        ({"size": "auto"}, "size"),
        ({"quality": "4K"}, "quality"),
        ({"quality": "1k"}, "quality"),
        ({"nsfw_check": "true"}, "nsfw_check"),
        ({"nsfw_check": 1}, "nsfw_check"),
        ({"callback_url": "http://your-domain.com/"}, "callback_url"),
        ({"callback_url": "https://10.0.0.1/"}, "callback_url"),
        ({"callback_url": ""}, "callback_url"),
        ({"callback_url": 5}, "callback_url"),
        ({"callback_url": "https://a.example/" + "x" * 2048}, "callback_url"),
        ({"prompt": "   "}, "prompt"),
        ({"prompt": ["a lamp"]}, "prompt"),
        ({"prompt": "word " * 641}, "prompt"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"model": "x" * 1000}, "model"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, Any], parameter: str):
    with pytest.raises(InvalidRequest) as caught:
        parse(**body)
    assert caught.value.parameter == parameter
    assert parameter in caught.value.message


@pytest.mark.parametrize("name", ["model", "prompt"])
def test_a_missing_field_is_named(name: str):
    body = {key: value for key, value in PLAIN.items() if key != name}
    with pytest.raises(InvalidRequest, match=f"{name} is required"):
        evolink.parse_submission(json.dumps(body).encode(), CATALOG)


def test_the_limit_of_640_tokens_says_how_many_there_were():
    assert parse(prompt="word " * 640)
    with pytest.raises(InvalidRequest, match="at most 640 tokens, not 641"):
        parse(prompt="word " * 641)


@pytest.mark.parametrize("name", ["krea-9", "flux-1-dev", "krea/krea-2/medium-turbo"])
def test_a_model_that_is_not_offered_at_this_door_is_not_allowed(name: str):
    with pytest.raises(ModelNotAllowed) as caught:
        parse(model=name)
    assert caught.value.model == name


def test_a_batch_names_up_to_fifty_tasks():
    ids = [f"task-unified-1-{n:08d}" for n in range(50)]
    assert evolink.parse_batch(json.dumps({"task_ids": ids}).encode()) == ids


@pytest.mark.parametrize(
    "ids", [[], ["a", "a"], [1], "a", None, {"a": 1}, [f"t{n}" for n in range(51)]]
)
def test_a_wrong_batch_is_refused(ids: Any):
    with pytest.raises(InvalidRequest) as caught:
        evolink.parse_batch(json.dumps({"task_ids": ids}).encode())
    assert caught.value.parameter == "task_ids"


def test_a_list_is_of_the_first_twenty_tasks_unless_asked_otherwise():
    query = evolink.parse_list_query({})
    assert (query.page, query.page_size, query.offset) == (1, 20, 0)
    assert (query.states, query.model, query.matches_nothing) == (None, None, False)


def test_a_list_can_be_narrowed():
    query = evolink.parse_list_query(
        {"status": "failed", "type": "image", "model": "m", "page": "3", "page_size": "50"}
    )
    assert query.states == {State.FAILED, State.CANCELLED}
    assert (query.model, query.offset, query.matches_nothing) == ("m", 100, False)


def test_processing_includes_what_is_pending():
    query = evolink.parse_list_query({"status": "processing"})
    assert query.states == {State.BACKLOGGED, State.QUEUED, State.RUNNING}


def test_filters_without_a_value_are_ignored():
    query = evolink.parse_list_query({"status": "", "type": "", "model": ""})
    assert query == evolink.parse_list_query({})


def test_we_make_no_videos():
    assert evolink.parse_list_query({"type": "video"}).matches_nothing


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "done"),
        ("type", "gif"),
        ("page", "0"),
        ("page", "-1"),
        ("page", "1.5"),
        ("page", ""),
        ("page", "１"),
        ("page", "9" * 30),
        ("page_size", "51"),
        ("page_size", "x"),
        ("model", "\x00"),
        ("model", "m" * 200),
    ],
)
def test_a_wrong_query_is_refused(name: str, value: str):
    with pytest.raises(InvalidRequest) as caught:
        evolink.parse_list_query({name: value})
    assert caught.value.parameter == name


@pytest.mark.parametrize("key", ["run_" + "0" * 32, "a.b-c_" + "d" * 10, "x" * 96])
def test_an_idempotency_key_is_taken_as_it_is(key: str):
    assert evolink.parse_idempotency_key(key) == key


@pytest.mark.parametrize(
    "key", ["", "short", "x" * 97, "with space in it!", "é" * 20, "x" * 16 + "\n"]
)
def test_another_idempotency_key_is_refused(key: str):
    with pytest.raises(InvalidRequest, match="16 to 96"):
        evolink.parse_idempotency_key(key)


@given(st.binary(max_size=300))
def test_any_bytes_are_understood_or_refused(body: bytes):
    with suppress(InvalidRequest, ModelNotAllowed):
        evolink.parse_submission(body, CATALOG)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    body=st.dictionaries(
        st.sampled_from(
            ["model", "prompt", "size", "quality", "seed", "n", "callback_url", "nsfw_check", ""]
        ),
        JSON
        | st.sampled_from(["krea-2-turbo", "gpt-image-2", "1:1", "2K", "https://a.example/", 1]),
    )
)
def test_any_values_are_understood_or_refused(body: dict[str, Any]):
    with suppress(InvalidRequest, ModelNotAllowed):
        evolink.parse_submission(json.dumps(PLAIN | body).encode(), CATALOG)
