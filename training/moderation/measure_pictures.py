"""Measures the picture filter on what the embedded model draws: how many it would refuse.

python -m training.moderation.measure_pictures [--side 512] [--every 2]

Its prompts are the harmless held-out ones, traps in four languages, and so the most likely to be
drawn as something that looks unsafe. Of real pornography we have none, so recall is not measured.
"""

import argparse
from itertools import chain

import numpy as np
from training.moderation.measure import benign

from safelight.catalog.request import ImageRequest
from safelight.engines import Picture
from safelight.engines.mini import MiniEngine
from safelight.moderation import NsfwClassifier
from safelight.moderation.pictures import BASE, STRICT, WITH_MINORS, Scores, Thresholds, views


def measure(side: int, every: int) -> list[Scores]:
    """The gravest view's scores of each picture."""
    engine, classifier = MiniEngine(threads=1), NsfwClassifier()
    engine.load()
    classifier.load()
    found = []
    for seed, prompt in enumerate(list(chain(*benign().values()))[::every]):
        request = ImageRequest(model="mini", prompt=prompt, width=side, height=side, seed=seed)
        for made in engine.generate(request):
            if isinstance(made, Picture):
                scores = map(classifier.scores, views(made.pixels))
                found.append(max(scores, key=lambda scores: scores.explicit))
    return found


def refused(found: list[Scores], limits: Thresholds) -> int:
    return sum(s.explicit >= limits.explicit or s.any_kind >= limits.any_kind for s in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="pixels")
    parser.add_argument("--every", type=int, default=1, help="only every so many prompts")
    chosen = parser.parse_args()
    found = measure(chosen.side, chosen.every)
    print(f"{len(found)} pictures; refused at base {refused(found, BASE)}, strict")
    print(f"{refused(found, STRICT)}, with minors {refused(found, WITH_MINORS)}")
    for name in ("explicit", "any_kind"):
        values = [getattr(scores, name) for scores in found]
        shares = ", ".join(f"{np.percentile(values, p):.4f}" for p in (50, 90, 99, 100))
        print(f"{name}: median, 90 %, 99 %, greatest {shares}")


if __name__ == "__main__":
    main()
