"""Reads a prompt: which things, how many, in which colour, and where they are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise, takewhile

from safelight.engines.mini.lexicon import Lexicon, inflections
from safelight.engines.mini.words import (
    AIRBORNE,
    BACKDROP,
    COUNTERS,
    FLYING,
    IDLE,
    NUMBERS,
    SETTINGS,
    split,
)

PHRASE_WORDS = 4
MOST_SUBJECTS = 3  # different things
MOST_SPRITES = 9  # drawn in one picture
SURELY = 0.8  # nearness from which an unknown Latin or Korean word names a thing
LIKELY = 0.68  # … and a word of another script, or one for a place or a colour, means it
BARELY = 0.3  # … and a whole prompt of unknown words is understood
HARD = re.compile("[a-z가-힣]")
NAMING = ("label", "place", "light", "weather", "backdrop")
EMPTY_PLACES = ("studio", "room")
PAIRED = {
    "headphone",
    "glasses",
    "sunglasses",
    "running shoe",
    "jeans",
    "scissors",
    "socks",
    "gloves",
}


@dataclass(frozen=True, slots=True)
class Subject:
    label: str
    colour: str | None = None  # a key of words.COLOURS; None: its own
    count: int = 1


@dataclass(frozen=True, slots=True)
class Setting:
    place: str | None = None  # None: nobody said
    light: str = "day"  # "day", "sunset" or "night"
    weather: frozenset[str] = frozenset()
    backdrop: str | None = None  # a plain colour instead of a place
    celestial: bool = False  # the sun or the moon was named

    @property
    def is_named(self) -> bool:
        return bool(
            self.place or self.backdrop or self.weather or self.light != "day" or self.celestial
        )


@dataclass(frozen=True, slots=True)
class Idea:
    """All that the picture takes from the prompt."""

    subjects: tuple[Subject, ...] = ()
    setting: Setting = field(default_factory=Setting)
    flying: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A recognised stretch of the prompt: words[start:stop] mean `value` of this `kind`."""

    kind: str
    value: str
    start: int
    stop: int


def parse(prompt: str, lexicon: Lexicon) -> Idea:
    """Never fails: a prompt nobody understands becomes a landscape."""
    words = split(prompt)
    marks = _guess(words, list(_scan(words, lexicon)), lexicon)
    setting, used = _setting(words, marks)
    subjects = tuple(_subjects(words, marks, used, lexicon))
    flying = bool(subjects) and (
        any(mark.kind == "flying" for mark in marks)
        or (subjects[0].label in AIRBORNE and setting.place not in (None, *EMPTY_PLACES))
    )
    if flying and not setting.is_named:
        setting = replace(setting, place="sky" if len(subjects) == 1 else "field")
    return Idea(subjects, setting, flying)


def _scan(words: list[str], lexicon: Lexicon) -> Iterator[Mark]:
    """Cut the words into marks from left to right, longest phrase first."""
    start = 0
    while start < len(words):
        for stop in range(min(len(words), start + PHRASE_WORDS), start, -1):
            phrase = " ".join(words[start:stop])
            if found := _meaning(phrase, stop - start, lexicon):
                yield Mark(*found, start, stop)
                break
        else:
            stop = start + 1
            yield Mark("unknown", words[start], start, stop)
        start = stop


def _meaning(phrase: str, length: int, lexicon: Lexicon) -> tuple[str, str] | None:
    """(kind, value) of a phrase; what a table knows by heart goes before what the lexicon draws."""
    for form in inflections(phrase):
        for kind, table in SETTINGS.items():
            if form in table:
                return kind, table[form]
        if form in BACKDROP or form in FLYING:
            return ("backdrop" if form in BACKDROP else "flying"), form
        if form in NUMBERS:
            return "number", str(NUMBERS[form])
        if form in IDLE:
            return "idle", form
    label = lexicon.find(phrase) if length == 1 or not phrase.isascii() or " " in phrase else None
    return ("label", label) if label else None


def _setting(words: list[str], marks: list[Mark]) -> tuple[Setting, set[Mark]]:
    """Where and when, with the marks that said so."""
    used = {mark for mark in marks if mark.kind in ("place", "light", "weather", "backdrop")}
    places = [mark.value for mark in marks if mark.kind == "place"]
    lights = [mark.value for mark in marks if mark.kind == "light"]
    weather = {mark.value for mark in marks if mark.kind == "weather"}
    if any(word.startswith("설산") for word in words):
        weather.add("snow")
    setting = Setting(
        place=_most_telling(places),
        light=next((light for light in lights if light != "day"), "day"),
        weather=frozenset(weather),
        celestial=bool(lights),
    )
    for mark in marks:
        if mark.kind == "colour" and _is_backdrop(words, marks, mark):
            return replace(setting, backdrop=mark.value), used | {mark}
    return setting, used


def _most_telling(places: list[str]) -> str | None:
    """ "A table on the beach" is at the beach; "the sky over a city" is in the city."""
    vague = ("sky", "room", "studio")
    return next((place for place in places if place not in vague), places[0] if places else None)


