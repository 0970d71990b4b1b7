"""Operations of one picture, counted on the library's own modules without any numbers in them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from diffusers import AutoencoderKLQwenImage, Krea2Transformer2DModel
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen3VLConfig, Qwen3VLModel

from bench.engine.model import Architecture
from safelight.engines.diffusers.krea2.autoencoder import flatten_decoder

LINEAR = ("aten.mm", "aten.addmm")
PIXELS_PER_TOKEN = 16
PIXELS_PER_LATENT = 8
LAST_TAP = 35  # the last of the text encoder's hidden states that Krea 2 reads
TEMPLATE = 34  # tokens before the prompt, which the text encoder reads and the transformer not

Size = tuple[int, int]  # width, height in pixels


@dataclass(frozen=True)
class Way:
    """What a path does, and what it spares itself."""

    text_tokens: int  # what the transformer is given, padding included
    lean: bool  # text and times once a picture and not once a step; no layer that nobody reads
    flat: bool  # the autoencoder in two dimensions


@dataclass(frozen=True)
class Work:
    """Operations of one picture; a multiplication with its addition counts as two."""

    blocks: float  # the linear layers of the transformer's blocks: what fp8 makes quicker
    attention: float  # in those blocks
    fusion: float  # the text's way to the blocks
    rest: float  # times and the layers at both ends
    text: float
    vae: float

    @property
    def total(self) -> float:
        return self.blocks + self.attention + self.fusion + self.rest + self.text + self.vae

    def floor_seconds(self, rate: float, low_rate: float | None = None) -> float:
        """At so many operations a second; with `low_rate` for the blocks' linear layers."""
        return self.blocks / (low_rate or rate) + (self.total - self.blocks) / rate


class Counter:
    """Counts with copies of the modules that have shapes and no memory."""

    def __init__(self, transformer: Any, vae: Any, text: Any, last_tap: int, template: int):
        with torch.device("meta"):
            self._transformer = Krea2Transformer2DModel.from_config(transformer)
            self._vae = AutoencoderKLQwenImage.from_config(vae)
            self._layers = Qwen3VLModel(text).language_model.layers
        self._text = text.text_config
        self._flat = flatten_decoder(self._vae)
        self._last_tap = last_tap
        self._template = template
        self.picture = cache(self._picture)

    @classmethod
    def of(cls, pipe: Any) -> "Counter":
        """Before its text encoder is trimmed."""
        return cls(
            pipe.transformer.config, pipe.vae.config, pipe.text_encoder.config,
            max(pipe.text_encoder_select_layers), pipe.prompt_template_encode_start_idx,
        )  # fmt: skip

    @classmethod
    def of_architecture(cls, architecture: Architecture) -> "Counter":
        text = Qwen3VLConfig(text_config=architecture.text)
        taps = architecture.taps or (LAST_TAP,)
        return cls(architecture.transformer, architecture.vae, text, max(taps), TEMPLATE)

    def _picture(self, size: Size, steps: int, way: Way) -> Work:
        model, text_tokens = self._transformer, way.text_tokens
        width = model.hidden_size
        image_tokens = (size[0] // PIXELS_PER_TOKEN) * (size[1] // PIXELS_PER_TOKEN)
        image = _empty(image_tokens, model.in_channels)
        rotary = model.rotary_emb(torch.empty(text_tokens + image_tokens, 3, device="meta"))
        hidden, times = _empty(text_tokens + image_tokens, width), _empty(1, width)
        linear, attention = _count(
            lambda: model.transformer_blocks[0](hidden, _empty(1, 6 * width), rotary)
        )
        once = 1 if way.lean else steps
        ends = _sum(lambda: model.final_layer(model.img_in(image), times))
        layers = len(model.transformer_blocks)
        return Work(
            blocks=steps * layers * linear,
            attention=steps * layers * attention,
            fusion=once * _sum(lambda: model.txt_in(model.text_fusion(self._taps(text_tokens)))),
            rest=steps * ends + (0 if way.lean else steps * self._timing()),
            text=self._encoding(self._template + text_tokens, lean=way.lean),
            vae=self._decoding(size, flat=way.flat),
        )

    def _decoding(self, size: Size, *, flat: bool) -> float:
        width, height = (side // PIXELS_PER_LATENT for side in size)
        latents = torch.empty(1, self._vae.config.z_dim, 1, height, width, device="meta")
        return _sum(lambda: (self._flat if flat else self._vae.decode)(latents))

    def _timing(self) -> float:
        model = self._transformer
        time = torch.empty(1, device="meta")
        return _sum(lambda: model.time_mod_proj(model.time_embed(time, dtype=torch.float32)))

    def _taps(self, tokens: int) -> torch.Tensor:
        config = self._transformer.config
        shape = (1, tokens, config.num_text_layers, config.text_hidden_dim)
        return torch.empty(shape, device="meta")

    def _encoding(self, tokens: int, *, lean: bool) -> float:
        """Two operations for each weight and token, and the attention of every token to every."""
        layers = self._layers[: self._last_tap] if lean else self._layers
        weights = sum(
            module.weight.numel() for module in layers.modules() if isinstance(module, nn.Linear)
        )
        config = self._text
        heads = config.num_attention_heads * config.head_dim
        return 2 * weights * tokens + len(layers) * 4 * tokens**2 * heads


def _empty(tokens: int, width: int) -> torch.Tensor:
    return torch.empty(1, tokens, width, device="meta")


def _sum(run: Callable[[], Any]) -> float:
    return sum(_count(run))


def _count(run: Callable[[], Any]) -> tuple[float, float]:
    """Operations of linear layers, and of all else: attention and convolutions."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    counts = {str(operator): n for operator, n in counter.get_flop_counts()["Global"].items()}
    linear = sum(n for operator, n in counts.items() if operator in LINEAR)
    return float(linear), float(sum(counts.values()) - linear)
