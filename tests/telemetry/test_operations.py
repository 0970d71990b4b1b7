"""The dashboard and the alert rules that we ship name only what a server really shows."""

import json
import re
from pathlib import Path

import pytest
import yaml

from safelight.telemetry.meters import Meters

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations"
SUFFIXES = {
    "histogram": ("_bucket", "_sum", "_count"),
    "counter": ("",),
    "gauge": ("",),
}  # fmt: skip
PROMETHEUS_OWN = {"job", "instance", "le"}
ALERTS_MIN = 8


def shown() -> dict[str, set[str]]:
    """Names of series with their labels."""
    return {
        metric.name + suffix: {*metric.labels}
        for metric in Meters("1").described
        for suffix in SUFFIXES[metric.kind]
    }


def dashboard_queries() -> list[str]:
    board = json.loads((OPERATIONS / "grafana.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def alert_rules() -> list[dict[str, str]]:
    [group] = yaml.safe_load((OPERATIONS / "alerts.yml").read_text())["groups"]
    return list(group["rules"])


def queries() -> list[str]:
    return [*dashboard_queries(), *(rule["expr"] for rule in alert_rules())]


@pytest.mark.parametrize("query", queries())
def test_every_metric_and_label_of_a_query_exists(query: str):
    known = shown()
    names = re.findall(r"safelight_\w+", query)
    assert names or query.startswith("up{")
    assert set(names) <= known.keys()
    labels = set(re.findall(r"[{,]\s*(\w+)\s*[=!]", query))
    for grouped in re.findall(r"by \(([^)]*)\)", query):
        labels |= {label.strip() for label in grouped.split(",")}
    assert labels <= set().union(PROMETHEUS_OWN, *(known[name] for name in names))


def test_there_are_rules_for_what_must_not_be_slept_through():
    rules = alert_rules()
    assert len(rules) >= ALERTS_MIN
    assert len({rule["alert"] for rule in rules}) == len(rules)
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in rules)


def test_what_a_server_shows_is_what_the_pages_describe():
    families = {family.name for family in Meters("1").registry.collect()}
    described = {metric.name.removesuffix("_total") for metric in Meters("1").described}
    assert {name for name in families if name.startswith("safelight_")} == described


def test_every_metric_counts_what_happens_or_is_set_at_the_scrape():
    """The names of the events' handlers are complete: an event nobody counts would raise."""
    from typing import get_args

    from safelight.telemetry.events import AnyEvent

    assert set(get_args(AnyEvent)) == set(Meters("1").counting)
