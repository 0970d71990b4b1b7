"""What a model can honour is known at the door; what it is given to start from is read strictly."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from safelight.catalog.request import ImageRequest
from safelight.engines.diffusers import Options, Weights
from safelight.engines.diffusers.abilities import unsupported
from safelight.engines.diffusers.rack import pin
from safelight.engines.diffusers.sources import MOST_PIXELS, read_picture
from safelight.errors import EngineError, JobErrorCode, Unavailable

DATA = "data:image/png;base64,iVBORw0KGgo="
GUIDED = {"krea-2-raw": 3.5, "qwen-image": 4.0, "flux-1-dev": 3.5, "flux-2-klein": 1.0}
HONOURED = {
    "krea-2-turbo": {"image_url", "strength"},
    "krea-2-raw": {"image_url", "strength", "negative_prompt"},
    "flux-1-dev": {"image_url", "strength"},
    "flux-1-schnell": {"image_url", "strength"},
    "flux-2-klein": set(),
    "z-image-turbo": {"image_url", "denoising_strength"},
    "qwen-image": {"image_url", "strength", "negative_prompt"},
}
ASKED: dict[str, Any] = {
    "image_url": DATA,
    "strength": 0.4,
    "denoising_strength": 0.4,
    "negative_prompt": "a cat",
    "style_images": [{"url": DATA, "strength": 1}],
    "image_style_references": [{"url": DATA}],
    "moodboards": [{"id": "0"}],
    "creativity": "high",
    "intensity": 10,
    "complexity": -10,
    "movement": 1,
    "skip_prompt_expansion": True,
    "something_new": 1,
}


def said(
    model: str, parameters: dict[str, Any], source: str = "acme/elsewhere", **fields: Any
) -> str | None:
    weights = Weights(model=model, source=source, guidance=GUIDED.get(model, 0.0))
    options = Options(styles=fields.pop("styles", None))
    request = ImageRequest(
        **{"model": model, "prompt": "", "width": 64, "height": 64} | fields, parameters=parameters
    )
    refused = unsupported(weights, options, request)
    return refused and refused.parameter


@pytest.mark.parametrize("model", HONOURED)
@pytest.mark.parametrize("name", ASKED)
def test_each_model_honours_what_its_family_can(model: str, name: str) -> None:
    parameters = {name: ASKED[name]}
    if name in ("strength", "denoising_strength"):
        parameters = {"image_url": DATA} | parameters
    refused = said(model, parameters)
    if name in HONOURED[model]:
        assert refused is None
    else:
        assert refused in parameters


def test_a_request_without_extras_is_always_honoured() -> None:
    assert said("flux-2-klein", {}) is None
    assert said("unheard-of", {"styles": [], "image_url": None}) is None


def test_a_strength_without_a_picture_is_refused() -> None:
    assert said("krea-2-turbo", {"strength": 0.5}) == "strength"


def test_a_negative_prompt_needs_guidance() -> None:
    assert said("krea-2-turbo", {"negative_prompt": "a cat"}, guidance=2.0) == "negative_prompt"
    assert said("qwen-image", {"negative_prompt": "a cat"}, guidance=1.0) == "negative_prompt"


def test_the_folders_own_word_counts_more_than_the_models_id(tmp_path: Path) -> None:
    index = tmp_path / "model_index.json"
    index.write_text(json.dumps({"_class_name": "Flux2KleinPipeline"}))
    assert said("krea-2-turbo", {"image_url": DATA}, source=str(tmp_path)) == "image_url"
    index.write_text(json.dumps({"_class_name": "Krea2Pipeline"}))
    assert said("mine", {"image_url": DATA}, source=str(tmp_path)) is None


def test_styles_are_honoured_when_all_are_on_the_models_rack(tmp_path: Path) -> None:
    (tmp_path / "ink.safetensors").write_bytes(b"not looked into at the door")
    pin(tmp_path, ["krea-2-turbo"])
    ink, oil = {"id": "ink", "strength": 1.0}, {"id": "oil", "strength": 1.0}
    assert said("krea-2-turbo", {"styles": [ink]}, styles=tmp_path) is None
    assert said("krea-2-turbo", {"styles": [ink, oil]}, styles=tmp_path) == "styles"
    assert said("krea-2-turbo", {"styles": [ink]}) == "styles"
    assert said("flux-1-dev", {"styles": [ink]}, styles=tmp_path) == "styles"
    many = [{"id": "ink", "strength": 0.1}] * 9
    assert said("krea-2-turbo", {"styles": many}, styles=tmp_path) is None  # one style, nine times


@pytest.mark.parametrize("broken", [None, "[[styles]\n", '[[styles]]\nid = "ink"\n'])
def test_a_list_of_styles_that_breaks_while_the_server_runs_is_no_callers_mistake(
    tmp_path: Path, broken: str | None
) -> None:
    if broken is not None:
        (tmp_path / "styles.toml").write_text(broken)
    ink = {"id": "ink", "strength": 1.0}
    with pytest.raises(Unavailable, match="styles") as told:
        said("krea-2-turbo", {"styles": [ink]}, styles=tmp_path)
    assert str(tmp_path) not in told.value.message
    assert said("krea-2-turbo", {}, styles=tmp_path) is None


# ---- pictures to start from


def uri(picture: Image.Image, kind: str = "png", **options: Any) -> str:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return f"data:image/{kind};base64," + base64.b64encode(stream.getvalue()).decode()


def halves(width: int, height: int) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (width // 2, 0, width, height))
    return picture


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_picture_is_scaled_to_cover_and_cut_in_the_middle(kind: str) -> None:
    pixels = read_picture(uri(halves(200, 50), kind), 64, 32)
    assert pixels.shape == (32, 64, 3)
    assert pixels.dtype == np.uint8
    assert abs(pixels[16, 5].astype(int) - [255, 0, 0]).max() < 12
    assert abs(pixels[16, 58].astype(int) - [0, 0, 255]).max() < 12


def test_a_picture_is_turned_as_its_camera_said() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right: what was left is then above
    pixels = read_picture(uri(halves(64, 64), "jpeg", exif=exif), 64, 64)
    assert pixels[5, 32, 0] > 200
    assert pixels[58, 32, 2] > 200


def test_what_is_transparent_is_white_and_grey_has_three_channels() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert (read_picture(uri(clear), 8, 8) == 255).all()
    assert read_picture(uri(Image.new("L", (8, 8), 7)), 8, 8).tolist()[0][0] == [7, 7, 7]


def bomb(width: int, height: int) -> str:
    """A PNG that says it is huge; nobody who believes it has the memory."""
    small = base64.b64decode(uri(Image.new("L", (8, 8))).partition(",")[2])
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + small[24:29]
    import zlib

    checked = head + zlib.crc32(b"IHDR" + head).to_bytes(4, "big")
    return "data:image/png;base64," + base64.b64encode(small[:16] + checked + small[33:]).decode()


@pytest.mark.parametrize(
    "bad",
    [
        "https://example.org/a.png",
        "file:///etc/passwd",
        "/etc/passwd",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:text/html;base64,PGI+",
        "data:image/png,abc",
        "data:image/png;base64,????",
        "data:image/png;base64,iVBORw0KGgo=\n",
        "data:image/png;base64,iVBORw0KGgo",
        "data:image/png;base64,",
        DATA,
        uri(halves(8, 8), "jpeg").replace("jpeg", "png"),
        uri(halves(64, 64))[:-40] + "AAAA",
        bomb(5001, 5000),
        bomb(60_000, 60_000),
    ],
)
def test_anything_else_is_refused(bad: str) -> None:
    with pytest.raises(EngineError) as refused:
        read_picture(bad, 64, 64)
    assert refused.value.code is JobErrorCode.INVALID_PARAMETERS


def test_the_largest_picture_allowed_is_read() -> None:
    picture = Image.new("1", (5000, MOST_PIXELS // 5000))
    assert read_picture(uri(picture), 16, 16).shape == (16, 16, 3)
