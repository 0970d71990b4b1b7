"""Finds who stands how to whom: "a cat wearing a hat", "모자를 쓴 고양이"."""

from collections.abc import Iterator
from dataclasses import dataclass

from safelight.engines.mini.idea import Relation
from safelight.engines.mini.lexicon import Lexicon
from safelight.engines.mini.marks import NAMING, Mark
from safelight.engines.mini.words import (
    AIRY,
    BEINGS,
    CONTAINERS,
    COUNTERS,
    HOUSES,
    RAISED,
    SEATS,
    SIZES,
    TOPS,
    WORN,
)

CARRIED = ("wearing", "holding", "riding")  # what says something of a being, not of its hat
CONJUNCTIONS = ("and", "&", "그리고", "및")
WITH = ("와", "과", "랑", "이랑", "하고")  # Korean endings that join two things
SUBJECT = ("이", "가", "은", "는", "께서")  # … and that mark who does it
HANDY = 0.8  # of a person's size: what is smaller can be held
LIFTED = 1.2  # … and what is larger cannot be played in one's arms


@dataclass(frozen=True)
class Sentence:
    """A prompt with what was found in it. `things` are the marks to draw, in order."""

    words: list[str]
    marks: list[Mark]
    things: list[Mark]
    lexicon: Lexicon

    def before(self, mark: Mark) -> list[Mark]:
        return [thing for thing in self.things if thing.stop <= mark.start]

    def after(self, mark: Mark) -> list[Mark]:
        return [thing for thing in self.things if thing.start >= mark.stop]

    def between(self, one: Mark, other: Mark) -> list[Mark]:
        return [mark for mark in self.marks if one.stop <= mark.start and mark.stop <= other.start]

    def ending(self, thing: Mark) -> str:
        """The Korean particle after the thing, or after its counter: 고양이 두 마리가."""
        if thing.stop + 1 < len(self.words) and any(
            m.kind == "number" and m.start == thing.stop for m in self.marks
        ):
            counter = self.words[thing.stop + 1]
            stem = next((c for c in COUNTERS if counter.startswith(c)), None)
            if stem:
                return counter.removeprefix(stem)
        phrase = " ".join(self.words[thing.start : thing.stop])
        for ending in sorted((*SUBJECT, *WITH), key=len, reverse=True):
            stem = phrase.removesuffix(ending)
            if stem not in ("", phrase) and self.lexicon.find(stem) == thing.value:
                return ending
        return ""


def relate(sentence: Sentence, numbers: dict[Mark, int]) -> tuple[Relation, ...]:
    """The relations between subjects; `numbers` tells which subject a mark became."""
    found: list[tuple[Mark, str, Mark]] = []
    for mark in sentence.marks:
        if mark.kind in ("relation", "inverse") and not is_spot(sentence, mark):
            english = sentence.words[mark.start].isascii()
            found += (_english if english else _korean)(sentence, mark, found)
    relations = [
        Relation(numbers[who], kind, numbers[whom])
        for who, kind, whom in found
        if who in numbers and whom in numbers and numbers[who] != numbers[whom]
    ]
    return tuple(dict.fromkeys(relations))


def is_spot(sentence: Sentence, mark: Mark) -> bool:
    """왼쪽에 and 오른쪽에 alone say where in the picture, after a noun where beside it."""
    if mark.kind != "relation" or mark.value not in ("left", "right"):
        return False
    if sentence.words[mark.start].isascii():  # "on the left side of the picture"
        return not _object(sentence, mark)
    before = sentence.before(mark)
    opened = sentence.marks[0].value in ("left", "right")
    return not before or opened or sentence.ending(before[-1]) in SUBJECT


def _english(
    sentence: Sentence, mark: Mark, earlier: list[tuple[Mark, str, Mark]]
) -> Iterator[tuple[Mark, str, Mark]]:
    whoms = _object(sentence, mark)
    if not whoms:
        return
    before = sentence.before(mark)
    if before:
        if sentence.words[mark.start] == "with" and _is_settled(sentence, before[-1], mark):
            return
        whos = _group(sentence, _climb(before[-1], mark, earlier), before)
    elif mark.kind == "inverse":
        return
    else:  # "next to the house is a tree"
        whos = sentence.after(whoms[-1])[:1]
    if mark.kind == "inverse":
        whos, whoms = whoms, whos[:1]
    if mark.value != "between" and len(whoms) > 1 and not _shares(mark.value, whoms):
        whoms = whoms[:1]
    plural = any(sentence.words[whom.stop - 1].endswith("s") for whom in whoms)
    if mark.value in CARRIED and not (plural and mark.value == "wearing"):
        whos = whos[-1:]
    yield from _pairs(whos, mark.value, whoms)


def _is_settled(sentence: Sentence, thing: Mark, mark: Mark) -> bool:
    """Has the scene come between, so that "with" speaks of the picture and not of the thing?"""
    return any(other.kind in ("backdrop", "light") for other in sentence.between(thing, mark))


def _object(sentence: Sentence, mark: Mark) -> list[Mark]:
    """What follows the relation directly, with what is joined to it by "and"."""
    after = [m for m in sentence.marks if m.start >= mark.stop]
    for index, other in enumerate(after):
        if other in sentence.things:
            rest = after[index + 1 :]
            return [other, *_joined(sentence, other, rest)]
        if (other.kind in NAMING and other.kind != "part") or other.kind == "relation":
            return []
    return []


def _joined(sentence: Sentence, thing: Mark, rest: list[Mark]) -> Iterator[Mark]:
    linked = False
    for mark in rest:
        linked = linked or mark.value in CONJUNCTIONS
        if mark in sentence.things:
            if linked:
                yield mark
            return
        if mark.kind in ("relation", "inverse", *NAMING):
            return


