"""Krea 2 in turns with other jobs: what is shared, what is remembered, and what may go wrong."""

import base64
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

import tiny_models
from krea2_painted import TURBO, advance, paint, painter, pictures, read, request, stock_picture
from safelight.engines import Aside, Note, Step
from safelight.engines.diffusers.krea2 import Krea2Painter
from safelight.engines.diffusers.krea2.remembering import Memory
from safelight.engines.diffusers.options import Options
from safelight.engines.diffusers.previews import colourful_pictures, fit
from safelight.errors import EngineError, JobErrorCode


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tiny_models.krea2(), tmp_path_factory.mktemp("turbo"))


@pytest.fixture(scope="module")
def shared(folder: Path) -> Krea2Painter:
    return painter(folder)


def pixels(paints: Krea2Painter, asked: Any) -> Any:
    (picture,) = pictures(paint(paints, asked))
    return picture.pixels


def test_jobs_in_turns_paint_what_they_paint_alone(shared: Krea2Painter) -> None:
    asked = [
        request(width=96, steps=8),
        request("a lamp in the rain", height=128, steps=3, seed=8),
        request("a red fox in the snow", steps=5, seed=9, count=2),
    ]
    alone = [[picture.pixels for picture in pictures(paint(shared, job))] for job in asked]
    jobs = [shared.paint(job) for job in asked]
    made: list[list[Any]] = [[] for _ in asked]
    running = set(range(len(jobs)))
    while running:
        for index in sorted(running):
            try:
                last = made[index][-1] if made[index] else None
                made[index].append(advance(jobs[index], last))
            except StopIteration:
                running.discard(index)
    for things, expected in zip(made, alone, strict=True):
        painted = [picture.pixels for picture in pictures(things)]
        assert len(painted) == len(expected)
        assert all(np.array_equal(*both) for both in zip(painted, expected, strict=True))


def test_a_job_begins_aside_and_says_how_long_it_will_be(shared: Krea2Painter) -> None:
    made = paint(shared, request(count=2, steps=3))
    assert isinstance(made[0], Aside)
    assert [(m.number, m.total) for m in made if isinstance(m, Step)] == [
        (number, 6) for number in range(7)
    ]


def test_a_job_that_is_cancelled_leaves_nothing_behind(shared: Krea2Painter) -> None:
    expected = pixels(shared, request())
    for turns in range(6):
        making, last = shared.paint(request("a lamp", width=128)), None
        for _ in range(turns):
            last = advance(making, last)
        making.close()
    assert torch.is_grad_enabled(), "nothing of a job outlives it in this thread"
    assert np.array_equal(pixels(shared, request()), expected)


def test_a_prompt_is_encoded_once(folder: Path) -> None:
    paints = painter(folder, prompts_remembered=2)
    calls: list[int] = []
    paints._pipe.text_encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    first = pixels(paints, request())
    assert np.array_equal(pixels(paints, request()), first)
    assert len(calls) == 1
    for prompt in ("a lamp", "a house"):
        paint(paints, request(prompt, steps=1))
    assert len(calls) == 3
    assert np.array_equal(pixels(paints, request()), first), "forgotten, and encoded again"
    assert len(calls) == 4


class Scarf:
    """A wardrobe whose one style brightens what text fusion says."""

    def __init__(self, transformer: Any):
        self.worn: list[Any] = []
        transformer.text_fusion.register_forward_hook(
            lambda module, given, said: said + sum(strength for _, strength in self.worn[-1])
        )

    def wanted(self, asked: Any) -> Any:
        return tuple((s["id"], s["strength"]) for s in asked.parameters.get("styles", ()))

    def prompt(self, prompt: str, wanted: Any) -> str:
        return prompt + " with a scarf" * bool(wanted)

    def wear(self, wanted: Any) -> None:
        self.worn.append(wanted)


def test_styles_are_on_in_every_turn_and_what_they_touch_is_not_mixed_up(folder: Path) -> None:
    pipe = read(folder)
    scarf = Scarf(pipe.transformer)
    paints = Krea2Painter(pipe, TURBO, Options(), scarf)
    styled = request("a lamp", steps=3, parameters={"styles": [{"id": "scarf", "strength": 0.5}]})
    bare = request("a lamp with a scarf", steps=3)
    expected = pixels(paints, styled)
    assert scarf.worn == [(("scarf", 0.5),)] * 4, "the text's fusion, and three steps"
    assert not np.array_equal(pixels(paints, bare), expected)
    assert np.array_equal(pixels(paints, styled), expected)


class Spoiling(torch.nn.Module):
    """The last layer, which for some calls is wrong in every number."""

    def __init__(self, layer: torch.nn.Module, times: int, wrong: Callable[[Any], Any]):
        super().__init__()
        self.layer, self.times, self.wrong = layer, times, wrong

    def forward(self, *given: Any) -> Any:
        said = self.layer(*given)
        self.times -= 1
        return self.wrong(said) if self.times >= 0 else said


