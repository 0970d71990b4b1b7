"""What Prometheus would read from a server: by prometheus_client's own parsers."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import requests
from prometheus_client import parser
from prometheus_client.openmetrics import parser as open_parser

from running import Server, until

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclass(frozen=True)
class Scrape:
    """Every sample of one scrape."""

    text: str
    samples: tuple[tuple[str, dict[str, str], float], ...]

    def total(self, name: str, **labels: str) -> float:
        """The sum over all samples of that name that have these labels."""
        wanted = labels.items()
        return sum(value for n, got, value in self.samples if n == name and wanted <= got.items())

    def names(self) -> set[str]:
        return {name for name, _, _ in self.samples}

    def values(self, label: str) -> set[str]:
        return {labels[label] for _, labels, _ in self.samples if label in labels}


def metrics_url(server: Server) -> str:
    found = re.findall(r"metrics at (http://[\w.:\[\]]+/metrics)", server.log.read_text())
    return str(found[-1])


def scrape(server: Server, token: str | None = None) -> Scrape:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    reply = requests.get(metrics_url(server), headers=headers, timeout=10)
    assert reply.status_code == 200, reply.text
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return read(reply.text, parser.text_string_to_metric_families)


def scrape_when(server: Server, condition: Callable[[Scrape], bool]) -> Scrape:
    """What is scraped as soon as that is true: events come just after their commits."""
    return until(lambda: found if condition(found := scrape(server)) else None)


def scrape_openmetrics(server: Server) -> Scrape:
    reply = requests.get(metrics_url(server), headers={"Accept": OPENMETRICS}, timeout=10)
    assert reply.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    return read(reply.text, open_parser.text_string_to_metric_families)


def read(text: str, families) -> Scrape:  # type: ignore[no-untyped-def]
    samples = [
        (sample.name, dict(sample.labels), float(sample.value))
        for family in families(text)
        for sample in family.samples
    ]
    return Scrape(text, tuple(samples))
