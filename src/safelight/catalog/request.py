"""What every wire is translated into: one request for pictures of one model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec

Json = Any  # what json.loads can return
REQUESTS_REMEMBERED = 256  # of jobs that are polled again and again


@dataclass(frozen=True, kw_only=True)
class ImageRequest:
    """A checked request. Engines receive it and know nothing else of the house.

    Sizes are whole pixels. `seed` is None only until the job is submitted: the flow draws one
    then, so that a second attempt after a crash makes the same picture; picture i uses seed + i.
    """

    model: str  # the catalog's id, such as "krea-2-turbo"
    prompt: str
    width: int
    height: int
    count: int = 1
    seed: int | None = None
    steps: int | None = None  # None: the engine's own default for the model
    guidance: float | None = None  # classifier-free guidance scale; None: the engine's default
    tier: str = "1K"  # the row of the price table: "1K", "2K", "4K", …
    strict_moderation: bool = False  # the caller asked for the stricter filter
    parameters: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))
    """Whatever else the model takes (styles, image_url, creativity …), under its wire name."""

    def to_json(self) -> str:
        """The form that the job's row stores; `from_json` reads it back."""
        fields = vars(self) | {"parameters": dict(self.parameters)}
        return msgspec.json.encode(fields, order="sorted").decode()

    def with_seed(self, seed: int | None) -> "ImageRequest":
        """dataclasses.replace would take twice as long, at each submission."""
        return ImageRequest(**vars(self) | {"seed": seed})

    @classmethod
    def from_json(cls, text: str) -> "ImageRequest":
        return _read(text)

    def fingerprint(self) -> str:
        """SHA-256 over the whole request: what an Idempotency-Key is bound to."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


@lru_cache(maxsize=REQUESTS_REMEMBERED)
def _read(text: str) -> ImageRequest:
    """A job that is polled is the same request every time."""
    fields = json.loads(text)
    return ImageRequest(**fields | {"parameters": MappingProxyType(fields["parameters"])})
