"""Krea 2's fast path: one denoising step of one picture per turn, the stock pipeline's picture."""

import logging
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch._dynamo.exc import TorchDynamoException

from safelight.catalog.request import ImageRequest
from safelight.engines import Aside, Made, Note, Picture, Pixels, Step
from safelight.engines.diffusers.attention import Shape, choose
from safelight.engines.diffusers.framing import crop
from safelight.engines.diffusers.guards import (
    Spoiled,
    is_out_of_memory,
    out_of_memory,
    release_memory,
    spoiled_twice,
)
from safelight.engines.diffusers.krea2 import plain
from safelight.engines.diffusers.krea2.autoencoder import Autoencoder
from safelight.engines.diffusers.krea2.denoiser import Compiler, Denoiser
from safelight.engines.diffusers.krea2.plan import Plan, plan
from safelight.engines.diffusers.krea2.preparing import Preparation, Prepared
from safelight.engines.diffusers.krea2.schedule import Moment, Schedules, euler_step
from safelight.engines.diffusers.krea2.streams import SideStream
from safelight.engines.diffusers.krea2.text import Styles, Text, Texts
from safelight.engines.diffusers.krea2.warming import PROMPTS, SIZES, SMALL, rehearse
from safelight.engines.diffusers.options import Options, Weights
from safelight.engines.diffusers.pacing import Pacer
from safelight.engines.diffusers.painter import Making
from safelight.engines.diffusers.previews import fit
from safelight.errors import ConfigurationError

Result = TypeVar("Result")
Velocity = Callable[[torch.Tensor, Moment], torch.Tensor]  # from noisy latents, at a time

COMPILER = "inductor"

log = logging.getLogger(__name__)


class Wardrobe(Protocol):
    """The LoRA styles of one transformer."""

    def wanted(self, request: ImageRequest) -> Styles: ...

    def prompt(self, prompt: str, wanted: Styles) -> str: ...

    def wear(self, wanted: Styles) -> None: ...


