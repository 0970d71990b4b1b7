"""Reads a body as JSON that means the same to everyone, or says what is wrong with it."""

import json
import re
from typing import Any, NoReturn

from safelight.errors import MalformedBody, RequestTooLarge

BODY_BYTES_MAX = 64 * 1024
NESTING_MAX = 16  # levels of lists and objects; no model takes more than four
NUMBER_DIGITS_MAX = 308  # what a double can hold; Python itself stops at 4300

# What opens or closes a level, or a whole string, within which brackets mean nothing.
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_SUSPICIOUS_ESCAPE = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")  # half a pair, perhaps, or NUL
_DIGITS = re.compile(r"[0-9]+")


def decode(body: bytes) -> dict[str, Any]:
    """The object that a body holds. Raises MalformedBody or RequestTooLarge."""
    if len(body) > BODY_BYTES_MAX:
        raise RequestTooLarge
    if not body.strip():
        raise MalformedBody("The request body is empty; a JSON object is expected")
    text = _text(body)
    if body.count(b"[") + body.count(b"{") > NESTING_MAX:
        _check_nesting(text)
    value = _parse(text)
    if not isinstance(value, dict):
        raise MalformedBody("The request body must be a JSON object")
    if _SUSPICIOUS_ESCAPE.search(text):
        _check_strings(value)
    return value


def _text(body: bytes) -> str:
    if body.startswith(b"\xef\xbb\xbf"):
        raise MalformedBody("The request body must not begin with a byte order mark")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The request body is not valid UTF-8 at byte {error.start}") from None


def _parse(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise MalformedBody(f"The request body is not valid JSON: {error.msg}, {where}") from None


def _check_nesting(text: str) -> None:
    """Before parsing, as the parser recurses."""
    depth = 0
    for match in _STRUCTURE.finditer(text):
        opening = match[0]
        if opening in "[{":
            depth += 1
        elif opening in "]}":
            depth -= 1
        if depth > NESTING_MAX:
            raise MalformedBody(f"The request body is nested deeper than {NESTING_MAX} levels")


def _check_strings(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise MalformedBody("A string in the request body holds the character U+0000")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise MalformedBody(
                "A string in the request body holds half of a surrogate pair"
            ) from None
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_strings(key)
            _check_strings(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_strings(inner)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise MalformedBody(f'The key "{_printable(twice)}" is given more than once')
    return result


def _integer(digits: str) -> int:
    if len(digits) > NUMBER_DIGITS_MAX:
        raise MalformedBody(f"A number has more than {NUMBER_DIGITS_MAX} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise MalformedBody("A number is too large for a double")
    return value


def _constant(word: str) -> NoReturn:
    raise MalformedBody(f"{word} is not a number in JSON")


def _printable(key: str) -> str:
    return key[:60].encode("ascii", "backslashreplace").decode()


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
