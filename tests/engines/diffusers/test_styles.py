"""LoRA styles: the very files of the list, worn for one job's turns and by nobody else."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch._dynamo.utils import counters

import tiny_families
import tiny_models
import tiny_styles
from safelight.catalog.request import ImageRequest
from safelight.engines import Pixels
from safelight.engines.diffusers import DiffusersEngine, Options, Weights
from safelight.engines.diffusers.compiling import compile_blocks
from safelight.engines.diffusers.krea2 import Krea2Painter
from safelight.engines.diffusers.opening import open_painter
from safelight.engines.diffusers.rack import MOST_STYLES, StyleRack, pin, read_list
from safelight.engines.diffusers.stock import StockPainter
from safelight.engines.diffusers.styles import Wardrobe
from safelight.errors import ConfigurationError, EngineError, JobErrorCode
from turns import drive, interleave, pictures

MODELS = ("flux-1-schnell", "krea-2-turbo")
BUILDERS = {"flux-1-schnell": tiny_models.flux, "krea-2-turbo": tiny_models.krea2}
OTHER_LAYERS = {"flux-1-schnell": ("proj_mlp", "proj_out"), "krea-2-turbo": ("gate", "img_in")}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three styles, of which the last is on other layers, and the model itself below."""
    folder = tmp_path_factory.mktemp(model)
    build = BUILDERS[model]
    tiny_styles.save_style(build(), folder, "ink", seed=1)
    tiny_styles.save_style(build(), folder, "chalk", seed=2)
    tiny_styles.save_style(build(), folder, "wax", seed=3, layers=OTHER_LAYERS[model])
    pin(folder, [model])
    tiny_models.save(build(), folder / "model")
    return folder


@pytest.fixture(scope="module")
def engine(model: str, folder: Path) -> DiffusersEngine:
    weights = Weights(model=model, source=str(folder / "model"), steps=3)
    made = DiffusersEngine(weights, Options(styles=folder, preview_steps=0))
    made.load()
    return made


@pytest.fixture(scope="module")
def plain(model: str) -> DiffusersEngine:
    """Of the same weights, and knowing no styles."""
    return made_of(BUILDERS[model](), model, None)


def made_of(pipe: Any, model: str, rack: StyleRack | None, most_loaded: int = 8) -> Any:
    weights = Weights(model=model, source="", steps=3)
    painter = Krea2Painter if model.startswith("krea") else StockPainter
    wardrobe = Wardrobe(pipe, rack, most_loaded=most_loaded)
    return painter(pipe, weights, Options(preview_steps=0), wardrobe)


def asked(*styles: tuple[str, float], **fields: Any) -> ImageRequest:
    wanted = [{"id": name, "strength": strength} for name, strength in styles]
    parameters = {"styles": wanted} if wanted else {}
    return ImageRequest(
        **{"model": "", "prompt": "a red fox", "width": 64, "height": 64, "seed": 3} | fields,
        parameters=parameters,
    )


def painted(engine: Any, *styles: tuple[str, float], **fields: Any) -> Pixels:
    paint = getattr(engine, "generate", None) or engine.paint
    return pictures(drive(paint(asked(*styles, **fields))))[0].pixels


def same(one: Pixels, other: Pixels) -> bool:
    return bool(np.abs(one.astype(int) - other).max() <= 1)


def worn_by_the_library(model: str, folder: Path, *styles: tuple[str, float]) -> Pixels:
    """The stock pipeline with the library's own way of wearing styles."""
    pipe = BUILDERS[model]()
    for name, _ in styles:
        pipe.load_lora_weights(folder, weight_name=f"{name}.safetensors", adapter_name=name)
    pipe.set_adapters([name for name, _ in styles], [strength for _, strength in styles])
    tokens = {"max_sequence_length": 256} if model.startswith("flux") else {}
    image = pipe(
        "a red fox", width=64, height=64, num_inference_steps=3, guidance_scale=0.0, **tokens,
        generator=torch.Generator().manual_seed(3), output_type="np",
    ).images[0]  # fmt: skip
    return np.asarray((image * 255).round().astype(np.uint8))


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")  # several are meant
@pytest.mark.parametrize(
    "styles", [[("ink", 1.0)], [("chalk", -0.7)], [("ink", 0.5), ("wax", 1.5)]]
)
def test_styles_do_what_the_library_does_with_them(
    engine: DiffusersEngine, model: str, folder: Path, styles: list[tuple[str, float]]
) -> None:
    found = painted(engine, *styles)
    assert same(found, worn_by_the_library(model, folder, *styles))
    assert not same(found, painted(engine))


