"""One parameter of one model at one door: what may be sent, and what it means to us."""

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from safelight.catalog.tokens import count_tokens

Json = Any

Meaning = Literal[
    "prompt", "width", "height", "ratio", "tier", "count", "seed", "steps", "guidance",
    "strict_moderation", "webhook_url",
]  # fmt: skip

CHARACTERS_SHOWN = 60  # of a wrong value in a message
# What may follow a host, by https://www.rfc-editor.org/rfc/rfc3986#appendix-A
_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"
URI_REST = rf"(?:/{_PCHAR}*)?(?:\?(?:{_PCHAR}|\?)*)?(?:#(?:{_PCHAR}|\?)*)?"
MEDIA_URI = (  # of a picture: an HTTP(S) address, or the picture itself
    rf"(?:https?://[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{{1,5}})?{URI_REST}"
    r"|data:[a-z0-9.+-]+/[a-z0-9.+-]+;base64,[A-Za-z0-9+/=_-]+)"
)
_MEDIA_URI = re.compile(MEDIA_URI)
UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
SIDES = re.compile(r"([1-9][0-9]{1,4})[x×]([1-9][0-9]{1,4})")


class Problem(NamedTuple):
    """One thing wrong with a body, and where."""

    path: str  # "styles[0].strength"
    message: str


class Pixels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bounds of a size given as "1344x768" instead of a ratio."""

    edge_min: int
    edge_max: int
    multiple: int = 1
    area_min: int = 0
    area_max: int = 1 << 62
    ratio_max: float = 1e9  # longer edge ÷ shorter edge

    def problem(self, width: int, height: int) -> str | None:
        if not all(self.edge_min <= side <= self.edge_max for side in (width, height)):
            return f"each side must be {self.edge_min} to {self.edge_max} pixels"
        if width % self.multiple or height % self.multiple:
            return f"each side must be a multiple of {self.multiple} pixels"
        if not self.area_min <= width * height <= self.area_max:
            return f"the picture must have {self.area_min} to {self.area_max} pixels in all"
        if max(width, height) > self.ratio_max * min(width, height):
            return f"the longer side may be at most {self.ratio_max:g} times the shorter"
        return None


class Parameter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What JSON Schema would say of it, and `means`: the field of ImageRequest it becomes.

    A parameter that means nothing to us travels in `ImageRequest.parameters` under its own name,
    unless it is null, an empty list, or a default marked `neutral` (one that asks for nothing).
    """

    type: Literal["string", "integer", "number", "boolean", "array", "object"]
    means: Meaning | None = None
    description: str = ""
    required: bool = False
    nullable: bool = False
    neutral: bool = False
    default: Json = None
    enum: tuple[str, ...] = ()
    any_case: bool = False  # "2k" is taken for "2K"
    pixels: Pixels | None = None  # besides the enum, "WIDTHxHEIGHT" within these bounds
    format: Literal["uri", "uuid"] | None = None
    pattern: str | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    max_tokens: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    items: "Parameter | str | None" = None  # a string names a shape of shapes.toml
    properties: "dict[str, Parameter | str]" = {}

    def problems(self, value: Json, path: str) -> Iterator[Problem]:
        """Everything wrong with a value that was sent."""
        if value is None:
            if not self.nullable:
                yield Problem(path, f"{path} must be {ARTICLE[self.type]}, not null")
        elif not isinstance(value, PYTHON_TYPES[self.type]) or (
            isinstance(value, bool) and self.type != "boolean"
        ):
            yield Problem(path, f"{path} must be {ARTICLE[self.type]}, not {_shown(value)}")
        elif isinstance(value, float) and self.type == "integer" and not value.is_integer():
            yield Problem(path, f"{path} must be a whole number, not {_shown(value)}")
        else:
            yield from _CHECKS[self.type](self, value, path)

    def sides(self, value: Json) -> tuple[int, int] | None:
        """The pixels that "1344x768" names, when this parameter takes that form."""
        if self.pixels is None or not isinstance(value, str):
            return None
        match = SIDES.fullmatch(value)
        return (int(match[1]), int(match[2])) if match else None

    def canonical(self, value: Json) -> Json:
        """The value as the wire spells it: "2k" is "2K", 25.0 is 25."""
        if self.any_case and isinstance(value, str):
            return next((word for word in self.enum if word.lower() == value.lower()), value)
        return int(value) if self.type == "integer" and value is not None else value


PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, float),  # JSON knows one kind of number: 25.0 is whole
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}

ARTICLE = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


def _string(parameter: Parameter, value: str, path: str) -> Iterator[Problem]:
    if parameter.enum:
        yield from _choice(parameter, value, path)
        return
    if (parameter.required or parameter.means == "prompt") and not value.strip():
        yield Problem(path, f"{path} must not be empty")
        return
    length = len(value)
    if parameter.min_length is not None and length < parameter.min_length:
        yield Problem(path, f"{path} must have at least {parameter.min_length} characters")
    if parameter.max_length is not None and length > parameter.max_length:
        limit = parameter.max_length
        yield Problem(path, f"{path} must have at most {limit} characters, not {length}")
    if parameter.max_tokens is not None:
        tokens = count_tokens(value, enough=parameter.max_tokens)
        if tokens > parameter.max_tokens:
            limit = parameter.max_tokens
            yield Problem(path, f"{path} must have at most {limit} tokens, not {tokens}")
    if parameter.pattern is not None and not re.fullmatch(parameter.pattern, value):
        yield Problem(path, f"{path} must match {parameter.pattern}")
    if parameter.format == "uuid" and not UUID.fullmatch(value):
        yield Problem(path, f"{path} must be a UUID, not {_shown(value)}")
    if parameter.format == "uri" and not _MEDIA_URI.fullmatch(value):
        yield Problem(path, f"{path} must be an http(s) URL or a data: URI of an image")


def _choice(parameter: Parameter, value: str, path: str) -> Iterator[Problem]:
    if parameter.canonical(value) in parameter.enum:
        return
    sides = parameter.sides(value)
    if sides is not None and parameter.pixels is not None:
        problem = parameter.pixels.problem(*sides)
        if problem is not None:
            yield Problem(path, f"{path} {_shown(value)}: {problem}")
        return
    words = ", ".join(parameter.enum) + (" or WIDTHxHEIGHT" if parameter.pixels else "")
    yield Problem(path, f"{path} must be one of {words}, not {_shown(value)}")


def _number(parameter: Parameter, value: float, path: str) -> Iterator[Problem]:
    low, high = parameter.minimum, parameter.maximum
    if (low is None or value >= low) and (high is None or value <= high):
        return
    if low is not None and high is not None:
        bounds = f"from {low} to {high}"
    else:
        bounds = f"at least {low}" if low is not None else f"at most {high}"
    yield Problem(path, f"{path} must be {bounds}, not {_shown(value)}")


def _list(parameter: Parameter, value: list[Json], path: str) -> Iterator[Problem]:
    if parameter.min_items is not None and len(value) < parameter.min_items:
        yield Problem(path, f"{path} must have at least {parameter.min_items} items")
    if parameter.max_items is not None and len(value) > parameter.max_items:
        limit = parameter.max_items
        yield Problem(path, f"{path} must have at most {limit} items, not {len(value)}")
    elif isinstance(parameter.items, Parameter):
        for index, item in enumerate(value):
            yield from parameter.items.problems(item, f"{path}[{index}]")


def _object(parameter: Parameter, value: dict[str, Json], path: str) -> Iterator[Problem]:
    for name, inner in parameter.properties.items():
        if not isinstance(inner, Parameter):
            continue  # the loader has put shapes in the place of their names
        if name in value:
            yield from inner.problems(value[name], f"{path}.{name}")
        elif inner.required:
            yield Problem(f"{path}.{name}", f"{path}.{name} is required")
    for name in value.keys() - parameter.properties.keys():
        yield Problem(f"{path}.{name}", f"Unrecognized key {_shown(name)} in {path}")


def _nothing(parameter: Parameter, value: Json, path: str) -> Iterator[Problem]:
    return iter(())


_CHECKS: dict[str, Any] = {
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _nothing,
    "array": _list,
    "object": _object,
}


def _shown(value: Json) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    short = text if len(text) <= CHARACTERS_SHOWN else text[:CHARACTERS_SHOWN] + "…"
    return f'"{short}"' if isinstance(value, str) else short
