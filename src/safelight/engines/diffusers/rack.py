"""The operator's LoRA styles: a folder whose styles.toml names each file with its hash."""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safelight.errors import ConfigurationError

LIST = "styles.toml"
MOST_STYLES = 8  # in one request
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Style:
    """One LoRA. `prompt` are the words it was trained to answer to; they join the prompt."""

    id: str
    file: str  # inside the folder
    sha256: str
    models: tuple[str, ...]  # catalog ids
    title: str = ""
    prompt: str = ""

    @property
    def adapter(self) -> str:
        """What the loaded adapter is called; ids may hold dots, which modules' names cannot."""
        return f"style_{self.sha256[:16]}"


@dataclass(frozen=True)
class StyleRack:
    """The styles that one model can wear, by their ids. Needs no torch."""

    folder: Path
    styles: Mapping[str, Style]

    @classmethod
    def read(cls, folder: Path, model: str) -> "StyleRack":
        """Raises ConfigurationError for a list that is missing, malformed or points outside."""
        styles = {style.id: style for style in read_list(folder) if model in style.models}
        return cls(folder, styles)

    def checked(self, style: Style) -> Path:
        """The style's file. Raises ConfigurationError unless it is the very file of the list.

        To be called before anything else reads the file.
        """
        path = inside(self.folder, style.file)
        found = sha256_of(path)
        if found != style.sha256:
            raise ConfigurationError(
                f"The style {style.id}: {path} has the SHA-256 {found}, and not the one in {LIST}"
            )
        return path


def read_list(folder: Path) -> list[Style]:
    """Every style of a folder, each with an id of its own."""
    try:
        entries = tomllib.loads((folder / LIST).read_text()).get("styles", [])
    except FileNotFoundError:
        raise ConfigurationError(
            f"The styles' folder {folder} has no {LIST}: `safelight styles pin` writes one"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{folder / LIST} cannot be read: {error}") from None
    if not isinstance(entries, list):
        raise ConfigurationError(f"{folder / LIST}: styles are written as [[styles]]")
    styles = [_style(folder, entry) for entry in entries]
    twice = {style.id for style in styles if sum(other.id == style.id for other in styles) > 1}
    if twice:
        raise ConfigurationError(f"{folder / LIST}: the style {min(twice)} is there twice")
    return styles


def _style(folder: Path, entry: Any) -> Style:
    try:
        style = Style(**entry | {"models": tuple(entry["models"])})
        texts = (style.id, style.file, style.sha256, style.title, style.prompt, *style.models)
        if not all(isinstance(text, str) for text in texts) or not style.id:
            raise TypeError("id, file, sha256, models, title and prompt are text")
    except (TypeError, KeyError) as error:
        raise ConfigurationError(f"{folder / LIST}: {entry} is not a style: {error}") from None
    if not SHA256.fullmatch(style.sha256):
        raise ConfigurationError(f"{folder / LIST}: the style {style.id} has no SHA-256")
    inside(folder, style.file)
    return style


def inside(folder: Path, name: str) -> Path:
    """The file of that name. Raises ConfigurationError for any that is not truly in the folder."""
    path = folder / name
    if path.suffix != ".safetensors":
        raise ConfigurationError(f"{name} is no .safetensors file; other kinds can run code")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ConfigurationError(f"{name} is not a name inside {folder}")
    if not path.is_file():
        raise ConfigurationError(f"There is no file {path}")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ConfigurationError(f"{path} is a link to outside of its folder")
    return path


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def pin(folder: Path, models: Iterable[str] = ()) -> list[Style]:
    """Write styles.toml anew: each file's hash as it is now, and an entry for each new file.

    New files get their stem as their id and `models` as what wears them. Comments are not kept.
    """
    known = _known(folder)
    styles = []
    for path in sorted(folder.rglob("*.safetensors")):
        name = path.relative_to(folder).as_posix()
        digest = sha256_of(inside(folder, name))
        old = known.get(name)
        new = Style(id=path.stem, file=name, sha256=digest, models=tuple(models))
        styles.append(replace(old, sha256=digest) if old else new)
    (folder / LIST).write_text("\n".join(_written(style) for style in styles))
    return styles


def _known(folder: Path) -> dict[str, Style]:
    if not (folder / LIST).is_file():
        return {}
    return {style.file: style for style in read_list(folder)}


def _written(style: Style) -> str:
    """A JSON string is a TOML string."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in vars(style).items() if value]
    return "\n".join(["[[styles]]", *lines, ""])
