"""What licences ask: filters, acknowledgement, and words that say so."""

import pytest

from safelight import catalog
from safelight.catalog import licences

CATALOG = catalog.load()
BOUND = ("flux-1-dev", "flux-1-kontext-dev", "krea-2-raw", "krea-2-turbo")


def test_open_weights_of_krea_and_flux_dev_require_filters() -> None:
    found = [m.id for m in CATALOG.models.values() if licences.requires_filters(m.licence)]
    assert found == sorted(BOUND)


def test_models_with_kreas_name_begin_with_it() -> None:
    for model in CATALOG.models.values():
        if "Krea 2 Community" in model.licence.name:
            assert model.title.startswith("Krea")
            assert model.licence.notice.endswith("visit https://krea.ai/krea-2-licensing.")


def test_non_commercial_weights_wait_until_their_terms_are_acknowledged() -> None:
    words = licences.refusal(CATALOG.find("flux-1-dev"), ["flux-1-kontext-dev"])
    assert words is not None
    for part in (
        "FLUX.1 [dev] Non-Commercial License",
        CATALOG.find("flux-1-dev").licence.url,
        "Not for commercial use",
        "SAFELIGHT_ACCEPT_LICENCES=flux-1-dev,flux-1-kontext-dev",
    ):
        assert part in words
    assert licences.refusal(CATALOG.find("flux-1-dev"), ["flux-1-dev"]) is None


@pytest.mark.parametrize("model_id", ["krea-2-turbo", "flux-1-schnell", "qwen-image"])
def test_other_weights_need_no_acknowledgement(model_id: str) -> None:
    assert licences.refusal(CATALOG.find(model_id), ()) is None


def test_what_an_operator_should_know_is_said_at_start() -> None:
    revenue, disclosure = licences.remarks(CATALOG.find("krea-2-turbo"))
    assert "one million US dollars" in revenue
    assert "made by AI" in disclosure
    assert list(licences.remarks(CATALOG.find("flux-1-schnell"))) == []


def test_every_obligation_of_the_catalog_has_words() -> None:
    for model in CATALOG.models.values():
        assert len(licences.duties(model.licence)) == len(model.licence.obligations)


def test_a_misspelt_acknowledgement_is_noticed() -> None:
    assert licences.unknown(["flux-1-dev"], CATALOG.models) is None
    assert "flux-dev" in str(licences.unknown(["flux-1-dev", "flux-dev"], CATALOG.models))
