"""The evaluation's prompts in two languages, each with what has to be seen in its picture."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from training import colours
from training.staged import COUNTS, SETTINGS, Asked
from training.things import Things

KOREAN_SETTINGS = (
    "", "하얀 배경에", "노란 배경에", "파란 배경에", "분홍색 배경에", "해변에", "숲속에", "사막에",
    "눈밭에", "도시에", "산 위에", "바닷속에", "우주에", "초원에", "나무 탁자 위에", "방 안에",
    "밤에", "해 질 녘에", "비 오는 날", "안개 낀 날", "하늘에",
)  # fmt: skip
KOREAN_NUMBERS = ("", "한 마리", "두 마리", "세 마리", "네 마리")
ENGLISH_NUMBERS = ("", "a", "two", "three", "four")

CREATURES = {  # concept -> Korean
    "cat": "고양이", "dog": "개", "bear": "곰", "rabbit": "토끼", "owl": "부엉이",
    "penguin": "펭귄", "elephant": "코끼리", "horse": "말", "tiger": "호랑이", "duck": "오리",
}  # fmt: skip
BESIDE = {  # concept -> English and Korean
    "automobile": ("car", "자동차"), "chair": ("chair", "의자"), "tent": ("tent", "텐트"),
    "sunflower": ("sunflower", "해바라기"), "snowman": ("snowman", "눈사람"),
}  # fmt: skip
SEATS = {
    "chair": ("chair", "의자"), "bed": ("bed", "침대"), "rock": ("rock", "바위"),
    "skateboard": ("skateboard", "스케이트보드"), "sled": ("sled", "썰매"),
}  # fmt: skip
WORN = {  # concept -> what is worn, in English and, with its verb, in Korean
    "top hat": ("a top hat", "모자를 쓴"), "crown": ("a crown", "왕관을 쓴"),
    "sunglasses": ("sunglasses", "선글라스를 쓴"),
    "graduation cap": ("a graduation cap", "졸업 모자를 쓴"),
    "scarf": ("a scarf", "스카프를 두른"), "headphone": ("headphones", "헤드폰을 쓴"),
}  # fmt: skip
RELATIONS = ("left", "on", "wearing")


@dataclass(frozen=True)
class Question:
    """A prompt and what must be seen."""

    prompt: str
    asked: Asked


def questions(things: Things, korean: bool) -> dict[str, list[Question]]:
    """By what is measured. Every pair of a thing and a colour is one that nobody was taught."""
    return {
        "held-out pairs": list(_pairs(things, korean)),
        "counts": list(_counts(things, korean)),
        "backgrounds": list(_backgrounds(things, korean)),
        "left": list(_beside(things, korean)),
        "on": list(_seated(things, korean)),
        "wearing": list(_dressed(things, korean)),
    }


def a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _pairs(things: Things, korean: bool) -> Iterator[Question]:
    for k, number in sorted(things.secret):
        colour = colours.NAMES[number - colours.NATURAL - 1]
        said = f"{colours.COLOURS[colour].korean[0]} {things.concepts[k].korean}"
        english = a(f"{colour} {things.concepts[k].english}")
        yield Question(said if korean else english, Asked(k, number))


def _counts(things: Things, korean: bool) -> Iterator[Question]:
    for name, said in CREATURES.items():
        for count in range(1, COUNTS + 1):
            english = a(name) if count == 1 else f"{ENGLISH_NUMBERS[count]} {name}s"
            prompt = f"{said} {KOREAN_NUMBERS[count]}" if korean else english
            yield Question(prompt, Asked(things.concept(name), count=count))


def _backgrounds(things: Things, korean: bool) -> Iterator[Question]:
    """Each creature before every other background."""
    for number, (name, said) in enumerate(CREATURES.items()):
        for k in range(1 + number % 2, len(SETTINGS), 2):
            prompt = f"{KOREAN_SETTINGS[k]} {said}" if korean else f"{a(name)} {SETTINGS[k]}"
            yield Question(prompt, Asked(things.concept(name), setting=k))


def _beside(things: Things, korean: bool) -> Iterator[Question]:
    others = {name: (name, said) for name, said in CREATURES.items()} | BESIDE
    names = list(others)
    for number, (name, said) in enumerate(CREATURES.items()):
        for step in (1, 5 + number % 5):
            other = names[(number + step) % len(names)]
            english, korean_other = others[other]
            prompt = f"{korean_other} 왼쪽에 있는 {said}"
            if not korean:
                prompt = f"{a(name)} to the left of {a(english)}"
            yield Question(prompt, _related(things, name, "left", other))


def _seated(things: Things, korean: bool) -> Iterator[Question]:
    seats = list(SEATS)
    for number, (name, said) in enumerate(CREATURES.items()):
        for step in (0, 2):
            seat = seats[(number + step) % len(seats)]
            english, korean_seat = SEATS[seat]
            prompt = f"{korean_seat} 위의 {said}" if korean else f"{a(name)} on {a(english)}"
            yield Question(prompt, _related(things, name, "on", seat))


def _dressed(things: Things, korean: bool) -> Iterator[Question]:
    worn = list(WORN)
    for number, (name, said) in enumerate(CREATURES.items()):
        for step in (0, 2):
            what = worn[(number + step) % len(worn)]
            english, verb = WORN[what]
            prompt = f"{verb} {said}" if korean else f"{a(name)} wearing {english}"
            yield Question(prompt, _related(things, name, "wearing", what))


def _related(things: Things, name: str, relation: str, other: str) -> Asked:
    return Asked(things.concept(name), relation=relation, other=things.concept(other))


def companions(things: Things) -> list[int]:
    """The kinds that a part of a picture of two things is told apart among."""
    names = [*CREATURES, *BESIDE, *SEATS]
    return sorted({things.kind_of(things.concept(name)) for name in names})


def hundred(things: Things) -> list[int]:
    """A hundred kinds: of the held-out pairs, of the creatures, and others by a fixed seed."""
    asked = {things.kind_of(k) for k, _ in things.secret}
    asked |= {things.kind_of(things.concept(name)) for name in CREATURES}
    rest = np.random.default_rng(100).permutation(len(things.kinds)).tolist()
    return sorted(asked | set([k for k in rest if k not in asked][: 100 - len(asked)]))