def test_nothing_is_left_of_a_style_in_the_next_picture(
    engine: DiffusersEngine, plain: Any
) -> None:
    before = painted(engine)
    assert np.array_equal(before, painted(plain))
    painted(engine, ("ink", 2.0), ("wax", -2.0))
    assert np.array_equal(painted(engine), before)


def test_strength_nought_is_no_style_and_a_style_twice_adds_up(engine: DiffusersEngine) -> None:
    assert np.array_equal(painted(engine, ("ink", 0.0)), painted(engine))
    assert np.array_equal(
        painted(engine, ("ink", 0.5), ("ink", 0.25)), painted(engine, ("ink", 0.75))
    )
    assert np.array_equal(painted(engine, ("ink", 1.0), ("ink", -1.0)), painted(engine))


def test_jobs_that_take_turns_each_wear_their_own(engine: DiffusersEngine) -> None:
    requests = [asked(("ink", 1.0)), asked(), asked(("wax", 1.0), ("chalk", 0.5)), asked(steps=5)]
    alone = [pictures(drive(engine.generate(request)))[0] for request in requests]
    in_turns = [pictures(made)[0] for made in interleave(*map(engine.generate, requests))]
    for expected, found in zip(alone, in_turns, strict=True):
        assert np.array_equal(expected.pixels, found.pixels)


def test_few_stay_loaded_and_the_longest_unused_makes_room(
    model: str, folder: Path, engine: DiffusersEngine
) -> None:
    pipe = BUILDERS[model]()
    small = made_of(pipe, model, StyleRack.read(folder, model), most_loaded=1)
    for name in ("ink", "wax", "chalk", "ink"):
        assert np.array_equal(painted(small, (name, 1.0)), painted(engine, (name, 1.0))), name
        assert len(pipe.transformer.peft_config) == 1
    assert np.array_equal(painted(small), painted(engine))
    with pytest.raises(EngineError) as refused:
        painted(small, ("ink", 1.0), ("wax", 1.0))
    assert refused.value.code is JobErrorCode.INVALID_PARAMETERS


def test_a_style_that_nobody_has_is_refused(engine: DiffusersEngine, plain: Any) -> None:
    for without in (engine, plain):
        with pytest.raises(EngineError) as refused:
            painted(without, ("oil", 1.0))
        assert refused.value.code is JobErrorCode.INVALID_PARAMETERS


def test_a_file_that_changes_while_the_server_runs_is_not_read(
    model: str, folder: Path, tmp_path: Path
) -> None:
    styles = Path(shutil.copytree(folder, tmp_path / "styles"))
    painter = made_of(BUILDERS[model](), model, StyleRack.read(styles, model), most_loaded=1)
    shutil.copy(styles / "ink.safetensors", styles / "wax.safetensors")
    with pytest.raises(EngineError):
        painted(painter, ("wax", 1.0))
    assert painted(painter, ("ink", 1.0)).std() > 0


def test_nothing_is_left_of_a_style_when_putting_on_the_next_one_has_failed(
    model: str, folder: Path, engine: DiffusersEngine, tmp_path: Path
) -> None:
    styles = Path(shutil.copytree(folder, tmp_path / "styles"))
    painter = made_of(BUILDERS[model](), model, StyleRack.read(styles, model), most_loaded=2)
    painted(painter, ("wax", 1.0))  # in the place of another one
    (styles / "chalk.safetensors").unlink()
    (styles / "ink.safetensors").unlink()
    for lost in ("chalk", "ink"):
        painted(painter, ("wax", 1.0))
        with suppress(EngineError):  # one of them is still loaded
            painted(painter, (lost, 1.0))
            painted(painter, ("wax", 1.0))
        assert np.array_equal(painted(painter), painted(engine))


