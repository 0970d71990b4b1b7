"""Settings are read once, checked, and refused in words that an operator can act on."""

import os
from pathlib import Path
from typing import Any

import pytest

from safelight import settings
from safelight.errors import ConfigurationError
from safelight.settings import Settings, sections
from safelight.settings.moderation import ModerationSettings

SECTIONS = {
    "webhooks": sections.WebhookSettings,
    "limits": sections.LimitSettings,
    "connections": sections.ConnectionSettings,
    "engine": sections.EngineSettings,
    "moderation": ModerationSettings,
    "telemetry": sections.TelemetrySettings,
    "torch": sections.TorchSettings,
    "provenance": sections.ProvenanceSettings,
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("SAFELIGHT_"):
            monkeypatch.delenv(name)


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """The words with which these variables are refused."""
    with monkeypatch.context() as context:
        for name, value in variables.items():
            context.setenv(f"SAFELIGHT_{name}", value)
        with pytest.raises(ConfigurationError) as refused:
            settings.load()
    return str(refused.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("PROT", "PORT"),
        ("HOEM", "HOME"),
        ("ENGINE", "ENGINE__JOBS"),
        ("ENGINE_TIMEOUT_SECONDS", "ENGINE__TIMEOUT_SECONDS"),
        ("LIMITS__CONCURENCY", "LIMITS__CONCURRENCY"),
        ("stand_inn", "STAND_IN"),
    ],
)
def test_a_misspelt_variable_is_refused_with_a_hint(
    monkeypatch: pytest.MonkeyPatch, written: str, meant: str
):
    message = refusal(monkeypatch, **{written: "1"})
    assert message == f"SAFELIGHT_{written} is not a setting; did you mean SAFELIGHT_{meant}?"


def test_a_variable_that_resembles_nothing_is_refused_without_a_hint(
    monkeypatch: pytest.MonkeyPatch,
):
    assert refusal(monkeypatch, XYLOPHONES="7").endswith("is not a setting")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "65536", "less than or equal to 65535"),
        ("PORT", "eighty", "valid integer"),
        ("WORKERS", "-1", "greater than or equal to 0"),
        ("STAND_IN", "somebody", "'mini', 'fake' or 'off'"),
        ("ENGINE__THREADS", "0", "greater than 0"),
        ("ENGINE__TIMEOUT_SECONDS", "0", "greater than 0"),
        ("LIMITS__BACKLOG", "-1", "greater than or equal to 0"),
        ("CREDITS_PER_USD", "0", "greater than 0"),
        ("SECRET", "too short", "at least 16 characters"),
        ("SECRET", "", "at least 16 characters"),
        ("SECRET", "abcabcabcabcabcabc", "can be guessed"),
        ("SECRET", "please-change-me-soon", "can be guessed"),
        ("SECRET", "a default secret of ours", "can be guessed"),
        ("PUBLIC_URL", "pictures.example", "begin with http:// or https://"),
        ("DATABASE_URL", "postgresql://here", "sqlite:///PATH only"),
        ("CONFIG", "/no/such/file", "not a file"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_the_variable_s_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
):
    message = refusal(monkeypatch, **{name: value})
    assert f"SAFELIGHT_{name}" in message
    assert words in message


def test_a_file_gives_settings_and_variables_override_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    file = tmp_path / "safelight.toml"
    file.write_text('port = 9001\nhost = "::1"\n[engine]\nthreads = 3\n[limits]\nbacklog = 7\n')
    monkeypatch.setenv("SAFELIGHT_CONFIG", str(file))
    monkeypatch.setenv("SAFELIGHT_ENGINE__STUCK_SECONDS", "2.5")
    monkeypatch.setenv("SAFELIGHT_LIMITS__BACKLOG", "8")
    config = settings.load()
    assert (config.base_url, config.engine.threads) == ("http://[::1]:9001", 3)
    assert (config.engine.stuck_seconds, config.limits.backlog) == (2.5, 8)
    assert settings.load(port=9002, host=None).base_url == "http://[::1]:9002"


def test_a_file_with_an_unknown_key_or_that_is_no_toml_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    file = tmp_path / "safelight.toml"
    file.write_text("prot = 1")
    assert "SAFELIGHT_PROT" in refusal(monkeypatch, CONFIG=str(file))
    file.write_text("[engine]\nthreds = 1")
    assert "SAFELIGHT_ENGINE__THREDS" in refusal(monkeypatch, CONFIG=str(file))
    file.write_text("port = ")
    assert f"{file} is not TOML" in refusal(monkeypatch, CONFIG=str(file))


def test_settings_are_frozen():
    config = settings.load()
    for section, name in ((config, "port"), (config.engine, "threads"), (config.limits, "backlog")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(section, name, 1)


def test_the_listening_address_is_loopback_unless_the_operator_says_otherwise():
    assert settings.load().base_url == "http://127.0.0.1:8000"
    assert settings.load(public_url="https://pictures.example/").base_url == (
        "https://pictures.example"
    )


def test_data_lie_in_the_home_unless_the_database_is_elsewhere(tmp_path: Path):
    config = Settings(home=tmp_path)
    assert config.database_path == tmp_path / "safelight.db"
    assert config.pictures_path == tmp_path / "pictures"
    elsewhere = Settings(home=tmp_path, database_url="sqlite:////var/lib/safelight.db")
    assert elsewhere.database_path == Path("/var/lib/safelight.db")


def test_weights_are_named_by_the_model_in_a_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SAFELIGHT_MODELS__KREA_2_TURBO", "/weights/Krea-2-Turbo")
    monkeypatch.setenv("SAFELIGHT_ACCEPT_LICENCES", "flux-1-dev, flux-1-kontext-dev")
    config = settings.load()
    assert config.models == {"krea_2_turbo": "/weights/Krea-2-Turbo"}
    assert config.accept_licences == ("flux-1-dev", "flux-1-kontext-dev")


def test_networks_for_callers_urls_are_named_with_commas_and_checked(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("SAFELIGHT_EGRESS_ALLOW", "10.1.0.0/16, fd00:1::/32,")
    assert settings.load().egress_allow == ("10.1.0.0/16", "fd00:1::/32")
    for wrong in ("10.1.2.3/16", "receiver.corp", "10.0.0.0/8 fd00::/8"):
        monkeypatch.setenv("SAFELIGHT_EGRESS_ALLOW", wrong)
        with pytest.raises(ConfigurationError, match="SAFELIGHT_EGRESS_ALLOW"):
            settings.load()


@pytest.mark.parametrize(
    ("said", "models", "meant"),
    [
        (None, {}, "mini"),
        (None, {"krea-2-turbo": "/w"}, "off"),  # nobody should take a drawing for the real model
        ("mini", {"krea-2-turbo": "/w"}, "mini"),
        ("off", {}, "off"),
    ],
)
def test_the_embedded_model_stands_in_only_while_no_weights_are_configured(
    said: Any, models: dict[str, str], meant: str
):
    assert Settings(stand_in=said, models=models).stands_in == meant


def test_every_setting_says_what_it_means():
    plain = {name: f for name, f in Settings.model_fields.items() if name not in SECTIONS}
    sections = [SECTIONS[name].model_fields for name in SECTIONS]
    for fields in (plain, *sections):
        assert [name for name, field in fields.items() if not field.description] == []
    names = settings.variable_names()
    assert len(names) == len(set(names)) == len(plain) + sum(map(len, sections))
