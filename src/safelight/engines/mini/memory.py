"""What the flow remembers: the latent of every drawing it has seen, kept in a mapped file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from safelight.engines.mini.lexicon import Floats


@dataclass(frozen=True, slots=True)
class Drawing:
    latent: Floats  # [channels, rows, columns]
    style: int  # its number in the recipe


class Memory:
    """Latents as int8, by what they show and in which style."""

    def __init__(self, latents: Path, tables: Path):
        """`tables` holds for each latent the number of its label and of its style, and the step."""
        self._latents = np.load(latents, mmap_mode="r", allow_pickle=False)
        with np.load(tables, allow_pickle=False) as known:
            self._label, self._style = known["drawn"], known["drawn_style"]
            self._step = np.float32(known["step"])

    def recall(self, label: int, styles: Sequence[int], random: np.random.Generator) -> Drawing:
        """One drawing of it, in the first of the styles that it was drawn in."""
        known = np.flatnonzero(self._label == label)
        rank = [styles.index(int(style)) for style in self._style[known]]
        row = int(random.choice(known[np.array(rank) == min(rank)]))
        latent: Floats = self._latents[row].astype(np.float32) * self._step
        return Drawing(latent, int(self._style[row]))
