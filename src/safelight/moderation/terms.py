"""Reads the word lists, and finds their words in a folded text."""

import base64
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable

from safelight.moderation.folding import fold

LATIN = re.compile(r"[a-z0-9]")
WORD_START = re.compile(r"(?<![a-z0-9])[a-z0-9]")
WIDE = re.compile(r"[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff가-힣]")
ALLOW = "allow"  # the group of phrases that only look like another group's words


@dataclass(frozen=True, slots=True)
class Term:
    """One entry of a list: `word`, `stem*`, or `|word`, which must begin a word."""

    text: str
    group: str
    prefix: bool = False
    at_word_start: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a term stands in a text, in characters."""

    start: int
    end: int
    group: str


@dataclass(frozen=True)
class Lexicon:
    """All terms of all languages, by how they begin."""

    latin: Mapping[str, list[Term]] = field(default_factory=dict)  # by their first two letters
    wide: Mapping[str, list[Term]] = field(default_factory=dict)  # by their first character
    words: frozenset[str] = frozenset()
    stems: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()

    def known(self, word: str) -> bool:
        """Whether a term is this one Latin word, or begins with it, or is its singular."""
        if word in self.words or word.removesuffix("s") in self.words:
            return True
        return len(word) > 3 and word.startswith(self.stems)

    def hits(self, text: str) -> list[Hit]:
        """Every term in a folded text, but for those within an allowed phrase."""
        found = [*self._latin(text), *self._wide(text)]
        allowed = [hit for hit in found if hit.group == ALLOW]
        return [
            hit
            for hit in found
            if hit.group != ALLOW
            and not any(a.start <= hit.start and hit.end <= a.end for a in allowed)
        ]

    def _latin(self, text: str) -> Iterator[Hit]:
        for start in (found.start() for found in WORD_START.finditer(text)):
            for term in self.latin.get(text[start : start + 2], ()):
                if text.startswith(term.text, start):
                    end = _end_of_word(text, start + len(term.text), term.prefix)
                    if end:
                        yield Hit(start, end, term.group)

    def _wide(self, text: str) -> Iterator[Hit]:
        for found in WIDE.finditer(text):
            start = found.start()
            for term in self.wide.get(found.group(), ()):
                if text.startswith(term.text, start) and not (
                    term.at_word_start and start and _joined(text[start - 1], text[start])
                ):
                    yield Hit(start, start + len(term.text), term.group)


def load(folder: Traversable | None = None) -> Lexicon:
    """The lists that come with the package, one file a language."""
    folder = folder or resources.files("safelight.moderation") / "terms"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    terms = [term for file in files for term in _read(file)]
    latin: dict[str, list[Term]] = {}
    wide: dict[str, list[Term]] = {}
    for term in terms:
        if LATIN.match(term.text):
            latin.setdefault(term.text[:2], []).append(term)
        else:
            wide.setdefault(term.text[0], []).append(term)
    return Lexicon(
        latin=latin,
        wide=wide,
        words=frozenset(t.text for t in terms if not t.prefix and t.text.isalpha()),
        stems=tuple(t.text for t in terms if t.prefix),
        groups=frozenset(t.group for t in terms),
    )


def _read(file: Traversable) -> Iterator[Term]:
    lists = tomllib.loads(file.read_text(encoding="utf-8"))
    # Words that nobody should have to read are kept in base64, under "coded".
    for group, coded in lists.pop("coded", {}).items():
        lists.setdefault(group, []).extend(base64.b64decode(word).decode() for word in coded)
    for group, entries in lists.items():
        for entry in entries:
            text = fold(entry.removeprefix("|").removesuffix("*"))
            yield Term(text, group, entry.endswith("*"), entry.startswith("|"))


def _end_of_word(text: str, end: int, prefix: bool) -> int:
    """Where the word ends that has a term at its start; 0 when the term is only a part of it."""
    if prefix:
        while end < len(text) and LATIN.match(text[end]):
            end += 1
        return end
    for suffix in ("'s", "s", ""):
        after = end + len(suffix)
        if text.startswith(suffix, end) and not LATIN.match(text[after : after + 1] or " "):
            return after
    return 0


def _joined(before: str, first: str) -> bool:
    """Whether two characters are of one word: both Hangul, or both kana."""
    return ("가" <= before <= "힣" and "가" <= first <= "힣") or (
        "\u3040" <= before <= "\u30ff" and "\u3040" <= first <= "\u30ff"
    )
