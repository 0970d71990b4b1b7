"""What every wire is translated into: one request for pictures of one model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

Json = Any  # what json.loads can return


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
        return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "ImageRequest":
        fields = json.loads(text)
        return cls(**fields | {"parameters": MappingProxyType(fields["parameters"])})

    def fingerprint(self) -> str:
        """SHA-256 over the whole request: what an Idempotency-Key is bound to."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()
