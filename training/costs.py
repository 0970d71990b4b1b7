"""What Mini costs from a cold start: `python -m training.costs WEIGHTS` prints JSON."""

import json
import sys
import time
from collections import deque
from pathlib import Path
from statistics import median

from safelight.catalog.request import ImageRequest
from safelight.engines.mini import MiniEngine

PROMPTS = ("a cat", "three penguins in the snow at sunset", "a purple octopus underwater")
SIDES = (1024, 2048)


def main() -> None:
    began = time.monotonic()
    engine = MiniEngine(threads=2, weights=Path(sys.argv[1]))
    engine.load()
    loaded = time.monotonic()
    found = {"loading_seconds": loaded - began}
    for side in SIDES:
        walls, works = [], []
        for seed, prompt in enumerate(PROMPTS):
            wall, work = time.monotonic(), time.process_time()
            request = ImageRequest(model="", prompt=prompt, width=side, height=side, seed=seed)
            deque(engine.generate(request), maxlen=0)
            walls.append(time.monotonic() - wall)
            works.append(time.process_time() - work)
            if side == SIDES[0] and seed == 0:
                found["first_picture_seconds"] = time.monotonic() - began
        found[f"{side}_seconds"] = median(walls)
        found[f"{side}_processor_seconds"] = median(works)
        found[f"{side}_peak_megabytes"] = _peak_megabytes()
    print(json.dumps({name: round(value, 2) for name, value in found.items()}))


def _peak_megabytes() -> int:
    """Of this program alone: getrusage tells the peak of whoever started it, too."""
    status = Path("/proc/self/status").read_text()
    return (
        int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
        // 1024
    )


if __name__ == "__main__":
    main()
