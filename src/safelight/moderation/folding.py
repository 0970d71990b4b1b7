"""Spells a prompt the one way that the rules are written in: letters for their look-alikes."""

import re
import unicodedata

KANA_MARKS = "\u3099\u309a"  # what makes が of か: the only combining marks that are kept

# Letters that are drawn like Latin ones, where NFKC does not already know it.
_CYRILLIC = dict(zip("абвгеёзийкмнопрстухьѕіјӏԁԛԝһɡ", "abbreezuukmhonpctyxbsijldqwhg", strict=True))
_GREEK = dict(zip("αβγεηικνορτυχωσς", "abyenikvoptuxwss", strict=True))
_SMALL_CAPITALS = dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True))
_OTHERS = dict(zip("ıłøđħŧɐəɹʇʌʍʎɑɩ", "ilodhtaertvwyai", strict=True))
_SQUARED = {
    chr(first + i): chr(ord("a") + i)
    for first in (0x1F130, 0x1F150, 0x1F170, 0x1F1E6)
    for i in range(26)
}
# Katakana as hiragana, and one form for characters that Japan, Taiwan and China write differently.
_KANA = {chr(code): chr(code - 0x60) for code in range(0x30A1, 0x30F7)}
_HAN = dict(
    zip(
        "兒児體學歲歳強姦殺圖圍處亂淫穢娼妓蘿莉褲襪親戀慾歐黃陰莖陽門製戰納槍愛還現實偽換臉屍腦內臟髒"
        "國軍幫組織廣傳單絕種滅腸噴斷頭對鏡婦產醫療癌藝術館畫雕",
        "儿儿体学岁岁强奸杀图围处乱淫秽娼妓萝莉裤袜亲恋欲欧黄阴茎阳门制战纳枪爱还现实伪换脸尸脑内脏脏"
        "国军帮组织广传单绝种灭肠喷断头对镜妇产医疗癌艺术馆画雕",
        strict=True,
    )
)
_TABLE = str.maketrans(
    {**_CYRILLIC, **_GREEK, **_SMALL_CAPITALS, **_OTHERS, **_SQUARED, **_KANA, **_HAN}
)

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_HANGUL = re.compile("[\u1100-\u11ff\u3131-\u3163가-힣]++")
_JAMO = re.compile("[\u1100-\u11ff\u3131-\u3163]")

_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_SYLLABLES = 0xAC00


def fold(text: str) -> str:
    """One spelling: compatibility forms, case, accents, look-alikes and loose jamo are undone."""
    if text.isascii():
        return text.casefold()
    text = compose_jamo(_INVISIBLE.sub("", text))
    apart = unicodedata.normalize("NFKD", text).casefold()
    kept = [c for c in apart if c in KANA_MARKS or unicodedata.category(c) not in ("Mn", "Me")]
    whole = unicodedata.normalize("NFKC", "".join(kept))
    return _INVISIBLE.sub("", whole.casefold()).translate(_TABLE)


def compose_jamo(text: str) -> str:
    """ㄴㅏ무 is 나무: loose letters of Hangul are put together with what stands around them."""
    if not _JAMO.search(text):
        return text
    return _HANGUL.sub(lambda found: _recompose(found.group()), text)


def _recompose(run: str) -> str:
    return _compose(_letters(run)) if _JAMO.search(run) else run


def _letters(run: str) -> str:
    """The run as compatibility jamo, such as a keyboard types."""
    letters = []
    for char in run:
        code = ord(char)
        if code >= _SYLLABLES:
            initial, rest = divmod(code - _SYLLABLES, 21 * 28)
            vowel, final = divmod(rest, 28)
            letters.append(_INITIALS[initial] + _VOWELS[vowel] + _FINALS[final].strip())
        elif 0x1100 <= code <= 0x1112:
            letters.append(_INITIALS[code - 0x1100])
        elif 0x1161 <= code <= 0x1175:
            letters.append(_VOWELS[code - 0x1161])
        elif 0x11A8 <= code <= 0x11C2:
            letters.append(_FINALS[code - 0x11A7])
        else:
            letters.append(char)
    return "".join(letters)


def _compose(letters: str) -> str:
    made, at = [], 0
    while at < len(letters):
        initial, vowel = _INITIALS.find(letters[at]), _VOWELS.find(letters[at + 1 : at + 2] or " ")
        if initial < 0 or vowel < 0:
            made.append(letters[at])
            at += 1
            continue
        at += 2
        final = _FINALS.find(letters[at : at + 1] or " ")
        before_vowel = letters[at + 1 : at + 2] in _VOWELS if at + 1 < len(letters) else False
        if final <= 0 or before_vowel:
            final = 0
        else:
            at += 1
        made.append(chr(_SYLLABLES + (initial * 21 + vowel) * 28 + final))
    return "".join(made)
