"""Weights as they lie on disk: opened offline, whole or in parts, or refused in plain words."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny_models
from safelight.catalog.request import ImageRequest
from safelight.engines import Pixels
from safelight.engines.diffusers import DiffusersEngine, Options, Weights
from safelight.engines.diffusers.krea2 import Krea2Painter
from safelight.engines.diffusers.opening import open_painter, read
from safelight.engines.diffusers.placing import Plan, pick_device, place, plan, quantise
from safelight.engines.diffusers.stock import StockPainter
from safelight.engines.diffusers.styles import Wardrobe
from safelight.engines.diffusers.weights_on_disk import describe
from safelight.engines.scheduler import Scheduler
from safelight.errors import Cancelled, ConfigurationError
from turns import drive, pictures

TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
REQUEST = ImageRequest(model="", prompt="a red fox", width=64, height=64, seed=3)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save(tiny_models.flux(), tmp_path_factory.mktemp("flux"))


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that may be spoiled."""
    return Path(shutil.copytree(saved, tmp_path / "flux"))


@pytest.fixture(scope="module")
def expected(saved: Path) -> Pixels:
    return painted(schnell(saved))


def schnell(source: object, **fields: Any) -> Weights:
    return Weights(model="flux-1-schnell", source=str(source), steps=2, **fields)


def turbo(source: object) -> Weights:
    return Weights(model="krea-2-turbo", source=str(source))


def painted(weights: Weights, **options: Any) -> Pixels:
    engine = DiffusersEngine(weights, Options(**options))
    engine.load()
    return pictures(drive(engine.generate(REQUEST)))[0].pixels


def refusal(weights: Weights, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as refused:
        open_painter(weights, Options(**options))
    return str(refused.value)


def cached(saved: Path, home: Path) -> None:
    """Lay the folder out as the hub's local cache does."""
    commit = "0" * 40
    model = home / "hub" / "models--acme--tiny-flux"
    shutil.copytree(saved, model / "snapshots" / commit)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)


def test_a_saved_folder_is_opened_and_painted_with(expected: Pixels) -> None:
    assert expected.shape == (64, 64, 3)
    assert expected.std() > 5


def test_the_scheduler_drives_it_and_stops_it(saved: Path, expected: Pixels) -> None:
    engine = DiffusersEngine(schnell(saved), Options())
    engine.load()
    scheduler = Scheduler()
    try:
        begun = threading.Event()
        endless = scheduler.start(engine, replace(REQUEST, steps=1000), lambda _: begun.set())
        short = replace(REQUEST, steps=2)
        runs = [scheduler.start(engine, short, lambda _: None) for _ in range(3)]
        for run in runs:
            (picture,) = run.outcome.result(timeout=60)
            assert np.array_equal(picture.pixels, expected)
        assert begun.wait(60)
        endless.stop()
        with pytest.raises(Cancelled):
            endless.outcome.result(timeout=60)
    finally:
        scheduler.close()


def test_each_pipeline_gets_the_painter_that_knows_it(saved: Path, tmp_path: Path) -> None:
    krea2 = tiny_models.save(tiny_models.krea2(), tmp_path)
    painter = open_painter(Weights(model="krea-2-turbo", source=str(krea2)), Options())
    assert isinstance(painter, Krea2Painter)
    assert isinstance(open_painter(schnell(saved), Options()), StockPainter)


def test_a_single_file_takes_the_other_parts_from_the_folder_around_it(
    folder: Path, expected: Pixels
) -> None:
    beside = folder / "mine.safetensors"
    (folder / TRANSFORMER).rename(beside)
    assert np.array_equal(painted(schnell(beside)), expected)
    below = folder / "transformer" / "other.safetensors"
    beside.rename(below)
    assert np.array_equal(painted(schnell(below)), expected)