class Krea2Painter:
    """A loaded Krea2Pipeline, raw or distilled. No state of a job lives here or in the pipeline."""

    def __init__(
        self,
        pipe: Any,
        weights: Weights,
        options: Options,
        wardrobe: Wardrobe | None,
        *,
        compiler: Compiler = COMPILER,
    ):
        device = pipe._execution_device
        config = pipe.transformer.config
        dtype = pipe.text_encoder.get_input_embeddings().weight.dtype
        self._pipe, self._weights, self._options = pipe, weights, options
        self._wardrobe = wardrobe
        self._device = device
        self.attention = choose(
            Shape(
                config.num_attention_heads,
                config.num_key_value_heads,
                config.attention_head_dim,
                dtype,
                device,
            ),
            options.attention,
        )
        log.info("%s: %s", weights.model, self.attention.summary)
        compiled = device.type == "cuda" if options.compile is None else options.compile
        self._texts = Texts(pipe, options.text_tokens, options.prompts_remembered)
        self._schedules = Schedules(pipe, dtype, device)
        self._denoiser = Denoiser(
            pipe, self.attention.attend, device, compiler if compiled else None
        )
        self._decoding = SideStream(device)
        self._autoencoder = Autoencoder(pipe, self._decoding)
        self._preparation = Preparation(pipe, self._texts, self._autoencoder, dtype)
        self._preview = fit(
            lambda picture: self._autoencoder.encode(picture)[0], pipe.vae_scale_factor
        )
        self._pacer = Pacer(device)

    def warm_up(self) -> None:
        """On a GPU the true sizes, or those that fit into its memory; elsewhere one small step.

        Raises ConfigurationError where compiling is demanded and fails.
        """
        try:
            self._rehearse()
        except TorchDynamoException as error:
            reason = " ".join(str(error).split("\n")[:2])  # the compiler's name, and its words
            if self._options.compile:
                raise ConfigurationError(f"The blocks cannot be compiled: {reason}") from error
            log.warning("The blocks are not compiled and will be slower: %s", reason)
            self._denoiser.stop_compiling()
            self._rehearse()

    def _rehearse(self) -> None:
        if self._device.type == "cuda":
            rehearse(self, self._weights.model, SIZES, PROMPTS)
        else:
            rehearse(self, self._weights.model, (SMALL,), PROMPTS[:1])

    def paint(self, request: ImageRequest) -> Making:
        job = self._plan(request)
        prepared: Prepared = yield Aside(lambda: _with_room(lambda: self._preparation.prepare(job)))
        yield from _left_out(prepared.texts[0])
        self._preparation.adopt(prepared)
        texts, moments = self._in_turn(job, lambda: self._begin(job, prepared))
        yield Step(0, job.total)
        for index in range(job.count):
            start = _start(prepared, index, moments, job.first_step)
            pixels = yield from self._paint_one(job, texts, moments, start, index)
            yield Picture(crop(pixels, *job.asked), job.seed_of(index))

    def _plan(self, request: ImageRequest) -> Plan:
        styles: Styles = ()
        prompt = request.prompt
        if self._wardrobe is not None:
            styles = self._wardrobe.wanted(request)
            prompt = self._wardrobe.prompt(prompt, styles)
        distilled = bool(self._pipe.config.is_distilled)
        return plan(request, self._weights, prompt=prompt, styles=styles, distilled=distilled)

    def _begin(self, job: Plan, prepared: Prepared) -> tuple[list[Text], Sequence[Moment]]:
        moments = self._schedules.find(job.steps, job.grid.tokens, job.styles)
        return [self._texts.fuse(text, job.styles) for text in prepared.texts], moments

    def _paint_one(
        self,
        job: Plan,
        texts: list[Text],
        moments: Sequence[Moment],
        start: torch.Tensor,
        index: int,
    ) -> Generator[Made, Any, Pixels]:
        velocities = [
            partial(self._denoiser.velocity, text=text, grid=job.grid, styled=bool(job.styles))
            for text in texts
        ]
        numbers = range(index * job.steps_each + 1, (index + 1) * job.steps_each + 1)
        latents = yield from self._denoise(job, velocities, moments, start, numbers)
        try:
            return (yield self._decoding_of(job, latents, self._autoencoder.decode))
        except Spoiled as reason:
            why = str(reason)
        log.warning("A picture of %s was spoiled: %s", self._weights.model, why)
        for prompt in job.prompts:
            self._texts.forget(prompt, job.styles)
        yield Note(f"The picture was spoiled ({why}) and is made again on the plain path.")
        return (yield from self._paint_plainly(job, moments, start, numbers))

    def _paint_plainly(
        self, job: Plan, moments: Sequence[Moment], start: torch.Tensor, numbers: range
    ) -> Generator[Made, Any, Pixels]:
        """Once more as the stock pipeline does it, in turns that are no progress."""
        padded = yield Aside(lambda: _with_room(lambda: self._preparation.read_padded(job)))
        self._preparation.adopt_padded(padded)
        velocities = [
            partial(plain.velocity, self._pipe, states=states, mask=mask, grid=job.grid)
            for states, mask in padded
        ]
        still = [numbers[-1] if numbers else 0] * len(numbers)
        latents = yield from self._denoise(job, velocities, moments, start, still)
        try:
            return (yield self._decoding_of(job, latents, self._autoencoder.decode_plainly))
        except Spoiled:
            raise spoiled_twice() from None

    def _denoise(
        self,
        job: Plan,
        velocities: Sequence[Velocity],
        moments: Sequence[Moment],
        latents: torch.Tensor,
        numbers: Sequence[int],
    ) -> Generator[Made, Any, torch.Tensor]:
        """A step a turn; they are called by `numbers`. → the picture's latents."""
        every = self._options.preview_steps
        for number, moment in zip(numbers, moments[job.first_step :], strict=True):
            shown = every > 0 and number % every == 0 and moment is not moments[-1]
            turn = partial(self._step, job, velocities, moment, latents, shown)
            latents, preview = self._in_turn(job, turn)
            yield Step(number, job.total, preview)
        return latents

    @torch.no_grad()
    def _step(
        self,
        job: Plan,
        velocities: Sequence[Velocity],
        moment: Moment,
        latents: torch.Tensor,
        shown: bool,
    ) -> tuple[torch.Tensor, Pixels | None]:
        velocity = velocities[0](latents, moment)
        if len(velocities) > 1:  # Krea's convention: guidance 0 is off
            velocity = velocity + job.guidance * (velocity - velocities[1](latents, moment))
        after = euler_step(latents, velocity, moment.change)
        self._pacer.step_queued()
        preview = self._show(job, latents - moment.sigma * velocity) if shown else None
        return after, preview

    def _show(self, job: Plan, clean: torch.Tensor) -> Pixels:
        """The picture as it is foreseen, one pixel for eight."""
        scale = self._pipe.vae_scale_factor
        width, height = job.rendered
        frames = self._pipe._unpack_latents(clean, height, width)
        wide, high = (max(1, round(side / scale)) for side in job.asked)
        return crop(self._preview.decode(frames[0, :, 0]), wide, high)

    def _decoding_of(
        self, job: Plan, latents: torch.Tensor, decode: Callable[..., Pixels]
    ) -> Aside:
        width, height = job.rendered
        return Aside(partial(decode, latents, height, width, self._decoding.mark()))

    def _in_turn(self, job: Plan, work: Callable[[], Result]) -> Result:
        """Between two turns others may have put on their styles."""
        if self._wardrobe is not None:
            self._wardrobe.wear(job.styles)
        return _with_room(work)


def _start(
    prepared: Prepared, index: int, moments: Sequence[Moment], first_step: int
) -> torch.Tensor:
    """Noise, or a picture with as much noise as the first step expects."""
    noise = prepared.noises[index]
    if prepared.source is None:
        return noise
    sigma = moments[first_step].sigma if first_step < len(moments) else 0.0
    mixed = prepared.source.float() * (1 - sigma) + noise.float() * sigma
    return mixed.to(noise.dtype)


def _left_out(text: Text) -> Generator[Made, Any, None]:
    if text.left_out:
        yield Note(f"The last {text.left_out} of {text.tokens} tokens of the prompt were left out.")


def _with_room(work: Callable[[], Result]) -> Result:
    """Out of memory: once more, with what can be given back given back."""
    for last in (False, True):
        try:
            return work()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if last:
                raise out_of_memory() from None
        release_memory()  # out here, where the traceback no longer holds its tensors
    raise AssertionError("unreachable")
