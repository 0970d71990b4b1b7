"""Opens one model's weights and makes them ready to paint on this machine's device."""

import logging
from typing import Any

import diffusers
import torch

from safelight.engines.diffusers.krea2 import Krea2Painter, trim_text_encoder
from safelight.engines.diffusers.options import Options, Weights
from safelight.engines.diffusers.painter import Painter
from safelight.engines.diffusers.placing import Plan, place, plan, quantise
from safelight.engines.diffusers.rack import StyleRack
from safelight.engines.diffusers.stock import StockPainter
from safelight.engines.diffusers.styles import Wardrobe
from safelight.engines.diffusers.weights_on_disk import Description, describe
from safelight.errors import ConfigurationError

CHATTY = ("diffusers", "transformers", "torchao", "peft", "accelerate", "huggingface_hub")

log = logging.getLogger(__name__)


def open_painter(weights: Weights, options: Options) -> Painter:
    """Raises ConfigurationError, in words that an operator can act on."""
    quieten()
    description = describe(weights, options)
    how = plan(description, options)
    log.info("%s: %s on %s; %s", weights.model, description.pipeline, how.device, how.reason)
    pipe = read(description, how)
    is_krea2 = description.pipeline == "Krea2Pipeline"
    if is_krea2:
        trim_text_encoder(pipe)  # before it takes room on the device
    quantise(pipe, how)
    place(pipe, how)
    rack = StyleRack.read(options.styles, weights.model) if options.styles else None
    wardrobe = Wardrobe(pipe, rack)
    if is_krea2:
        return Krea2Painter(pipe, weights, options, wardrobe)
    return StockPainter(pipe, weights, options, wardrobe)


def quieten() -> None:
    """Libraries tell their errors only; what is worth knowing we log ourselves."""
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()


def read(description: Description, how: Plan) -> Any:
    """The pipeline, in host memory, in the precision of the plan."""
    pipeline = getattr(diffusers, description.pipeline, None)
    if pipeline is None or not hasattr(pipeline, "from_pretrained"):
        raise ConfigurationError(f"diffusers knows no pipeline {description.pipeline}")
    parts = {}
    if description.place.file is not None:
        parts["transformer"] = _read_file(description, how)
    try:
        pipe = pipeline.from_pretrained(
            str(description.place.folder),
            dtype=how.dtype,
            use_safetensors=True,
            local_files_only=True,
            **parts,
        )
    except (OSError, ValueError, TypeError, RuntimeError, AttributeError, KeyError) as error:
        raise ConfigurationError(
            f"{description.model}: {description.place.folder} cannot be opened as a"
            f" {description.pipeline}: {_first_line(error)}"
        ) from error
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _read_file(description: Description, how: Plan) -> Any:
    """The transformer from its single file, with the configuration of the folder."""
    file, folder = description.place.file, description.place.folder
    part = description.part("transformer")
    model = getattr(diffusers, part.class_name, None) if part else None
    if file is None or model is None or not hasattr(model, "from_single_file"):
        raise ConfigurationError(f"{folder} has no transformer that {file} could be")
    quantised = {}
    if file.suffix == ".gguf":
        config = diffusers.GGUFQuantizationConfig(compute_dtype=how.dtype)
        quantised = {"quantization_config": config}
    try:
        transformer = model.from_single_file(
            str(file),
            config=str(folder),
            subfolder="transformer",
            dtype=how.dtype,
            local_files_only=True,
            **quantised,
        )
    except NotImplementedError as error:  # tensors without numbers cannot be converted
        raise ConfigurationError(
            f"{file} is not a whole {model.__name__}: tensors are missing"
        ) from error
    except Exception as error:  # converters of foreign layouts raise whatever they like
        raise ConfigurationError(
            f"{file} cannot be read as a {model.__name__}: {_first_line(error)}"
        ) from error
    missing = [name for name, tensor in transformer.named_parameters() if tensor.is_meta]
    if missing:
        raise ConfigurationError(
            f"{file} is not a whole {model.__name__}: {missing[0]} is missing,"
            f" with {len(missing) - 1} others"
        )
    return _keep_in_float32(transformer)


def _keep_in_float32(transformer: Any) -> Any:
    """from_pretrained keeps these; from_single_file turns them down with the rest."""
    names = set(transformer._keep_in_fp32_modules or ())
    for name, parameter in transformer.named_parameters():
        if names & set(name.split(".")):
            parameter.data = parameter.data.to(torch.float32)
    return transformer


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
