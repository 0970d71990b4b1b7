"""Tiny Krea 2 pipelines read from disk, jobs of their painter, and what the transformer said."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import Krea2Pipeline

import tiny_models
from safelight.catalog.request import ImageRequest
from safelight.engines import Aside, Made, Picture
from safelight.engines.diffusers.krea2 import Krea2Painter
from safelight.engines.diffusers.options import Options, Weights

TURBO = Weights(model="krea-2-turbo", source="krea-2-turbo", steps=8)
RAW = Weights(model="krea-2-raw", source="krea-2-raw", steps=4, guidance=3.5)


def read(folder: Path, dtype: torch.dtype = torch.float32) -> Krea2Pipeline:
    pipe = Krea2Pipeline.from_pretrained(folder, dtype=dtype, local_files_only=True)
    return tiny_models.count_template(pipe)


def painter(folder: Path, weights: Weights = TURBO, wardrobe: Any = None, **options: Any) -> Any:
    return Krea2Painter(read(folder), weights, Options(**options), wardrobe)


def request(prompt: str = "a red fox in the snow", **fields: Any) -> ImageRequest:
    return ImageRequest(
        **{"model": "krea-2-turbo", "prompt": prompt, "width": 64, "height": 64, "seed": 7} | fields
    )


def advance(making: Generator[Made, Any, None], after: Made | None) -> Made:
    """The next thing of a job, given what its Aside came to."""
    if not isinstance(after, Aside):
        return next(making)
    try:
        reply = after.work()
    except Exception as error:
        return making.throw(error)
    return making.send(reply)


def paint(painter: Krea2Painter, request: ImageRequest) -> list[Made]:
    """Everything that a job yields, run alone."""
    making, made = painter.paint(request), []
    last = None
    while True:
        try:
            last = advance(making, last)
        except StopIteration:
            return made
        made.append(last)


def pictures(made: list[Made]) -> list[Picture]:
    return [thing for thing in made if isinstance(thing, Picture)]


def stock_picture(pipe: Krea2Pipeline, asked: ImageRequest, weights: Weights = TURBO) -> Any:
    """[height, width, 3] of float from 0 to 255, by the pipeline's own call."""
    return (
        255
        * pipe(
            asked.prompt,
            negative_prompt=asked.parameters.get("negative_prompt"),
            height=asked.height,
            width=asked.width,
            num_inference_steps=asked.steps or weights.steps,
            guidance_scale=weights.guidance,
            generator=torch.Generator("cpu").manual_seed(asked.seed or 0),
            output_type="np",
        ).images[0]
    )


@contextmanager
def velocities(pipe: Krea2Pipeline) -> Iterator[list[torch.Tensor]]:
    """What the transformer's last layer gives, call by call."""
    said: list[torch.Tensor] = []
    hook = pipe.transformer.final_layer.register_forward_hook(
        lambda module, given, output: said.append(output)
    )
    try:
        yield said
    finally:
        hook.remove()
