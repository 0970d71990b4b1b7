"""What is said of each concept, as sentence vectors: English and Korean names, tags and colours."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training import colours
from training.sprites import HOUSE, STYLES

DECK = 24  # caption slots per concept; a caption in more slots is drawn more often
VECTOR_STEP = 512  # int8 steps per unit: a sentence vector's numbers stay below 0.25
ADDED = "x-"  # how the code of a concept begins that is no emoji
HELD_OUT = 72  # subject and colour pairs that no net may see

Encode = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Concept:
    """One thing to draw: its names and tags, and whether it makes sense in any colour."""

    code: str
    english: str
    korean: str
    english_tags: tuple[str, ...]
    korean_tags: tuple[str, ...]
    group: int
    recolours: bool


def plain(concept: Concept) -> list[tuple[str, int]]:
    """Captions and how many of the deck's slots each takes."""
    name = concept.english
    said = [(name, 7), (concept.korean, 6)] if concept.korean else [(name, 10)]
    said += [(tag, 2 if k < 2 else 1) for k, tag in enumerate(concept.english_tags[:4])]
    said += [(tag, 2 if k < 1 else 1) for k, tag in enumerate(concept.korean_tags[:4])]
    if concept.english_tags:
        said.append((f"{name}, {concept.english_tags[0]}", 1))
    return said


def coloured(concept: Concept, colour: str, korean: bool) -> str:
    if korean and concept.korean:
        return f"{colours.COLOURS[colour].korean[0]} {concept.korean}"
    return f"a {colour} {concept.english}"


def held_out(concepts: list[Concept], count: int = HELD_OUT) -> list[tuple[int, str]]:
    """Pairs chosen once, by a fixed seed, among emoji with short names: none that was added."""
    rng = np.random.default_rng(2026)
    subjects = [
        k
        for k, c in enumerate(concepts)
        if c.recolours and len(c.english.split()) <= 2 and not c.code.startswith(ADDED)
    ]
    chosen = rng.choice(subjects, min(count, len(subjects)), replace=False)
    return [(int(k), str(rng.choice(colours.NAMES))) for k in chosen]


def write_captions(folder: Path, concepts: list[Concept], encode: Encode) -> None:
    """captions.npz: int8 vectors, each concept's deck, colour captions, evaluation prompts."""
    secret, rng = set(held_out(concepts)), np.random.default_rng(7)
    texts: dict[str, int] = {}

    def row(text: str) -> int:
        return texts.setdefault(text, len(texts))

    deck = np.zeros((len(concepts), DECK), np.int32)
    for k, concept in enumerate(concepts):
        slots = [row(text) for text, share in plain(concept) for _ in range(share)]
        deck[k] = np.resize(np.array(slots, np.int32), DECK) if len(slots) < DECK else slots[:DECK]
    paint = np.full((len(concepts), colours.COUNT), -1, np.int32)
    for k, concept in enumerate(concepts):
        if concept.recolours:
            for colour in rng.choice(colours.NAMES, 3, replace=False):
                if (k, str(colour)) not in secret:
                    paint[k, colours.IDS[str(colour)]] = row(
                        coloured(concept, str(colour), rng.random() < 0.5)
                    )
    vectors = quantise(in_batches(encode, list(texts)))
    prompts = evaluation(concepts)
    np.savez_compressed(
        folder / "captions.npz",
        vectors=vectors,
        deck=deck,
        paint=paint,
        recolours=np.array([c.recolours for c in concepts]),
        secret=np.array([(k, colours.IDS[c]) for k, c in sorted(secret)]),
        prompt_vectors=quantise(encode([p["subject"] for p in prompts])),
        prompts=json.dumps(prompts, ensure_ascii=False),
        concepts=json.dumps([vars(c) for c in concepts], ensure_ascii=False),
    )


def in_batches(encode: Encode, texts: list[str], size: int = 256) -> np.ndarray:
    parts = []
    for k in range(0, len(texts), size):
        parts.append(encode(texts[k : k + size]))
        print(f"captions {min(k + size, len(texts))}/{len(texts)}", flush=True)
    return np.concatenate(parts)


def quantise(vectors: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(vectors * VECTOR_STEP), -127, 127).astype(np.int8)


def unit(vectors: np.ndarray) -> np.ndarray:
    """int8 rows -> float32 unit vectors."""
    v = vectors.astype(np.float32)
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-6)


