"""How long requests took, counted on the hot path at a third of what a Histogram costs."""

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from safelight.telemetry.methods import known

# Upper bounds in seconds. A poll takes a tenth of a millisecond, a long poll up to a minute.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
LABELS = ("method", "route", "code")

Key = tuple[str, str, int]


class TimedRequests(Collector):
    """One histogram. Counted by the event loop alone; read by whoever scrapes."""

    def __init__(self, name: str, meaning: str):
        self._name = name
        self._meaning = meaning
        self._cells: dict[Key, list[float]] = {}  # a count for each bucket, and last the sum

    def count(self, method: str, route: str, code: int, seconds: float) -> None:
        cell = self._cells.get((method, route, code))
        if cell is None:
            cell = self._new_cell(method, route, code)
        cell[bisect_left(BUCKETS, seconds)] += 1
        cell[-1] += seconds

    def _new_cell(self, method: str, route: str, code: int) -> list[float]:
        key = (known(method), route, code)
        return self._cells.setdefault(key, [0] * (len(BUCKETS) + 1) + [0.0])

    def describe(self) -> Iterator[HistogramMetricFamily]:
        yield HistogramMetricFamily(self._name, self._meaning, labels=LABELS)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._meaning, labels=LABELS)
        for (method, route, code), cell in list(self._cells.items()):
            *counts, seconds = list(cell)  # in one go, as requests may be counted meanwhile
            so_far, buckets = 0.0, []
            for bound, count in zip((*BUCKETS, float("inf")), counts, strict=True):
                so_far += count
                buckets.append((floatToGoString(bound), so_far))  # type: ignore[no-untyped-call]
            family.add_metric((method, route, str(code)), buckets, seconds)
        yield family
