"""The fast path and the stock pipeline: the same numbers for all sizes, texts and schedules."""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchHeunDiscreteScheduler
from torch._dynamo.utils import counters

import tiny_models
from cells import CELLS
from krea2_painted import RAW, TURBO, paint, painter, pictures, read, request, stock_picture
from krea2_painted import velocities as recorded
from safelight.engines import Note
from safelight.engines.diffusers.attention import candidates
from safelight.engines.diffusers.krea2 import Krea2Painter
from safelight.engines.diffusers.krea2.autoencoder import Autoencoder
from safelight.engines.diffusers.krea2.denoiser import Denoiser, Grid
from safelight.engines.diffusers.krea2.schedule import Schedules
from safelight.engines.diffusers.krea2.streams import SideStream
from safelight.engines.diffusers.krea2.text import Text, Texts, measure_template
from safelight.engines.diffusers.options import Options
from safelight.errors import ConfigurationError

CPU = torch.device("cpu")
CLOSE = 1e-5
SDPA = candidates(CPU)["sdpa"]()
SIZES = sorted({size for pair in CELLS.values() for size in pair})
TURBO_SIGMAS = [1, 0.9567, 0.9045, 0.8403, 0.7595, 0.6546, 0.5128, 0.3109, 0]


@pytest.fixture(scope="module")
def turbo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tiny_models.krea2(), tmp_path_factory.mktemp("turbo"))


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tiny_models.krea2(distilled=False), tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def pair(turbo: Path) -> tuple[Any, Any, Any]:
    """The stock pipeline, a painter, and the pipeline that the painter has."""
    fast = read(turbo)
    return read(turbo), Krea2Painter(fast, TURBO, Options(preview_steps=0), None), fast


def assert_same(stock: Any, fast: Any, paints: Krea2Painter, asked: Any, weights: Any) -> None:
    with recorded(stock) as expected:
        picture = stock_picture(stock, asked, weights)
    with recorded(fast) as said:
        (painted,) = pictures(paint(paints, asked))
    assert len(said) == len(expected)
    for ours, theirs in zip(said, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=CLOSE, rtol=0)
    assert np.abs(picture - painted.pixels).max() <= 0.5 + 255 * CLOSE


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (64, 112), (144, 64), (112, 80)])
def test_a_picture_of_turbo_is_the_stock_pipelines(pair: Any, size: tuple[int, int]) -> None:
    stock, paints, fast = pair
    assert_same(stock, fast, paints, request(width=size[0], height=size[1]), TURBO)


@pytest.mark.parametrize("size", [(64, 64), (128, 96)])
def test_a_picture_of_raw_is_too_with_guidance_and_a_shift_of_its_size(
    raw: Path, size: tuple[int, int]
) -> None:
    stock, fast = read(raw), read(raw)
    paints = Krea2Painter(fast, RAW, Options(preview_steps=0), None)
    asked = request(width=size[0], height=size[1], parameters={"negative_prompt": "a blurred lamp"})
    assert_same(stock, fast, paints, asked, RAW)


def test_a_distilled_model_never_gets_guidance(pair: Any) -> None:
    _, paints, fast = pair
    with recorded(fast) as said:
        paint(paints, request(guidance=4.5, steps=2))
    assert len(said) == 2


@pytest.mark.parametrize(
    "tokens", [1, 2, 3, 7, 16, 31, 64, 100, 128, 255, 256, 400, 500, 506, 507, 508, 600]
)
def test_any_length_of_text_is_read_as_the_stock_pipeline_reads_it(pair: Any, tokens: int) -> None:
    stock, paints, fast = pair
    prompt = "fox" + " in" * (tokens - 1)
    while (count := len(stock.tokenizer(prompt).input_ids)) != tokens:
        prompt = prompt[3:] if count > tokens else prompt + " in"
    assert_same(stock, fast, paints, request(prompt, steps=1), TURBO)


@pytest.mark.parametrize(
    "prompt",
    ["", "눈 내리는 밤의 붉은 여우, 수채화", "한글 " * 200, "\n\nleading\nlines\n", " a", "🦊"],
)
def test_any_script_is_too_and_line_breaks_that_lead(pair: Any, prompt: str) -> None:
    stock, paints, fast = pair
    assert_same(stock, fast, paints, request(prompt, steps=1), TURBO)


def notes_on(paints: Krea2Painter, prompt: str) -> list[str]:
    return [m.text for m in paint(paints, request(prompt, steps=1)) if isinstance(m, Note)]


@pytest.mark.parametrize("over", [0, 1, 13])
def test_what_is_left_out_of_a_long_prompt_is_said_and_not_quoted(pair: Any, over: int) -> None:
    stock, paints, _ = pair
    tokens = 512 - stock.prompt_template_encode_num_suffix_tokens + over
    prompt = " in" * tokens
    assert len(stock.tokenizer(prompt).input_ids) == tokens
    note = f"The last {over} of {tokens} tokens of the prompt were left out."
    assert notes_on(paints, prompt) == ([note] if over else [])


