"""The embedded engine's reader and layout on babble: any words in any order make a picture."""

import random

import numpy as np
import pytest

import reading
from safelight.engines.mini import WEIGHTS, words
from safelight.engines.mini.arrange import arrange
from safelight.engines.mini.canvas import Frame
from safelight.engines.mini.idea import Setting
from safelight.engines.mini.lexicon import Lexicon
from safelight.engines.mini.prompt import MOST_SPRITES, parse
from safelight.engines.mini.scenes import build
from safelight.engines.mini.upscale import Cutout, cut_out

pytestmark = pytest.mark.skipif(not (WEIGHTS / "lexicon.npz").exists(), reason="no weights")

SIZES = [(64, 64), (64, 4096), (4096, 64), (300, 200)]
LITTLE = ("and", "a", "the", "와", ",", "는", "with", "없는")


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return reading.lexicon()


def babble(chance: random.Random) -> str:
    """Up to fourteen phrases out of all tables, the telling ones more often."""
    tables = [
        [phrase for table in words.RELATIONS.values() for phrase in table],
        [phrase for table in words.SAYINGS.values() for phrase in table],
        [phrase for table in words.SETTINGS.values() for phrase in table],
        list(words.ALIASES),
        list(words.ALIASES),
        list(words.NUMBERS),
        list(LITTLE),
    ]
    return " ".join(chance.choice(chance.choice(tables)) for _ in range(chance.randint(1, 14)))


def strange_shapes() -> list[Cutout]:
    """Nothing, everything, noise, a stick and a plate."""
    noise = np.random.default_rng(1)
    colour = noise.random((64, 64, 3)).astype(np.float32)
    alphas = [np.zeros((64, 64), np.float32) for _ in range(5)]
    alphas[1][:] = 1
    alphas[2][noise.random((64, 64)) > 0.5] = 1
    alphas[3][4:60, 31:33] = 1
    alphas[4][40:48, 2:62] = 1
    return [cut_out(colour, alpha) for alpha in alphas]


@pytest.mark.parametrize("seed", range(4))
def test_any_words_in_any_order_are_read_and_laid_out(lexicon: Lexicon, seed: int):
    chance, shapes = random.Random(seed), strange_shapes()
    for _ in range(150):
        prompt = babble(chance)
        idea = parse(prompt, lexicon)
        count = sum(subject.count for subject in idea.subjects)
        assert count <= MOST_SPRITES, prompt
        cutouts = [chance.choice(shapes) for _ in range(count)]
        frame = Frame.of(*chance.choice(SIZES))
        scene = build(Setting(place="studio"), frame, np.random.default_rng(0), alone=False)
        placed = arrange(cutouts, idea, scene, frame, np.random.default_rng(seed))
        assert len(placed) == count, prompt
        assert all(0 < thing.side < 20 * max(frame.width, frame.height) for thing in placed)
