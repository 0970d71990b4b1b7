"""An evaluation as people read it: tables for a page, contact sheets beside it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from training.questions import CREATURES, Question, a, questions
from training.sheets import save_sheet
from training.staged import Asked
from training.things import Things

BEGIN, END = "<!-- evaluation: made by training.evaluate -->", "<!-- /evaluation -->"
LARGEST_BYTES = 390_000  # of a contact sheet
SHOWN = (  # the prompts of the documents that this server's doors were written from, and of ours
    "silver headphones on a matte-black backdrop",
    "A cinematic product poster, silver headphones floating against a deep matte-black backdrop "
    "with soft rim lighting",
    "a serene mountain landscape at sunset", "a rocket in space",
    "three penguins in the snow at sunset", "a blue car in the city", "눈 속의 여우",
    "a purple octopus underwater", "빨간 사과 두 개", "an astronaut riding a horse on mars",
    "a cat wearing a crown", "숲 속의 곰",
)  # fmt: skip
SHEETS = ("korean", "pairs", "prompts", "relations", "scenes", "seeds")
GOALS = (  # what is measured, where it is found, the goal of the work, if it has one
    ("subject of held-out pairs, among 100", ("held-out pairs", "subject among 100"), 0.85),
    ("the same, among all", ("held-out pairs", "subject among all"), None),
    ("colour of held-out pairs", ("held-out pairs", "colour"), 0.80),
    ("subject (of 100) and colour", ("held-out pairs", "subject and colour"), None),
    ("count, 1 to 4", ("counts", "count"), 0.95),
    ("background, of 20", ("backgrounds", "background"), 0.95),
    ("subject before backgrounds, among 100", ("backgrounds", "subject among 100"), None),
    ("left of: both named in their places", ("left", "both"), 0.60),
    ("on: both named in their places", ("on", "both"), 0.60),
    ("wearing: both named", ("wearing", "both"), 0.60),
    ("nothing worn where nothing was asked", ("counts", "nothing seen worn"), None),
)


def table(marks: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Rows of what is measured; the judge's own share, Mini's in two languages, and the goal."""
    rows = [
        "| | real drawings¹ | Mini, English | Mini, Korean | goal |",
        "|---|---|---|---|---|",
    ]
    for said, (name, share), goal in GOALS:
        cells = [f"{marks[gallery][name][share]:.2f}" for gallery in ("real", "English", "Korean")]
        of = marks["English"][name]["pictures"]
        rows.append(f"| {said} ({of:.0f}) | {' | '.join(cells)} | {goal or ''} |")
    return "\n".join(rows)


def diversity_text(found: Mapping[str, float]) -> str:
    same, other = found["one drawing set up again"], found["different drawings"]
    return (
        f"In the judge's eye, sixteen seeds of one prompt lie {found['seeds']:.2f} apart (1 − "
        f"cosine, mean over ten animals), different people's drawings of one animal {other:.2f}, "
        f"one drawing mirrored and set up anew {same:.2f}. Beyond {found['threshold']:.2f}, which "
        f"tells the latter two apart ({found['threshold right']:.0%} right), pictures count as "
        f"visibly different: {found['pairs of seeds beyond']:.0%} of the pairs of seeds do, and "
        f"of 16 seeds {found['distinct of 16, mean']:.1f} (at least "
        f"{found['distinct of 16, least']:.0f}) differ from all others of them."
    )


def costs_text(found: Mapping[str, float]) -> str:
    rows = [
        "| side | seconds | processor seconds | peak memory, MB |",
        "|---|---|---|---|",
    ]
    rows += [
        f"| {side} | {found[f'{side}_seconds']:.2f} | {found[f'{side}_processor_seconds']:.2f} | "
        f"{found[f'{side}_peak_megabytes']:.0f} |"
        for side in (1024, 2048)
    ]
    cold = (
        f"Loaded after {found['loading_seconds']:.1f} s, first picture of 1024² after "
        f"{found['first_picture_seconds']:.1f} s; medians of three prompts on two threads of the "
        "machine that evaluated, which may have been busy:"
    )
    return cold + "\n\n" + "\n".join(rows)


def written(page: str, found: Mapping[str, Any]) -> str:
    """The page with the evaluation between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page has no {BEGIN} … {END}")
    parts = [
        f"Measured on {found['date']}, with the weights of that day.",
        table(found["marks"]),
        diversity_text(found["diversity"]),
        costs_text(found["costs"]),
        "Contact sheets, one seed, nothing chosen: "
        + ", ".join(f"[{name}](mini/{name}.jpg)" for name in SHEETS)
        + ".",
    ]
    return f"{before}{BEGIN}\n" + "\n\n".join(parts) + f"\n{END}{after}"


def contact_sheets(
    artist: Callable[[int], Callable[[Question, int], np.ndarray | None]], things: Things, out: Path
) -> None:
    """prompts, pairs, scenes, relations, Korean and seeds, as JPEG files.

    `artist`: from the side of a picture to who draws it.
    """
    english, korean = questions(things, korean=False), questions(things, korean=True)

    def sheet(name: str, asked: list[tuple[Question, int]], columns: int, cell: int) -> None:
        draw = artist(2 * cell)
        drawn = [(q.prompt, draw(q, seed)) for q, seed in asked]
        shown = [(prompt, pixels) for prompt, pixels in drawn if pixels is not None]
        images = np.stack([pixels for _, pixels in shown])
        path = out / f"{name}.jpg"
        save_sheet(path, images, [prompt for prompt, _ in shown], columns, cell)
        smaller(path)

    anything = Asked(0)
    sheet("prompts", [(Question(prompt, anything), 1) for prompt in SHOWN], 4, 320)
    sheet("pairs", [(q, 1) for q in english["held-out pairs"]], 9, 150)
    scenes = english["counts"][:16] + english["backgrounds"][:20]
    sheet("scenes", [(q, 1) for q in scenes], 9, 150)
    related = [q for name in ("left", "on", "wearing") for q in english[name][:12]]
    sheet("relations", [(q, 1) for q in related], 9, 150)
    sheet("korean", [(q, 1) for part in korean.values() for q in part[:6]], 9, 150)
    animals = [Question(a(name), anything) for name in list(CREATURES)[:4]]
    sheet("seeds", [(q, seed) for q in animals for seed in range(16)], 16, 96)


def smaller(path: Path) -> None:
    """The same picture in LARGEST_BYTES at most, by a coarser quality."""
    picture = Image.open(path).convert("RGB")
    for quality in (88, 80, 72, 64, 56):
        picture.save(path, quality=quality, optimize=True)
        if path.stat().st_size <= LARGEST_BYTES:
            return
