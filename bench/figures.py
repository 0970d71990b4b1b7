"""What was measured: rounds, their medians and spreads, and the table that is printed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure that was taken once a round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.rounds)

    def text(self, form: str = ",.2f", unit: str = "") -> str:
        """Median, and the least and the greatest round."""
        low, middle, high = (
            format(figure, form) for figure in (min(self.rounds), self.median, max(self.rounds))
        )
        unit = f" {unit}" if unit else ""
        return f"{middle}{unit}" if low == high else f"{middle}{unit} ({low}–{high})"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One promise, as the README quotes it."""

    promise: str
    measured: str
    reference: str = "—"
    ratio: Spread | None = None
    goal: str = "—"
    met: bool | None = None  # None: nothing was promised, the figure is only told
    data: dict[str, Any] = field(default_factory=dict)

    def cells(self) -> tuple[str, ...]:
        ratio = "—" if self.ratio is None else self.ratio.text(".2f")
        met = {True: "yes", False: "no", None: ""}[self.met]
        return self.promise, self.measured, self.reference, ratio, self.goal, met


def spread(figures: Sequence[float]) -> Spread:
    return Spread(tuple(figures))


def ratio(measured: Sequence[float], reference: Sequence[float]) -> Spread:
    """Round by round, as neighbours in time share the machine's mood."""
    return Spread(tuple(ours / theirs for ours, theirs in zip(measured, reference, strict=True)))


def percentile(figures: Sequence[float], percent: float) -> float:
    """The smallest figure that so many percent do not exceed."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def markdown(rows: Sequence[Row]) -> str:
    header = ("promise", "measured", "reference", "ratio", "goal", "met")
    lines = [header, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    drawn = [_line(line, widths) for line in lines]
    drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(drawn)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)) + " |"
