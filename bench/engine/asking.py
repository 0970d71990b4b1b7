"""What can be asked of `python -m bench.engine`."""

import argparse
from pathlib import Path

from bench.engine.counting import Size

SECONDS = 540


def parse(words: str | None, cuda: bool) -> argparse.Namespace:
    """`words` describe the command; `cuda` says that there is a GPU to run on."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=words)
    add = parser.add_argument
    add("--weights", type=Path, help="a folder in diffusers' format; else random, in true size")
    add("--tiny", action="store_true", help="random weights in no size to speak of: a rehearsal")
    add("--count", action="store_true", help="only count operations; needs no GPU and no memory")
    add("--device", default="cuda" if cuda else "cpu")
    add("--sizes", type=_sizes, default=[(1024, 1024), (2048, 2048)], help="1024x1024,2048x2048")
    add("--text-tokens", type=int, default=128, help="of each prompt, as the transformer sees it")
    add("--steps", type=int, default=8)
    add("--runs", type=int, default=5, help="of each path; half as many at large sizes")
    add("--jobs", type=_numbers, default=[24, 6], help="of the first and the second size")
    add("--attention", default="auto", help="one by name; else the quickest")
    add("--compiler", help="of torch.compile; on a GPU inductor, elsewhere none")
    add("--preview-steps", type=int, default=0, help="a preview after every so many steps")
    add("--rate", type=float, default=790, help="TFLOP/s in bf16 that the floor is reckoned with")
    add("--rate-fp8", type=float, default=1500, help="and in fp8")
    add("--seconds", type=float, default=SECONDS, help="it ends in that time, with what it has")
    add("--json", type=Path, help="also write everything to this file, after each measurement")
    add("--markdown", type=Path, help="likewise the tables")
    return parser.parse_args()


def _sizes(text: str) -> list[Size]:
    sizes = []
    for size in text.split(","):
        width, height = (int(side) for side in size.split("x"))
        if width % 16 or height % 16:
            raise argparse.ArgumentTypeError(f"{size}: sides are multiples of 16")
        sizes.append((width, height))
    return sizes


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]
