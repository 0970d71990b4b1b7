"""What lies in a folder of weights: classes, parameters and bytes, read without loading any."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safelight.engines.diffusers.options import Options, Weights
from safelight.errors import ConfigurationError

INDEX = "model_index.json"
LIBRARIES = ("diffusers", "transformers")  # what a part's class may come from; never the folder
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
TEXTS = ("*.json", "*.txt", "*.model", "*.jinja")  # all of a part but its weights
MOST_HEADER_BYTES = 100_000_000  # what the format's own readers accept

CLASSES: Mapping[str, str] = {  # by the catalog's ids, as the weights themselves say it
    "krea-2-turbo": "Krea2Pipeline",
    "krea-2-raw": "Krea2Pipeline",
    "flux-1-dev": "FluxPipeline",
    "flux-1-schnell": "FluxPipeline",
    "flux-2-klein": "Flux2KleinPipeline",
    "z-image-turbo": "ZImagePipeline",
    "qwen-image": "QwenImagePipeline",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the weights are: a folder in diffusers format, and the file that is its transformer."""

    folder: Path
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a pipeline; a tokenizer or a scheduler has no parameters."""

    name: str  # "transformer", "text_encoder_2", …
    library: str
    class_name: str
    parameters: int
    bytes: int  # on disk


@dataclass(frozen=True, slots=True)
class Description:
    """One model as it lies on the disk."""

    model: str
    source: str
    place: Place
    pipeline: str  # the diffusers class
    parts: tuple[Part, ...]

    @property
    def parameters(self) -> int:
        return sum(part.parameters for part in self.parts)

    @property
    def bf16_bytes(self) -> dict[str, int]:
        """By the parts' names: what `profiles.choose` asks for."""
        return {part.name: 2 * part.parameters for part in self.parts}

    def part(self, name: str) -> Part | None:
        return next((part for part in self.parts if part.name == name), None)


def describe(weights: Weights, options: Options) -> Description:
    """Needs no torch, and reads nothing but JSON and the heads of the files.

    Raises ConfigurationError for everything that would keep the weights from being loaded and
    can be seen from outside.
    """
    place = locate(weights, options)
    index = read_index(place.folder)
    _check_model(weights, place, index)
    parts = tuple(
        _part(place, name, *library_and_class)
        for name, library_and_class in index.items()
        if is_part(library_and_class) and library_and_class[0] is not None
    )
    return Description(weights.model, weights.source, place, index["_class_name"], parts)


def _check_model(weights: Weights, place: Place, index: dict[str, Any]) -> None:
    """Raises ConfigurationError for another model's weights, whose licence asks for other things.

    Of FLUX.1 only dev, which is not for commercial use, is told its guidance.
    """
    found, expected = index["_class_name"], CLASSES.get(weights.model)
    if expected is not None and found != expected:
        raise ConfigurationError(
            f"{weights.model}: {place.folder} holds a {found}, and this model is a {expected}"
        )
    config = place.folder / "transformer" / "config.json"
    if weights.model == "flux-1-schnell" and config.is_file():
        try:
            guided = json.loads(config.read_text()).get("guidance_embeds", False)
        except (ValueError, OSError, AttributeError) as error:
            raise ConfigurationError(f"{config} cannot be read: {error}") from None
        if guided:
            raise ConfigurationError(
                f"{weights.model}: {place.folder} holds FLUX.1 [dev], whose licence is another:"
                " configure it as flux-1-dev"
            )


def locate(weights: Weights, options: Options) -> Place:
    """The folder, from a folder, from a single file or from a hub id, in this order."""
    source = Path(weights.source).expanduser()
    if source.is_dir():
        return Place(source)
    if source.suffix in (".safetensors", ".gguf"):
        if not source.is_file():
            raise ConfigurationError(f"{weights.model}: there is no file {source}")
        return Place(_around(source, weights, options), source)
    if source.suffix in PICKLES:
        raise ConfigurationError(
            f"{weights.model}: {source.name} is a pickle, which can run code when it is read:"
            " convert it to safetensors"
        )
    if source.is_absolute() or weights.source.count("/") != 1 or weights.source.startswith("."):
        raise ConfigurationError(f"{weights.model}: there is no folder {source}")
    return Place(_from_hub(weights.source, weights, options))


def _around(file: Path, weights: Weights, options: Options) -> Path:
    """The folder that holds what a single file does not: encoders, autoencoder, configuration."""
    for folder in (file.parent, file.parent.parent):
        if (folder / INDEX).is_file():
            return folder
    if weights.hub_id:
        return _from_hub(weights.hub_id, weights, options, transformer=False)
    raise ConfigurationError(
        f"{weights.model}: {file.name} is the transformer alone. Put it into a folder with the"
        f" other parts (with {INDEX}), or name the hub id they come from"
    )


