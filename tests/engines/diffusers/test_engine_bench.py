"""The engine's bench, as a process of its own: every rung is told, whatever becomes of it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tiny_models

ROOT = Path(__file__).parents[3]
PATHS = ["stock", "unpadded", "attention", "compile", "fast", "fp8"]
TOGETHER = """
import runpy, sys
for words in sys.argv[1:]:
    sys.argv = ["bench.engine", *words.split()]
    runpy.run_module("bench.engine", run_name="__main__")
"""  # importing torch takes longer than all of them
SMALL = "--device cpu --tiny --sizes 64x64 --runs 1 --steps 2"


@dataclass(frozen=True)
class Benched:
    """What the commands left."""

    weights: dict[str, Any]  # of a folder of weights, with its table
    table: str
    unknown: dict[str, Any]  # with an attention that nobody knows
    hurried: dict[str, Any]  # with no time at all
    said: str


@pytest.fixture(scope="module")
def benched(tmp_path_factory: pytest.TempPathFactory) -> Benched:
    folder = tmp_path_factory.mktemp("bench")
    tiny_models.save(tiny_models.krea2(), folder / "weights")
    commands = (
        f"--weights {folder}/weights --device cpu --sizes 64x64,128x128 --runs 1 --steps 2"
        f" --jobs 3,1 --json {folder}/weights.json --markdown {folder}/weights.md",
        f"{SMALL} --attention nonsense --json {folder}/unknown.json",
        f"{SMALL} --seconds 0 --json {folder}/hurried.json",
        "--count",
    )
    process = subprocess.run(
        [sys.executable, "-c", TOGETHER, *commands],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    reports = [
        json.loads((folder / f"{name}.json").read_text())
        for name in ("weights", "unknown", "hurried")
    ]
    table = (folder / "weights.md").read_text()
    return Benched(reports[0], table, *reports[1:], process.stdout)


def test_every_path_is_measured_at_every_size_or_says_why_not(benched: Benched) -> None:
    rungs = benched.weights["ladder"]
    assert [(rung["path"], rung["width"]) for rung in rungs] == [
        (path, width) for path in PATHS for width in (64, 128)
    ]
    for rung in rungs:
        if rung["path"] in ("compile", "fp8"):
            assert rung["seconds"] == []
            assert rung["error"]
        else:
            assert rung["error"] is None
            assert rung["median"] > 0
            assert rung["contrast"] > 1


def test_every_path_paints_the_stock_pipelines_picture(benched: Benched) -> None:
    measured = [rung for rung in benched.weights["ladder"] if rung["seconds"]]
    assert len(measured) == 8
    for rung in measured:
        assert rung["difference"] < 0.004  # grey levels: one in 250 may round to its neighbour


def test_fp8_on_a_processor_says_what_it_needs(benched: Benched) -> None:
    assert "compute capability 8.9" in benched.weights["ladder"][-1]["error"]


def test_each_step_of_the_fast_path_counts_fewer_operations(benched: Benched) -> None:
    rungs = {rung["path"]: rung for rung in benched.weights["ladder"] if rung["width"] == 64}
    stock, unpadded, fast = (rungs[path]["operations"] for path in ("stock", "unpadded", "fast"))
    assert stock > unpadded > fast
    floors = {rung["floor_seconds"] for path, rung in rungs.items() if path != "fp8"}
    assert floors == {rungs["fast"]["operations"] / 790e12}


def test_the_queue_goes_through_the_scheduler_to_its_end(benched: Benched) -> None:
    queues = {queue["name"]: queue for queue in benched.weights["queues"]}
    assert len(queues) == 4
    for queue in queues.values():
        assert (queue["done"], queue["error"]) == (4, None)
        assert queue["latency_seconds"]["128x128"]["p95"] > 0


def test_the_report_has_all_its_parts_and_goals_only_for_the_true_size(benched: Benched) -> None:
    report = benched.weights
    assert report["notes"] == []
    assert report["attention"]["chosen"] in [
        one["name"] for one in report["attention"]["candidates"]
    ]
    assert report["machine"]["rate"] > 0
    assert {goal["met"] for goal in report["goals"]} == {"—"}
    assert any(one["seconds"] == "1.56" for one in report["published"])


def test_the_table_has_a_row_for_every_rung(benched: Benched) -> None:
    for rung in benched.weights["ladder"]:
        start = f"| {rung['words']} "
        assert sum(line.startswith(start) for line in benched.table.splitlines()) == 2
    assert "80 % load, scheduler" in benched.table


def test_a_path_that_fails_is_a_line_and_not_the_end(benched: Benched) -> None:
    rungs = {rung["path"]: rung for rung in benched.unknown["ladder"]}
    assert rungs["stock"]["median"] > 0
    for path in ("attention", "fast"):
        assert "No attention is called 'nonsense'" in rungs[path]["error"]
    assert benched.unknown["queues"] == []
    assert benched.unknown["notes"] == ["No queue: the fast path did not run."]


def test_without_time_nothing_is_measured_and_that_is_said(benched: Benched) -> None:
    errors = {rung["path"]: rung["error"] for rung in benched.hurried["ladder"]}
    assert errors["stock"] == errors["fast"] == "no time was left"


def test_the_page_on_the_engine_quotes_the_operations_as_they_are_counted(
    benched: Benched,
) -> None:
    page = (ROOT / "docs/concepts/engine.md").read_text()
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in benched.said.splitlines()
        if line.startswith(("| 1024 ×", "| 2048 ×"))
    ]
    assert len(rows) == 6
    for row in rows:
        assert row[-3] in page
    assert rows[0][-3] == "1,047.72"
