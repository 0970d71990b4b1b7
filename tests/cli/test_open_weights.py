"""Weights by settings: which models they are for, and what a worker does that cannot load them."""

from pathlib import Path

import pytest

from running import Server, command
from safelight import catalog
from safelight.cli import open_weights
from safelight.cli.assembly import build_roster
from safelight.errors import ConfigurationError
from safelight.settings import Settings

CATALOG = catalog.load()


def test_a_model_is_named_as_in_the_catalog_or_as_in_a_variable():
    for name in ("krea-2-turbo", "krea_2_turbo", "KREA_2_TURBO"):
        found = open_weights.configured(Settings(models={name: "/w"}), CATALOG)
        assert found == {"krea-2-turbo": "/w"}


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("krea-turbo", "/w", "did you mean SAFELIGHT_MODELS__KREA_2_TURBO?"),
        ("nano-banana-pro", "/w", "SAFELIGHT_MODELS__NANO_BANANA_PRO names no model with open"),
        ("krea-2-turbo", " ", "SAFELIGHT_MODELS__KREA_2_TURBO is empty"),
        ("flux-1-dev", "/w", "say so with SAFELIGHT_ACCEPT_LICENCES=flux-1-dev"),
    ],
)
def test_weights_of_no_open_model_are_refused(name: str, source: str, words: str):
    with pytest.raises(ConfigurationError, match=words):
        open_weights.configured(Settings(models={name: source}), CATALOG)


def test_terms_are_acknowledged_by_a_model_that_exists():
    config = Settings(models={"flux-1-dev": "/w"}, accept_licences="flux-1-dev")  # type: ignore[arg-type]
    assert open_weights.configured(config, CATALOG) == {"flux-1-dev": "/w"}
    with pytest.raises(ConfigurationError, match="no model flux-1-def"):
        open_weights.configured(Settings(accept_licences=("flux-1-def",)), CATALOG)


def test_each_configured_model_has_its_own_engine_with_the_catalog_s_defaults():
    config = Settings(models={"krea-2-turbo": "/t", "krea-2-raw": "/r"}, stand_in="mini")
    roster = build_roster(config, CATALOG, worker=3)
    turbo, raw = roster.choose("krea-2-turbo"), roster.choose("krea-2-raw")
    assert turbo is not None
    assert raw is not None
    assert (turbo.engine.name, turbo.stand_in) == ("diffusers/krea-2-turbo", None)
    assert raw.engine is not turbo.engine
    other = roster.choose("z-image-turbo")
    assert other is not None
    assert other.stand_in == "safelight-mini"
    weights = open_weights.weights_of(CATALOG.find("krea-2-turbo"), "/t")
    assert (weights.steps, weights.guidance) == (8, 0.0)  # the library's own would be 28 and 4.5
    assert open_weights.options_of(config, 3).worker == 3


def test_a_model_that_nobody_makes_is_not_made_by_a_stand_in_beside_real_weights():
    roster = build_roster(Settings(models={"krea-2-turbo": "/t"}), CATALOG)
    assert roster.choose("z-image-turbo") is None


def test_a_server_whose_weights_cannot_be_loaded_ends_and_says_why(tmp_path: Path):
    nowhere = tmp_path / "nowhere"
    server = Server(tmp_path / "home", MODELS__KREA_2_TURBO=nowhere)
    server.start(ready=False)
    assert server.wait() == 1
    log = server.log.read_text()
    assert '"level":"critical","event":"message","logger":"__main__","message":"krea-2-turbo' in log
    assert "safelight: a worker cannot start" in log
    refused = command(tmp_path / "home", "serve", MODELS__KREA_TURBO=nowhere)
    assert refused.returncode == 1
    assert "did you mean" in refused.stderr
