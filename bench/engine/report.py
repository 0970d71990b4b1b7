"""What was measured, as tables to read and as JSON to keep."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.engine.ladder import Rung
from bench.engine.machine import Machine
from bench.engine.published import GOAL_QUEUE, GOAL_SECONDS, PREDICTED_SECONDS, PUBLISHED
from bench.engine.queueing import Queue

TERA = 1e12
GIGA = 1e9
UNKNOWN = "—"
SLOW_START_SECONDS = 0.5  # from where on compiling, or planning kernels, is worth a line


@dataclass
class Report:
    """Everything so far. Whatever is missing was not measured."""

    settings: dict[str, Any]
    rate: float  # operations a second of the floor: bf16
    low_rate: float  # and fp8
    goals_apply: bool  # the true architecture, on a GPU
    machine: Machine | None = None
    attention: list[dict[str, Any]] = field(default_factory=list)
    chosen_attention: str | None = None
    rungs: list[Rung] = field(default_factory=list)
    graphs: dict[str, Any] | None = None  # how many were compiled for how many shapes
    queues: list[Queue] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what went wrong outside of any row

    def json(self) -> dict[str, Any]:
        return {
            "settings": self.settings,
            "rates": {"floor": self.rate, "floor_fp8": self.low_rate},
            "machine": None if self.machine is None else asdict(self.machine),
            "attention": {"chosen": self.chosen_attention, "candidates": self.attention},
            "ladder": [self._rung(rung) for rung in self.rungs],
            "graphs": self.graphs,
            "queues": [_queue(queue) for queue in self.queues],
            "goals": [
                dict(zip(("goal", "measured", "met"), goal, strict=True)) for goal in self.goals()
            ],
            "published": [asdict(one) for one in PUBLISHED],
            "notes": self.notes,
        }

    def floor(self, rung: Rung) -> float:
        """Of the fast path at that size, so that paths can be compared."""
        low = self.low_rate if rung.path == "fp8" else None
        return self._least(rung).floor_seconds(self.rate, low)

    def own_floor(self, rung: Rung) -> float | None:
        """The same at the rates that were measured on this machine."""
        if self.machine is None:
            return None
        low = self.machine.low_rate if rung.path == "fp8" else None
        return self._least(rung).floor_seconds(self.machine.rate, low)

    def goals(self) -> Iterator[tuple[str, str, str]]:
        """What is promised, what was measured, and whether it is kept."""
        medians = {(rung.path, rung.size): rung.median for rung in self.rungs}
        for (path, size), promised in GOAL_SECONDS.items():
            taken = medians.get((path, size))
            name = f"{path}, {size[0]} × {size[1]}: ≤ {promised} s"
            yield name, _seconds(taken), self._met(taken, promised)
        ratios = [
            queue.wall_seconds / queue.solo_seconds
            for queue in self.queues
            if queue.name.startswith("all at once, scheduler") and queue.error is None
        ]
        ratio = ratios[0] if ratios else None
        name = f"mixed queue: wall ≤ {GOAL_QUEUE:.2f} × the sum of the solo times"
        yield name, _number(ratio, ".2f"), self._met(ratio, GOAL_QUEUE)

    def _met(self, measured: float | None, promised: float) -> str:
        if measured is None or not self.goals_apply:
            return UNKNOWN
        return "yes" if measured <= promised else "no"

    def _least(self, rung: Rung) -> Any:
        same = [one.work for one in self.rungs if one.size == rung.size]
        return min(same, key=lambda work: work.total)

    def _rung(self, rung: Rung) -> dict[str, Any]:
        return asdict(rung) | {
            "operations": rung.work.total,
            "median": rung.median,
            "floor_seconds": self.floor(rung),
            "own_floor_seconds": self.own_floor(rung),
            "predicted_seconds": PREDICTED_SECONDS.get((rung.path, rung.size)),
        }

    def markdown(self) -> str:
        parts = [self._head(), self._ladder(), self._attention(), self._compiling()]
        parts += [self._queues(), self._goals(), self._published()]
        parts += [f"- {note}" for note in self.notes]
        return "\n\n".join(part for part in parts if part)

    def _head(self) -> str:
        if self.machine is None:
            return ""
        machine, low = self.machine, self.machine.low_rate
        memory = f", {machine.memory_bytes / GIGA:.0f} GB" if machine.memory_bytes else ""
        fp8 = f" and {low / TERA:.0f} TFLOP/s of fp8" if low else ""
        return (
            f"{machine.device}{memory}, torch {machine.torch}; it multiplies random matrices at"
            f" {machine.rate / TERA:.3g} TFLOP/s{fp8}. The floor is reckoned with"
            f" {self.rate / TERA:.0f} and {self.low_rate / TERA:.0f}."
        )

    def _ladder(self) -> str:
        header = (
            "path", "size", "s a picture", "÷ floor", "÷ own floor", "TFLOP", "TFLOP/s", "peak GB",
            "off stock", "predicted on H200", "remarks",
        )  # fmt: skip
        return table(header, [self._ladder_row(rung) for rung in self.rungs])

    def _ladder_row(self, rung: Rung) -> Sequence[str]:
        taken, own = rung.median, self.own_floor(rung)
        runs = f" ({len(rung.seconds)} runs)" if taken else ""
        return (
            rung.words,
            f"{rung.width} × {rung.height}",
            _seconds(taken) + runs,
            _number(taken and taken / self.floor(rung), ".2f"),
            _number(taken and own and taken / own, ".2f"),
            f"{rung.work.total / TERA:,.4g}",
            _number(taken and rung.work.total / taken / TERA, ",.4g"),
            _number(rung.peak_bytes and rung.peak_bytes / GIGA, ".1f"),
            _number(rung.difference, ".2f"),
            PREDICTED_SECONDS.get((rung.path, rung.size), UNKNOWN) if self.goals_apply else UNKNOWN,
            rung.error or "",
        )

    def _attention(self) -> str:
        rows = [
            (
                one["name"] + (" (chosen)" if one["name"] == self.chosen_attention else ""),
                _number(one["milliseconds"], ".3f"),
                one["why_not"] or "",
            )
            for one in self.attention
        ]
        return table(("attention", "ms a call", "why not"), rows) if rows else ""

    def _compiling(self) -> str:
        lines = [
            f"- {rung.words}, {rung.width} × {rung.height}: the first picture took"
            f" {rung.first_seconds - rung.again_seconds:.1f} s longer than the second."
            for rung in self.rungs
            if rung.first_seconds is not None and rung.again_seconds is not None
            if rung.first_seconds - rung.again_seconds > SLOW_START_SECONDS
        ]
        if self.graphs is not None:
            lines.append(
                f"- compiled graphs: {self.graphs['graphs']}, for {len(self.graphs['shapes'])}"
                " shapes of pictures and texts."
            )
        return "\n".join(lines)

    def _queues(self) -> str:
        sizes = sorted({job.size for queue in self.queues for job in queue.jobs})
        header = ["mixed queue", "done", "pictures/min", "wall ÷ Σ solo"]
        header += [f"{w} × {h} p50 / p95 s" for w, h in sizes] + ["remarks"]
        rows = []
        for queue in self.queues:
            row = [
                queue.name,
                f"{queue.done}/{len(queue.jobs)}",
                _number(60 * queue.done / queue.wall_seconds, ".1f"),
                _number(queue.wall_seconds / queue.solo_seconds, ".2f"),
            ]
            for size in sizes:
                middle, late = queue.percentile(size, 50), queue.percentile(size, 95)
                row.append(f"{_number(middle, '.2f')} / {_number(late, '.2f')}")
            rows.append([*row, queue.error or ""])
        return table(header, rows) if rows else ""

    def _goals(self) -> str:
        return table(("goal", "measured", "met"), list(self.goals()))

    def _published(self) -> str:
        rows = [tuple(asdict(one).values()) for one in PUBLISHED]
        header = ("published by others, not measured here", "hardware", "size", "s", "source")
        return table(header, rows)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown, with columns as wide as their widest cell."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    drawn = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(drawn)


def _queue(queue: Queue) -> dict[str, Any]:
    sizes = sorted({job.size for job in queue.jobs})
    return asdict(queue) | {
        "done": queue.done,
        "latency_seconds": {
            f"{w}x{h}": {"p50": queue.percentile((w, h), 50), "p95": queue.percentile((w, h), 95)}
            for w, h in sizes
        },
    }


def _seconds(seconds: float | None) -> str:
    return _number(seconds, ".3f" if (seconds or 0) < 10 else ".1f")


def _number(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else format(value, form)
