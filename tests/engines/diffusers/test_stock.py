"""Stock pipelines in steps: the library's own pictures, in turns, with no thread left behind."""

import base64
import io
import operator
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch._dynamo.utils import counters

import tiny_families
import tiny_models
from faulty import Faulty, not_a_number, run_out
from safelight.catalog.request import ImageRequest
from safelight.engines import Aside, Note, Picture, Pixels, Step
from safelight.engines.diffusers import Options, Weights
from safelight.engines.diffusers.compiling import compile_blocks, uncompiled
from safelight.engines.diffusers.placing import denoiser_of
from safelight.engines.diffusers.previews import fit
from safelight.engines.diffusers.sketching import encode
from safelight.engines.diffusers.stock import StockPainter
from safelight.engines.diffusers.styles import Wardrobe
from safelight.errors import EngineError, JobErrorCode
from turns import drive, go_on, interleave, pictures

SCHNELL = Weights(model="flux-1-schnell", source="", steps=4)
DEV = Weights(model="flux-1-dev", source="", steps=5, guidance=3.5)
BY_NAME = {"guidance_scale": 0.0, "max_sequence_length": 256}  # as schnell was trained


@pytest.fixture(autouse=True)
def no_thread_is_left():  # type: ignore[no-untyped-def]
    yield
    for thread in pipeline_threads():
        thread.join(timeout=10)
        assert not thread.is_alive(), thread.name


def pipeline_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("pipeline")]


@pytest.fixture(scope="module")
def flux() -> Any:
    return tiny_models.flux()


@pytest.fixture(scope="module")
def schnell(flux: Any) -> StockPainter:
    return painter(flux, SCHNELL)


def painter(pipe: Any, weights: Weights, **options: Any) -> StockPainter:
    return StockPainter(pipe, weights, Options(**options), Wardrobe(pipe, None))


def asked(prompt: str = "a red fox", **fields: Any) -> ImageRequest:
    return ImageRequest(
        **{"model": "", "prompt": prompt, "width": 64, "height": 64, "seed": 3} | fields
    )


def stock(pipe: Any, **given: Any) -> Pixels:
    """What the library itself makes of the arguments."""
    seed = given.pop("seed", 3)
    image = pipe(
        **{"prompt": "a red fox", "width": 64, "height": 64} | given,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
    ).images[0]
    return np.asarray((image * 255).round().astype(np.uint8))


def same(picture: Picture, expected: Pixels) -> bool:
    """To a rounding of 1e-5 of the range, which may turn a level."""
    return bool(np.abs(picture.pixels.astype(int) - expected).max() <= 1)


def data_uri(pixels: Pixels) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


@pytest.fixture(scope="module")
def source() -> str:
    across = np.linspace(0, 255, 64, dtype=np.uint8)
    return data_uri(np.stack(np.broadcast_arrays(across, across[:, None], 99), -1).astype(np.uint8))


def test_a_picture_comes_in_steps_between_two_asides(schnell: StockPainter) -> None:
    made = drive(schnell.paint(asked()))
    assert [type(thing) for thing in made] == [Aside, *[Step] * 5, Aside, Picture]
    assert [thing.number for thing in made if isinstance(thing, Step)] == [0, 1, 2, 3, 4]


def test_schnell_paints_what_its_pipeline_paints(schnell: StockPainter, flux: Any) -> None:
    (picture,) = pictures(drive(schnell.paint(asked(width=96))))
    assert same(picture, stock(flux, width=96, num_inference_steps=4, **BY_NAME))
    assert picture.seed == 3


def test_dev_is_guided_by_its_embedded_scale() -> None:
    pipe = tiny_models.flux(guidance=True)
    paints = painter(pipe, DEV)
    (by_default,) = pictures(drive(paints.paint(asked())))
    (by_request,) = pictures(drive(paints.paint(asked(guidance=9.0))))
    assert same(by_default, stock(pipe, num_inference_steps=5, guidance_scale=3.5))
    assert same(by_request, stock(pipe, num_inference_steps=5, guidance_scale=9.0))
    assert not same(by_default, by_request.pixels)


