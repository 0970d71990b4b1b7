"""Reads the word lists, and finds their words in a folded text."""

import base64
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import groupby

from safelight.moderation.folding import fold

LATIN = re.compile(r"[a-z0-9]")
WORD_START = re.compile(r"(?<![a-z0-9])[a-z0-9]")
AGE_WORDS = frozenset({"year", "years", "old", "aged", "age"})
SCRIPTS = (("가", "힣"), ("\u3040", "\u30ff"), ("\u3400", "\u9fff"))  # Hangul, kana, Han
PARTICLES = "のなとをがはにでもや"  # after which a new word begins, though it is kana as well
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

    latin: Mapping[str, list[Term]] = field(default_factory=dict)  # by their first two characters
    wide: Mapping[str, list[Term]] = field(default_factory=dict)  # the same
    wide_start: re.Pattern[str] = re.compile("(?!)")  # a character that begins a wide term
    words: frozenset[str] = frozenset()  # Latin terms of one word
    parts: frozenset[str] = frozenset()  # the words of longer Latin terms
    stems: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()

    def known(self, word: str) -> bool:
        """Whether a term is this Latin word, or has it in it, or is its singular."""
        if word in self.words or word in self.parts or word.removesuffix("s") in self.words:
            return True
        return len(word) > 3 and word.startswith(self.stems)

    def hits(self, text: str) -> list[Hit]:
        """Every term in a folded text, but for those within an allowed phrase."""
        found = sorted([*self._latin(text), *self._wide(text)], key=lambda hit: hit.start)
        left, covered = [], 0  # how far an allowed phrase reaches that began before
        for start, hits in groupby(found, key=lambda hit: hit.start):
            here = list(hits)
            covered = max(covered, *(hit.end for hit in here if hit.group == ALLOW), start)
            left += [hit for hit in here if hit.group != ALLOW and hit.end > covered]
        return left

    def _latin(self, text: str) -> Iterator[Hit]:
        for start in (found.start() for found in WORD_START.finditer(text)):
            for term in self.latin.get(text[start : start + 2], ()):
                if text.startswith(term.text, start):
                    end = _end_of_word(text, start + len(term.text), term.prefix)
                    if end:
                        yield Hit(start, end, term.group)

    def _wide(self, text: str) -> Iterator[Hit]:
        for start in (found.start() for found in self.wide_start.finditer(text)):
            pair = text[start : start + 2]
            for term in (*self.wide.get(pair, ()), *self.wide.get(pair[0], ())):
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
    # Spaces between Korean words come and go.
    terms += [
        replace(term, text=term.text.replace(" ", ""))
        for term in terms
        if " " in term.text and not LATIN.match(term.text)
    ]
    for term in terms:
        if LATIN.match(term.text):
            latin.setdefault(term.text[:2], []).append(term)
        else:
            wide.setdefault(term.text[:2], []).append(term)
    return Lexicon(
        latin=latin,
        wide=wide,
        wide_start=re.compile(f"[{''.join(sorted({re.escape(pair[0]) for pair in wide}))}]"),
        words=frozenset(t.text for t in terms if not t.prefix and t.text.isalpha()),
        parts=AGE_WORDS.union(
            *(re.findall("[a-z]{2,}", t.text) for t in terms if t.group != ALLOW)
        ),
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
    """Whether two characters may be of one word: of one script, and no particle between words."""
    return before not in PARTICLES and any(
        first_of <= before <= last_of and first_of <= first <= last_of
        for first_of, last_of in SCRIPTS
    )
