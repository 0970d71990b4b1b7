"""`python -m bench.engine`: what each step of Krea 2's fast path is worth on this device."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from torch._dynamo.utils import counters

from bench.engine import asking, machine, model, queueing
from bench.engine.counting import Counter, Size, Way
from bench.engine.ladder import Clock, climb, release, request_of
from bench.engine.paths import LADDER, PADDED_TOKENS, Bench, Path, paint_alone
from bench.engine.report import TERA, Report, table
from safelight.engines.diffusers.krea2.text import measure_template
from safelight.engines.diffusers.krea2.warming import SIZES

LOADS = {"all at once": 0.0, "80 % load": 0.8}
GRAPH_SIZES = SIZES[:3] + SIZES[10:13]

# The part of the time that may be gone when each is over, so that what matters most is measured.
EAGER_SHARE, FAST_SHARE, QUEUE_SHARE = 0.40, 0.58, 0.84


def main() -> None:
    options = asking.parse(__doc__, torch.cuda.is_available())
    if options.count:
        print(_counts(options))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and so tell what is known by then
    clock = Clock(options.seconds)
    report = Report(
        settings={name: str(value) for name, value in vars(options).items()},
        rate=options.rate * TERA,
        low_rate=options.rate_fp8 * TERA,
        goals_apply=options.device.startswith("cuda") and not (options.weights or options.tiny),
    )
    try:
        _measure(options, clock, report)
    except BaseException as error:  # it is raised on, but what was measured is told in any case
        report.notes.append(f"It ended early: {type(error).__name__}: {error}")
        raise
    finally:
        report.settings["took_seconds"] = f"{clock.spent():.1f}"
        _write(options, report)
        print(report.markdown(), flush=True)


def _measure(options: argparse.Namespace, clock: Clock, report: Report) -> None:
    device = torch.device(options.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    report.machine = machine.look(device, dtype)
    release(device)
    _tell(clock, f"{report.machine.device}: {report.machine.rate / TERA:.3g} TFLOP/s")
    bench = _open(options, device, dtype)
    counter = Counter.of(bench.pipe)
    _tell(clock, "the weights are there")

    def measure(paths: Sequence[Path], share: float) -> None:
        def left() -> float:
            return clock.left(share)

        for rung in climb(bench, paths, options.sizes, counter, runs=options.runs, left=left):
            report.rungs.append(rung)
            _note_attention(bench, report)
            _write(options, report)
            told = rung.error or ", ".join(f"{seconds:.3f} s" for seconds in rung.seconds)
            _tell(clock, f"{rung.path}, {rung.width} × {rung.height}: {told}")

    measure(LADDER[:4], EAGER_SHARE)
    measure(LADDER[4:5], FAST_SHARE)
    _after_fast(options, bench, clock, report)
    measure(LADDER[5:], 1.0)


def _open(options: argparse.Namespace, device: torch.device, dtype: torch.dtype) -> Bench:
    if options.weights:
        pipe = model.read(options.weights, device, dtype)
    else:
        pipe = model.imagine(model.TINY if options.tiny else model.KREA2, device, dtype)
    measure_template(pipe)
    return Bench(
        pipe=pipe, device=device, dtype=dtype, steps=options.steps,
        text_tokens=options.text_tokens, wanted_attention=options.attention,
        compiler=options.compiler or ("inductor" if device.type == "cuda" else None),
        preview_steps=options.preview_steps,
    )  # fmt: skip


def _after_fast(options: argparse.Namespace, bench: Bench, clock: Clock, report: Report) -> None:
    """The queue and the graphs, with the whole fast path in bf16."""
    for work in (_queue, _count_graphs):
        try:
            work(options, bench, clock, report)
        except Exception as error:  # as in the ladder, one failure is not the end
            report.notes.append(f"{work.__name__[1:]}: {type(error).__name__}: {error}")
        _write(options, report)


def _queue(options: argparse.Namespace, bench: Bench, clock: Clock, report: Report) -> None:
    solo = {rung.size: rung.median for rung in report.rungs if rung.path == "fast"}
    known = {size: seconds for size, seconds in solo.items() if seconds is not None}
    counts = [
        (size, count)
        for size, count in zip(options.sizes, options.jobs, strict=False)
        if size in known
    ]
    if not counts or bench.painter is None:
        report.notes.append("No queue: the fast path did not run.")
        return
    counts = queueing.fitting(counts, known, tuple(LOADS.values()), clock.left(QUEUE_SHARE))
    for name, load in LOADS.items():
        jobs = queueing.shuffled(counts, known, load)
        queue = queueing.run(
            f"{name}, scheduler", jobs, known, bench.painter,
            lambda size, number: request_of(bench, size, number), clock.left(QUEUE_SHARE + 0.05),
        )  # fmt: skip
        report.queues += [queue, queueing.first_come(f"{name}, first come (computed)", jobs, known)]
        _tell(clock, f"{queue.name}: {queue.done} of {len(jobs)} in {queue.wall_seconds:.1f} s")


def _count_graphs(options: argparse.Namespace, bench: Bench, clock: Clock, report: Report) -> None:
    if bench.compiler is None or bench.painter is None:
        return
    sizes: Sequence[Size] = GRAPH_SIZES if bench.device.type == "cuda" else options.sizes
    texts, shapes = (bench.text_tokens, bench.text_tokens // 2 + 7), []
    for size in sizes:
        for tokens in texts:
            request = request_of(bench, size, 1, steps=1, text_tokens=tokens)
            paint_alone(bench.painter, request)
            shapes.append([*size, tokens])
    report.graphs = {"graphs": counters["stats"]["unique_graphs"], "shapes": shapes}
    _tell(clock, f"{report.graphs['graphs']} graphs for {len(shapes)} shapes")


def _note_attention(bench: Bench, report: Report) -> None:
    if bench.attention is not None:
        report.chosen_attention = bench.attention.name
        report.attention = [
            {"name": one.name, "milliseconds": one.milliseconds, "why_not": one.why_not}
            for one in bench.attention.candidates
        ]


def _counts(options: argparse.Namespace) -> str:
    """Operations of one picture, without running anything."""
    counter = Counter.of_architecture(model.TINY if options.tiny else model.KREA2)
    ways = {
        "as diffusers does it": Way(PADDED_TOKENS, lean=False, flat=False),
        "without padding": Way(options.text_tokens, lean=False, flat=False),
        "and text, times and 2-D autoencoder once": Way(options.text_tokens, lean=True, flat=True),
    }
    rows = []
    for size in options.sizes:
        for name, way in ways.items():
            work = counter.picture(size, options.steps, way)
            parts = (work.blocks, work.attention, work.fusion, work.text, work.vae, work.total)
            floor = work.floor_seconds(options.rate * TERA)
            low = work.floor_seconds(options.rate * TERA, options.rate_fp8 * TERA)
            cells = [f"{size[0]} × {size[1]}", name, str(way.text_tokens)]
            cells += [f"{part / TERA:,.2f}" for part in parts]
            rows.append([*cells, f"{floor:.2f}", f"{low:.2f}"])
    header = (
        "size", "way", "text tokens", "blocks", "attention", "fusion", "text encoder",
        "autoencoder", "all, TFLOP", "floor, s", "fp8, s",
    )  # fmt: skip
    return table(header, rows)


def _write(options: argparse.Namespace, report: Report) -> None:
    if options.json:
        options.json.write_text(json.dumps(report.json(), indent=2, ensure_ascii=False) + "\n")
    if options.markdown:
        options.markdown.write_text(report.markdown() + "\n")


def _tell(clock: Clock, line: str) -> None:
    print(f"{clock.spent():6.1f} s  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