def test_the_words_of_a_style_join_the_prompt_once(tmp_path: Path) -> None:
    tiny_styles.save_style(tiny_models.flux(), tmp_path, "ink")
    pin(tmp_path, ["flux-1-schnell"])
    text = (tmp_path / "styles.toml").read_text()
    (tmp_path / "styles.toml").write_text(text + 'prompt = "INKWASH"\n')
    hangs = wardrobe(tmp_path)
    assert hangs.prompt("a fox", (("ink", 1.0),)) == "a fox, INKWASH"
    assert hangs.prompt("an inkwash of a fox", (("ink", 1.0),)) == "an inkwash of a fox"
    assert hangs.prompt("a fox", ()) == "a fox"


# ---- what is refused at start


@pytest.fixture
def ink(tmp_path: Path) -> Path:
    """A folder with one style of FLUX."""
    tiny_styles.save_style(tiny_models.flux(), tmp_path, "ink")
    pin(tmp_path, ["flux-1-schnell"])
    return tmp_path


def wardrobe(folder: Path, pipe: Any = None) -> Wardrobe:
    rack = StyleRack.read(folder, "flux-1-schnell")
    return Wardrobe(tiny_models.flux() if pipe is None else pipe, rack)


def refusal(folder: Path, pipe: Any = None) -> str:
    with pytest.raises(ConfigurationError) as refused:
        wardrobe(folder, pipe)
    return str(refused.value)


def rewrite(folder: Path, old: str, new: str) -> None:
    text = (folder / "styles.toml").read_text()
    assert old in text
    (folder / "styles.toml").write_text(text.replace(old, new))


def test_a_folder_that_is_not_as_its_list_says_keeps_the_server_from_starting(
    ink: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = tiny_models.save(tiny_models.flux(), tmp_path_factory.mktemp("flux"))
    (ink / "ink.safetensors").write_bytes(b"something else")
    with pytest.raises(ConfigurationError, match="SHA-256"):
        open_painter(Weights(model="flux-1-schnell", source=str(model)), Options(styles=ink))


def test_files_that_are_missing_or_outside_or_pickles_are_refused(ink: Path) -> None:
    (ink / "ink.safetensors").rename(ink.parent / "outside.safetensors")
    assert "no file" in refusal(ink)
    rewrite(ink, '"ink.safetensors"', '"../outside.safetensors"')
    assert "inside" in refusal(ink)
    absolute = str(ink.parent / "outside.safetensors")
    rewrite(ink, '"../outside.safetensors"', f'"{absolute}"')
    assert "inside" in refusal(ink)
    (ink / "link.safetensors").symlink_to(absolute)
    rewrite(ink, f'"{absolute}"', '"link.safetensors"')
    assert "link to outside" in refusal(ink)
    rewrite(ink, '"link.safetensors"', '"ink.pt"')
    assert "can run code" in refusal(ink)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("[[styles]]", "[styles]", "[[styles]]"),
        ("[[styles]]", "[[styles", "cannot be read"),
        ('models = ["flux-1-schnell"]', "", "models"),
        ('id = "ink"', "id = 7", "not a style"),
        ('id = "ink"', 'id = "ink"\ncolour = "red"', "not a style"),
        ('sha256 = "', 'sha256 = "X', "no SHA-256"),
    ],
)
def test_a_list_that_is_not_understood_is_refused(ink: Path, old: str, new: str, word: str) -> None:
    rewrite(ink, old, new)
    assert word in refusal(ink)


def test_a_folder_without_a_list_and_an_id_given_twice_are_refused(ink: Path) -> None:
    text = (ink / "styles.toml").read_text()
    (ink / "styles.toml").write_text(text + text)
    assert "twice" in refusal(ink)
    (ink / "styles.toml").unlink()
    assert "has no styles.toml" in refusal(ink)