def spoiled(folder: Path, times: int) -> Krea2Painter:
    paints = painter(folder)
    transformer = paints._pipe.transformer
    transformer.final_layer = Spoiling(
        transformer.final_layer, times, lambda said: said * float("nan")
    )
    return paints


def test_a_spoiled_picture_is_made_again_on_the_plain_path(folder: Path) -> None:
    asked = request(width=96)
    made = paint(spoiled(folder, 1), asked)
    notes = [thing.text for thing in made if isinstance(thing, Note)]
    assert notes == ["The picture was spoiled (not finite) and is made again on the plain path."]
    numbers = [thing.number for thing in made if isinstance(thing, Step)]
    assert numbers == [*range(9), *[8] * 8], "the second attempt is no progress"
    (picture,) = pictures(made)
    assert np.abs(stock_picture(read(folder), asked) - picture.pixels).max() <= 0.51


def test_a_model_that_spoils_every_picture_fails_the_job_and_no_other(folder: Path) -> None:
    paints = spoiled(folder, 16)
    with pytest.raises(EngineError) as caught:
        paint(paints, request())
    assert caught.value.code is JobErrorCode.GENERATION_FAILED_NO_CONTENT
    assert pixels(paints, request()).std() > 1


def test_text_that_was_spoiled_is_not_remembered(folder: Path) -> None:
    paints = painter(folder)
    transformer = paints._pipe.transformer
    transformer.txt_in = Spoiling(transformer.txt_in, 1, lambda said: said * float("inf"))
    first, second = paint(paints, request()), paint(paints, request())
    assert any(isinstance(thing, Note) for thing in first)
    assert not any(isinstance(thing, Note) for thing in second)


def test_a_picture_of_one_colour_is_never_sold(folder: Path) -> None:
    pipe = read(folder)
    for parameter in pipe.vae.decoder.conv_out.parameters():
        torch.nn.init.zeros_(parameter)
    with pytest.raises(EngineError, match="no usable picture"):
        paint(Krea2Painter(pipe, TURBO, Options(), None), request(steps=1))


class Crowded(torch.nn.Module):
    """A module that finds no memory, for some calls."""

    def __init__(self, module: torch.nn.Module, times: int):
        super().__init__()
        self.module, self.times = module, times

    def forward(self, *given: Any, **named: Any) -> Any:
        self.times -= 1
        if self.times >= 0:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.module(*given, **named)


def test_a_step_without_room_is_tried_once_more(folder: Path, shared: Krea2Painter) -> None:
    paints = painter(folder)
    expected = pixels(shared, request())
    transformer = paints._pipe.transformer
    transformer.img_in = Crowded(transformer.img_in, 1)
    assert np.array_equal(pixels(paints, request()), expected)
    transformer.img_in.times = 2
    with pytest.raises(EngineError) as caught:
        paint(paints, request())
    assert caught.value.code is JobErrorCode.RESOURCE_EXHAUSTED
    assert np.array_equal(pixels(paints, request()), expected)


def test_a_decoder_without_room_goes_by_tiles(folder: Path, shared: Krea2Painter) -> None:
    asked = request(width=288, height=64, steps=1)
    paints = painter(folder)
    paints._autoencoder._flat = Crowded(paints._autoencoder._flat, 1)
    tiles: list[int] = []
    paints._pipe.vae.decoder.register_forward_pre_hook(lambda *_: tiles.append(1))
    tiled = pixels(paints, asked).astype(int)
    assert len(tiles) == 2
    whole = pixels(shared, asked).astype(int)
    assert np.abs(tiled - whole).mean() < 8, "tiles differ a little where they meet"
    assert not paints._pipe.vae.use_tiling, "for this picture only"
    paints._autoencoder._flat.times = 1
    vae = paints._pipe.vae
    vae.post_quant_conv = Crowded(vae.post_quant_conv, 1)
    with pytest.raises(EngineError) as caught:
        paint(paints, asked)
    assert caught.value.code is JobErrorCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(("every", "numbers"), [(0, []), (2, [2, 4, 6]), (3, [3, 6])])
def test_previews_come_every_so_many_steps(folder: Path, every: int, numbers: list[int]) -> None:
    made = paint(painter(folder, preview_steps=every), request(width=200, height=100))
    shown = [thing for thing in made if isinstance(thing, Step) and thing.preview is not None]
    assert [step.number for step in shown] == numbers
    for step in shown:
        assert step.preview.shape == (12, 25, 3)
        assert step.preview.dtype == np.uint8


class Straight(torch.nn.Module):
    """A last layer that always points from the same picture to its noise."""

    def __init__(self, way: torch.Tensor):
        super().__init__()
        self.way = way

    def forward(self, *_: Any) -> torch.Tensor:
        return self.way


