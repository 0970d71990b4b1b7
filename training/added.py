"""Concepts that no emoji draws well: named in concepts.toml, drawn by the icons it lists."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

CONCEPTS = Path(__file__).parent / "data" / "concepts.toml"


@dataclass(frozen=True)
class Added:
    """One added concept. `drawings` are "source:icon"; `emoji` is the code of one that shows it."""

    code: str
    name: str
    korean: str
    tags: tuple[str, ...]
    korean_tags: tuple[str, ...]
    group: int
    recolours: bool
    drawings: tuple[tuple[str, str], ...]
    emoji: str


def added_concepts() -> list[Added]:
    """The concepts of concepts.toml, in the order of the file: append, never insert."""
    return [
        Added(
            row["code"],
            row["name"],
            row["korean"],
            tuple(row["tags"]),
            tuple(row["korean_tags"]),
            row["group"],
            row["recolours"],
            tuple(_split(drawing) for drawing in row.get("drawings", ())),
            row.get("emoji", ""),
        )
        for row in tomllib.loads(CONCEPTS.read_text())["concept"]
    ]


def _split(drawing: str) -> tuple[str, str]:
    source, _, icon = drawing.partition(":")
    return source, icon
