"""What a parameter accepts, and how it says no."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight import catalog
from safelight.catalog.model import Offer

MODELS = catalog.load()
OFFERS = [
    offer
    for model in MODELS.models.values()
    for offer in (model.evolink, model.krea)
    if offer is not None
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**300), max_value=10**300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def problems(model: str, dialect: str, body: Mapping[str, Any]) -> list[tuple[str, str]]:
    offer = MODELS.find(model).offer(dialect)
    assert offer is not None
    return [tuple(problem) for problem in offer.problems(body)]


def flux(**body: Any) -> list[tuple[str, str]]:
    return problems("flux-1-dev", "krea", {"prompt": "a lamp", **body})


def turbo(**body: Any) -> list[tuple[str, str]]:
    return problems("krea-2-turbo", "evolink", {"prompt": "a lamp", **body})


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ({"steps": True}, "steps", "steps must be a whole number, not true"),
        ({"steps": "12"}, "steps", 'steps must be a whole number, not "12"'),
        ({"steps": 12.5}, "steps", "steps must be a whole number, not 12.5"),
        ({"steps": 0}, "steps", "steps must be from 1 to 100, not 0"),
        ({"steps": None}, "steps", "steps must be a whole number, not null"),
        ({"width": "1024"}, "width", 'width must be a number, not "1024"'),
        ({"width": 511}, "width", "width must be from 512 to 2368, not 511"),
        ({"width": [1]}, "width", "width must be a number, not [1]"),
        ({"prompt": ""}, "prompt", "prompt must not be empty"),
        ({"prompt": " \n\t "}, "prompt", "prompt must not be empty"),
        ({"prompt": 5}, "prompt", "prompt must be a string, not 5"),
        ({"prompt": "x" * 1801}, "prompt", "prompt must have at most 1800 characters, not 1801"),
        ({"styles": {}}, "styles", "styles must be a list, not {}"),
        ({"styles": ["a"]}, "styles[0]", 'styles[0] must be an object, not "a"'),
        ({"styles": [{"id": "a"}]}, "styles[0].strength", "styles[0].strength is required"),
        (
            {"styles": [{"id": "a", "strength": 3}]},
            "styles[0].strength",
            "styles[0].strength must be from -2 to 2, not 3",
        ),
        (
            {"styles": [{"id": "a", "strength": 1, "x": 1}]},
            "styles[0].x",
            'Unrecognized key "x" in styles[0]',
        ),
        (
            {"image_url": "ftp://a.example/b"},
            "image_url",
            "image_url must be an http(s) URL or a data: URI of an image",
        ),
    ],
)
def test_a_message_names_the_parameter_and_what_is_wrong(
    body: dict[str, Any], path: str, message: str
):
    assert flux(**body) == [(path, message)]


def test_a_wrong_word_is_answered_with_the_right_ones():
    [(path, message)] = turbo(quality="8K")
    assert (path, message) == ("quality", 'quality must be one of 1K, 2K, not "8K"')


def test_a_long_wrong_value_is_shown_only_in_part():
    [(_, message)] = turbo(size="9" * 5000)
    assert len(message) < 200


def test_everything_wrong_is_found_at_once():
    found = problems("flux-1-dev", "krea", {"width": 1, "height": 1, "steps": 0})
    assert [path for path, _ in found] == ["prompt", "width", "height", "steps"]


def test_a_whole_number_may_be_written_with_a_point():
    offer = MODELS.find("flux-1-dev").krea
    assert offer is not None
    assert flux(steps=25.0) == []
    steps = offer.request("flux-1-dev", {"prompt": "a lamp", "steps": 25.0}).steps
    assert (steps, type(steps)) == (25, int)


def test_only_what_is_nullable_takes_null():
    assert flux(image_url=None, seed=None) == []
    assert turbo(seed=None) != []


def test_case_is_forgiven_only_where_the_wire_forgives_it():
    body = {"prompt": "a lamp", "resolution": "2k"}
    assert problems("gpt-image-2", "evolink", body) == []
    offer = MODELS.find("gpt-image-2").evolink
    assert offer is not None
    assert offer.request("gpt-image-2", body).tier == "2K"
    assert problems("gpt-image-2", "krea", body) != []


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ("375x1000", "376 to 1536"),
        ("1000x1537", "376 to 1536"),
        ("1000x", "one of"),
        ("01000x1000", "one of"),
    ],
)
def test_named_pixels_have_bounds(size: str, told: str):
    [(_, message)] = problems("z-image-turbo", "evolink", {"prompt": "a lamp", "size": size})
    assert told in message


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ("1000x1024", "multiple of 16"),
        ("256x256", "655360"),
        ("3840x1024", "3 times"),
        ("3856x3856", "16 to 3840"),
    ],
)
def test_named_pixels_of_gpt_image_2_have_four_kinds_of_bounds(size: str, told: str):
    [(_, message)] = problems("gpt-image-2", "evolink", {"prompt": "a lamp", "size": size})
    assert told in message


def test_a_prompt_of_too_many_tokens_is_told_how_many_it_has():
    [(path, message)] = turbo(prompt="word " * 700)
    assert path == "prompt"
    assert message == "prompt must have at most 640 tokens, not 700"
    assert turbo(prompt="word " * 600) == []


def test_a_data_uri_is_an_address_of_a_picture():
    assert flux(image_url="data:image/png;base64,iVBORw0KGgo=") == []
    assert flux(image_url="https://gen.example/images/a.png?x=1") == []


@pytest.mark.parametrize(
    "url",
    ["https://", "https:///x", "https://a b.example", "https://user@a.example/", "//a.example"],
)
def test_a_broken_address_of_a_picture_is_refused(url: str):
    assert flux(image_url=url) != []


def test_what_asks_for_nothing_does_not_reach_the_engine():
    offer = MODELS.find("krea-2-turbo").krea
    assert offer is not None
    body = {"prompt": "a lamp", "aspect_ratio": "1:1", "resolution": "1K"}
    plain = offer.request("krea-2-turbo", body)
    said = offer.request(
        "krea-2-turbo",
        body
        | {"intensity": 0, "creativity": "low", "styles": [], "image_url": None, "strength": 0.99},
    )
    assert dict(plain.parameters) == dict(said.parameters) == {}
    asked = offer.request("krea-2-turbo", body | {"intensity": 5})
    assert dict(asked.parameters) == {"intensity": 5}


def test_a_default_that_matters_reaches_the_engine():
    offer = MODELS.find("gpt-image-2").krea
    assert offer is not None
    assert offer.request("gpt-image-2", {"prompt": "a lamp"}).parameters["quality"] == "high"


@given(offer=st.sampled_from(OFFERS), data=st.data())
def test_any_value_for_any_parameter_is_either_understood_or_named_as_a_problem(
    offer: Offer, data: st.DataObject
):
    names = st.sampled_from(sorted(offer.parameters))
    body = {"prompt": "a lamp", **data.draw(st.dictionaries(names, JSON, max_size=4))}
    found = list(offer.problems(body))
    assert all(problem.path and problem.message for problem in found)
    if not found:
        request = offer.request("model", body)
        assert request.width > 0
        assert request.height > 0
        assert offer.price_microcredits(request) > 0
