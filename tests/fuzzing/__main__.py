"""`python -m fuzzing --cases 100000 --seed 7`: all at once, on a server of its own."""

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from fuzzing.ground import SETTINGS, Prey
from fuzzing.running_them import Run
from fuzzing.shrinking import smallest
from running import Server

STEP = 5000  # cases between two lines of report


def main() -> int:
    options = argparse.ArgumentParser(prog="fuzzing", description=__doc__)
    options.add_argument("--cases", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options.add_argument("--first", type=int, default=0, help="number of the first case")
    given = options.parse_args()
    print(f"{given.cases} cases from number {given.first}, seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "home", **SETTINGS)
        try:
            return fuzz(
                Prey(server.start()), given.seed, range(given.first, given.first + given.cases)
            )
        finally:
            server.close()


def fuzz(prey: Prey, seed: int, numbers: range) -> int:
    run = Run(prey.port, prey.ground, prey.judge)
    for first in range(numbers.start, numbers.stop, STEP):
        tally = run.numbers(seed, range(first, min(first + STEP, numbers.stop)))
        print(
            f"{tally.cases} cases, {tally.cases / tally.wall_seconds:.0f}/s, p99"
            f" {1000 * tally.p99_seconds:.0f} ms, server {prey.rss_mib():.0f} MiB", flush=True,
        )  # fmt: skip
        if tally.failures:
            break
    print("statuses", dict(sorted(run.tally.statuses.items())))
    for case, complaint in run.tally.failures:
        kind = complaint.split(":")[0]
        shrunk = smallest(
            case, lambda tried, kind=kind: (run.complaint(tried) or "").startswith(kind)
        )
        print(f"\ncase {case.number}: {complaint}\n  {shrunk.method} {shrunk.target[:200]}")
        print(f"  {shrunk.raw!r}")
    wrong = prey.came_through()
    print("\n".join(wrong) or "the server came through, and its books agree")
    return 1 if run.tally.failures or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
