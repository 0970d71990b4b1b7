"""Cuts a prompt into marks: stretches of words that mean one thing each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from safelight.engines.mini.lexicon import Lexicon, inflections
from safelight.engines.mini.words import (
    BACKDROP,
    COUNTERS,
    FLYING,
    GENERIC,
    IDLE,
    NUMBERS,
    PARTS,
    RELATIONS,
    SAYINGS,
    SENSES,
    SETTINGS,
    VERBAL,
    Sense,
    Text,
)

PHRASE_WORDS = 5
CERTAINLY = 0.93  # nearness from which even what looks like a Korean verb names a thing
SURELY = 0.8  # nearness from which an unknown Latin or Korean word names a thing
LIKELY = 0.68  # … and a word of another script, or one for a place or a colour, means it
BARELY = 0.3  # … and a whole prompt of unknown words is understood
HARD = re.compile("[a-z가-힣]")
NAMING = ("label", "place", "light", "weather", "backdrop", "part")
EMPTY_PLACES = ("studio", "room")
ARTICLES = ("a", "an", "the", "one", "this", "that", "fresh", "ripe", "sliced", "juicy")
ADVERBS = ("on", "in", "at", "under", "above", "over", "by", "near", "underwater", "indoors")
FURNITURE = ("table", "coffee table", "desk")  # where things stand on it, else a thing
SENSE_REACH = 3  # words to each side in which a part of a body is told from its homonym


@dataclass(frozen=True, slots=True)
class Mark:
    """A recognised stretch of the prompt: words[start:stop] mean `value` of this `kind`."""

    kind: str
    value: str
    start: int
    stop: int


TABLES = RELATIONS | SAYINGS


def marks_of(text: Text, lexicon: Lexicon) -> list[Mark]:
    """The marks of a prompt, without what it says shall be missing."""
    words = text.words
    marks = _compounds(list(_scan(words, lexicon)), text, lexicon)
    marks = [_orange(words, marks, index) for index in range(len(marks))]
    marks = [_furniture(text, marks, index, lexicon) for index in range(len(marks))]
    marks = _guess(words, _without_parts(_without_absent(marks, words), words, lexicon), lexicon)
    return marks


def _scan(words: list[str], lexicon: Lexicon) -> Iterator[Mark]:
    """Cut the words into marks from left to right, longest phrase first."""
    start = 0
    while start < len(words):
        if (sensed := _sense(words, start)) and not _longer(words, start, lexicon):
            yield sensed
            start += 1
            continue
        if start and _counts(words, start):
            yield Mark("idle", words[start], start, start + 1)
            start += 1
            continue
        for stop in range(min(len(words), start + PHRASE_WORDS), start, -1):
            if found := _meaning(" ".join(words[start:stop]), lexicon):
                yield Mark(*found, start, stop)
                break
        else:
            stop = start + 1
            yield Mark("unknown", words[start], start, stop)
        start = stop


def _longer(words: list[str], start: int, lexicon: Lexicon) -> bool:
    """Does a label of several words begin here, as "bow tie" does?"""
    stops = range(start + 2, min(len(words), start + PHRASE_WORDS) + 1)
    return any(lexicon.is_word(" ".join(words[start:stop])) for stop in stops)


def _compounds(marks: list[Mark], text: Text, lexicon: Lexicon) -> list[Mark]:
    """Of two nouns in a row the last is meant: a rubber duck, a paper boat, a carrot nose."""
    dropped: set[Mark] = set()
    kept = {mark: mark for mark in marks}
    for one, other in pairwise(marks):
        joined = other.start not in text.breaks and one.start not in text.owners
        first, last = text.words[one.stop - 1], text.words[other.start]
        if one.kind != "label" or not joined or one.value == other.value:
            continue
        if not first.isascii() and (other.kind == "part" or not lexicon.is_word(first)):
            continue  # 고양이가, 고양이 머리
        if first.isascii() != last.isascii():
            continue
        if text.words[one.start] == "baby" and other.kind == "label":
            kept[one] = replace(one, kind="scale", value="0.65")
        elif other.kind == "label":
            dropped.add(other if other.value in GENERIC else one)
        elif other.kind == "part" or (other.kind == "place" and last not in ADVERBS):
            dropped.add(one)
    return [kept[mark] for mark in marks if mark not in dropped]


def _counts(words: list[str], index: int) -> bool:
    """Is it what Korean counts with, after a number: 개 is a dog elsewhere?"""
    before = words[index - 1]
    counter = COUNTERS & set(inflections(words[index]))
    return bool(counter) and (before in NUMBERS or before.isdigit())


def _meaning(phrase: str, lexicon: Lexicon) -> tuple[str, str] | None:
    """(kind, value) of a phrase; what a table knows by heart goes before what the lexicon draws."""
    forms = inflections(phrase)
    for kind, table in TABLES.items():
        for form in forms if kind == "style" else (phrase, phrase.removesuffix("는")):
            if form in table:
                return kind, table[form]
    for form in forms:
        for kind, table in SETTINGS.items():
            if form in table:
                return kind, table[form]
        if form in BACKDROP or form in FLYING:
            return ("backdrop" if form in BACKDROP else "flying"), form
        if form in NUMBERS:
            return "number", str(NUMBERS[form])
        if form in PARTS:
            return "part", form
        if form in IDLE:
            return "idle", form
    if phrase.isdigit():
        return ("number", "9") if 9 < int(phrase[:9]) <= 100 else ("idle", phrase)
    label = lexicon.find(phrase)
    return ("label", label) if label else None


def _sense(words: list[str], index: int) -> Mark | None:
    """What a word with two meanings says here, where its company tells."""
    forms = inflections(words[index])
    for sense in SENSES:
        if sense.word not in forms or (sense.word == "orange"):
            continue
        if _in_company(sense, words, index):
            kind, value = ("label", sense.label) if sense.label else ("part", sense.word)
            return Mark(kind, value or "", index, index + 1)
        if sense.otherwise:
            return Mark("label", sense.otherwise, index, index + 1)
    return None


def _in_company(sense: Sense, words: list[str], index: int) -> bool:
    reach = len(words) if sense.label else SENSE_REACH
    before = " ".join(words[max(0, index - reach) : index])
    after = " ".join(words[index + 1 : index + 1 + reach])
    around = f" {before} | {after} "
    return any(f" {near}" in around for near in sense.near)


def _orange(words: list[str], marks: list[Mark], index: int) -> Mark:
    """ "An orange" is a fruit, "an orange cat" is not."""
    mark = marks[index]
    word = words[mark.start]
    if mark.kind != "colour" or word not in ("orange", "oranges"):
        return mark
    after = marks[index + 1] if index + 1 < len(marks) else None
    coloured = after is not None and after.kind in (
        "label",
        "backdrop",
        "unknown",
        "colour",
        "part",
    )
    before = words[mark.start - 1] if mark.start else ""
    fruit = word == "oranges" or before in ARTICLES or before in NUMBERS
    return replace(mark, kind="label", value="orange fruit") if fruit and not coloured else mark


def _furniture(text: Text, marks: list[Mark], index: int, lexicon: Lexicon) -> Mark:
    """ "On a table" is a place; a table by itself, or with something under it, is a thing."""
    mark, words = marks[index], text.words
    label = lexicon.find(" ".join(words[mark.start : mark.stop]))
    if mark.kind not in ("place", "label") or label not in FURNITURE:
        return mark
    english = words[mark.start].isascii()
    beside = marks[index + 1 :] if not english else marks[:index][::-1]
    near = next((m for m in beside if m.kind not in ("idle", "colour", "scale")), None)
    if near is not None and near.kind == "relation" and near.value != "with":
        thing = near.value not in ("on", "inside")
    elif english and (near is None or mark.start in text.breaks):
        thing = near is None
    else:
        before = words[max(0, mark.start - 2) : mark.start]
        joined = {"and", "with", "a", "an"} & set(before) and not {"at", "from"} & set(before)
        alone = not any(m.kind in NAMING for m in marks[:index])
        thing = bool(joined) if english else alone and not words[mark.stop - 1].endswith("에")
    kind, value = ("label", label) if thing else ("place", "table")
    return replace(mark, kind=kind, value=value)


def _without_absent(marks: list[Mark], words: list[str]) -> list[Mark]:
    """Drop what is denied: the next thing after "no", the one before "없는"."""
    dropped: set[Mark] = set()
    for index, mark in enumerate(marks):
        if mark.kind != "absent":
            continue
        if mark.value == "after":
            near = (m for m in marks[:index] if mark.start - m.stop <= 2)
            before = [m for m in near if m.kind in NAMING]
            dropped.update(before[-1:])
            while before[1:] and words[before[-2].stop - 1].endswith("도"):  # 사람도 차도 없는
                before.pop()
                dropped.add(before[-1])
            continue
        reach = mark.stop + 3
        for other in marks[index + 1 :]:
            if other.start > reach:
                break
            dropped.add(other)
            if other.kind in (*NAMING, "unknown"):
                reach = other.stop + 1  # "no people or cars"
                if not _joined(marks, other):
                    break
    return [mark for mark in marks if mark not in dropped]


def _joined(marks: list[Mark], mark: Mark) -> bool:
    after = next((other for other in marks if other.start == mark.stop), None)
    return after is not None and after.value in ("or", "and", "nor")


def _without_parts(marks: list[Mark], words: list[str], lexicon: Lexicon) -> list[Mark]:
    """Drop parts of a body with their colours and numbers, unless there is nothing else."""
    if not any(mark.kind in ("label", "unknown") for mark in marks):
        found = ((mark, lexicon.find(mark.value)) for mark in marks if mark.kind == "part")
        things = [replace(mark, kind="label", value=label) for mark, label in found if label]
        if things:
            return [mark for mark in marks if mark.kind != "part"] + things
        return marks
    dropped: set[Mark] = set()
    for mark in (mark for mark in marks if mark.kind == "part"):
        for other in marks:
            adjective = other.kind in ("colour", "number", "scale")
            korean = other.start == mark.stop and not words[mark.start].isascii()
            if adjective and (0 <= mark.start - other.stop <= 1 or korean):
                dropped.add(other)
    return [mark for mark in marks if mark not in dropped]


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
        and not (mark.value.endswith(VERBAL) and nearness < CERTAINLY)
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