def test_more_text_is_an_option(turbo: Path) -> None:
    assert notes_on(painter(turbo), " in" * 630)
    assert not notes_on(painter(turbo, text_tokens=645), " in" * 630)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_step_at_each_size_of_evolink_is_the_stock_transformers(
    size: tuple[int, int], slim: Any
) -> None:
    """True token grids; one small block, because attention over 16 thousand tokens is slow here."""
    pipe, denoiser, moments = slim
    grid = Grid(size[1] // 16, size[0] // 16)
    source = torch.Generator().manual_seed(grid.tokens)
    latents = torch.randn(1, grid.tokens, 64, generator=source)
    padded, mask = pipe.encode_prompt("a red fox", max_sequence_length=20)
    with torch.no_grad():
        expected = pipe.transformer(
            latents, padded, moments[3].timestep,
            pipe.prepare_position_ids(20, grid.height, grid.width, CPU),
            encoder_attention_mask=mask, return_dict=False,
        )[0]  # fmt: skip
    texts = Texts(pipe, 20, 1)
    text = texts.fuse(texts.read("a red fox", ()), ())
    assert text.states.shape[1] < 20
    ours = denoiser.velocity(latents, moments[3], text=text, grid=grid)
    torch.testing.assert_close(ours, expected, atol=CLOSE, rtol=0)


@pytest.fixture(scope="module")
def slim(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Denoiser, Any]:
    folder = tmp_path_factory.mktemp("slim")
    pipe = read(tiny_models.save(tiny_models.krea2(layers=1, heads=2), folder))
    return pipe, Denoiser(pipe, SDPA, CPU), Schedules(pipe, torch.float32, CPU).find(8, 1, ())


def test_one_compiled_graph_serves_every_size_and_every_length_of_text(turbo: Path) -> None:
    pipe = read(turbo)
    torch._dynamo.reset()
    counters.clear()
    eager, compiled = Denoiser(pipe, SDPA, CPU), Denoiser(pipe, SDPA, CPU, "eager")
    moments = Schedules(pipe, torch.float32, CPU).find(8, 1, ())
    for index, (width, height) in enumerate(SIZES):
        grid = Grid(height // 128, width // 128)  # a 64th of the tokens: the graph cannot tell
        for tokens in (6 + index, 128):
            text = Text("", torch.randn(1, tokens, 64), fused=True, tokens=tokens, left_out=0)
            latents = torch.randn(1, grid.tokens, 64)
            ours = compiled.velocity(latents, moments[index % 8], text=text, grid=grid)
            expected = eager.velocity(latents, moments[index % 8], text=text, grid=grid)
            torch.testing.assert_close(ours, expected, atol=CLOSE, rtol=0)
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


def test_a_compiled_painter_paints_the_same_picture(turbo: Path, pair: Any) -> None:
    torch._dynamo.reset()
    fast = read(turbo)
    paints = Krea2Painter(fast, TURBO, Options(compile=True), None, compiler="eager")
    paints.warm_up()
    counters.clear()
    with ThreadPoolExecutor(1) as scheduler:  # the server loads in one thread and paints in another
        asked = request(width=96)
        scheduler.submit(assert_same, pair[0], fast, paints, asked, TURBO).result()
    assert counters["stats"]["unique_graphs"] == 0, "warming up has compiled it"


def test_without_a_compiler_it_is_said_or_refused(
    turbo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def compiler(*_: object) -> None:
        raise RuntimeError("there is no gcc")

    torch._dynamo.reset()
    demanded = Krea2Painter(read(turbo), TURBO, Options(compile=True), None, compiler=compiler)
    with pytest.raises(ConfigurationError, match="there is no gcc"):
        demanded.warm_up()
    demanded._options = Options()  # as on a GPU, where nobody said that it must be compiled
    with caplog.at_level(logging.WARNING):
        demanded.warm_up()
    assert "not compiled" in caplog.text
    assert len(pictures(paint(demanded, request(steps=1)))) == 1


def test_a_sampler_of_another_kind_is_refused(turbo: Path) -> None:
    pipe = read(turbo)
    pipe.scheduler = FlowMatchHeunDiscreteScheduler()
    with pytest.raises(ConfigurationError, match="FlowMatchHeunDiscreteScheduler"):
        Krea2Painter(pipe, TURBO, Options(), None)


def test_the_noise_levels_of_turbo_are_constants(turbo: Path) -> None:
    schedules = Schedules(read(turbo), torch.float32, CPU)
    for tokens in (4032, 16384):
        assert schedules.sigmas(8, tokens).tolist() == pytest.approx(TURBO_SIGMAS, abs=1e-4)
    assert schedules.find(8, 4032, ()) is schedules.find(8, 16384, ())


def test_the_noise_levels_of_raw_depend_on_the_size(raw: Path) -> None:
    schedules = Schedules(read(raw), torch.float32, CPU)
    small, large = schedules.find(8, 256, ()), schedules.find(8, 6400, ())
    assert large[4].sigma > small[4].sigma
    assert [moment.sigma for moment in large] == pytest.approx(TURBO_SIGMAS[:-1], abs=1e-4)


def test_times_are_rounded_before_they_are_embedded_as_the_pipeline_does(turbo: Path) -> None:
    pipe = read(turbo, torch.bfloat16)
    moments = Schedules(pipe, torch.bfloat16, CPU).find(8, 16, ())
    with torch.no_grad():
        for moment, sigma in zip(moments, TURBO_SIGMAS, strict=False):
            rounded = torch.tensor([sigma]).bfloat16()
            embedded = pipe.transformer.time_embed(rounded, dtype=torch.bfloat16)
            assert torch.equal(moment.embedding, embedded)


def test_a_template_of_other_tokens_is_measured_and_said(
    turbo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipe = read(turbo)
    start, suffix = measure_template(pipe)
    assert not caplog.records
    pipe.prompt_template_encode_start_idx = 34
    with caplog.at_level(logging.WARNING):
        assert measure_template(pipe) == (start, suffix)
    assert "not the one that Krea 2 was trained with" in caplog.text
    assert pipe.prompt_template_encode_start_idx == start


def test_the_text_encoder_loses_what_nobody_reads(turbo: Path) -> None:
    pipe = read(turbo)
    Texts(pipe, 512, 1)
    assert len(pipe.text_encoder.language_model.layers) == 2
    assert not hasattr(pipe.text_encoder, "visual")


def test_a_text_encoder_whose_last_layer_is_read_keeps_its_norm(tmp_path: Path) -> None:
    pipe = tiny_models.krea2()
    pipe.register_to_config(text_encoder_select_layers=(1, 2, 3))
    stock, fast = read(tiny_models.save(pipe, tmp_path)), read(tmp_path)
    paints = Krea2Painter(fast, TURBO, Options(), None)
    assert len(fast.text_encoder.language_model.layers) == 3
    assert_same(stock, fast, paints, request(steps=2), TURBO)


@pytest.mark.parametrize("size", [(64, 64), (192, 128), (80, 272)])
def test_the_flat_decoder_is_the_autoencoders(turbo: Path, size: tuple[int, int]) -> None:
    autoencoder = Autoencoder(read(turbo), SideStream(CPU))
    width, height = size
    latents = torch.randn(1, width * height // 256, 64, generator=torch.Generator().manual_seed(1))
    flat = autoencoder.image(latents, height, width)
    assert flat.shape == (3, height, width)
    expected = autoencoder.stock_image(latents, height, width)
    torch.testing.assert_close(flat, expected, atol=CLOSE, rtol=0)
    assert float(flat.std()) > 0.01


def test_a_size_of_broken_patches_is_the_middle_of_a_larger_picture(pair: Any) -> None:
    _, paints, _ = pair
    (whole,) = pictures(paint(paints, request(width=112, height=80, steps=2)))
    (cut,) = pictures(paint(paints, request(width=100, height=70, steps=2)))
    assert cut.pixels.shape == (70, 100, 3)
    assert np.array_equal(cut.pixels, whole.pixels[5:75, 6:106])


def test_picture_i_has_the_seed_plus_i(pair: Any) -> None:
    _, paints, _ = pair
    last = 2**64 - 1
    both = pictures(paint(paints, request(seed=last, count=2, steps=2)))
    assert [picture.seed for picture in both] == [last, 0]
    (alone,) = pictures(paint(paints, request(seed=0, steps=2)))
    assert np.array_equal(both[1].pixels, alone.pixels)
    assert not np.array_equal(both[0].pixels, alone.pixels)


def test_half_precision_stays_finite_and_near_the_stock_pipeline(turbo: Path) -> None:
    stock, fast = read(turbo, torch.bfloat16), read(turbo, torch.bfloat16)
    asked = request(width=96, height=64)
    picture = stock_picture(stock, asked)
    (painted,) = pictures(paint(Krea2Painter(fast, TURBO, Options(), None), asked))
    assert np.abs(picture - painted.pixels).mean() < 2
    assert painted.pixels.std() > 1


def test_a_pipeline_that_was_never_on_disk_will_do() -> None:
    paints = Krea2Painter(tiny_models.krea2(), TURBO, Options(), None)
    paints.warm_up()
    assert len(pictures(paint(paints, request(steps=1)))) == 1