@pytest.mark.parametrize(
    ("build", "guidance", "given"),
    [
        (tiny_families.z_image, 0.0, {"guidance_scale": 0.0}),
        (tiny_families.z_image, 3.0, {"guidance_scale": 3.0, "negative_prompt": "a cat"}),
        (tiny_families.flux2_klein, 1.0, {"guidance_scale": 1.0}),
        (tiny_families.qwen_image, 4.0, {"true_cfg_scale": 4.0, "negative_prompt": "a cat"}),
        (tiny_families.qwen_image, 4.0, {"true_cfg_scale": 4.0, "negative_prompt": " "}),
        (tiny_families.qwen_image, 1.0, {"true_cfg_scale": 1.0}),
    ],
)
def test_every_family_gets_its_guidance_by_the_right_name(
    build: Any, guidance: float, given: dict[str, Any]
) -> None:
    pipe = build()
    paints = painter(pipe, Weights(model="", source="", steps=3, guidance=guidance))
    negative = given.get("negative_prompt", " ")
    parameters = {} if negative == " " else {"negative_prompt": negative}
    (picture,) = pictures(drive(paints.paint(asked(parameters=parameters))))
    assert same(picture, stock(pipe, num_inference_steps=3, **given))


def test_jobs_that_take_turns_make_the_pictures_they_make_alone(schnell: StockPainter) -> None:
    requests = [
        asked(),
        asked("a lighthouse", width=128, height=96, steps=7, seed=5),
        asked("a lamp", width=80, steps=2, seed=2**64 - 1, count=2),
    ]
    alone = [pictures(drive(schnell.paint(request))) for request in requests]
    in_turns = [pictures(made) for made in interleave(*map(schnell.paint, requests))]
    for expected, found in zip(alone, in_turns, strict=True):
        assert [picture.seed for picture in found] == [picture.seed for picture in expected]
        for one, other in zip(expected, found, strict=True):
            assert np.array_equal(one.pixels, other.pixels)


def test_jobs_that_are_decoded_beside_each_other_share_no_frames() -> None:
    """The autoencoder of Qwen-Image keeps what the frames before left, until it is done."""
    pipe = tiny_families.qwen_image()
    paints = painter(pipe, Weights(model="qwen-image", source="", steps=2), preview_steps=0)
    alone = [pictures(drive(paints.paint(asked(seed=seed))))[0].pixels for seed in (1, 2)]
    both = threading.Barrier(2)

    def meet(*_: Any) -> None:
        both.wait(30)

    hook = pipe.vae.post_quant_conv.register_forward_hook(meet)
    try:
        with ThreadPoolExecutor(2) as threads:
            making = [paints.paint(asked(seed=seed)) for seed in (1, 2)]
            together = [pictures(made)[0].pixels for made in threads.map(drive, making)]
    finally:
        hook.remove()
    for expected, found in zip(alone, together, strict=True):
        assert np.array_equal(expected, found)


def test_prompts_are_read_one_after_another(flux: Any, schnell: StockPainter) -> None:
    """A tokenizer keeps in itself where it truncates: two calls would give each other theirs."""
    inside, most = 0, 0

    def enter(*_: Any) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.05)

    def leave(*_: Any) -> None:
        nonlocal inside
        inside -= 1

    hooks = [
        flux.text_encoder.register_forward_pre_hook(enter),
        flux.text_encoder_2.register_forward_hook(leave),
    ]
    making = [schnell.paint(asked()) for _ in range(2)]
    try:
        with ThreadPoolExecutor(2) as threads:
            asides = [go_on(made, None) for made in making]
            for _ in threads.map(lambda aside: aside.work(), asides):  # type: ignore[union-attr]
                pass
    finally:
        for hook in hooks:
            hook.remove()
        for made in making:
            made.close()
    assert most == 1


def test_picture_i_has_the_seed_plus_i_and_steps_are_numbered_through(
    schnell: StockPainter,
) -> None:
    made = drive(schnell.paint(asked(seed=2**64 - 1, count=2)))
    first, second = pictures(made)
    assert (first.seed, second.seed) == (2**64 - 1, 0)
    (alone,) = pictures(drive(schnell.paint(asked(seed=0))))
    assert np.array_equal(second.pixels, alone.pixels)
    steps = [thing for thing in made if isinstance(thing, Step)]
    assert [step.number for step in steps] == list(range(9))
    assert {step.total for step in steps} == {8}


def test_a_size_without_whole_patches_is_cut_from_a_larger_one(schnell: StockPainter) -> None:
    (picture,) = pictures(drive(schnell.paint(asked(width=71, height=49))))
    assert picture.pixels.shape == (49, 71, 3)
    (whole,) = pictures(drive(schnell.paint(asked(width=80, height=64))))
    assert np.array_equal(picture.pixels, whole.pixels[7:56, 4:75])


