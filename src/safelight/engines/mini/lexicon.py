"""What the sprite model has names for: exact words first, nearness in meaning second."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from safelight.engines.mini.words import ALIASES, PARTICLES, SAYINGS, SETTINGS

Floats = npt.NDArray[np.floating[Any]]
Encode = Callable[[Sequence[str]], Floats]  # texts → unit vectors [texts, 512]

ADJECTIVAL = ("한", "운", "는", "던")  # Korean tags that end so name no thing: 달콤한
TAG_NEARNESS = 0.42  # a tag counts as a name only when it is about this near to the label's own


class Lexicon:
    """The labels of the sprites, words that mean one of them, and vectors of their captions."""

    def __init__(self, path: Path, encode: Encode):
        with np.load(path, allow_pickle=False) as tables:
            self.labels = [str(label) for label in tables["labels"]]
            self._vectors = tables["E"].astype(np.float32)  # [captions, 512]
            self._owner = tables["row"]  # caption → label number
            words: dict[str, int] = json.loads(str(tables["exact"]))
        self.encode = encode
        known = {w: k for k, table in SETTINGS.items() for w in table.items() if w[0].isascii()}
        self._settings = [(kind, value) for (_, value), kind in known.items()]
        self._setting_vectors = encode([word for word, _ in known])
        self._number = {label.lower(): number for number, label in enumerate(self.labels)}
        self._aliases = {w: name for w, name in ALIASES.items() if name.lower() in self._number}
        self._tags = {word: number for word, number in words.items() if word not in self._number}

    def find(self, phrase: str) -> str | None:
        """The label that is called so, be it by a plural, a Korean particle or a common tag."""
        forms = inflections(phrase)
        for form in forms:
            if form in self._aliases:
                return self._aliases[form]
            if form in self._number:
                return self.labels[self._number[form]]
        return next((self.labels[self._tags[form]] for form in forms if self._is_name(form)), None)

    def is_word(self, word: str) -> bool:
        """Does it name a thing as it stands, without a particle to take off?"""
        return word in self._aliases or word in self._number or word in self._tags

    def is_label(self, name: str) -> bool:
        return name.lower() in self._number

    def nearest(self, phrases: Sequence[str]) -> list[tuple[str, str, float]]:
        """For each phrase what is nearest in meaning: kind, value, and how near (1: the same)."""
        if not phrases:
            return []
        vectors = self.encode(phrases)
        things, settings = vectors @ self._vectors.T, vectors @ self._setting_vectors.T
        return [
            (*self._settings[int(setting.argmax())], float(setting.max()))
            if setting.max() > thing.max()
            else ("label", self.labels[int(self._owner[thing.argmax()])], float(thing.max()))
            for thing, setting in zip(things, settings, strict=True)
        ]

    def condition(self, label: str) -> Floats:
        """What the flow draws this label from, [512]: between its name and all its captions."""
        captions = self._vectors[self._owner == self._number[label.lower()]]
        blend: Floats = 0.6 * captions[0] + 0.4 * captions.mean(0)
        return blend

    def number(self, label: str) -> int:
        return self._number[label.lower()]

    def in_colour(self, label: str, colour: str) -> str:
        """The label for the thing in that colour, if there is one of its own ("green apple")."""
        bare = label.lower().split(maxsplit=1)[-1]
        for name in (f"{colour} {label.lower()}", f"{colour} {bare}"):
            if name in self._number:
                return self.labels[self._number[name]]
        return label

    def _is_name(self, tag: str) -> bool:
        if tag not in self._tags or tag.endswith(("ing", *ADJECTIVAL)):
            return False
        first, *rest = tag.split()
        if rest and (first in SETTINGS["colour"] or first in SAYINGS["scale"]):
            return False  # "white lily": both words are read
        if " in a " in tag:
            return False  # "tulips in a vase": two things
        captions = self._vectors[self._owner == self._tags[tag]]
        return float((captions @ self.encode([tag])[0]).max()) >= TAG_NEARNESS


def inflections(phrase: str) -> list[str]:
    """The phrase as written, then without plural endings or Korean particles."""
    if "가" <= phrase[-1:] <= "힣":
        stems = [phrase.removesuffix(particle) for particle in PARTICLES]
        return [phrase] + [stem for stem in dict.fromkeys(stems) if stem and stem != phrase]
    endings = {"ies": "y", "ves": "f", "es": "", "s": ""}
    return [phrase] + [
        phrase.removesuffix(ending) + singular
        for ending, singular in endings.items()
        if phrase.endswith(ending) and len(phrase) > len(ending) + 2
    ]