# (what the sheet shows, the subject's words, colour or nothing, style)
_SHEET = [
    ("red apple", "apple", "red", "3d"),
    ("빨간 사과", "사과", "red", "3d"),
    ("green apple", "apple", "green", "3d"),
    ("blue apple", "apple", "blue", "3d"),
    ("cat", "cat", "", "3d"),
    ("고양이", "고양이", "", "3d"),
    ("a black cat", "cat", "black", "3d"),
    ("강아지", "강아지", "", "3d"),
    ("a blue car", "car", "blue", "3d"),
    ("a pink car", "car", "pink", "3d"),
    ("노란 자동차", "자동차", "yellow", "3d"),
    ("silver headphones", "headphones", "silver", "3d"),
    ("a purple octopus", "octopus", "purple", "3d"),
    ("a green guitar", "guitar", "green", "3d"),
    ("파란 우산", "우산", "blue", "3d"),
    ("a gold crown", "crown", "gold", "3d"),
    ("rocket", "rocket", "", "3d"),
    ("castle", "castle", "", "3d"),
    ("여우", "여우", "", "3d"),
    ("birthday cake", "birthday cake", "", "3d"),
    ("부엉이", "부엉이", "", "3d"),
    ("robot", "robot", "", "3d"),
    ("곰", "곰", "", "3d"),
    ("dragon", "dragon", "", "3d"),
    ("penguin", "penguin", "", "3d"),
    ("a cup of coffee", "a cup of coffee", "", "3d"),
    ("tree", "tree", "", "3d"),
    ("나무", "나무", "", "3d"),
    ("astronaut", "astronaut", "", "3d"),
    ("camel", "camel", "", "3d"),
    ("장미", "장미", "", "3d"),
    ("a white rose", "rose", "white", "3d"),
    ("집", "집", "", "3d"),
    ("a purple house", "house", "purple", "3d"),
    ("whale", "whale", "", "3d"),
    ("나비", "나비", "", "3d"),
    ("a red butterfly", "butterfly", "red", "3d"),
    ("smiling face", "smiling face", "", "3d"),
    ("firefighter", "firefighter", "", "3d"),
    ("의사", "의사", "", "3d"),
    ("wizard", "wizard", "", "3d"),
    ("mermaid", "mermaid", "", "3d"),
    ("a brown teddy bear", "teddy bear", "brown", "3d"),
    ("balloon", "balloon", "", "3d"),
    ("orange sports car", "sports car", "orange", "3d"),
    ("knight", "knight", "", "3d"),
    ("puppy", "puppy", "", "3d"),
    ("sailboat", "sailboat", "", "3d"),
    ("자전거", "자전거", "", "3d"),
    ("pizza", "pizza", "", "3d"),
    ("라면", "라면", "", "3d"),
    ("a green dinosaur", "dinosaur", "green", "3d"),
    ("unicorn", "unicorn", "", "3d"),
    ("cactus", "cactus", "", "3d"),
    ("선물 상자", "선물 상자", "", "3d"),
    ("flat: fox", "fox", "", "flat"),
    ("flat: 파란 자동차", "자동차", "blue", "flat"),
    ("cartoon: owl", "owl", "", "cartoon"),
    ("cartoon: pink cat", "cat", "pink", "cartoon"),
    ("sticker: robot", "robot", "", "sticker"),
    ("blob: penguin", "penguin", "", "blob"),
    ("soft: guitar", "guitar", "", "soft"),
    ("doodle: house", "house", "", "doodle"),
    ("glossy: dragon", "dragon", "", "glossy"),
]


def evaluation(concepts: list[Concept]) -> list[dict[str, object]]:
    """The sheet's prompts, then one per held-out pair, each with its condition ids."""
    prompts: list[dict[str, object]] = [
        {
            "label": label,
            "subject": subject,
            "colour": colours.IDS.get(colour, colours.NATURAL),
            "style": STYLES.index(style),
            "concept": -1,
        }
        for label, subject, colour, style in _SHEET
    ]
    for k, colour in held_out(concepts):
        prompts.append(
            {
                "label": f"held out: {colour} {concepts[k].english}",
                "subject": concepts[k].english,
                "colour": colours.IDS[colour],
                "style": HOUSE,
                "concept": k,
            }
        )
    return prompts
