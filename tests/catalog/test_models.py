"""The packaged models, and what happens to a file with a mistake in it."""

import shutil
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pytest

from safelight import catalog
from safelight.catalog import ImageRequest
from safelight.errors import ConfigurationError, ModelNotAllowed

MODELS = catalog.load()
OFFERS = [
    pytest.param(model, dialect, id=f"{model.id} at {dialect}")
    for model in MODELS.models.values()
    for dialect in ("evolink", "krea")
    if model.offer(dialect) is not None
]
KREA_ROUTES = [
    "krea/krea-2/medium",
    "krea/krea-2/large",
    "krea/krea-2/medium-turbo",
    "ideogram/ideogram-4.5",
    "bfl/flux-1-dev",
    "bfl/flux-1-kontext-dev",
    "google/nano-banana-pro",
    "google/nano-banana-2",
    "google/nano-banana-2.1",
    "google/nano-banana-flash-lite",
    "google/nano-banana",
    "bfl/flux-1.1-pro",
    "bfl/flux-1.1-pro-ultra",
    "ideogram/ideogram-2-turbo",
    "ideogram/ideogram-3",
    "runway/gen-4-image",
    "openai/gpt-image",
    "openai/gpt-image-2",
    "openai/gpt-image-2.5-flare",
    "openai/gpt-image-2.5-sunburst",
    "xai/grok-imagine-2",
    "xai/grok-imagine-2-edit",
    "meta/muse-image",
    "alibaba/qwen-image-3",
    "alibaba/qwen-image-2.1",
    "luma/uni-1",
    "recraft/recraft-v4.1-flash",
    "bytedance/seedream-4",
    "bytedance/seedream-5-lite",
    "bytedance/seedream-5-pro",
    "qwen/2512",
    "z-image/z-image",
]
OPEN_WEIGHTS = [
    "krea-2-turbo",
    "krea-2-raw",
    "flux-1-dev",
    "flux-1-schnell",
    "flux-2-klein",
    "z-image-turbo",
    "qwen-image",
]


def request(model: str, **fields: object) -> ImageRequest:
    plain: dict[str, object] = {"prompt": "a lamp", "width": 1024, "height": 1024}
    return ImageRequest(model=model, **plain | fields)  # type: ignore[arg-type]


def price(model: str, dialect: str, **fields: object) -> int:
    return MODELS.find(model).price_microcredits(request(model, **fields), dialect)


def test_every_route_that_krea_publishes_is_on_offer():
    assert len(KREA_ROUTES) == 32
    assert [route for route in KREA_ROUTES if MODELS.by_krea_route(route) is None] == []


@pytest.mark.parametrize("model_id", OPEN_WEIGHTS)
def test_a_model_with_open_weights_says_where_they_are_and_how_to_run_them(model_id: str):
    model = MODELS.find(model_id)
    assert model.weights is not None
    assert set(model.defaults) == {"steps", "guidance"}


@pytest.mark.parametrize("model", list(MODELS.models.values()), ids=lambda model: model.id)
def test_every_model_has_a_door_and_a_licence(model: catalog.Model):
    assert model.evolink or model.krea
    assert model.licence.url.startswith("https://")
    assert model.estimated_seconds > 0


@pytest.mark.parametrize(("model", "dialect"), OFFERS)
def test_every_offer_has_a_price_above_nothing_in_each_tier(model: catalog.Model, dialect: str):
    offer = model.offer(dialect)
    assert offer is not None
    for tier in offer.tiers:
        found = model.price_microcredits(request(model.id, tier=tier), dialect)
        assert isinstance(found, int)
        assert found > 0


def test_models_of_a_restrictive_licence_say_so():
    assert "non_commercial" in MODELS.find("flux-1-dev").licence.obligations
    assert "requires_filters" in MODELS.find("krea-2-turbo").licence.obligations
    assert MODELS.find("krea-2-turbo").licence.notice


def test_a_model_is_found_by_its_names_at_the_doors_and_by_nothing_else():
    turbo = MODELS.find("krea-2-turbo")
    assert MODELS.by_evolink_name("krea-2-turbo") is turbo
    assert MODELS.by_krea_route("krea/krea-2/medium-turbo") is turbo
    assert MODELS.by_evolink_name("gemini-2.5-flash-image") is MODELS.find("nano-banana")
    assert MODELS.by_evolink_name("flux-1-dev") is None
    assert MODELS.by_krea_route("krea-2-turbo") is None
    with pytest.raises(ModelNotAllowed):
        MODELS.find("krea-9")