def test_previews_show_what_the_picture_is_foreseen_to_be(folder: Path) -> None:
    paints = painter(folder, preview_steps=1)
    pipe = paints._pipe
    way = torch.randn(1, 16, 64, generator=torch.Generator().manual_seed(2))
    pipe.transformer.final_layer = Straight(way)
    noise = torch.Generator("cpu").manual_seed(7)
    noise = pipe.prepare_latents(1, 16, 64, 64, torch.float32, torch.device("cpu"), noise)
    clean = pipe._unpack_latents(noise - way, 64, 64)[0, :, 0]
    expected = paints._preview.decode(clean).astype(int)
    assert expected.std() > 1
    previews = [m.preview for m in paint(paints, request()) if isinstance(m, Step) and m.number]
    assert previews.pop() is None, "the picture itself comes next"
    assert len(previews) == 7
    assert max(np.abs(preview - expected).max() for preview in previews) <= 1


def test_previews_are_fitted_to_any_autoencoder_that_is_nearly_linear() -> None:
    mixing = torch.randn(16, 3, generator=torch.Generator().manual_seed(1))

    def encode(picture: torch.Tensor) -> torch.Tensor:
        return torch.einsum("cd,dhw->chw", mixing, torch.nn.functional.avg_pool2d(picture[0], 8))

    decoder = fit(encode, 8)
    picture = colourful_pictures()[3:4]
    shown = decoder.decode(encode(picture))
    expected = torch.nn.functional.avg_pool2d(picture[0] / 2 + 0.5, 8).permute(1, 2, 0) * 255
    assert np.abs(shown - expected.numpy()).max() < 3
    assert np.ptp(decoder.decode(encode(picture) * np.nan)) == 0, "grey, where there are no numbers"


def as_uri(picture: Any) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def test_a_picture_that_is_hardly_changed_stays_near_its_source(shared: Krea2Painter) -> None:
    source = pixels(shared, request("a lamp", seed=3))

    def changed(strength: float) -> Any:
        given = {"image_url": as_uri(source), "strength": strength}
        return pixels(shared, request(parameters=given)).astype(int)

    rebuilt = changed(0.0)
    latents = shared._autoencoder.encode(
        torch.from_numpy(source).permute(2, 0, 1)[None].float() / 127.5 - 1
    )
    packed = shared._pipe._pack_latents(latents, 1, 16, 8, 8)
    expected = shared._autoencoder.image(packed, 64, 64).permute(1, 2, 0) * 127.5 + 127.5
    assert np.abs(rebuilt - expected.numpy()).max() <= 1
    distances = [float(np.abs(changed(strength) - rebuilt).mean()) for strength in (0.2, 0.6, 1)]
    assert distances == sorted(distances)
    assert np.array_equal(changed(1), pixels(shared, request())), "all of it is noise"


def test_how_many_steps_a_source_leaves(shared: Krea2Painter) -> None:
    source = as_uri(np.zeros((8, 8, 3), np.uint8))
    made = paint(shared, request(parameters={"image_url": source, "strength": 0.5}))
    assert [(m.number, m.total) for m in made if isinstance(m, Step)][-1] == (4, 4)


def test_a_source_that_is_no_picture_fails_the_job(shared: Krea2Painter) -> None:
    with pytest.raises(EngineError) as caught:
        paint(shared, request(parameters={"image_url": "data:image/png;base64,bm8="}))
    assert caught.value.code is JobErrorCode.INVALID_PARAMETERS


def test_parts_that_are_brought_piece_by_piece_paint_the_same(
    folder: Path, shared: Krea2Painter
) -> None:
    pipe = read(folder)
    for part, kind in (("transformer", "block"), ("text_encoder", "leaf"), ("vae", "leaf")):
        diffusers.hooks.apply_group_offloading(
            getattr(pipe, part), torch.device("cpu"), offload_type=f"{kind}_level",
            num_blocks_per_group=1 if kind == "block" else None,
        )  # fmt: skip
    paints = Krea2Painter(pipe, TURBO, Options(), None)
    there = pixels(paints, request(width=96)).astype(int)
    assert np.abs(there - pixels(shared, request(width=96))).max() <= 1


def test_a_memory_keeps_its_bounds_among_threads() -> None:
    memory: Memory[int] = Memory(8)

    def use(worker: int) -> None:
        for i in range(300):
            memory.keep((worker * i) % 20, i + 1)
            memory.recall(i % 20)
            memory.forget((i + worker) % 20)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(use, range(4)))
    for key in range(20):
        memory.keep(key, key + 1)
    assert [memory.recall(key) for key in range(20)] == [None] * 12 + list(range(13, 21))
    memory.recall(12)
    memory.keep("another", 1)
    assert memory.recall(12) == 13
    assert memory.recall(13) is None, "it was unused for longer"


def test_a_memory_has_a_bound_of_bytes_too() -> None:
    memory: Memory[str] = Memory(10, bytes_max=100)
    for key in range(4):
        memory.keep(key, str(key), 40)
    memory.keep(3, "again", 40)
    assert [memory.recall(key) for key in range(4)] == [None, None, "2", "again"]
    assert memory.keep(4, "large", 101) == "large"
    assert memory.recall(4) is None
    memory.keep(5, "small", 100)
    memory.forget(5)
    memory.keep(6, "small", 100)
    assert memory.recall(6) == "small"
