"""Undoes what was done to hide words: spaces, dots, leetspeak, stars, drawn-out letters."""

import re
from collections.abc import Callable, Iterator
from itertools import product

Known = Callable[[str], bool]  # whether the rules know a word

LETTER = r"[^\W\d_]"
GAP = r"[\s._\-~*|/\\·•,'+=:;<>()\[\]{}^]"  # what is put between letters to part them
GAPS = re.compile(rf"{GAP}+")
LATIN_RUN = re.compile(rf"(?<![a-z0-9])(?:[a-z0-9@$!]{GAP}{{1,3}}){{2,}}[a-z0-9@$!](?![a-z0-9@$*])")
HANGUL_RUN = re.compile(rf"(?<![가-힣])(?:[가-힣ㄱ-ㅣ]{GAP}{{1,3}})+[가-힣ㄱ-ㅣ](?![가-힣])")
HAN_GAP = re.compile(
    r"(?<=[\u3040-\u30ff\u3400-\u9fff])[ \t._\-~*|·•+]+(?=[\u3040-\u30ff\u3400-\u9fff])"
)
HANGUL_GAP = re.compile(r"(?<=[가-힣])[0-9._\-~*|·•+^]+(?=[가-힣])")
# Possessive, and only from where a word begins: long words must not take time squared.
PARTED = re.compile(r"(?<![a-z0-9@$!€])[a-z0-9@$!€]++(?:[._\-~|/\\·•'+^=]++[a-z0-9@$!€]++)+")
LEET = re.compile(r"[a-z0-9@$!|€+*]++")
AGE = re.compile(r"\d{1,2}(?:yo|yrs?|years?|y|th|st|nd|rd|s|k|d|x)?")
YEARS_OLD = re.compile(r"(?<=\d)y0(?![a-z0-9])")
STANDS_FOR = {
    "0": "o", "1": "il", "2": "z", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b",
    "9": "g", "@": "a", "$": "s", "!": "i", "|": "il", "€": "e", "+": "t", "*": "aeiou",
}  # fmt: skip
READINGS_MAX = 64  # of one word
WORD_LETTERS_MAX = 48  # longer ones hide nothing that would be read
DRAWN_OUT = re.compile(r"(.)\1{2,}")
WORD_PAIR = re.compile(r"\b([a-z]{1,5}) (?=([a-z]{1,6})\b)")
# Words that do stand alone, so that "the pen is" is no hidden word.
SHORT_WORDS = frozenset(
    """
    a an and are as at be but by can do for from go has he her his how i in is it its let like me
    men my no not of off on one or our out over own pen per she sit so than that the them then
    there they this to too up us use was we what who with you your all any art big bit boy cat
    ass end eye fan fun god got had hat hot ice kit led lid man mom nor now old pan put rap ran
    red sea see set son sun tan ten top two van war way win yes new day dad raw low mad
    """.split()  # noqa: SIM905 — a list of ninety quoted words is harder to read
)


def open_up(text: str, known: Known) -> str:
    """The folded text as it would read had nothing been hidden. Only known words come out of it."""
    text = HANGUL_RUN.sub(lambda found: " ".join(_parts(found.group())), text)
    text = YEARS_OLD.sub("yo", text)
    text = HAN_GAP.sub("", HANGUL_GAP.sub("", text))
    text = LATIN_RUN.sub(lambda found: _joined(found.group(), known), text)
    text = PARTED.sub(lambda found: _parted(found.group(), known), text)
    text = LEET.sub(lambda found: _plain(found.group(), known), text)
    return WORD_PAIR.sub(lambda found: _paired(found, known), text)


def _joined(run: str, known: Known) -> str:
    """n u d e → nude. A wider gap parts words; without one, known words are cut out."""
    words = [word for part in _parts(run) for word in _cut(_plain(part, known), known)]
    return " ".join(words) if any(map(known, words)) else run


def _parts(run: str) -> list[str]:
    """The words of a run of single letters, by its widest gaps if they are not all the same."""
    gaps = [len(gap) for gap in GAPS.findall(run)]
    parts = re.split(rf"{GAP}{{{max(gaps)}}}", run) if min(gaps) < max(gaps) else [run]
    return [GAPS.sub("", part) for part in parts]


def _cut(letters: str, known: Known) -> Iterator[str]:
    """Known words of at least four letters, the longest first, and what is between them."""
    at, rest = 0, ""
    while at < len(letters):
        for end in range(min(len(letters), at + 16), at + 3, -1):
            if known(letters[at:end]):
                if rest:
                    yield rest
                yield letters[at:end]
                at, rest = end, ""
                break
        else:
            rest += letters[at]
            at += 1
    if rest:
        yield rest


def _parted(word: str, known: Known) -> str:
    """na-ked → naked; and what is no hidden word stays as it is."""
    whole = re.sub(r"[^a-z0-9@$!€]", "", word)
    plain = _plain(whole, known)
    return plain if known(plain) and not any(map(known, re.split(r"[^a-z]", word))) else word


def _plain(word: str, known: Known) -> str:
    """n4k3d, n*ked and naaaked → naked, when the rules know that word."""
    if len(word) > WORD_LETTERS_MAX or word.isdecimal():
        return word
    if word.isalpha():
        return _shortened(word, known)
    core = word.rstrip("!+|*")
    tail = word[len(core) :]
    if AGE.fullmatch(core):
        return word
    for candidate, rest in ((core, tail), (word, "")) if tail else ((core, ""),):
        choices = [STANDS_FOR.get(char, char) for char in candidate]
        for number, letters in enumerate(product(*choices)):
            if number == READINGS_MAX:
                break
            reading = _shortened("".join(letters), known)
            if known(reading):
                return reading + rest
    return word


def _shortened(word: str, known: Known) -> str:
    if not DRAWN_OUT.search(word) or known(word):
        return word
    for times in (r"\1", r"\1\1"):
        shorter = DRAWN_OUT.sub(times, word)
        if known(shorter):
            return shorter
    return word


def _paired(found: "re.Match[str]", known: Known) -> str:
    """chi ld → child, unless either half is a word of its own."""
    first, second = found.groups()
    if first in SHORT_WORDS or second in SHORT_WORDS or len(first + second) < 5:
        return found.group()
    whole = known(first + second) and not known(first) and not known(second)
    return first if whole else found.group()
