"""What this install is: its models, its settings, and whether it can serve."""

import json
import os
import shutil
import sqlite3
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from safelight import catalog, settings
from safelight.catalog.prices import credits_text
from safelight.cli import filtering, open_weights
from safelight.cli.assembly import (
    build_marking,
    build_roster,
    build_stand_in,
    build_tracer,
    load_catalog,
    run_with_database,
)
from safelight.cli.exposure import check_metrics_exposure
from safelight.db import Database
from safelight.errors import ConfigurationError, EngineError, ModelNotAllowed
from safelight.ledger.verify import verify
from safelight.moderation import Level
from safelight.provenance import credentials_of
from safelight.settings import Settings

DISK_BYTES_MIN = 1 << 30
WRONG = (ConfigurationError, EngineError, ModelNotAllowed)


def models(config: Settings) -> list[dict[str, Any]]:
    offered = load_catalog(config)
    roster = build_roster(config, offered)
    found = []
    for model in offered.models.values():
        choice = roster.choose(model.id)
        if choice is None:
            made_by = "nobody here"
        else:
            made_by = f"{choice.stand_in} (stand-in)" if choice.stand_in else choice.engine.name
        found.append(
            {
                "id": model.id,
                "title": model.title,
                "made_by": made_by,
                "evolink": model.evolink.name if model.evolink else "",
                "krea": model.krea.name if model.krea else "",
                "credits": price_text(model.evolink or model.krea),
                "licence": model.licence.name,
                "licence_url": model.licence.url,
                "notice": model.licence.notice,
            }
        )
    return found


def price_text(offer: catalog.Offer | None) -> str:
    """What one plain picture costs by these terms: "1K 0.45, 2K 1.8"."""
    prices = offer.plain_prices() if offer else {}
    return ", ".join(f"{tier} {credits_text(price)}" for tier, price in prices.items())


def settings_in_force(config: Settings) -> list[dict[str, Any]]:
    rows = []
    for name, field in Settings.model_fields.items():
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            rows += [
                _row(f"{name}__{inner}", getattr(value, inner), inner_field.description)
                for inner, inner_field in type(value).model_fields.items()
            ]
        else:
            rows.append(_row(name, value, field.description))
    return rows


def _row(name: str, value: object, meaning: str | None) -> dict[str, Any]:
    shown = "(set)" if isinstance(value, SecretStr) else "" if value is None else str(value)
    return {
        "variable": f"{settings.PREFIX}{name}".upper(),
        "value": shown,
        "meaning": meaning or "",
    }


def doctor(config: Settings) -> list[dict[str, Any]]:
    """Each check's name, whether it passed, and a note that says what to do if it did not."""
    checks = [
        _check("python", _python),
        _check("home", lambda: _home(config.home)),
        _check("secret", lambda: _secret(config)),
        _check("signing", lambda: _signing(config)),
        _check("database", lambda: _database(config)),
        _check("catalog", lambda: f"{len(load_catalog(config).models)} models"),
    ]
    checks.append(_check("moderation", lambda: _moderation(config)))
    for name, source in config.models.items():
        checks.append(_check(f"weights of {name}", partial(_weights, config, name, source)))
    if config.torch.styles is not None:
        checks.append(_check("styles", lambda: _styles(config)))
    if config.stands_in != "off" or not config.models:
        checks.append(_check("engine", lambda: _stand_in(config)))
    if config.telemetry.metrics_port is not None or config.telemetry.traces:
        checks.append(_check("telemetry", lambda: _telemetry(config)))
    return checks


def _check(name: str, run: Any) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "note": run()}
    except (*WRONG, OSError, sqlite3.Error, ImportError) as error:
        return {"name": name, "ok": False, "note": str(error)}


def _python() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    return f"Python {version}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} CPUs"