def test_a_style_of_another_model_is_an_error_and_never_nothing(ink: Path) -> None:
    assert "matches no layer" in refusal(ink, tiny_families.z_image())
    tensors = load_file(ink / "ink.safetensors")
    wider = {
        name: torch.cat([tensor, tensor], 1) if "lora_A" in name else tensor
        for name, tensor in tensors.items()
    }
    save_file(wider, ink / "ink.safetensors")
    pin(ink)
    assert "another model" in refusal(ink)


def test_what_is_not_a_lora_of_the_denoiser_alone_is_refused(ink: Path) -> None:
    tensors = load_file(ink / "ink.safetensors")
    text = {
        "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight": torch.ones(4, 32)
    }
    save_file(tensors | text, ink / "ink.safetensors")
    pin(ink)
    assert "text_encoder" in refusal(ink)
    save_file({"transformer.proj_out.weight": torch.ones(4, 4)}, ink / "ink.safetensors")
    pin(ink)
    assert "ink" in refusal(ink)


# ---- the list


def test_pinning_keeps_what_is_known_and_adds_what_is_new(ink: Path) -> None:
    (old,) = read_list(ink)
    rewrite(ink, 'id = "ink"', 'id = "flux/ink \\"1.0\\""\ntitle = "Ink"')
    (ink / "ink.safetensors").write_bytes(b"changed")
    (ink / "more").mkdir()
    (ink / "more" / "wax.safetensors").write_bytes(b"wax")
    pin(ink, ["krea-2-raw", "krea-2-turbo"])
    known, new = read_list(ink)
    assert (known.id, known.title, known.models) == ('flux/ink "1.0"', "Ink", ("flux-1-schnell",))
    assert known.sha256 != old.sha256
    assert (new.id, new.file) == ("wax", "more/wax.safetensors")
    assert list(StyleRack.read(ink, "krea-2-raw").styles) == ["wax"]


def test_more_styles_than_can_be_combined_are_refused(ink: Path) -> None:
    for number in range(MOST_STYLES):
        tiny_styles.save_style(tiny_models.flux(), ink, f"ink-{number}", seed=number)
    pin(ink, ["flux-1-schnell"])
    hangs = wardrobe(ink)
    names = [f"ink-{number}" for number in range(MOST_STYLES)]
    assert len(hangs.wanted(asked(*((name, 1.0) for name in names)))) == MOST_STYLES
    with pytest.raises(EngineError):
        hangs.wanted(asked(("ink", 1.0), *((name, 1.0) for name in names)))


# ---- beside compilation and eight bits


def test_styles_compile_nothing_new(ink: Path) -> None:
    pipe = tiny_models.flux()
    painter = made_of(pipe, "flux-1-schnell", StyleRack.read(ink, "flux-1-schnell"))
    torch.compiler.reset()
    compile_blocks(pipe.transformer, backend="eager")
    counters.clear()
    painter.warm_up()
    graphs = counters["stats"]["unique_graphs"]
    assert graphs > 0
    plain = painted(painter)
    assert not same(painted(painter, ("ink", 1.0)), plain)
    assert np.array_equal(painted(painter), plain)
    assert counters["stats"]["unique_graphs"] == graphs
    torch.compiler.reset()


def test_weights_in_eight_bits_wear_styles_too(ink: Path, tmp_path_factory: Any) -> None:
    folder = tiny_models.save(tiny_models.flux(), tmp_path_factory.mktemp("flux"))
    weights = Weights(model="flux-1-schnell", source=str(folder), steps=3)
    painter = open_painter(weights, Options(styles=ink, precision="int8", device="cpu"))
    exact = made_of(tiny_models.flux(), "flux-1-schnell", StyleRack.read(ink, "flux-1-schnell"))
    plain, styled = painted(painter).astype(int), painted(painter, ("ink", 2.0)).astype(int)
    error = np.abs(styled - painted(exact, ("ink", 2.0))).mean()
    assert error < np.abs(styled - plain).mean() / 4
