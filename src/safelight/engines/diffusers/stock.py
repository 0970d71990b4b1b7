"""Any text-to-image pipeline of diffusers, one denoising step a turn."""

import logging
import threading
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any

import torch

from safelight.catalog.request import ImageRequest
from safelight.engines import Aside, Made, Note, Picture, Pixels, Step
from safelight.engines.diffusers import calling, framing, guards
from safelight.engines.diffusers.calling import Task
from safelight.engines.diffusers.compiling import compile_blocks, uncompiled
from safelight.engines.diffusers.options import Options, Weights
from safelight.engines.diffusers.pacing import Pacer
from safelight.engines.diffusers.painter import Making
from safelight.engines.diffusers.placing import denoiser_of
from safelight.engines.diffusers.sketching import Sketch, Sketcher
from safelight.engines.diffusers.sources import read_picture
from safelight.engines.diffusers.stepping import SteppedCall
from safelight.engines.diffusers.styles import Wardrobe
from safelight.errors import EngineError, JobErrorCode

SEEDS = 2**64
# First one with not as many patches as a text has tokens, and not square: the compiler would take
# numbers that happen to be equal for one and the same. Then, on a GPU, what is asked for most.
WARM_UP_SIZES = ((320, 256), (1024, 1024))

log = logging.getLogger(__name__)


