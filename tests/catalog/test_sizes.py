"""Pixels for ratios and tiers: the documented cells, and the rule for the rest."""

import pytest

from cells import CELLS
from safelight import catalog
from safelight.catalog.sizes import pixels, tier_area

MODELS = catalog.load()


def size(model: str, dialect: str, **body: object) -> tuple[int, int, str]:
    offer = MODELS.find(model).offer(dialect)
    assert offer is not None
    request = offer.request(model, {"prompt": "a lamp", **body})
    return request.width, request.height, request.tier


@pytest.mark.parametrize("ratio", CELLS)
@pytest.mark.parametrize(("column", "tier"), [(0, "1K"), (1, "2K")])
def test_krea_2_turbo_has_the_pixels_that_evolink_documents(ratio: str, column: int, tier: str):
    width, height = CELLS[ratio][column]
    assert size("krea-2-turbo", "evolink", size=ratio, quality=tier) == (width, height, tier)


@pytest.mark.parametrize("ratio", sorted(CELLS.keys() - {"5:4", "1:2", "2:1"}))
def test_the_same_model_has_the_same_pixels_at_the_other_door(ratio: str):
    wide, high, _ = size("krea-2-turbo", "krea", aspect_ratio=ratio, resolution="1K")
    assert (wide, high) == CELLS[ratio][0]


def test_a_ratio_without_documented_pixels_follows_the_rule():
    assert size("krea-2-turbo", "krea", aspect_ratio="2.35:1") == (1568, 672, "1K")


RULED = sorted(
    {
        (ratio, tier)
        for model in MODELS.models.values()
        for offer in (model.evolink, model.krea)
        if offer is not None
        for parameter in offer.parameters.values()
        if parameter.means == "ratio"
        for ratio in parameter.enum
        if ratio != "auto"
        for tier in offer.tiers
    }
)


@pytest.mark.parametrize(("ratio", "tier"), RULED)
def test_the_rule_keeps_the_area_and_the_ratio(ratio: str, tier: str):
    width, height = pixels(ratio, tier, {})
    assert width % 16 == 0
    assert height % 16 == 0
    assert width * height == pytest.approx(tier_area(tier), rel=0.06)
    exact = float(ratio.split(":")[0]) / float(ratio.split(":")[1])
    assert width / height == pytest.approx(exact, rel=0.08)


def test_auto_is_square():
    assert size("nano-banana-pro", "evolink", size="auto", quality="1K") == (1024, 1024, "1K")


def test_the_default_tier_is_the_doors():
    assert size("nano-banana-pro", "evolink") == (2048, 2048, "2K")
    assert size("nano-banana-pro", "krea") == (1024, 1024, "1K")


def test_pixels_can_be_named_where_the_wire_takes_them():
    assert size("z-image-turbo", "evolink", size="800x600") == (800, 600, "1K")
    assert size("gpt-image-2", "evolink", size="2048×1024") == (2048, 1024, "2K")


def test_sides_are_rounded_half_up():
    assert size("flux-1-dev", "krea", width=1000.5, height=999.49) == (1001, 999, "1K")


def test_sides_count_for_more_than_a_ratio_and_one_alone_makes_a_square():
    assert size("nano-banana", "krea", width=640, height=480, aspect_ratio="1:1")[:2] == (640, 480)
    assert size("nano-banana", "krea", width=640)[:2] == (640, 640)


def test_pixels_beyond_the_tier_asked_for_are_charged_as_what_they_are():
    body = {"width": 4096, "height": 4096, "resolution": "1K"}
    assert size("nano-banana-pro", "krea", **body) == (4096, 4096, "4K")
    assert size("nano-banana-pro", "krea", width=600, height=600, resolution="2K")[2] == "2K"
