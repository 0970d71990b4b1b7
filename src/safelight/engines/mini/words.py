"""The words of a prompt, and those the parser knows by heart: words.toml."""

import re
import tomllib
import unicodedata
from importlib.resources import files

READ_WORDS = 60
READ_CHARACTERS = 1500  # of the prompt's beginning; what comes later rarely names the subject
HANGING = re.compile(r"(?<=[\u30a1-\u30fc\u4e00-\u9fff])([\u3041-\u3096]+|[的在和])")


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
AIRBORNE = frozenset(_phrases(_known["airborne"]))
BACKDROP = frozenset(_phrases(_known["backdrop"]))
COUNTERS = frozenset(_phrases(_known["counters"]))
PARTICLES = tuple(_phrases(_known["particles"]))


def split(prompt: str) -> list[str]:
    """Lower-case words; an emoji becomes its Unicode name, 雪の中 becomes 雪 中."""
    text = unicodedata.normalize("NFKC", prompt[:READ_CHARACTERS]).lower()
    spoken = HANGING.sub(" ", "".join(_spoken(character) for character in text))
    words = (
        part.strip("'’-_") for word in re.findall(r"[\w'’-]+", spoken) for part in _parts(word)
    )
    return [re.sub("['’]s$", "", word) for word in words if word][:READ_WORDS]


def _parts(word: str) -> list[str]:
    """ "matte-black" is two words, as it names a colour; "t-shirt" is one."""
    parts = word.split("-")
    return parts if any(part in SETTINGS["colour"] for part in parts) else [word]


def _spoken(character: str) -> str:
    if unicodedata.category(character) != "So":
        return character
    return f" {unicodedata.name(character, '').lower()} "