def _from_hub(hub_id: str, weights: Weights, options: Options, *, transformer: bool = True) -> Path:
    """Its folder in the hub's local cache; the hub itself is asked only if that is allowed."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    if options.download:
        return _download(hub_id, weights, transformer=transformer)
    try:
        index = try_to_load_from_cache(hub_id, INDEX)
    except HFValidationError:
        index = None
    if not isinstance(index, str):
        raise ConfigurationError(
            f"{weights.model}: {hub_id} is neither a folder nor in the local hub cache."
            " Mend the path, download it, or set SAFELIGHT_TORCH__DOWNLOAD=true"
        )
    return Path(index).parent


def _download(hub_id: str, weights: Weights, *, transformer: bool) -> Path:
    """The parts that the index names: repositories also hold the same weights as single files."""
    from huggingface_hub import hf_hub_download, snapshot_download

    try:
        index = json.loads(Path(hf_hub_download(hub_id, INDEX)).read_text())
        parts = [name for name, value in index.items() if isinstance(value, list)]
        wanted = [INDEX, *(f"{part}/{ending}" for part in parts for ending in TEXTS)]
        wanted += [
            f"{part}/*.safetensors" for part in parts if transformer or part != "transformer"
        ]
        unwanted = ["*.fp16.*", "*.bf16.*"]  # variants beside the whole
        return Path(snapshot_download(hub_id, allow_patterns=wanted, ignore_patterns=unwanted))
    except Exception as error:  # of the network, of the hub, of the disk
        raise ConfigurationError(
            f"{weights.model}: {hub_id} cannot be downloaded: {error}"
        ) from error


def read_index(folder: Path) -> dict[str, Any]:
    """model_index.json, checked: no code of the folder's own will be run."""
    try:
        index = json.loads((folder / INDEX).read_text())
    except FileNotFoundError:
        raise ConfigurationError(
            f"{folder} is not a model in diffusers format: it has no {INDEX}"
        ) from None
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{folder / INDEX} cannot be read: {error}") from None
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise ConfigurationError(f"{folder / INDEX} names no pipeline class of diffusers")
    for name, value in index.items():
        if is_part(value) and value[0] not in (None, *LIBRARIES):
            raise ConfigurationError(
                f"{folder}: {name} brings code of its own ({value[0]}), which is never run"
            )
    return index


def is_part(value: Any) -> bool:
    """A library and a class; other lists are settings, such as Krea 2's tapped layers."""
    return isinstance(value, list) and all(isinstance(part, str | None) for part in value)


def _part(place: Place, name: str, library: str, class_name: str) -> Part:
    folder = place.folder / name
    if not folder.is_dir():
        raise ConfigurationError(f"{place.folder}: the part {name} ({class_name}) is missing")
    if place.file is not None and name == "transformer":
        return Part(name, library, class_name, *_count([place.file]))
    is_model = (folder / "config.json").is_file()
    return Part(name, library, class_name, *(_count(_files(folder)) if is_model else (0, 0)))


def _files(folder: Path) -> list[Path]:
    """The safetensors files of one part: those that its index names, or the one without."""
    ending = ".safetensors.index.json"
    for index in sorted(folder.glob(f"*{ending}")):
        if "." in index.name.removesuffix(ending):
            continue  # a variant, such as fp16, beside the whole
        names = set(json.loads(index.read_text())["weight_map"].values())
        if missing := sorted(name for name in names if not (folder / name).is_file()):
            raise ConfigurationError(f"{folder}: {missing[0]} is missing")
        return [folder / name for name in sorted(names)]
    files = [file for file in sorted(folder.glob("*.safetensors")) if file.stem.count(".") == 0]
    if files:
        return files
    pickles = [file.name for file in folder.iterdir() if file.suffix in PICKLES]
    if pickles:
        raise ConfigurationError(
            f"{folder} holds its weights as a pickle ({pickles[0]}), which can run code when it is"
            " read: convert it to safetensors"
        )
    raise ConfigurationError(f"{folder} has no weights (*.safetensors)")


def _count(files: list[Path]) -> tuple[int, int]:
    """Parameters, and bytes on disk."""
    parameters = 0
    for file in files:
        if file.suffix == ".gguf":
            parameters += _parameters_of_gguf(file)
        else:
            parameters += sum(math.prod(shape) for shape in shapes(file).values())
    return parameters, sum(file.stat().st_size for file in files)


def shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Every tensor's name and shape, from the head of a .safetensors file.

    The format: eight bytes with the head's length, lowest first, then the head as JSON.
    Source: https://huggingface.co/docs/safetensors
    """
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= MOST_HEADER_BYTES:
                raise ValueError("the head's length is out of range")
            head = json.loads(stream.read(length))
        return {
            name: tuple(tensor["shape"]) for name, tensor in head.items() if name != "__metadata__"
        }
    except FileNotFoundError:
        raise ConfigurationError(f"there is no file {file}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"{file} is not a safetensors file: {error}") from None


def _parameters_of_gguf(file: Path) -> int:
    from gguf import GGUFReader

    try:
        return sum(int(tensor.n_elements) for tensor in GGUFReader(file).tensors)
    except ValueError as error:
        raise ConfigurationError(f"{file} is not a GGUF file: {error}") from None