def test_a_hub_id_is_found_in_the_local_cache(
    saved: Path, tmp_path: Path, expected: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(saved, tmp_path)
    alone = shutil.copy(saved / TRANSFORMER, tmp_path / "alone.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert np.array_equal(painted(schnell("acme/tiny-flux")), expected)
    assert np.array_equal(painted(schnell(alone, hub_id="acme/tiny-flux")), expected)


def test_a_hub_that_cannot_be_reached_is_an_operators_matter() -> None:
    assert "cannot be downloaded" in refusal(schnell("acme/tiny-flux"), download=True)


def test_nothing_of_torch_is_imported_to_describe_weights(saved: Path) -> None:
    code = (
        "import sys\n"
        "from safelight.catalog.request import ImageRequest\n"
        "from safelight.engines.diffusers import DiffusersEngine, Options, Weights\n"
        "from safelight.engines.diffusers.weights_on_disk import describe\n"
        "weights = Weights(model='flux-1-schnell', source=sys.argv[1])\n"
        "request = ImageRequest(model='', prompt='', width=64, height=64,"
        " parameters={'image_url': 'data:image/png;base64,', 'styles': [{'id': 'a'}]})\n"
        "assert DiffusersEngine(weights, Options()).unsupported(request).parameter == 'styles'\n"
        "print(describe(weights, Options()).parameters)\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(saved)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pipe = tiny_models.flux()
    parts = (pipe.transformer, pipe.vae, pipe.text_encoder, pipe.text_encoder_2)
    assert int(done.stdout) == sum(part.num_parameters() for part in parts)


def test_what_is_described_is_what_lies_there(saved: Path) -> None:
    description = describe(schnell(saved), Options())
    assert description.pipeline == "FluxPipeline"
    part = description.part("transformer")
    assert part is not None
    assert part.class_name == "FluxTransformer2DModel"
    assert part.bytes == (saved / TRANSFORMER).stat().st_size
    scheduler = description.part("scheduler")
    assert scheduler is not None
    assert scheduler.parameters == 0


def test_shards_are_counted_and_missed(folder: Path) -> None:
    whole = describe(schnell(folder), Options())
    pipe = tiny_models.flux()
    (folder / TRANSFORMER).unlink()
    pipe.transformer.save_pretrained(folder / "transformer", max_shard_size="20KB")
    assert describe(schnell(folder), Options()).parameters == whole.parameters
    next((folder / "transformer").glob("*-00002-of-*")).unlink()
    assert "00002" in refusal(schnell(folder))


def test_what_is_not_there_is_said(tmp_path: Path, saved: Path) -> None:
    assert "no folder" in refusal(schnell(tmp_path / "nowhere"))
    assert "no file" in refusal(schnell(tmp_path / "nothing.safetensors"))
    assert "model_index.json" in refusal(schnell(tmp_path))
    assert "hub cache" in refusal(schnell("acme/not-downloaded"))
    alone = shutil.copy(saved / TRANSFORMER, tmp_path / "alone.safetensors")
    assert "transformer alone" in refusal(schnell(alone))


@pytest.mark.parametrize("part", ["transformer", "text_encoder_2", "vae"])
def test_a_part_that_is_missing_is_named(folder: Path, part: str) -> None:
    shutil.rmtree(folder / part)
    assert f"part {part} " in refusal(schnell(folder))


def test_a_part_without_weights_is_named(folder: Path) -> None:
    (folder / TRANSFORMER).unlink()
    assert "has no weights" in refusal(schnell(folder))


class Mischief:
    def __reduce__(self) -> Any:
        return (os._exit, (66,))


def test_pickles_are_never_read(folder: Path) -> None:
    (folder / TRANSFORMER).unlink()
    bomb = folder / "transformer" / "diffusion_pytorch_model.bin"
    bomb.write_bytes(pickle.dumps(Mischief()))
    assert "pickle" in refusal(schnell(folder))
    assert "pickle" in refusal(schnell(bomb))
    disguised = bomb.rename(folder / TRANSFORMER)
    assert "not a safetensors file" in refusal(schnell(disguised))


def test_a_folders_own_code_is_never_run(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "transformer" / "mine.py").write_text("raise SystemExit(66)")
    index["transformer"] = ["mine", "FluxTransformer2DModel"]
    (folder / "model_index.json").write_text(json.dumps(index))
    assert "never run" in refusal(schnell(folder))
    index["_class_name"] = ["pipeline", "Mine"]
    (folder / "model_index.json").write_text(json.dumps(index))
    assert "pipeline class" in refusal(schnell(folder))


def test_a_pipeline_that_the_library_does_not_know_is_named(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "FluxOmega"}))
    assert "FluxOmega" in refusal(schnell(folder))


def test_another_models_weights_are_refused(saved: Path, folder: Path, tmp_path: Path) -> None:
    """Under a false name they would escape what their licence asks: filters, acknowledgement."""
    krea2 = tmp_path / "krea2"
    krea2.mkdir()
    (krea2 / "model_index.json").write_text(json.dumps({"_class_name": "Krea2Pipeline"}))
    assert "holds a Krea2Pipeline" in refusal(schnell(krea2))
    assert "holds a FluxPipeline" in refusal(turbo(saved))
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"guidance_embeds": True}))
    assert "holds FLUX.1 [dev]" in refusal(schnell(folder))


