"""The operator's folder of LoRA styles, as the command line shows and pins it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safelight import audit, settings
from safelight.audit import Action
from safelight.cli.acting import operator
from safelight.cli.assembly import load_catalog, run_with_database
from safelight.db import Transaction
from safelight.engines.diffusers import rack
from safelight.errors import ConfigurationError
from safelight.settings import Settings


def listed(config: Settings) -> list[dict[str, Any]]:
    return [
        {
            "id": style.id,
            "models": ", ".join(style.models),
            "file": style.file,
            "title": style.title,
        }
        for style in rack.read_list(_folder(config))
    ]


def pin(config: Settings, models: Sequence[str]) -> tuple[Path, int]:
    """Write the list anew; returns where it is and how many styles it has."""
    known = load_catalog(config).models
    if unknown := [name for name in models if name not in known or not known[name].weights]:
        raise ConfigurationError(f"{unknown[0]} is no model with open weights")
    folder = _folder(config)
    listed = {style.file for style in rack.read_list(folder)} if _has_list(folder) else set()
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors"))
    if not models and (new := [name for name in files if name not in listed]):
        raise ConfigurationError(f"which models is {new[0]} for? Say --model krea-2-turbo, or so")
    pinned = rack.pin(folder, models)
    _record(config, before=len(listed), after=len(pinned))
    return folder / rack.LIST, len(pinned)


def _record(config: Settings, *, before: int, after: int) -> None:
    pepper = settings.install_secret(config)

    async def commit(tx: Transaction) -> None:
        await audit.append(
            tx, pepper, operator(), Action.STYLES_PINNED, rack.LIST,
            before={"styles": before}, after={"styles": after},
        )  # fmt: skip

    run_with_database(config, lambda db: db.write(commit))


def _has_list(folder: Path) -> bool:
    return (folder / rack.LIST).is_file()


def _folder(config: Settings) -> Path:
    if config.torch.styles is None:
        raise ConfigurationError("no folder of styles: set SAFELIGHT_TORCH__STYLES")
    return config.torch.styles
