"""How one call of a stock pipeline is made: its own copy, and arguments under the right names."""

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import diffusers
import torch

from safelight.catalog.request import ImageRequest
from safelight.engines import Pixels
from safelight.engines.diffusers import framing
from safelight.engines.diffusers.abilities import family_named, start_strength
from safelight.engines.diffusers.options import Weights

SCHNELL_TOKENS = 256  # of T5, as it was trained; its pipeline's default is for dev


@dataclass(frozen=True, slots=True)
class Task:
    """One picture of one request, and how it is to be made."""

    request: ImageRequest
    prompt: str  # with the words that its styles add
    seed: int
    styles: tuple[tuple[str, float], ...]
    source: Pixels | None  # what to start from, in the rendered size
    plain: bool = False  # uncompiled, as a second attempt
    tiled: bool = False  # the autoencoder in tiles, likewise


def image_to_image(pipe: Any) -> Any | None:
    """The same parts in the pipeline that starts from a picture; None where there is none."""
    name = family_named(type(pipe).__name__).image_to_image
    if not name:
        return None
    twin = getattr(diffusers, name)(**pipe.components)
    twin.set_progress_bar_config(disable=True)
    return twin


def copied(template: Any, *, tiled: bool) -> Any:
    """The same weights, with everything that one call changes in it for itself."""
    pipe = copy.copy(template)
    pipe.scheduler = type(template.scheduler).from_config(template.scheduler.config)
    # Scaled to 0…1 by the library, in bf16, a picture would lose half of its grey levels.
    processor = template.image_processor
    pipe.image_processor = type(processor).from_config(processor.config, do_normalize=False)
    pipe.vae = copy.copy(template.vae)  # one of videos keeps a call's frames in itself
    if tiled:
        pipe.vae.enable_tiling()
    return pipe


def arguments(pipe: Any, task: Task, weights: Weights, multiple: int) -> dict[str, Any]:
    """What the pipeline is called with, apart from the callback."""
    request = task.request
    width, height = framing.rendered_size(request.width, request.height, multiple)
    steps = request.steps or weights.steps
    given = {
        "prompt": task.prompt,
        "width": width,
        "height": height,
        "num_inference_steps": steps,
        "generator": torch.Generator("cpu").manual_seed(task.seed),
        "output_type": "pt",
    }
    if task.source is not None:
        given["image"] = _to_tensor(task.source)
        strength = start_strength(type(pipe).__name__, request.parameters)
        given["strength"] = max(strength, 1 / steps)  # one step at the least
    return given | _guidance(pipe, request, weights)


def _guidance(pipe: Any, request: ImageRequest, weights: Weights) -> dict[str, Any]:
    """The scale under the name, and the negative prompt in the form, that the pipeline has."""
    takes: Mapping[str, inspect.Parameter] = inspect.signature(type(pipe).__call__).parameters
    guidance = weights.guidance if request.guidance is None else request.guidance
    negative = request.parameters.get("negative_prompt")
    if "true_cfg_scale" in takes and takes["guidance_scale"].default is None:  # Qwen-Image
        # Without a negative prompt, be it a blank, it would not guide; with one, below 1, it warns.
        guided = {"negative_prompt": negative or " "} if guidance > 1 else {}
        return {"true_cfg_scale": guidance} | guided
    given: dict[str, Any] = {"guidance_scale": guidance}
    if negative and family_named(type(pipe).__name__).negative_above is not None:
        given["negative_prompt"] = negative
    if _is_schnell(pipe):
        given["max_sequence_length"] = SCHNELL_TOKENS
    return given


def _is_schnell(pipe: Any) -> bool:
    names = ("FluxPipeline", "FluxImg2ImgPipeline")
    return type(pipe).__name__ in names and not pipe.transformer.config.guidance_embeds


def _to_tensor(pixels: Pixels) -> torch.Tensor:
    """[height, width, 3] of uint8 → [1, 3, height, width] from -1 to 1."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
