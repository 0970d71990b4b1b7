"""The models whose weights the operator has configured, as engines."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from safelight.catalog import Catalog, Model, licences
from safelight.engines.diffusers import DiffusersEngine, Options, Weights
from safelight.errors import ConfigurationError
from safelight.settings import MODELS_PREFIX, Settings, variable_form


def configured(config: Settings, models: Catalog) -> dict[str, str]:
    """Model id → where its weights are.

    Raises ConfigurationError for what is no open model, and for terms nobody has acknowledged.
    """
    if strangers := licences.unknown(config.accept_licences, models.models):
        raise ConfigurationError(strangers)
    known = {variable_form(model.id): model for model in models.models.values() if model.weights}
    found = {}
    for name, source in config.models.items():
        model = known.get(variable_form(name))
        if model is None:
            near = difflib.get_close_matches(variable_form(name), known, 1, cutoff=0.5)
            hint = f"; did you mean {MODELS_PREFIX}{near[0]}?" if near else ""
            raise ConfigurationError(
                f"{MODELS_PREFIX}{variable_form(name)} names no model with open weights{hint}"
            )
        if not source.strip():
            raise ConfigurationError(f"{MODELS_PREFIX}{variable_form(name)} is empty")
        if refusal := licences.refusal(model, config.accept_licences):
            raise ConfigurationError(refusal)
        found[model.id] = str(Path(source).expanduser()) if source.startswith("~") else source
    return found


def engines(config: Settings, models: Catalog, worker: int) -> Mapping[str, DiffusersEngine]:
    """An engine for each configured model; none of them loads anything yet."""
    options = options_of(config, worker)
    return {
        model_id: DiffusersEngine(weights_of(models.find(model_id), source), options)
        for model_id, source in configured(config, models).items()
    }


def weights_of(model: Model, source: str) -> Weights:
    steps, guidance = model.defaults.get("steps"), model.defaults.get("guidance")
    if steps is None or guidance is None:
        raise ConfigurationError(f"the catalog has no default steps and guidance for {model.id}")
    return Weights(
        model=model.id,
        source=source,
        hub_id=model.weights,
        steps=int(steps),
        guidance=float(guidance),
    )


def options_of(config: Settings, worker: int) -> Options:
    return Options(worker=worker, **config.torch.model_dump())