class StockPainter:
    """Runs each job's call of the pipeline in a thread that stands still between its steps.

    A pipeline keeps the state of a call in itself and in its scheduler: each call gets a shallow
    copy with a scheduler of its own, over the same weights.
    """

    def __init__(self, pipe: Any, weights: Weights, options: Options, wardrobe: Wardrobe):
        self._pipe = pipe
        self._from_picture = calling.image_to_image(pipe)
        self._weights = weights
        self._wardrobe = wardrobe
        self._multiple = max(framing.MULTIPLE, 2 * getattr(pipe, "vae_scale_factor", 8))
        self._sketcher = Sketcher(pipe, options.preview_steps)
        self._here = threading.local()  # in a pipeline's thread: its call
        self._beginning = threading.Lock()  # tokenizers keep in themselves how they truncate
        self._denoiser = denoiser_of(pipe)
        self._denoiser.register_forward_pre_hook(self._before_forward)
        self._device = pipe._execution_device
        self._pacer = Pacer(self._device)
        on_gpu = self._device.type == "cuda"
        if options.compile if options.compile is not None else on_gpu:
            compile_blocks(self._denoiser)

    def warm_up(self) -> None:
        """Small pictures of two steps, so that kernels are chosen and the blocks are compiled."""
        for width, height in WARM_UP_SIZES if self._device.type == "cuda" else WARM_UP_SIZES[:1]:
            request = ImageRequest(
                model=self._weights.model, prompt="a lighthouse at dusk", seed=0, steps=2,
                width=width, height=height,
            )  # fmt: skip
            try:
                self._rehearse(self.paint(request))
            except EngineError as error:
                if error.code is not JobErrorCode.RESOURCE_EXHAUSTED:
                    raise
                log.warning("%s: %d×%d does not fit", self._weights.model, width, height)

    def _rehearse(self, making: Making) -> None:
        reply, failure = None, None
        with suppress(StopIteration):
            while True:
                made = making.throw(failure) if failure else making.send(reply)
                reply, failure = None, None
                if isinstance(made, Aside):
                    try:
                        reply = made.work()
                    except Exception as error:  # it is the painter's own to handle
                        failure = error

    def paint(self, request: ImageRequest) -> Making:
        """Raises EngineError for what cannot be made."""
        styles = self._wardrobe.wanted(request)
        prompt = self._wardrobe.prompt(request.prompt, styles)
        source = None
        if uri := request.parameters.get("image_url"):
            source = yield Aside(lambda: self._read_source(uri, request))
        progress = _Progress(request.count)
        for index in range(request.count):
            seed = ((request.seed or 0) + index) % SEEDS
            task = Task(request, prompt, seed, styles, source)
            pixels = yield from self._try(task, progress)
            yield Picture(framing.crop(pixels, request.width, request.height), seed)
            progress.index += 1

    def _read_source(self, uri: str, request: ImageRequest) -> Pixels:
        if self._from_picture is None:
            raise EngineError(
                "This model cannot start from a picture.", code=JobErrorCode.INVALID_PARAMETERS
            )
        size = framing.rendered_size(request.width, request.height, self._multiple)
        return read_picture(uri, *size)

    def _try(self, task: Task, progress: "_Progress") -> Generator[Made, Any, Pixels]:
        """The picture; once more, another way, if it was spoiled or memory ran out."""
        try:
            return (yield from self._make(task, progress))
        except Exception as error:
            if isinstance(error, guards.Spoiled):
                again = replace(task, plain=True)
            elif guards.is_out_of_memory(error):
                again = replace(task, tiled=True)
            else:
                raise
            log.warning("%s: %s", self._weights.model, error)
        guards.release_memory()
        yield Note("The first attempt failed; it is made once more, another way.")
        try:
            return (yield from self._make(again, progress))
        except guards.Spoiled:
            raise guards.spoiled_twice() from None
        except Exception as error:
            if not guards.is_out_of_memory(error):
                raise
            guards.release_memory()
            raise guards.out_of_memory() from None

    def _make(self, task: Task, progress: "_Progress") -> Generator[Made, Any, Pixels]:
        template = self._pipe if task.source is None else self._from_picture
        pipe = calling.copied(template, tiled=task.tiled)
        size = framing.rendered_size(task.request.width, task.request.height, self._multiple)
        sketch = self._sketcher.begin(pipe, *size)
        call = SteppedCall(
            lambda call: self._call(pipe, task, call, sketch), f"pipeline {task.seed}"
        )
        try:
            yield Aside(lambda: self._begin(call))
            progress.length = pipe.num_timesteps
            if progress.done == 0:
                yield progress.step(0)
            for number in range(1, progress.length + 1):
                self._wardrobe.wear(task.styles)
                with uncompiled(self._denoiser, task.plain or bool(task.styles)):
                    call.step()
                self._pacer.step_queued()
                yield progress.step(number, sketch.take())
            pixels: Pixels = yield Aside(call.finish)
            return pixels
        finally:
            call.close()

    def _begin(self, call: SteppedCall) -> None:
        with self._beginning:
            call.begin()

    def _call(self, pipe: Any, task: Task, call: SteppedCall, sketch: Sketch) -> Pixels:
        """In the pipeline's thread, from the prompt to the pixels."""

        def stand(_pipe: Any, number: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            sketch.see(number + 1, tensors["latents"])
            call.at_step_end()
            return {}

        self._here.call = call
        with self._device_of_this_thread():
            given = calling.arguments(pipe, task, self._weights, self._multiple)
            image = pipe(**given, callback_on_step_end=stand).images[0]
            guards.check_finite(image)
            pixels: Pixels = framing.to_pixels(image).cpu().numpy()
        guards.check_contrast(pixels)
        return pixels

    def _device_of_this_thread(self) -> AbstractContextManager[Any]:
        """New threads begin with the first GPU, whichever the model is on."""
        return torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext()

    def _before_forward(self, _module: torch.nn.Module, _arguments: Any) -> None:
        call: SteppedCall | None = getattr(self._here, "call", None)
        if call is not None:
            call.at_step_begin()


@dataclass(slots=True)
class _Progress:
    """Steps numbered through all pictures of a request; a second attempt counts none twice."""

    pictures: int
    index: int = 0  # of the picture that is being made
    length: int = 0  # steps of each
    done: int = 0

    def step(self, number: int, preview: Pixels | None = None) -> Step:
        self.done = max(self.done, self.index * self.length + number)
        return Step(self.done, self.pictures * self.length, preview)
