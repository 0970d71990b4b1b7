"""The steps from the stock pipeline to the whole fast path, each of which makes pictures."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import Krea2Pipeline
from diffusers.models.transformers.transformer_krea2 import Krea2AttnProcessor
from torch._dynamo.utils import counters

from bench.engine.counting import Size, Way
from safelight.catalog.request import ImageRequest
from safelight.engines import Aside, Picture, Pixels
from safelight.engines.diffusers.attention import Attention, Shape, choose
from safelight.engines.diffusers.framing import to_pixels
from safelight.engines.diffusers.krea2 import Krea2Painter
from safelight.engines.diffusers.krea2.denoiser import UnmaskedAttention
from safelight.engines.diffusers.krea2.text import measure_template
from safelight.engines.diffusers.options import Options, Weights
from safelight.engines.diffusers.painter import Painter
from safelight.engines.diffusers.placing import Plan, quantise
from safelight.engines.diffusers.profiles import FP8_CAPABILITY

Paint = Callable[[ImageRequest], Pixels]

MODEL = "krea-2-turbo"
PADDED_TOKENS = 512  # the stock pipeline's default


class CannotRun(Exception):
    """Not on this machine, or not as it was asked; the reason is the message."""


@dataclass
class Bench:
    """One pipeline, which each path changes a little further."""

    pipe: Krea2Pipeline
    device: torch.device
    dtype: torch.dtype
    steps: int
    text_tokens: int
    wanted_attention: str
    compiler: str | None  # None: nothing is compiled
    preview_steps: int
    attention: Attention | None = None  # once it is chosen
    painter: Painter | None = None  # once there is one
    references: dict[Size, Pixels] = field(default_factory=dict)  # the stock pipeline's pictures


@dataclass(frozen=True)
class Path:
    """One rung of the ladder."""

    name: str
    words: str
    open: Callable[[Bench], Paint]  # raises CannotRun
    padded: bool = False
    lean: bool = False
    flat: bool = False
    low: bool = False  # fp8

    def way(self, text_tokens: int) -> Way:
        return Way(PADDED_TOKENS if self.padded else text_tokens, self.lean, self.flat)


def stock(bench: Bench) -> Paint:
    measure_template(bench.pipe)
    return _call(bench.pipe)


class UnpaddedPipeline(Krea2Pipeline):
    """The stock modules, given the prompt's own tokens and no mask."""

    def encode_prompt(self, prompt: str, **_arguments: Any) -> tuple[torch.Tensor, None]:
        texts = (self.prompt_template_encode_prefix + prompt, self.prompt_template_encode_suffix)
        ids = [token for text in texts for token in self.tokenizer(text).input_ids]
        count = torch.arange(len(ids), device=self._execution_device)
        outputs = self.text_encoder(
            input_ids=torch.tensor([ids], device=self._execution_device),
            position_ids=count.expand(3, 1, -1),
            output_hidden_states=True,
            use_cache=False,
        )
        layers = [outputs.hidden_states[i] for i in self.text_encoder_select_layers]
        return torch.stack(layers, dim=2)[:, self.prompt_template_encode_start_idx :], None


def unpadded(bench: Bench) -> Paint:
    pipe = UnpaddedPipeline(
        **bench.pipe.components,
        text_encoder_select_layers=bench.pipe.text_encoder_select_layers,
        is_distilled=bench.pipe.config.is_distilled,
    )
    pipe.set_progress_bar_config(disable=True)
    measure_template(pipe)
    return _call(pipe)


def quick_attention(bench: Bench) -> Paint:
    config = bench.pipe.transformer.config
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    shape = Shape(heads, kv_heads, config.attention_head_dim, bench.dtype, bench.device)
    bench.attention = choose(shape, bench.wanted_attention)
    for block in bench.pipe.transformer.transformer_blocks:
        block.attn.set_processor(UnmaskedAttention(bench.attention.attend))
    return unpadded(bench)


def compiled(bench: Bench) -> Paint:
    if bench.compiler is None:
        raise CannotRun("nothing is compiled here: see --compiler")
    bench.pipe.transformer.compile_repeated_blocks(
        fullgraph=True, dynamic=True, backend=bench.compiler
    )
    return unpadded(bench)


def fast(bench: Bench) -> Paint:
    """Krea2Painter, which compiles blocks by itself and chooses attention again."""
    for block in bench.pipe.transformer.transformer_blocks:
        block._compiled_call_impl = None
        block.attn.set_processor(Krea2AttnProcessor())
    torch._dynamo.reset()
    counters.clear()  # so that only this path's graphs are counted
    options = Options(
        device=str(bench.device), attention=bench.wanted_attention,
        compile=bench.compiler is not None, preview_steps=bench.preview_steps,
    )  # fmt: skip
    weights = Weights(model=MODEL, source="-", steps=bench.steps)
    compiler = {} if bench.compiler is None else {"compiler": bench.compiler}
    painter = Krea2Painter(bench.pipe, weights, options, None, **compiler)
    bench.attention, bench.painter = painter.attention, painter
    return lambda request: paint_alone(painter, request)


def fp8(bench: Bench) -> Paint:
    """The same with the blocks' linear layers in fp8, a scale for each row: not exact."""
    capability = torch.cuda.get_device_capability() if bench.device.type == "cuda" else (0, 0)
    if capability < FP8_CAPABILITY:
        raise CannotRun("needs a GPU that multiplies in fp8: compute capability 8.9 or more")
    bench.painter = None
    quantise(bench.pipe, Plan(bench.device, bench.dtype, "fp8", "none", "as the ladder asks"))
    return fast(bench)


LADDER = (
    Path("stock", "stock pipeline, eager, padded and masked", stock, padded=True),
    Path("unpadded", "no padding, no mask", unpadded),
    Path("attention", "+ the quickest attention", quick_attention),
    Path("compile", "+ blocks compiled", compiled),
    Path("fast", "whole fast path: + hoisting, 2-D autoencoder", fast, lean=True, flat=True),
    Path("fp8", "+ fp8 by rows (not exact)", fp8, lean=True, flat=True, low=True),
)


def paint_alone(painter: Painter, request: ImageRequest) -> Pixels:
    """One picture, with nobody else at the device."""
    making, reply = painter.paint(request), None
    while True:
        made = making.send(reply)
        if isinstance(made, Picture):
            making.close()
            return made.pixels
        reply = made.work() if isinstance(made, Aside) else None


def _call(pipe: Any) -> Paint:
    def paint(request: ImageRequest) -> Pixels:
        image = pipe(
            request.prompt,
            width=request.width,
            height=request.height,
            num_inference_steps=request.steps,
            guidance_scale=0.0,
            generator=torch.Generator("cpu").manual_seed(request.seed or 0),
            output_type="pt",
        ).images[0]
        return to_pixels(image * 2 - 1).cpu().numpy()

    return paint
