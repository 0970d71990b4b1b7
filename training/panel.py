"""The judge itself: linear heads, each with its own question, that need only numpy."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.eye import Look
from training.impressions import around, hues, numbers, peaks, whole
from training.linear import Integers, Linear

IMPRESSIONS = {"thing": whole, "colour": hues, "count": numbers, "setting": around, "worn": peaks}


@dataclass(frozen=True)
class Judge:
    """Answers as numbers; `things` names those of the head for things."""

    things: Sequence[str]
    heads: dict[str, Linear]  # by IMPRESSIONS' names

    def says(self, question: str, look: Look, allowed: Sequence[int] | None = None) -> Integers:
        """Of stacked looks; `allowed`: the answers to choose from, all when None."""
        head = self.heads[question]
        return head.among(IMPRESSIONS[question](look), head.classes if allowed is None else allowed)

    def save(self, path: Path) -> None:
        parts = {
            f"{name}_{part}": values
            for name, head in self.heads.items()
            for part, values in vars(head).items()
        }
        np.savez_compressed(path, things=np.array(self.things), **parts)

    @classmethod
    def read(cls, path: Path) -> "Judge":
        with np.load(path, allow_pickle=False) as kept:
            names = [name.removesuffix("_bias") for name in kept if name.endswith("_bias")]
            heads = {
                name: Linear(*(kept[f"{name}_{part}"] for part in ("weight", "bias", "classes")))
                for name in names
            }
            return cls([str(name) for name in kept["things"]], heads)
