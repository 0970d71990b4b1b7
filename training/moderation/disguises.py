"""Twelve ways in which people hide words from filters, as functions of a prompt."""

import random
import re
import unicodedata
from collections.abc import Callable

LOOKALIKES = str.maketrans("aceiopsxy", "асеіорѕху")  # Latin → Cyrillic
LEET = str.maketrans("aeiost", "4310$7")
SMALL_CAPITALS = str.maketrans("abcdeghijklmnoprtuvwyz", "ᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ")
JAMO = ("ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ", "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ",
        " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")  # fmt: skip


def jamo(text: str) -> str:
    def split(found: re.Match[str]) -> str:
        code = ord(found.group()) - 0xAC00
        parts = (code // 588, code % 588 // 28, code % 28)
        return "".join(row[i] for row, i in zip(JAMO, parts, strict=True)).strip()

    return re.sub("[가-힣]", split, text)


def parted(between: str) -> Callable[[str], str]:
    """Something between the letters of each word."""
    return lambda text: "  ".join(between.join(word) for word in text.split())


def every_other(marks: str) -> Callable[[str], str]:
    return lambda text: "".join(
        char + marks if number % 2 and char.isalpha() else char for number, char in enumerate(text)
    )


def drawn_out(text: str) -> str:
    return re.sub(r"\b([a-z]+?)([aeiou])(?=[a-z])", r"\1\2\2\2\2", text)


def starred(text: str) -> str:
    """A star for the first vowel of each word of more than three letters."""
    return re.sub(r"\b([a-z]+?)[aeiou](?=[a-z]{2})", r"\1*", text)


def enlarged(text: str) -> str:
    random.seed(len(text))
    return "".join(char.upper() if random.random() < 0.5 else char for char in text)


def shifted(first: int) -> Callable[[str], str]:
    """Latin letters from another block of Unicode."""
    return lambda text: re.sub(
        "[a-z]", lambda found: chr(first + ord(found.group()) - ord("a")), text.lower()
    )


DISGUISES: dict[str, Callable[[str], str]] = {
    "letters apart": parted(" "),
    "dots between letters": parted("."),
    "zero-width characters": every_other("\u200b"),
    "combining marks": every_other("\u0336"),
    "full-width letters": shifted(0xFF41),
    "mathematical bold": shifted(0x1D41A),
    "small capitals": lambda text: text.lower().translate(SMALL_CAPITALS),
    "Cyrillic look-alikes": lambda text: text.lower().translate(LOOKALIKES),
    "leetspeak": lambda text: text.lower().translate(LEET),
    "stars for vowels": lambda text: starred(text.lower()),
    "letters drawn out": lambda text: drawn_out(text.lower()),
    "mixed case": enlarged,
    "loose jamo": jamo,
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
}
