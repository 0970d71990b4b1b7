"""What an operator says of open weights: where they are, and how they are to be run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Precision = Literal["auto", "bf16", "fp8", "int8", "fp32"]
Offload = Literal["auto", "none", "text", "group", "sequential"]


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One model's weights."""

    model: str  # the catalog's id, such as "krea-2-turbo"
    source: str  # a folder in diffusers format, a .safetensors or .gguf file, or a hub id
    hub_id: str | None = None  # where the parts come from that a single file does not hold
    steps: int = 28  # the model's own default
    guidance: float = 0.0  # likewise, in the pipeline's convention; 0 switches it off


@dataclass(frozen=True, kw_only=True)
class Options:
    """How weights are run. "auto" is decided when they are loaded, from what the machine has."""

    device: str = "auto"  # "cuda", "cuda:1", "mps", "cpu"; auto takes the worker's share
    worker: int = (
        0  # the worker's number: with device auto, worker i takes GPU i modulo their count
    )
    precision: Precision = "auto"
    offload: Offload = "auto"  # what may leave the GPU between its turns
    compile: bool | None = None  # regional torch.compile; None: on a GPU
    attention: str = "auto"  # the fastest that is found, or one by name
    text_tokens: int = 512  # of Krea 2: 507 of the prompt and 5 of the template
    preview_steps: int = 2  # a preview after every so many steps; 0: none
    styles: Path | None = None  # the folder of LoRA styles, with its styles.toml
    download: bool = False  # fetch from the hub what is not on disk
    prompts_remembered: int = 256  # encoded prompts that are kept
