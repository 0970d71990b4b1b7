"""The words of a prompt, and those the parser knows by heart: words.toml."""

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from typing import Any

READ_WORDS = 80
READ_CHARACTERS = 1500  # of the prompt's beginning; what comes later rarely names the subject
HANGING = re.compile(r"(?<=[\u30a1-\u30fc\u4e00-\u9fff])([\u3041-\u3096]+|[的在和])")


# How other tools spell parameters, weights, lenses and ratios: no words of the picture.
SYNTAX = re.compile(
    r"--\w+(\s+[\d.:]+)?|<[^<>\s]{1,60}>|:\d+\.\d+|\b\d+\s?:\s?\d+\b|\bf/\d+(\.\d+)?"
    r"|\b\d+\s?mm\b|\biso\s?\d+\b|\bv\s?\d\b"
)
PAUSE = re.compile(r"[,.;:!?()\[\]{}|/、。，…·\x1f]")
TOKEN = re.compile(r"[\w'’-]+|" + PAUSE.pattern)
# Where a Korean noun ends and where it is begins: 상자안에.
PLACED = re.compile(
    r"(?<=[가-힣])(위에|위의|안에|안의|앞에|앞의|뒤에|뒤의|옆에|옆의|밑에|아래에)(?![가-힣])"
)

# A Korean number and what it counts with, written together: 세마리.
COUNTED = re.compile(
    r"(?<![가-힣\d])(한|두|세|네|다섯|여섯|일곱|여덟|아홉|열|\d+)(개|마리|송이|그루|명|대|권|잔)(?=[가이은는을를의과와]?(?![가-힣]))"
)


def _phrases(text: str) -> list[str]:
    return [" ".join(phrase.split()) for phrase in text.split(",")]


def _table(section: dict[str, str]) -> dict[str, str]:
    """{"beach": "seaside, 해변"} → {"seaside": "beach", "해변": "beach"}."""
    return {phrase: key for key, text in section.items() for phrase in _phrases(text)}


@dataclass(frozen=True, slots=True)
class Sense:
    """A word with two meanings: `label` near these words, else `otherwise` if that is set."""

    word: str
    near: tuple[str, ...]
    label: str | None  # None: a part of a body
    otherwise: str | None


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__package__) / name).read_text(encoding="utf-8"))


def _all(section: dict[str, str]) -> frozenset[str]:
    return frozenset(chain.from_iterable(map(_phrases, section.values())))


_known, _said = _read("words.toml"), _read("phrases.toml")

SETTINGS = {kind: _table(_known[kind]) for kind in ("place", "light", "weather", "colour")}
NUMBERS = {word: int(number) for word, number in _table(_known["number"]).items()}
ALIASES = _table(_known["label"]) | _table(_said["label"])
IDLE = frozenset(_phrases(_known["idle"]))
FLYING = frozenset(_phrases(_known["flying"]))
AIRBORNE = frozenset(_phrases(_known["airborne"]))
PLAIN = frozenset(_phrases(_known["plain"]))
UNPAINTED = frozenset(_phrases(_known["unpainted"]))
BACKDROP = frozenset(_phrases(_known["backdrop"]))
VERBAL = tuple("는은을른던고며서다한된운인린진런란")  # how Korean verbs and adjectives end
COUNTERS = frozenset(_phrases(_known["counters"]))
PARTICLES = tuple(_phrases(_known["particles"]))

RELATIONS = {kind: _table(_said[kind]) for kind in ("relation", "inverse")}
SAYINGS = {kind: _table(_said[kind]) for kind in ("spot", "scale", "zoom", "style", "absent")}
PARTS = _all(_said["part"])
SENSES = tuple(
    Sense(entry["word"], tuple(_phrases(entry["near"])), entry.get("label"), entry.get("otherwise"))
    for entry in _said["sense"]
)
GENERIC = frozenset(_phrases(_said["generic"]["all"]))
WORN = _table(_said["worn"])  # label → where on the body
BEINGS = _all(_said["being"])
RAISED, AIRY = _all(_said["raised"]), _all(_said["airy"])
VEHICLES = frozenset(_phrases(_said["container"]["vehicles"]))
CONTAINERS = VEHICLES | frozenset(_phrases(_said["container"]["vessels"]))
TOPS = frozenset(_phrases(_said["container"]["tops"]))
HOUSES = frozenset(_phrases(_said["container"]["house"]))
SEATS = {label: float(depth) for label, depth in _table(_said["seat"]).items()}
FACES, BROAD = (frozenset(_phrases(_said["face"][kind])) for kind in ("all", "broad"))
VARIED, COATED = (frozenset(_phrases(_said["varied"][kind])) for kind in ("any", "coat"))
SIZES = {label: float(size) for label, size in _table(_said["size"]).items()}


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt's words, and the numbers of those after a comma and of those with 's."""

    words: list[str]
    breaks: frozenset[int]
    owners: frozenset[int]


def split(prompt: str) -> list[str]:
    """Lower-case words; an emoji becomes its Unicode name, 雪の中 becomes 雪 中."""
    return read(prompt).words


def read(prompt: str) -> Text:
    text = unicodedata.normalize("NFKC", prompt[:READ_CHARACTERS]).lower()
    text = COUNTED.sub(r"\1 \2", PLACED.sub(r" \1", SYNTAX.sub(" ", text)))
    spoken = HANGING.sub(" ", "".join(_spoken(character) for character in text))
    words, breaks, owners = list[str](), set[int](), set[int]()
    for token in TOKEN.findall(spoken):
        if PAUSE.match(token):
            breaks.add(len(words))
            continue
        for part in _parts(token):
            stripped = part.strip("'’-_")
            word = re.sub("['’]s$", "", stripped)
            if word != stripped:
                owners.add(len(words))
            words += [word] if word else []
        if len(words) >= READ_WORDS:
            break
    return Text(words[:READ_WORDS], frozenset(breaks), frozenset(owners))


def _parts(word: str) -> list[str]:
    """ "matte-black" is two words, as it names a colour; "t-shirt" is one."""
    parts = word.split("-")
    return parts if any(part in SETTINGS["colour"] for part in parts) else [word]


def _spoken(character: str) -> str:
    if unicodedata.category(character) != "So":
        return character
    return f" \x1f {unicodedata.name(character, '').lower()} \x1f "
