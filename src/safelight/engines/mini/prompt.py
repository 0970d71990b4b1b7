"""Reads a prompt: which things, how many, in which colour, how they stand, and where they are."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, takewhile

from safelight.engines.mini.idea import Idea, Relation, Setting, Subject
from safelight.engines.mini.lexicon import Lexicon, inflections
from safelight.engines.mini.marks import EMPTY_PLACES, NAMING, Mark, marks_of
from safelight.engines.mini.relations import CARRIED, Sentence, is_spot, relate
from safelight.engines.mini.words import AIRBORNE, COUNTERS, IDLE, PLAIN, SETTINGS, UNPAINTED, read

MOST_SUBJECTS = 5  # different things
MOST_SPRITES = 9  # drawn in one picture
PLURAL = 3  # how many "cats" are
SMALLEST_SCALE, LARGEST_SCALE = 0.4, 1.8
FLOATING = (
    "sailboat",
    "ship",
    "canoe",
    "motor boat",
    "speedboat",
    "passenger ship",
    "duck",
    "swan",
    "rubber duck",
    "rowboat",
    "kayak",
    "yacht",
    "fishing boat",
    "tall ship",
    "Viking ship",
)
OF_A_PART = ("roofed", "eyed", "haired", "tipped", "winged", "footed", "nosed", "tailed")
PAIRED = {
    "headphone",
    "glasses",
    "sunglasses",
    "running shoe",
    "hiking boot",
    "man’s shoe",
    "jeans",
    "scissors",
    "socks",
    "gloves",
    "grapes",
    "cherries",
    "chopsticks",
    "blossom",
    "shorts",
    "skis",
    "sneakers",
    "slippers",
    "loafers",
    "ankle boots",
    "mittens",
    "binoculars",
    "pliers",
    "garden shears",
    "drum kit",
}


def parse(prompt: str, lexicon: Lexicon) -> Idea:
    """Never fails: a prompt nobody understands becomes a landscape."""
    text = read(prompt)
    words, marks = text.words, marks_of(text, lexicon)
    styles = tuple(dict.fromkeys(mark.value for mark in marks if mark.kind == "style"))
    setting, used = _setting(words, marks, styles)
    things = _things([mark for mark in marks if mark not in used])
    sentence = Sentence(words, marks, things, lexicon)
    subjects, numbers = _subjects(sentence, used)
    relations = _possible(relate(sentence, numbers))
    subjects = _matched(subjects, relations)
    above = any(relation.kind == "above" for relation in relations)
    flying = bool(subjects) and not above and _flies(marks, subjects, setting)
    if (flying or above) and setting.place is None and not setting.backdrop:
        setting = replace(setting, place="sky" if len(subjects) == 1 else "field")
    zoom = next((float(mark.value) for mark in marks if mark.kind == "zoom"), 1.0)
    return Idea(tuple(subjects), setting, flying, relations, styles, zoom)


def _flies(marks: list[Mark], subjects: list[Subject], setting: Setting) -> bool:
    said = any(
        mark.kind == "flying" or (mark.kind, mark.value) == ("relation", "above") for mark in marks
    )
    if setting.place in ("sea", "lake") and subjects[0].label in FLOATING:
        return False
    outdoors = setting.place not in (None, *EMPTY_PLACES)
    return said or (subjects[0].label in AIRBORNE and outdoors)


def _setting(
    words: list[str], marks: list[Mark], styles: tuple[str, ...]
) -> tuple[Setting, set[Mark]]:
    """Where and when, with the marks that said so."""
    used = {mark for mark in marks if mark.kind in ("place", "light", "weather", "backdrop")}
    places = [mark.value for mark in marks if mark.kind == "place"]
    lights = [mark.value for mark in marks if mark.kind == "light"]
    weather = {mark.value for mark in marks if mark.kind == "weather"}
    if "눈 덮인 산" in " ".join(words) or any(word.startswith("설산") for word in words):
        weather.add("snow")
    place = _most_telling(places)
    if "neon" in styles and not lights and place not in (None, "studio"):
        lights = ["night"]
    setting = Setting(
        place=place,
        light=next((light for light in lights if light != "day"), "day"),
        weather=frozenset(weather),
        gradient=bool({"gradient", "그라데이션"} & set(words)),
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
    """ "… on a black background", "on matte black", "검은 단색 배경"."""
    rest = (m for m in marks if m.start >= mark.stop)
    after = next((m for m in rest if words[m.start] not in PLAIN or m.kind == "place"), None)
    if after and (after.kind == "backdrop" or after.value in ("studio", "room")):
        return True
    before = words[max(0, mark.start - 3) : mark.start]
    ends = after is None or after.value in ("with", "in", "at", "and", "studio")
    return (
        ends and bool({"on", "against"} & set(before)) and all(word in IDLE for word in before[-1:])
    )


def _things(marks: list[Mark]) -> list[Mark]:
    """The marks to draw. A colour with nothing to colour may be a thing itself: an orange."""
    things = [mark for mark in marks if mark.kind == "label"]
    if things or not (colours := [mark for mark in marks if mark.kind == "colour"]):
        return things
    label = {"orange": "orange fruit"}.get(colours[0].value)
    return [replace(colours[0], kind="label", value=label)] if label else []


def _subjects(sentence: Sentence, used: set[Mark]) -> tuple[list[Subject], dict[Mark, int]]:
    """The things to draw, in the order they were named, and which of them each mark means."""
    room, subjects, numbers = MOST_SPRITES, list[Subject](), dict[Mark, int]()
    marks = [mark for mark in sentence.marks if mark not in used or mark.kind != "colour"]
    spots = dict(_spots(sentence))
    for at, thing in enumerate(sentence.things):
        colour = _colour_of(thing, marks, sentence.words)
        label = sentence.lexicon.in_colour(thing.value, colour) if colour else thing.value
        if label not in UNPAINTED:
            colour = colour or SETTINGS["colour"].get(label.split()[0].lower())
        known = _mentioned(thing, label, colour, subjects, sentence.words)
        if known is not None:
            numbers[thing] = known
            continue
        if len(subjects) == MOST_SUBJECTS or room == 0:
            continue
        waiting = min(len(sentence.things[at + 1 :]), MOST_SUBJECTS - len(subjects) - 1)
        count = max(1, min(room - waiting, _count_of(thing, sentence)))
        room -= count
        numbers[thing] = len(subjects)
        scale = _scale_of(thing, sentence.marks)
        subjects.append(Subject(label, colour, count, scale, spots.get(thing)))
    return subjects, numbers


def _mentioned(
    thing: Mark, label: str, colour: str | None, subjects: list[Subject], words: list[str]
) -> int | None:
    """The subject that this mark speaks of again."""
    for number, subject in enumerate(subjects):
        again = subject.label == label and (colour is None or colour == subject.colour)
        if again or (subject.label == label and words[thing.start - 1 : thing.start] == ["the"]):
            return number
    return None


def _possible(relations: tuple[Relation, ...]) -> tuple[Relation, ...]:
    """Without what contradicts something said before: of two things each cannot carry the other."""
    kept: list[Relation] = []
    for relation in relations:
        pair = {relation.who, relation.whom}
        if not any({other.who, other.whom} == pair for other in kept):
            kept.append(relation)
    return tuple(kept)


def _matched(subjects: list[Subject], relations: tuple[Relation, ...]) -> list[Subject]:
    """Three cats wearing hats wear one each, however many "hats" are."""
    for whom, subject in enumerate(subjects):
        kinds = {r.kind for r in relations if r.whom == whom and r.kind in CARRIED}
        if not kinds:
            continue
        whos = {r.who for r in relations if r.whom == whom and r.kind in CARRIED}
        count = sum(subjects[who].count for who in whos)
        if kinds == {"holding"} and count == 1:
            continue  # a girl may hold three balloons
        others = sum(s.count for n, s in enumerate(subjects) if n != whom)
        subjects[whom] = replace(subject, count=max(1, min(count, MOST_SPRITES - others)))
    return subjects


def _colour_of(thing: Mark, marks: list[Mark], words: list[str]) -> str | None:
    """The nearest colour before the thing, else one that is said of it: "a car that is red"."""
    for mark in reversed([mark for mark in marks if mark.stop <= thing.start]):
        if mark.kind in (*NAMING, "relation") or thing.start - mark.stop > 3:
            break
        between = words[mark.stop : thing.start]
        if mark.kind == "colour" and (
            {"a", "an", "the"} & set(between) or _predicates(mark, words)
        ):
            break  # it was said of what came before
        if mark.kind == "colour" and words[mark.stop] not in OF_A_PART:
            joined = mark.start > 1 and words[mark.start - 1] == "and"
            first = next((m for m in marks if m.stop == mark.start - 1), None) if joined else None
            return first.value if first and first.kind == "colour" else mark.value
    return _colour_after(thing, marks, words)


def _colour_after(thing: Mark, marks: list[Mark], words: list[str]) -> str | None:
    """ "the house is blue", "a car in red", "집이 파란색이고"."""
    for mark in (mark for mark in marks if mark.start >= thing.stop):
        if mark.kind not in ("colour", "idle", "relation") or mark.start - thing.stop > 3:
            return None
        if mark.kind == "relation" and words[mark.start] != "in":
            return None
        if mark.kind == "colour":
            link = words[thing.stop : mark.start]
            after = next((m for m in marks if m.start >= mark.stop), None)
            free = (
                _predicates(mark, words) or after is None or after.kind not in ("colour", *NAMING)
            )
            korean = not words[mark.start].isascii() and words[thing.stop - 1].endswith(
                ("이", "가", "은", "는")
            )
            return mark.value if free and (korean or {"is", "are", "in"} & set(link)) else None
    return None


def _predicates(mark: Mark, words: list[str]) -> bool:
    """검은색이고: does the sentence about the thing before end with it?"""
    return words[mark.stop - 1].endswith(("이고", "이며", "이다", "입니다", "이지만"))


def _scale_of(thing: Mark, marks: list[Mark]) -> float:
    """The sizes said right before the thing, multiplied."""
    scale = 1.0
    for mark in reversed([mark for mark in marks if mark.stop <= thing.start]):
        if mark.kind in (*NAMING, "relation") or thing.start - mark.stop > 3:
            break
        if mark.kind == "scale":
            scale *= float(mark.value)
    return min(max(scale, SMALLEST_SCALE), LARGEST_SCALE)


def _spots(sentence: Sentence) -> Iterator[tuple[Mark, str]]:
    """Which things are put where in the picture."""
    leading = False  # does the place go before the thing: "on the left a cat"?
    for mark in sentence.marks:
        if mark.kind != "spot" and not is_spot(sentence, mark):
            continue
        spot = {"left": "0.22 -", "right": "0.78 -"}.get(mark.value, mark.value)
        if _is_scenery(sentence, mark):
            continue
        before, after = sentence.before(mark), sentence.after(mark)
        leading = leading or not before
        if before and not (leading and after):
            yield before[-1], spot
        elif after:
            yield after[0], spot


def _is_scenery(sentence: Sentence, spot: Mark) -> bool:
    """Does it speak of the scene: "the sun in the top left corner"?"""
    named = [m for m in sentence.marks if m.kind in NAMING and m.stop <= spot.start]
    return bool(named) and named[-1] not in sentence.things and named[-1].kind != "part"


def _count_of(thing: Mark, sentence: Sentence) -> int:
    words, marks, things = sentence.words, sentence.marks, sentence.things
    for mark in marks:
        if mark.kind == "number" and _counted(mark, words, things) == thing:
            paired = words[mark.start] in ("pair", "both") and thing.value in PAIRED
            return 1 if paired else int(mark.value)
    repeats = _repeats(thing, things, words)
    return PLURAL if repeats == 1 and _is_plural(thing, sentence) else repeats


def _is_plural(thing: Mark, sentence: Sentence) -> bool:
    """Does the word alone say that there are several?"""
    word = sentence.words[thing.stop - 1]
    if thing.value in PAIRED or sentence.lexicon.is_label(word) or thing.stop - thing.start > 2:
        return False
    if word in ("people", "children", "mice", "geese", "kids", "사람들", "아이들"):
        return True
    phrase = " ".join(sentence.words[thing.start : thing.stop])
    if not word.isascii():
        stem = next((word[:-n] for n in (1, 2) if len(word) > n and word[-n] == "들"), None)
        return stem is not None and sentence.lexicon.find(stem) == thing.value
    singular = inflections(phrase)[1:]
    return any(sentence.lexicon.find(form) == thing.value for form in singular)


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
