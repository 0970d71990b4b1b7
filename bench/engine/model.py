"""Krea 2 in its true size with random weights, made where it runs, or weights from a folder."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    Krea2Pipeline,
    Krea2Transformer2DModel,
)
from diffusers.models.transformers.transformer_krea2 import Krea2RMSNorm
from torch import nn
from transformers import Qwen3VLConfig, Qwen3VLModel

from bench.engine.words import VOCABULARY, tokenizer

Config = dict[str, Any]
SPREAD = 0.05  # of norms, biases and modulation tables, around what they are when made


@dataclass(frozen=True)
class Architecture:
    """What a pipeline is made of. As it stands, Krea 2's: of the classes' own defaults."""

    transformer: Config = field(default_factory=dict)
    vae: Config = field(default_factory=dict)
    text: Config = field(
        default_factory=lambda: {  # the language model of Qwen3-VL-4B
            "vocab_size": 151936, "hidden_size": 2560, "intermediate_size": 9728,
            "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8,
            "head_dim": 128,
            "rope_parameters": {
                "rope_type": "default", "mrope_section": [24, 20, 20], "rope_theta": 5e6,
            },
        }
    )  # fmt: skip
    taps: tuple[int, ...] | None = None  # None: the pipeline's own, of 36 layers


KREA2 = Architecture()
TINY = Architecture(  # for trying the command out: a hundred thousand parameters
    transformer={
        "num_layers": 2, "attention_head_dim": 16, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 64, "timestep_embed_dim": 16,
        "text_hidden_dim": 32, "num_text_layers": 3, "text_num_attention_heads": 2,
        "text_num_key_value_heads": 2, "text_intermediate_size": 32, "axes_dims_rope": (4, 6, 6),
    },
    vae={"base_dim": 8, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1},
    text={
        "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 32,
        "num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16,
        "rope_parameters": {
            "rope_type": "default", "mrope_section": [4, 2, 2], "rope_theta": 1e4,
        },
    },
    taps=(1, 2, 3),
)  # fmt: skip


def imagine(architecture: Architecture, device: torch.device, dtype: torch.dtype) -> Krea2Pipeline:
    """A distilled pipeline with random normal weights; zeros would run faster than real ones.

    The vision tower is left out, since no prompt ever reaches it.
    """
    torch.manual_seed(0)
    with init_empty_weights(include_buffers=False):
        transformer = Krea2Transformer2DModel(**architecture.transformer)
        vae = AutoencoderKLQwenImage(**architecture.vae)
        text_encoder = Qwen3VLModel(Qwen3VLConfig(text_config=architecture.text))
    del text_encoder.visual
    for model in (transformer, vae, text_encoder):
        _fill(model, device, dtype)
    return _quiet(
        Krea2Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(
                use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15,
                base_image_seq_len=256, max_image_seq_len=6400,
            ),
            vae=vae, text_encoder=text_encoder, tokenizer=tokenizer(), transformer=transformer,
            text_encoder_select_layers=architecture.taps, is_distilled=True,
        )
    )  # fmt: skip


def read(folder: Path, device: torch.device, dtype: torch.dtype) -> Krea2Pipeline:
    """A pipeline in diffusers' format."""
    pipe = Krea2Pipeline.from_pretrained(folder, dtype=dtype, local_files_only=True)
    return _quiet(pipe.to(device))


def _quiet(pipe: Krea2Pipeline) -> Krea2Pipeline:
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _fill(model: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Give every parameter memory and normal numbers, as exactly as `from_pretrained` keeps it."""
    exact = set(getattr(model, "_keep_in_fp32_modules", None) or ())
    for path, module in model.named_modules():
        kept = torch.float32 if exact & set(path.split(".")) else dtype
        for name, parameter in module._parameters.items():
            if parameter is not None:
                mean, spread = _likely(module, name, parameter.shape)
                values = torch.empty(parameter.shape, device=device, dtype=kept)
                values.normal_(mean, spread)
                module._parameters[name] = nn.Parameter(values, requires_grad=False)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = buffer.to(device)
    model.eval()


def _likely(module: nn.Module, name: str, shape: torch.Size) -> tuple[float, float]:
    """Mean and spread with which numbers neither die nor grow from layer to layer."""
    if "norm" in type(module).__name__.lower():
        return (0.0 if isinstance(module, Krea2RMSNorm) else 1.0), SPREAD
    if len(shape) < 2 or name == "scale_shift_table":
        return 0.0, SPREAD
    return 0.0, float(shape[1:].numel()) ** -0.5