def _shares(kind: str, whoms: list[Mark]) -> bool:
    """ "… wearing a hat and glasses", but not "… wearing a hat and a dog"."""
    worn = kind in ("wearing", "with") and all(whom.value in WORN for whom in whoms)
    handy = kind in ("holding", "with") and all(_is_handy(whom.value) for whom in whoms)
    return worn or handy


def _climb(thing: Mark, mark: Mark, earlier: list[tuple[Mark, str, Mark]]) -> Mark:
    """From what is worn, held or ridden up to the being that does it."""
    seen: set[Mark] = set()
    while thing not in seen:
        seen.add(thing)
        owner = next(((who, kind) for who, kind, whom in earlier if whom == thing), None)
        if owner is None:
            return thing
        who, kind = owner
        doing = mark.value in CARRIED or (mark.value == "with" and thing.value not in BEINGS)
        if kind in ("wearing", "holding") or doing:
            thing = who
            continue
        return thing
    return thing


def _group(sentence: Sentence, who: Mark, before: list[Mark]) -> list[Mark]:
    """The thing with those joined to it: "a cat and a dog on a sofa"."""
    group = [who]
    for thing in reversed([thing for thing in before if thing.stop <= who.start]):
        values = [mark.value for mark in sentence.between(thing, group[0])]
        kinds = {mark.kind for mark in sentence.between(thing, group[0])}
        if not set(values) & set(CONJUNCTIONS) or kinds & {"relation", "inverse", "spot", *NAMING}:
            break
        group.insert(0, thing)
    return group


def _korean(
    sentence: Sentence, mark: Mark, earlier: list[tuple[Mark, str, Mark]]
) -> Iterator[tuple[Mark, str, Mark]]:
    before = sentence.before(mark)
    if not before or _is_apart(sentence, before[-1], mark):
        return
    if mark.kind == "inverse":  # 딸기가 가득한 바구니
        yield from _pairs(before[-1:], mark.value, sentence.after(mark)[:1])
        return
    wanted = 2 if mark.value == "between" else 1
    whoms = before[-wanted:]
    if mark.value in ("wearing", "holding"):
        whoms = _listed(sentence, before, mark.value)
    whos = _doers(sentence, mark, [thing for thing in before if thing not in whoms])
    yield from _pairs(whos, mark.value, whoms)


def _is_apart(sentence: Sentence, thing: Mark, mark: Mark) -> bool:
    kinds = {other.kind for other in sentence.between(thing, mark)}
    return bool(kinds & ({"relation", "inverse", "spot", *NAMING} - {"part"}))


def _listed(sentence: Sentence, before: list[Mark], kind: str) -> list[Mark]:
    """모자와 안경을 쓴: both are worn."""
    listed = before[-1:]
    for thing in reversed(before[:-1]):
        if sentence.ending(thing) not in WITH or not _shares(kind, [thing, *listed]):
            break
        listed.insert(0, thing)
    return listed


def _doers(sentence: Sentence, mark: Mark, before: list[Mark]) -> list[Mark]:
    """Who it is said of: the subject before it, else the noun that it describes."""
    for thing in reversed(before):
        if sentence.ending(thing) in SUBJECT:
            return _companions(sentence, thing, before)
    after = sentence.after(mark)
    free = [thing for thing in after if not _is_object(sentence, thing)] or after
    whos = free[:1]
    for thing in after[after.index(whos[0]) + 1 :] if whos else []:
        if sentence.ending(whos[-1]) not in WITH or mark.value in CARRIED:
            break
        whos.append(thing)
    return whos or before[-1:]


def _companions(sentence: Sentence, who: Mark, before: list[Mark]) -> list[Mark]:
    group = [who]
    for thing in reversed(before[: before.index(who)]):
        if sentence.ending(thing) not in WITH:
            break
        group.insert(0, thing)
    return group


def _is_object(sentence: Sentence, thing: Mark) -> bool:
    """Does another relation speak of it next: 말을 타고 *기타를* 든 로봇?"""
    after = next((mark for mark in sentence.marks if mark.start >= thing.stop), None)
    return after is not None and after.kind == "relation"


def _pairs(whos: list[Mark], kind: str, whoms: list[Mark]) -> Iterator[tuple[Mark, str, Mark]]:
    for who in whos:
        for whom in whoms:
            if told := _told(who.value, kind, whom.value):
                turned = {"worn": "wearing", "filled": "inside", "laid": "on"}.get(told)
                yield (whom, turned, who) if turned else (who, told, whom)


def _told(who: str, kind: str, whom: str) -> str | None:
    """What a loose word means between these two; None: nothing that can be shown."""
    if kind == "seated":
        kind = "riding" if whom in BEINGS else "on"
    if kind in ("on", "with") and who in WORN and whom in BEINGS:
        return "worn"
    if kind in ("with", "inside") and whom in WORN and who in BEINGS:
        return "wearing"
    if kind == "with" and who in CONTAINERS - {"bed"} and whom not in CONTAINERS:
        return "filled"
    if kind == "with" and who in TOPS and whom not in SEATS:
        return "laid"
    if kind == "with":
        return "holding" if who in BEINGS and _is_handy(whom) else "beside"
    if kind == "holding" and SIZES.get(whom, 1.0) > LIFTED and whom not in BEINGS | RAISED:
        return "beside"  # one plays a grand piano, and does not lift it
    if kind == "inside":
        return "inside" if whom in CONTAINERS | HOUSES | set(SEATS) else None
    if kind == "above" and who not in AIRY | BEINGS and whom in AIRY:
        return "above"
    return kind


def _is_handy(label: str) -> bool:
    return label not in BEINGS and (label in RAISED or SIZES.get(label, 1.0) <= HANDY)