def test_a_withdrawn_route_names_its_replacement():
    sunset = MODELS.sunsets["bytedance/seedream-3"]
    assert sunset.replacement is not None
    assert MODELS.by_krea_route(sunset.replacement) is not None


def test_krea_2_turbo_costs_what_evolink_charges():
    assert price("krea-2-turbo", "evolink", tier="1K") == 450_000
    assert price("krea-2-turbo", "evolink", tier="2K") == 1_800_000


def test_a_model_costs_at_each_door_what_that_door_charges():
    assert price("krea-2-turbo", "krea") == 1_020_000  # 0.015 USD at 68 credits
    with pytest.raises(ModelNotAllowed):
        price("flux-1-dev", "evolink")


@pytest.mark.parametrize(
    ("parameters", "microcredits"),
    [
        ({}, 1_020_000),
        ({"image_style_references": [{"url": "https://a.example/b"}]}, 1_190_000),
        ({"moodboards": [{"id": "x"}]}, 1_360_000),
        ({"moodboards": [{"id": "x"}], "image_style_references": [{"url": "u"}]}, 1_360_000),
    ],
)
def test_the_dearest_feature_sets_the_price(parameters: dict[str, object], microcredits: int):
    assert price("krea-2-turbo", "krea", parameters=parameters) == microcredits


def test_each_reference_and_each_picture_is_charged():
    one = price("uni-1", "krea", parameters={})
    two_references = price("uni-1", "krea", parameters={"style_images": [{}, {}]})
    assert two_references - one == 2 * 204_000
    assert price("seedream-4", "evolink", count=3) == 3 * price("seedream-4", "evolink")


def test_the_price_of_a_dollar_is_a_setting():
    dearer = catalog.load(Decimal(100)).find("flux-1-dev")
    assert dearer.price_microcredits(request("flux-1-dev"), "krea") == 700_000
    assert price("flux-1-dev", "krea") == 476_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalog of one model, to be spoilt."""
    with resources.as_file(resources.files("safelight.catalog")) as packaged:
        for name in ("shapes.toml", "sizes.toml", "sunsets.toml"):
            shutil.copy(packaged / name, tmp_path / name)
        (tmp_path / "models").mkdir()
        shutil.copy(packaged / "models" / "krea-2-turbo.toml", tmp_path / "models")
    return tmp_path


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("title =", "tittle =", "tittle"),
        ('type = "string", means = "ratio"', 'type = "strin", means = "ratio"', "strin"),
        ("max_tokens = 640", "max_token = 640", "max_token"),
        ('credits = "0.45"', 'credit = "0.45"', "credit"),
        ('credits = "0.45"', 'credits = "cheap"', "price"),
        ('credits = "0.45"', 'credits = "0.45"\nusd = "1"', "either usd or credits"),
        ('tier = "2K" }', 'tier = "3K" }', "3K"),
        ("moodboards = {", "moodbords = {", "moodboards"),
        ('nsfw_check = "nsfw_check"', 'nsfw_check = "nsfw_chek"', "nsfw_chek"),
        ('sizes = "krea_2"', 'sizes = "krea_3"', "krea_3"),
        ('default = "1:1"', 'default = "7:1"', "default"),
        ('"16:9"', '"16x9"', "ratio"),
        ('id = "krea-2-turbo"', 'id = "krea-2"', "krea-2"),
        ('"requires_filters"', '"requires_filter"', "obligations"),
        ('presetStyles = "styles"', 'presetStyles = "style"', "presetStyles"),
        ("steps = 8", "steps = ", "line"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_the_file_and_the_key(
    folder: Path, right: str, wrong: str, told: str
):
    file = folder / "models" / "krea-2-turbo.toml"
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong))
    with pytest.raises(ConfigurationError) as caught:
        catalog.load(folder=folder)
    assert "krea-2-turbo.toml" in str(caught.value)
    assert told in str(caught.value)


def test_two_models_cannot_have_one_name(folder: Path):
    file = folder / "models" / "krea-2-turbo.toml"
    twin = file.read_text().replace('id = "krea-2-turbo"', 'id = "twin"')
    (folder / "models" / "twin.toml").write_text(twin)
    with pytest.raises(ConfigurationError, match="krea-2-turbo and twin"):
        catalog.load(folder=folder)