def test_parts_that_do_not_fit_together_are_refused(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    index["transformer"] = ["diffusers", "Krea2Transformer2DModel"]
    (folder / "model_index.json").write_text(json.dumps(index))
    assert str(folder) in refusal(schnell(folder))


def test_a_file_that_is_not_a_whole_transformer_is_refused(folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / TRANSFORMER)
    half = folder / "half.safetensors"
    save_file({name: tensors[name] for name in sorted(tensors)[::2]}, half)
    assert "cannot be read as a FluxTransformer2DModel" in refusal(schnell(half))
    krea2 = tiny_models.save(tiny_models.krea2(), tmp_path / "krea2")
    tensors = load_file(krea2 / TRANSFORMER)
    del tensors["img_in.weight"]
    save_file(tensors, krea2 / "half.safetensors")
    assert "not a whole Krea2Transformer2DModel" in refusal(turbo(krea2 / "half.safetensors"))


def test_weights_can_lie_in_bf16_and_norms_stay_in_float32(tmp_path: Path) -> None:
    folder = tiny_models.save(tiny_models.krea2(), tmp_path)
    description = describe(Weights(model="krea-2-turbo", source=str(folder)), Options())
    file = shutil.copy(folder / TRANSFORMER, folder / "mine.safetensors")
    from_file = describe(Weights(model="krea-2-turbo", source=str(file)), Options())
    how = Plan(torch.device("cpu"), torch.bfloat16, "bf16", "none", "")
    whole, single = read(description, how).transformer, read(from_file, how).transformer
    dtypes = {name: tensor.dtype for name, tensor in whole.named_parameters()}
    assert set(dtypes.values()) == {torch.bfloat16, torch.float32}
    assert dtypes == {name: tensor.dtype for name, tensor in single.named_parameters()}


def test_on_a_processor_everything_is_in_float32(saved: Path) -> None:
    how = plan(describe(schnell(saved), Options()), Options(device="cpu"))
    assert (how.dtype, how.precision, how.offload) == (torch.float32, "fp32", "none")
    assert read(describe(schnell(saved), Options()), how).transformer.dtype == torch.float32


def test_int8_halves_the_blocks_and_hardly_changes_the_picture(
    saved: Path, expected: Pixels
) -> None:
    description = describe(schnell(saved), Options())
    how = plan(description, Options(precision="int8", device="cpu"))
    pipe = read(description, how)
    quantise(pipe, how)
    kinds = {type(pipe.transformer.transformer_blocks[0].ff.net[2].weight).__name__}
    assert kinds != {"Parameter"}
    assert type(pipe.transformer.proj_out.weight).__name__ == "Parameter"
    rounded = painted(schnell(saved), precision="int8").astype(int)
    assert 0 < np.abs(rounded - expected).mean() < 3


def test_a_quantised_gguf_file_hardly_changes_the_picture(folder: Path, expected: Pixels) -> None:
    file = folder / "tiny-Q8_0.gguf"
    writer = gguf.GGUFWriter(str(file), "flux")
    for name, tensor in load_file(folder / TRANSFORMER).items():
        values = tensor.numpy()
        if name.startswith(("transformer_blocks", "single_")) and values.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (folder / TRANSFORMER).unlink()
    pipe = tiny_models.flux()
    part = describe(schnell(file), Options()).part("transformer")
    assert part is not None
    assert part.parameters == pipe.transformer.num_parameters()
    rounded = painted(schnell(file)).astype(int)
    assert 0 < np.abs(rounded - expected).mean() < 3
    file.write_bytes(b"GGUF" + bytes(64))
    assert "GGUF" in refusal(schnell(file))


def test_a_machine_without_the_hardware_says_what_it_lacks(saved: Path) -> None:
    assert "NVIDIA" in refusal(schnell(saved), precision="fp8", device="cpu")
    assert "NVIDIA" in refusal(schnell(saved), offload="text", device="cpu")
    assert "no device" in refusal(schnell(saved), device="abacus")
    assert "no GPU cuda:99" in refusal(schnell(saved), device="cuda:99")


def test_the_device_is_the_processor_where_there_is_no_other() -> None:
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert pick_device(Options(worker=3)).type == "cpu"


@pytest.mark.parametrize("offload", ["text", "group", "sequential"])
def test_streamed_parts_paint_the_same_picture(saved: Path, expected: Pixels, offload: Any) -> None:
    description = describe(schnell(saved), Options())
    how = Plan(torch.device("cpu"), torch.float32, "fp32", offload, "")
    pipe = read(description, how)
    place(pipe, how)
    paints = StockPainter(pipe, schnell(saved), Options(), Wardrobe(pipe, None))
    (picture,) = pictures(drive(paints.paint(REQUEST)))
    assert np.array_equal(picture.pixels, expected)