def test_no_step_runs_before_its_turn(flux: Any, schnell: StockPainter) -> None:
    begun: list[str] = []
    hook = denoiser_of(flux).register_forward_hook(lambda *_: begun.append("step"))
    try:
        making, last = schnell.paint(asked()), None
        for done in (0, 0, 1, 2):
            last = go_on(making, last)
            assert len(begun) == done
        making.close()
        assert len(begun) == 2
    finally:
        hook.remove()


@pytest.mark.parametrize("turns", range(1, 9))
def test_a_job_can_be_closed_wherever_it_stands(schnell: StockPainter, turns: int) -> None:
    making, last = schnell.paint(asked(count=2)), None
    for _ in range(turns):
        last = go_on(making, last)
    making.close()
    assert not pipeline_threads()


def test_a_job_is_closed_while_its_prompt_is_encoded(flux: Any, schnell: StockPainter) -> None:
    entered, leave = threading.Event(), threading.Event()

    def wait(*_: Any) -> None:
        entered.set()
        leave.wait(10)

    hook = flux.text_encoder.register_forward_pre_hook(wait)
    try:
        making = schnell.paint(asked())
        aside = go_on(making, None)
        assert isinstance(aside, Aside)
        waits = threading.Thread(target=aside.work)
        waits.start()
        entered.wait(10)
        making.close()
        leave.set()
        waits.join(10)
        assert not waits.is_alive()
    finally:
        hook.remove()


@pytest.mark.parametrize("part", ["text_encoder", "transformer", "vae.decoder"])
def test_what_a_pipeline_raises_comes_out_where_it_is_waited_for(
    flux: Any, schnell: StockPainter, part: str
) -> None:
    def break_down(*_: Any) -> None:
        raise ZeroDivisionError(part)

    hook = operator.attrgetter(part)(flux).register_forward_hook(break_down)
    try:
        with pytest.raises(ZeroDivisionError, match=part):
            drive(schnell.paint(asked()))
    finally:
        hook.remove()
    assert not pipeline_threads()


def test_a_picture_that_is_not_finite_is_made_once_more_and_no_step_counts_twice(
    flux: Any, schnell: StockPainter
) -> None:
    expected = pictures(drive(schnell.paint(asked())))
    hook = denoiser_of(flux).register_forward_hook(Faulty(1, not_a_number))
    try:
        made = drive(schnell.paint(asked()))
    finally:
        hook.remove()
    assert np.array_equal(pictures(made)[0].pixels, expected[0].pixels)
    assert any(isinstance(thing, Note) for thing in made)
    numbers = [thing.number for thing in made if isinstance(thing, Step)]
    assert numbers == sorted(numbers)
    assert max(numbers) == 4


def test_a_picture_without_room_is_made_in_tiles_and_the_next_one_is_not(
    flux: Any, schnell: StockPainter
) -> None:
    (plain,) = pictures(drive(schnell.paint(asked())))
    flux.vae.enable_tiling()
    tiled = stock(flux, num_inference_steps=4, **BY_NAME)
    flux.vae.disable_tiling()
    hook = flux.vae.decoder.register_forward_hook(Faulty(1, run_out))
    try:
        (mended,) = pictures(drive(schnell.paint(asked())))
    finally:
        hook.remove()
    (after,) = pictures(drive(schnell.paint(asked())))
    assert same(mended, tiled)
    assert not same(mended, plain.pixels)  # the tiny autoencoder's tiles are tiny
    assert np.array_equal(after.pixels, plain.pixels)


def test_a_warm_up_without_room_keeps_nobody_from_starting(
    flux: Any, schnell: StockPainter
) -> None:
    for times in (1, 99):
        fault = Faulty(times, run_out)
        hook = flux.vae.decoder.register_forward_hook(fault)
        try:
            schnell.warm_up()
        finally:
            hook.remove()
        assert fault.left < times


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (not_a_number, JobErrorCode.GENERATION_FAILED_NO_CONTENT),
        (run_out, JobErrorCode.RESOURCE_EXHAUSTED),
    ],
)
def test_a_picture_that_is_spoiled_twice_fails_its_job(
    flux: Any, schnell: StockPainter, fault: Any, code: JobErrorCode
) -> None:
    hook = denoiser_of(flux).register_forward_hook(Faulty(99, fault))
    try:
        with pytest.raises(EngineError) as failed:
            drive(schnell.paint(asked()))
    finally:
        hook.remove()
    assert failed.value.code is code