def _home(home: Path) -> str:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=home):
        pass
    free = shutil.disk_usage(home).free
    if free < DISK_BYTES_MIN:
        raise ConfigurationError(f"{home} has less than 1 GiB left")
    return f"{home}, {free >> 30} GiB free"


def _telemetry(config: Settings) -> str:
    check_metrics_exposure(config)
    if (tracer := build_tracer(config)) is not None:
        tracer.close()
    return "metrics and traces as the settings ask for them"


def _secret(config: Settings) -> str:
    settings.install_secret(config)
    if config.secret is not None:
        return "from SAFELIGHT_SECRET"
    file = config.home / "secret"
    if file.stat().st_mode & 0o077:
        raise ConfigurationError(f"{file} can be read by others: chmod 600 {file}")
    return f"in {file}, readable by this user only"


def _signing(config: Settings) -> str:
    """Who signs pictures; something is signed and read back."""
    build_marking(config).signer.load()
    own = config.provenance
    until = credentials_of(config.home, own.certificate, own.key, datetime.now(UTC)).good_until
    who = "the install's own authority" if own.certificate is None else str(own.certificate)
    return f"pictures are signed by {who}, until {until:%Y-%m-%d}"


def _database(config: Settings) -> str:
    async def read(db: Database) -> int:
        proof = await db.scan(verify)
        if proof.problems:
            raise ConfigurationError(f"the ledger does not add up: {proof.problems[0]}")
        return proof.jobs

    return f"{config.database_path}, {run_with_database(config, read)} jobs, the books agree"


def _moderation(config: Settings) -> str:
    models = load_catalog(config)
    chosen = filtering.level(config, models)
    filtering.build_review(config, models, filtering.build_encoder(config)).load()
    return filtering.LOOSE if chosen is Level.MINORS else f"the filters are loaded, level {chosen}"


def _weights(config: Settings, name: str, source: str) -> str:
    """What the model is, and how it would be run on this machine."""
    from safelight.engines.diffusers.placing import plan  # needs the torch extra
    from safelight.engines.diffusers.weights_on_disk import describe

    models = load_catalog(config)
    [(model_id, where)] = open_weights.configured(
        config.model_copy(update={"models": {name: source}}), models
    ).items()
    weights = open_weights.weights_of(models.find(model_id), where)
    options = open_weights.options_of(config, worker=0)
    found = describe(weights, options)
    parts = ", ".join(
        f"{part.name} {_count(part.parameters)}" for part in found.parts if part.parameters
    )
    how = plan(found, options)
    return f"{found.pipeline} ({parts}) on {how.device}: {how.reason}{_attention(found, how)}"


def _count(parameters: int) -> str:
    """12.82 B, or 0.49 M."""
    billions = parameters / 1e9
    return f"{billions:.2f} B" if billions >= 0.05 else f"{parameters / 1e6:.2f} M"


def _attention(found: Any, how: Any) -> str:
    """Which attention the probe finds here, for the one family that chooses."""
    if found.pipeline != "Krea2Pipeline":
        return ""
    from safelight.engines.diffusers.attention import Shape, choose

    config = json.loads((found.place.folder / "transformer" / "config.json").read_text())
    heads = (config["num_attention_heads"], config["num_key_value_heads"])
    shape = Shape(*heads, config["attention_head_dim"], how.dtype, how.device)
    return f"; {choose(shape).summary}"


def _styles(config: Settings) -> str:
    from safelight.engines.diffusers.rack import StyleRack, read_list

    assert config.torch.styles is not None
    styles = read_list(config.torch.styles)
    rack = StyleRack(config.torch.styles, {})
    for style in styles:
        rack.checked(style)
    return f"{len(styles)} in {config.torch.styles}, every file as it was pinned"


def _stand_in(config: Settings) -> str:
    engine = build_stand_in(config)
    if engine is None:
        raise ConfigurationError("no engine: set stand_in, or name a model's weights")
    engine.load()
    return f"{engine.name} is loaded"
