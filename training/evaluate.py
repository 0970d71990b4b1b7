"""Measures what Safelight Mini obeys: `python -m training.evaluate --help`.

The runtime draws, as users meet it, from words alone; training.judge says what it sees.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from safelight.catalog.request import ImageRequest
from safelight.engines import Picture
from safelight.engines.mini import WEIGHTS, MiniEngine
from training import colours
from training.captions import Concept, held_out
from training.judge import QUESTIONS, Eye, Judge, Seen, read_concepts
from training.staged import COUNTS, SETTINGS, SIDE

KOREAN_SETTINGS = (
    "하얀 배경에", "노란 배경에", "파란 배경에", "분홍색 배경에", "해변에", "숲속에", "사막에",
    "눈밭에", "도시에", "산 위에", "바닷속에", "우주에", "초원에", "나무 탁자 위에", "방 안에",
    "밤에", "해 질 녘에", "비 오는 날", "안개 낀 날", "하늘에",
)  # fmt: skip
KOREAN_NUMBERS = ("", "한 마리", "두 마리", "세 마리", "네 마리")
ENGLISH_NUMBERS = ("", "a", "two", "three", "four")
CREATURES = ("cat", "dog", "bear", "rabbit", "owl", "penguin", "elephant", "horse", "tiger", "duck")
SEEDS = 16  # of one prompt, to see how they differ


@dataclass(frozen=True)
class Question:
    """A prompt and what must be seen, as training.judge numbers it; None: not asked."""

    prompt: str
    concept: int
    colour: int | None = None
    count: int | None = None
    setting: int | None = None


def questions(concepts: list[Concept], korean: bool) -> dict[str, list[Question]]:
    """By what is measured. Every colour pair is one that no net has seen."""
    settings = KOREAN_SETTINGS if korean else SETTINGS
    asked: dict[str, list[Question]] = {"colour": [], "count": [], "setting": []}
    for k, colour in held_out(concepts):
        said = colours.COLOURS[colour].korean[0] if korean else f"a {colour}"
        name = concepts[k].korean if korean else concepts[k].english
        asked["colour"].append(Question(f"{said} {name}", k, colours.IDS[colour], 1))
    by_name = {concept.english: k for k, concept in enumerate(concepts)}
    for creature in CREATURES:
        k = by_name[creature]
        for count in range(1, COUNTS + 1):
            asked["count"].append(Question(_counted(concepts[k], count, korean), k, None, count))
        for number, setting in enumerate(settings):
            name = concepts[k].korean if korean else f"a {creature}"
            prompt = f"{setting} {name}" if korean else f"{name} {setting}"
            asked["setting"].append(Question(prompt, k, None, 1, number))
    return asked


def _counted(concept: Concept, count: int, korean: bool) -> str:
    if korean:
        return f"{concept.korean} {KOREAN_NUMBERS[count]}"
    return f"{ENGLISH_NUMBERS[count]} {concept.english}{'s' if count > 1 else ''}"


class Gallery:
    """Draws prompts and keeps what the eye says of them."""

    def __init__(self, engine: MiniEngine, eye: Eye):
        self._engine, self._eye = engine, eye

    def picture(self, prompt: str, seed: int) -> np.ndarray:
        request = ImageRequest(model="", prompt=prompt, width=SIDE, height=SIDE, seed=seed)
        [pixels] = [m.pixels for m in self._engine.generate(request) if isinstance(m, Picture)]
        return pixels

    def seen(self, prompts: list[tuple[str, int]]) -> Seen:
        looks = [self._eye.look(self.picture(*prompt)) for prompt in prompts]
        pooled, cells = (
            torch.from_numpy(np.stack(part)).float() for part in zip(*looks, strict=True)
        )
        return Seen(pooled, cells)


@torch.no_grad()
def marks(judge: Judge, seen: Seen, asked: list[Question]) -> dict[str, float]:
    """Shares of pictures in which the judge sees what was asked for."""
    said = judge(seen)
    found: dict[str, float] = {"pictures": len(asked)}
    for number, name in enumerate(QUESTIONS):
        wanted = [getattr(question, name) for question in asked]
        rows = [k for k, want in enumerate(wanted) if want is not None]
        if rows and len({wanted[k] for k in rows}) > 1:
            right = said[number][rows].argmax(1) == torch.tensor([wanted[k] for k in rows])
            found[name] = round(float(right.float().mean()), 4)
    subjects = sorted({question.concept for question in asked})
    choice = torch.tensor(subjects)[said[0][:, subjects].argmax(1)]
    right = choice == torch.tensor([question.concept for question in asked])
    found[f"concept among {len(subjects)}"] = round(float(right.float().mean()), 4)
    return found


def diversity(gallery: Gallery) -> dict[str, float]:
    """Mean distance of two seeds' pooled features, beside that of two subjects' (1: orthogonal)."""
    within, means = [], []
    for creature in CREATURES:
        prompts = [(f"a {creature} on a plain white background", seed) for seed in range(SEEDS)]
        pooled = functional.normalize(gallery.seen(prompts).pooled, dim=-1)
        within.append(_mean_distance(pooled))
        means.append(pooled.mean(0))
    across = _mean_distance(functional.normalize(torch.stack(means), dim=-1))
    return {"seeds": round(float(np.mean(within)), 4), "subjects": round(across, 4)}


def _mean_distance(vectors: torch.Tensor) -> float:
    n = len(vectors)
    return float((1 - vectors @ vectors.T).sum() / (n * (n - 1)))


def evaluate(
    gallery: Gallery, judge: Judge, concepts: list[Concept], seeds: int
) -> dict[str, object]:
    found: dict[str, object] = {}
    for korean in (False, True):
        language = "Korean" if korean else "English"
        for name, asked in questions(concepts, korean).items():
            many = [question for question in asked for _ in range(seeds)]
            prompts = [(question.prompt, seed) for question in asked for seed in range(seeds)]
            found[f"{language}, {name}"] = marks(judge, gallery.seen(prompts), many)
            print(language, name, found[f"{language}, {name}"], flush=True)
    found["diversity"] = diversity(gallery)
    return found


def contact_sheet(gallery: Gallery, prompts: list[str], columns: int = 8) -> Image.Image:
    pictures = [Image.fromarray(gallery.picture(prompt, seed=1)) for prompt in prompts]
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * SIDE, rows * SIDE), "white")
    for k, picture in enumerate(pictures):
        sheet.paste(picture, (k % columns * SIDE, k // columns * SIDE))
    return sheet


def _prompts(concepts: list[Concept]) -> Iterator[str]:
    for asked in questions(concepts, korean=False).values():
        yield from (question.prompt for question in asked[::2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(".gpu"))
    parser.add_argument("--judge", type=Path, required=True, help="the folder with judge.pt")
    parser.add_argument("--eye", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    concepts = read_concepts(args.data)
    engine = MiniEngine(threads=2, weights=args.weights)
    engine.load()
    kept = torch.load(args.judge / "judge.pt")
    judge = Judge(len(concepts))
    judge.load_state_dict(kept["judge"])
    judge.eval()
    gallery = Gallery(engine, Eye(args.eye))
    found = {"judge": kept["marks"]} | evaluate(gallery, judge, concepts, args.seeds)
    (args.out / "marks.json").write_text(json.dumps(found, indent=1, ensure_ascii=False))
    contact_sheet(gallery, list(_prompts(concepts))).save(args.out / "sheet.jpg", quality=88)


if __name__ == "__main__":
    main()
