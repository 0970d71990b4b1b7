"""LoRA styles for the tiny models, made by peft and saved by the library itself."""

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from diffusers.training_utils import _collate_lora_metadata
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

ATTENTION = ("to_q", "to_k", "to_v")


def save_style(
    pipe: Any, folder: Path, name: str, *, seed: int = 0, layers: tuple[str, ...] = ATTENTION
) -> Path:
    """A style strong enough to be seen in eight bits; `pipe` is spent by it."""
    torch.manual_seed(seed)
    pipe.transformer.add_adapter(
        LoraConfig(r=4, lora_alpha=8, target_modules=list(layers), init_lora_weights=False)
    )
    for parameter_name, parameter in pipe.transformer.named_parameters():
        if "lora_" in parameter_name:
            torch.nn.init.normal_(parameter, std=0.4)
    type(pipe).save_lora_weights(
        folder,
        transformer_lora_layers=get_peft_model_state_dict(pipe.transformer),
        weight_name=f"{name}.safetensors",
        **_collate_lora_metadata({"transformer": pipe.transformer}),
    )
    return folder / f"{name}.safetensors"
