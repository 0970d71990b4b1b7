"""Where a model's parts stand and in which numbers: decided, quantised, and brought there."""

import logging
from dataclasses import dataclass
from typing import Any

import diffusers
import torch

from safelight.engines.diffusers import profiles
from safelight.engines.diffusers.options import Options
from safelight.engines.diffusers.profiles import ChosenOffload, ChosenPrecision, Profile
from safelight.engines.diffusers.weights_on_disk import Description
from safelight.errors import ConfigurationError

FP8_MULTIPLE = 16  # the matrices' sides, for the hardware's tiles

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How a model is run on a device."""

    device: torch.device
    dtype: torch.dtype
    precision: ChosenPrecision
    offload: ChosenOffload
    reason: str


def plan(description: Description, options: Options) -> Plan:
    """Raises ConfigurationError for what this machine cannot do."""
    device = pick_device(options)
    profile = _profile(description, device)
    precision = profile.precision if options.precision == "auto" else options.precision
    offload = profile.offload if options.offload == "auto" else options.offload
    file = description.place.file
    if file is not None and file.suffix == ".gguf" and precision in ("fp8", "int8"):
        precision = "bf16"  # the file is quantised already
    _check(device, precision, offload)
    chosen = (precision, offload) == (profile.precision, profile.offload)
    reason = profile.reason if chosen else f"{precision} with offload {offload}, as configured"
    in_bf16 = precision in ("bf16", "fp8") or (precision == "int8" and device.type != "cpu")
    dtype = torch.bfloat16 if in_bf16 else torch.float32
    return Plan(device, dtype, precision, offload, reason)


def pick_device(options: Options) -> torch.device:
    """With "auto", the worker's share of the GPUs."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if options.device != "auto":
        try:
            device = torch.device(options.device)
        except RuntimeError:
            raise ConfigurationError(
                f"{options.device} is no device torch knows: say auto, cuda, cuda:1, mps or cpu"
            ) from None
        if device.type == "cuda" and (device.index or 0) >= gpus:
            raise ConfigurationError(f"There is no GPU {options.device}: torch sees {gpus}")
        if device.type == "mps" and not torch.backends.mps.is_available():
            raise ConfigurationError("There is no Apple GPU that torch could use")
        return device
    if gpus:
        return torch.device("cuda", options.worker % gpus)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _profile(description: Description, device: torch.device) -> Profile:
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        capability = (properties.major, properties.minor)
        return profiles.choose(properties.total_memory, capability, description.bf16_bytes)
    if device.type == "mps":
        return Profile("bf16", "none", "bf16 in the memory that Apple's GPU shares")
    return Profile("fp32", "none", "float32 on the processor, for tests and not for service")


def _check(device: torch.device, precision: ChosenPrecision, offload: ChosenOffload) -> None:
    if precision == "fp8":
        if device.type != "cuda":
            raise ConfigurationError(f"fp8 needs an NVIDIA GPU, and the device is {device}")
        capability = torch.cuda.get_device_capability(device)
        if capability < profiles.FP8_CAPABILITY:
            raise ConfigurationError(
                f"fp8 needs compute capability 8.9 or later, and {device} has"
                f" {capability[0]}.{capability[1]}: choose int8"
            )
    if offload != "none" and device.type != "cuda":
        raise ConfigurationError(
            f"Offloading is for the memory of an NVIDIA GPU, and the device is {device}"
        )


def quantise(pipe: Any, how: Plan) -> None:
    """Turn the linear layers of the denoiser's repeated blocks into 8 bits, block by block."""
    if how.precision not in ("fp8", "int8"):
        return
    from torchao.quantization import (
        Float8DynamicActivationFloat8WeightConfig,
        Int8WeightOnlyConfig,
        PerRow,
        quantize_,
    )

    if how.precision == "fp8":
        config: Any = Float8DynamicActivationFloat8WeightConfig(granularity=PerRow())
    else:
        config = Int8WeightOnlyConfig()
    for block in repeated_blocks(denoiser_of(pipe)):
        quantize_(block, config, filter_fn=_is_matrix, device=how.device)


def repeated_blocks(denoiser: torch.nn.Module) -> list[torch.nn.Module]:
    """The transformer's blocks; what stands before and after them keeps its precision."""
    names = getattr(denoiser, "_repeated_blocks", None) or ()
    return [module for module in denoiser.modules() if type(module).__name__ in names]


def _is_matrix(module: torch.nn.Module, _name: str) -> bool:
    return (
        isinstance(module, torch.nn.Linear)
        and module.in_features % FP8_MULTIPLE == 0
        and module.out_features % FP8_MULTIPLE == 0
    )


def denoiser_of(pipe: Any) -> Any:
    """The part that every step runs."""
    return getattr(pipe, "transformer", None) or pipe.unet


def place(pipe: Any, how: Plan) -> None:
    """Bring the parts to the device, and those that may leave it under their offloading hooks."""
    streamed = _streamed(list(pipe.components), how)
    for name, part in pipe.components.items():
        if not isinstance(part, torch.nn.Module):
            continue
        if name not in streamed:
            part.to(how.device)
            continue
        diffusers.hooks.apply_group_offloading(
            part, onload_device=how.device, offload_device=torch.device("cpu"), **streamed[name]
        )


def _streamed(names: list[str], how: Plan) -> dict[str, dict[str, Any]]:
    """The parts that are brought to the device piece by piece, each with how.

    A text encoder goes leaf by leaf, because it is not always entered by its front door. With a
    stream the next piece travels while one computes; "sequential" does without, for the least
    memory.
    """
    leaves: dict[str, Any] = {"offload_type": "leaf_level"}
    if how.offload == "sequential":
        return dict.fromkeys(names, leaves)
    beside = {"use_stream": how.device.type == "cuda"}
    blocks = {"offload_type": "block_level", "num_blocks_per_group": 1} | beside
    streamed: dict[str, dict[str, Any]] = {}
    if how.offload in ("text", "group"):
        streamed |= {name: leaves | beside for name in names if name.startswith("text_encoder")}
    if how.offload == "group":
        streamed |= {name: blocks for name in names if name in profiles.DENOISERS}
    return streamed