@pytest.mark.parametrize(
    ("build", "name", "given"),
    [
        (tiny_models.flux, "FluxImg2ImgPipeline", BY_NAME),
        (tiny_families.z_image, "ZImageImg2ImgPipeline", {"guidance_scale": 0.0}),
        (tiny_families.qwen_image, "QwenImageImg2ImgPipeline", {"true_cfg_scale": 0.0}),
    ],
)
def test_a_picture_can_be_started_from(
    build: Any, name: str, given: dict[str, Any], source: str
) -> None:
    import diffusers

    pipe = build()
    paints = painter(pipe, Weights(model="", source="", steps=6))
    strength = {"denoising_strength" if "ZImage" in name else "strength": 0.5}
    made = drive(paints.paint(asked(parameters={"image_url": source} | strength)))
    twin = getattr(diffusers, name)(**pipe.components)
    picture = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
    expected = stock(twin, image=picture, strength=0.5, num_inference_steps=6, **given)
    assert same(pictures(made)[0], expected)
    assert [thing.total for thing in made if isinstance(thing, Step)] == [3] * 4


def test_the_least_strength_is_one_step(schnell: StockPainter, source: str) -> None:
    made = drive(schnell.paint(asked(parameters={"image_url": source, "strength": 0.0})))
    assert [thing.total for thing in made if isinstance(thing, Step)] == [1, 1]


def test_a_family_that_starts_from_nothing_says_so(source: str) -> None:
    paints = painter(tiny_families.flux2_klein(), Weights(model="", source="", steps=2))
    with pytest.raises(EngineError):
        drive(paints.paint(asked(parameters={"image_url": source})))


@pytest.mark.parametrize(
    ("build", "given"),
    [
        (tiny_models.flux, BY_NAME),
        (tiny_families.z_image, {"guidance_scale": 0.0}),
        (tiny_families.qwen_image, {"true_cfg_scale": 0.0}),
    ],
)
def test_the_last_preview_shows_the_finished_latents(build: Any, given: dict[str, Any]) -> None:
    pipe = build()
    paints = painter(pipe, Weights(model="", source="", steps=6), preview_steps=3)
    made = drive(paints.paint(asked(width=128)))
    steps = [thing for thing in made if isinstance(thing, Step)]
    previews = {step.number: step.preview for step in steps if step.preview is not None}
    assert list(previews) == [3, 6]
    latents = pipe(
        prompt="a red fox", width=128, height=64, num_inference_steps=6, output_type="latent",
        generator=torch.Generator().manual_seed(3), **given,
    ).images  # fmt: skip
    if latents.ndim == 3:
        latents = pipe._unpack_latents(latents, 64, 128, 8)
    latents = latents.reshape(latents.shape[1], 8, 16)
    expected = fit(lambda picture: encode(pipe, picture), 8).decode(latents)
    assert np.abs(previews[6].astype(int) - expected).max() <= 1
    assert previews[3].shape == expected.shape


def test_a_family_whose_latents_are_unknown_has_no_previews() -> None:
    paints = painter(tiny_families.flux2_klein(), Weights(model="", source="", steps=2))
    made = drive(paints.paint(asked()))
    assert all(thing.preview is None for thing in made if isinstance(thing, Step))


def test_one_graph_for_each_kind_of_block_serves_all_sizes_and_can_be_left_out() -> None:
    torch.compiler.reset()
    counters.clear()
    pipe = tiny_models.flux()
    paints = painter(pipe, SCHNELL)
    compile_blocks(pipe.transformer, backend="eager")
    paints.warm_up()
    assert counters["stats"]["unique_graphs"] == len(pipe.transformer._repeated_blocks)
    for width in (64, 96, 256):
        (compiled,) = pictures(drive(paints.paint(asked(width=width, height=256))))
        with uncompiled(pipe.transformer):
            written = stock(pipe, width=width, height=256, num_inference_steps=4, **BY_NAME)
        assert same(compiled, written)
    graphs = counters["stats"]["unique_graphs"]
    with uncompiled(pipe.transformer):
        torch.compiler.reset()
        drive(paints.paint(asked()))
    assert counters["stats"]["unique_graphs"] == graphs
    torch.compiler.reset()
