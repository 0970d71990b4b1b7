"""The words the parser knows by heart, read from words.toml."""

import tomllib
from importlib.resources import files


def _phrases(text: str) -> list[str]:
    return [" ".join(phrase.split()) for phrase in text.split(",")]


def _table(section: dict[str, str]) -> dict[str, str]:
    """{"beach": "seaside, 해변"} → {"seaside": "beach", "해변": "beach"}."""
    return {phrase: key for key, text in section.items() for phrase in _phrases(text)}


_known = tomllib.loads((files(__package__) / "words.toml").read_text(encoding="utf-8"))

SETTINGS = {kind: _table(_known[kind]) for kind in ("place", "light", "weather", "colour")}
NUMBERS = {word: int(number) for word, number in _table(_known["number"]).items()}
ALIASES = _table(_known["label"])
IDLE = frozenset(_phrases(_known["idle"]))
FLYING = frozenset(_phrases(_known["flying"]))
BACKDROP = frozenset(_phrases(_known["backdrop"]))
COUNTERS = frozenset(_phrases(_known["counters"]))
PARTICLES = tuple(_phrases(_known["particles"]))