def _is_backdrop(words: list[str], marks: list[Mark], mark: Mark) -> bool:
    """ "… on a black background", "on matte black", "검은 배경"."""
    after = next((m for m in marks if m.start == mark.stop), None)
    if after and (after.kind == "backdrop" or after.value in ("studio", "room")):
        return True
    before = words[max(0, mark.start - 3) : mark.start]
    ends = after is None or after.value in ("with", "in", "at", "and", "studio")
    return (
        ends and bool({"on", "against"} & set(before)) and all(word in IDLE for word in before[-1:])
    )


def _guess(words: list[str], marks: list[Mark], lexicon: Lexicon) -> list[Mark]:
    """Give unknown words the meaning of the nearest known one, where that is near enough.

    This is how other languages are understood. A word right before a thing is taken for its
    adjective and left alone; a prompt that names nothing is understood as a whole, barely.
    """
    follows = {mark.start: mark for mark in marks}
    unknown = [mark for mark in marks if mark.kind == "unknown" and not _modifies(mark, follows)]
    meanings = dict(zip(unknown, lexicon.nearest([m.value for m in unknown]), strict=True))
    guesses = {
        mark: replace(mark, kind=kind, value=value)
        for mark, (kind, value, nearness) in meanings.items()
        if nearness >= (SURELY if kind == "label" and HARD.match(mark.value) else LIKELY)
    }
    marks = [guesses.get(mark, mark) for mark in marks]
    if not unknown or any(_says_something(mark) for mark in marks):
        return marks
    [(kind, value, nearness)] = lexicon.nearest([" ".join(words)])
    return [*marks, Mark(kind, value, 0, len(words))] if nearness >= BARELY else marks


def _says_something(mark: Mark) -> bool:
    """Is there a picture in this alone? An empty studio is none."""
    scenery = mark.kind == "place" and mark.value not in EMPTY_PLACES
    return scenery or mark.kind in ("label", "light", "weather")


def _modifies(mark: Mark, follows: dict[int, Mark]) -> bool:
    """Is this an English adjective, or too short or strange to mean anything?"""
    after = follows.get(mark.stop)
    adjective = mark.value.isascii() and after is not None and after.kind == "label"
    return adjective or not mark.value.isalpha() or (mark.value.isascii() and len(mark.value) < 3)


def _subjects(
    words: list[str], marks: list[Mark], used: set[Mark], lexicon: Lexicon
) -> Iterator[Subject]:
    """The things to draw, in the order they were named, each once."""
    things = _things([mark for mark in marks if mark not in used])
    room, seen = MOST_SPRITES, set[str]()
    for mark in things:
        colour = _colour_of(
            mark, [other for other in marks if other not in used or other.kind != "colour"]
        )
        label = lexicon.in_colour(mark.value, colour) if colour else mark.value
        colour = colour or SETTINGS["colour"].get(label.split()[0].lower())
        if label in seen or len(seen) == MOST_SUBJECTS or room == 0:
            continue
        count = min(room, _count_of(mark, words, marks, things))
        room -= count
        seen.add(label)
        yield Subject(label, colour, count)


def _things(marks: list[Mark]) -> list[Mark]:
    """The marks to draw. A colour with nothing to colour may be a thing itself: an orange."""
    things = [mark for mark in marks if mark.kind == "label"]
    if things or not (colours := [mark for mark in marks if mark.kind == "colour"]):
        return things
    label = {"orange": "tangerine"}.get(colours[0].value)
    return [replace(colours[0], kind="label", value=label)] if label else []


def _colour_of(thing: Mark, marks: list[Mark]) -> str | None:
    """The nearest colour before the thing, with no other thing and at most three words between."""
    for mark in reversed([mark for mark in marks if mark.stop <= thing.start]):
        if mark.kind in NAMING or thing.start - mark.stop > 3:
            return None
        if mark.kind == "colour":
            return mark.value
    return None


def _count_of(thing: Mark, words: list[str], marks: list[Mark], things: list[Mark]) -> int:
    for mark in marks:
        if mark.kind == "number" and _counted(mark, words, things) == thing:
            paired = words[mark.start] in ("pair", "both") and thing.value in PAIRED
            return 1 if paired else int(mark.value)
    return _repeats(thing, things, words)


def _repeats(thing: Mark, things: list[Mark], words: list[str]) -> int:
    """How often it is said in a row, as emoji are: 🐧🐧🐧."""
    here = things.index(thing)
    row = takewhile(
        lambda pair: pair[1].start == pair[0].stop and words[pair[1].start] == words[thing.start],
        pairwise(things[here:]),
    )
    return 1 + len(list(row))


def _counted(number: Mark, words: list[str], things: list[Mark]) -> Mark | None:
    """What a number counts: the thing before it in "사과 두 개", else the next one."""
    before = [thing for thing in things if thing.stop <= number.start]
    after = [thing for thing in things if 0 <= thing.start - number.stop <= 3]
    unit = words[number.stop] if number.stop < len(words) else "-"
    if before and not unit.endswith("의") and COUNTERS & set(inflections(unit)):
        return before[-1]
    return after[0] if after else None
