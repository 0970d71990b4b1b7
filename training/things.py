"""The things that the judge can name, and which names it may take for one another."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from training import colours
from training.captions import Concept, held_out

# What one drawing does not tell from another that is called the same without these words.
QUALIFIERS = frozenset(colours.NAMES) | {
    "face", "oncoming", "spouting", "baby", "front-facing", "low", "medium", "high", "muted",
    "tilted", "left", "right", "waxing", "waning", "first", "last", "quarter", "new", "full",
    "crescent", "gibbous", "small", "large", "1st", "2nd", "3rd", "open", "closed", "raised",
    "lowered",
}  # fmt: skip


def read_concepts(folder: Path) -> list[Concept]:
    rows = json.loads(str(np.load(folder / "captions.npz")["concepts"]))
    return [
        Concept(**{k: tuple(v) if isinstance(v, list) else v for k, v in r.items()}) for r in rows
    ]


def kind(name: str) -> str:
    """What a thing is called when words that only qualify it are left out: "cat face" is a cat."""
    words = name.lower().split()
    return " ".join(word for word in words if word not in QUALIFIERS) or name.lower()


class Things:
    """All concepts that may be painted in a colour: no faces, people or signs."""

    def __init__(self, concepts: Sequence[Concept]):
        self.concepts = list(concepts)
        self.named = [k for k, concept in enumerate(concepts) if concept.recolours]
        self.kinds = sorted({kind(concepts[k].english) for k in self.named})
        self._number = {name: number for number, name in enumerate(self.kinds)}

    @cached_property
    def _by_name(self) -> dict[str, int]:
        return {self.concepts[k].english: k for k in self.named}

    @cached_property
    def secret(self) -> frozenset[tuple[int, int]]:
        """Concepts and colours of the pairs that nobody is taught."""
        return frozenset((k, colours.IDS[colour]) for k, colour in held_out(self.concepts))

    def concept(self, name: str) -> int:
        return self._by_name[name]

    def kind_of(self, concept: int) -> int:
        return self._number[kind(self.concepts[concept].english)]
