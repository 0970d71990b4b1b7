"""Trains Safelight Mini: `python -m training.train SIZE --data DIR --state DIR --out DIR`."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from training import autoencoder_stage, flow_stage
from training.sprites import load_sprites


@dataclass(frozen=True)
class Preset:
    """Sizes of both nets and their batches; limit: how many drawings are used (0: all)."""

    nets: str
    ae_batch: int
    flow_batch: int
    latent_batch: int
    limit: int
    compile: bool
    copies: tuple[int, int]  # latents per 3d sprite, per other
    critic_from: float = 0.45  # fraction of the autoencoder's time after which the critic joins


PRESETS = {
    "full": Preset("full", 96, 1024, 256, 0, True, (24, 8)),
    "cpu": Preset("cpu", 8, 32, 64, 0, False, (3, 2), 0.6),
    "small": Preset("small", 8, 32, 16, 160, False, (2, 1)),
}

BAR = 30  # characters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", choices=PRESETS)
    parser.add_argument(
        "--data", type=Path, required=True, help="the archive that training.data built"
    )
    parser.add_argument(
        "--state", type=Path, required=True, help="what a later run may take up again"
    )
    parser.add_argument("--out", type=Path, required=True, help="weights, sheets and metrics")
    parser.add_argument(
        "--minutes", type=float, default=9.4, help="wall clock for everything, export included"
    )
    parser.add_argument(
        "--ae-minutes", type=float, default=5.5, help="of these, for the autoencoder"
    )
    parser.add_argument(
        "--polish", type=float, default=0, help="minutes in which a kept decoder learns on"
    )
    parser.add_argument("--stop-after", choices=("autoencoder", "latents", "flow"), default="flow")
    parser.add_argument(
        "--more", action="store_true", help="a later run goes on with the flow: keep its rate high"
    )
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument(
        "--compile", action=argparse.BooleanOptionalAction, default=None, help="default: by preset"
    )
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    began = time.monotonic()
    preset = PRESETS[args.preset]
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for folder in (args.state, args.out):
        folder.mkdir(parents=True, exist_ok=True)
    run = Run(
        preset,
        device,
        args.data,
        args.state,
        args.out,
        preset.compile if args.compile is None else args.compile,
        began,
        began + 60 * args.minutes,
    )
    sprites = load_sprites(args.data, args.state, args.processes, preset.limit)
    run.say(f"{len(sprites)} sprites, {device}, torch {torch.__version__}")
    autoencoder = autoencoder_stage.obtain(run, sprites, args.ae_minutes, args.polish)
    if args.stop_after == "autoencoder":
        return
    words = flow_stage.Words(run)
    keep = args.stop_after == "latents" or args.more
    latents = flow_stage.obtain_latents(run, sprites, autoencoder, keep)
    flow_stage.remember(run, sprites, latents)
    if args.stop_after == "flow":
        flow_stage.go_on(run, sprites, autoencoder, words, latents, finish=not args.more)
    run.say("done")


class Run:
    """Where a run reads and writes, its clock, its device, and what it has measured so far."""

    def __init__(
        self,
        preset: Preset,
        device: torch.device,
        data: Path,
        state: Path,
        out: Path,
        compiles: bool,
        began: float,
        deadline: float,
    ) -> None:
        self.preset, self.device, self.data, self.state, self.out = preset, device, data, state, out
        self.compiles, self.began, self.deadline = compiles, began, deadline
        self.metrics: dict[str, object] = {}

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.began:6.1f}s] {text}", flush=True)

    def progress(self, what: str, fraction: float, figures: str) -> None:
        """A bar that is drawn over itself on a terminal; elsewhere a line."""
        done = round(BAR * min(fraction, 1))
        bar = f"{what} [{'#' * done}{'.' * (BAR - done)}] {fraction:4.0%} {figures}"
        if sys.stdout.isatty():
            print(f"\r\033[K{bar}", end="\n" if fraction >= 1 else "", flush=True)
        else:
            self.say(bar)

    def left(self) -> float:
        return self.deadline - time.monotonic()

    def cast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16)

    def measured(self, **values: object) -> None:
        self.metrics |= values
        (self.out / "metrics.json").write_text(json.dumps(self.metrics, indent=1))

    def compiled(self, module: nn.Module, trial: Callable[[nn.Module], torch.Tensor]) -> nn.Module:
        """The module compiled, if the trial's forward and backward go well; else as it is."""
        if not self.compiles:
            return module
        try:
            compiled = torch.compile(module, dynamic=False)
            trial(compiled).sum().backward()
            self.say("compiled")
        except Exception as error:  # the compiler may fail in many ways, and none may cost the run
            self.say(f"not compiled: {type(error).__name__}: {str(error)[:400]}")
            compiled = module
        module.zero_grad(set_to_none=True)
        return compiled


if __name__ == "__main__":
    main()
