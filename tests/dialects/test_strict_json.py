"""Bodies that must be read in one way only, or not at all."""

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.dialects.strict_json import BODY_BYTES_MAX, NESTING_MAX, decode
from safelight.errors import MalformedBody, RequestTooLarge

BAD = {
    "nothing": (b"", "empty"),
    "white space": (b" \n\t ", "empty"),
    "not JSON": (b"prompt=a lamp", "not valid JSON"),
    "half an object": (b'{"a":', "not valid JSON"),
    "single quotes": (b"{'a':1}", "not valid JSON"),
    "a trailing comma": (b'{"a":1,}', "not valid JSON"),
    "two objects": (b"{}{}", "Extra data"),
    "a list": (b"[]", "must be a JSON object"),
    "a string": (b'"a"', "must be a JSON object"),
    "null": (b"null", "must be a JSON object"),
    "not UTF-8": (b'{"a":"\xff"}', "not valid UTF-8 at byte 6"),
    "UTF-16": ('{"a":1}'.encode("utf-16"), "not valid UTF-8"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "byte order mark"),
    "a raw surrogate": (b'{"a":"\xed\xa0\x80"}', "not valid UTF-8"),
    "an escaped surrogate": (b'{"a":"\\ud800"}', "surrogate"),
    "a surrogate in a key": (b'{"\\udfff":1}', "surrogate"),
    "a surrogate deep inside": (b'{"a":[{"b":["\\uD83d x"]}]}', "surrogate"),
    "surrogates the wrong way round": (b'{"a":"\\ude00\\ud83d"}', "surrogate"),
    "NUL": (b'{"a":"\\u0000"}', "U+0000"),
    "NUL in a key": (b'{"\\u0000":1}', "U+0000"),
    "a raw NUL": (b'{"a":"\x00"}', "not valid JSON"),
    "a raw newline": (b'{"a":"\n"}', "not valid JSON"),
    "NaN": (b'{"a":NaN}', "NaN"),
    "Infinity": (b'{"a":Infinity}', "Infinity"),
    "-Infinity": (b'{"a":[-Infinity]}', "-Infinity"),
    "1e400": (b'{"a":1e400}', "too large"),
    "-1e400": (b'{"a":-1e400}', "too large"),
    "five thousand digits": (b'{"a":' + b"9" * 5000 + b"}", "digits"),
    "a key twice": (b'{"seed":1,"seed":2}', '"seed" is given more than once'),
    "a key twice, once escaped": (b'{"a":1,"\\u0061":2}', '"a" is given more than once'),
    "a key twice deep inside": (b'{"a":[{"b":1,"b":1}]}', '"b" is given more than once'),
    "seventeen levels": (b'{"a":' + b"[" * 16 + b"]" * 16 + b"}", "deeper than 16"),
    "ten thousand levels": (b"[" * 10_000, "deeper than 16"),
    "ten thousand objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "deeper than 16"),
    "levels after quoted ones": (b'{"a":"' + b"]" * 50 + b'","b":' + b"[" * 40, "deeper"),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_a_doubtful_body_is_refused_with_its_reason(body: tuple[bytes, str]):
    raw, reason = body
    with pytest.raises(MalformedBody) as caught:
        decode(raw)
    assert reason in caught.value.message


GOOD = {
    "plain": {"model": "krea-2-turbo", "prompt": "a lamp", "seed": 5, "nsfw_check": False},
    "another script": {"prompt": "호수 위의 등불 😀"},
    "brackets in a string": {"prompt": "[" * 500 + "\\" * 7 + '"' + "{" * 500},
    "the largest double": {"a": 1.7976931348623157e308},
    "many small lists": {"a": [[1]] * 100},
    "sixteen levels": {"a": json.loads("[" * 15 + "]" * 15)},
    "a number of 308 digits": {"a": 10**307},
}


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("value", GOOD.values(), ids=GOOD.keys())
def test_an_ordinary_body_is_read_however_it_is_escaped(value: object, ascii_only: bool):
    assert decode(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


def test_a_body_of_64_kib_is_the_largest():
    room = BODY_BYTES_MAX - len('{"a":""}')
    assert decode(json.dumps({"a": "x" * room}, separators=(",", ":")).encode())
    with pytest.raises(RequestTooLarge):
        decode(json.dumps({"a": "x" * (room + 1)}, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "body",
    [
        b'"\\' * 32_000,
        b'{"a":"' + b'\\"[' * 21_000,
        b"[" * NESTING_MAX + b'"' * 65_000,
        b"{" + b'"a":1,' * 10_000,
    ],
    ids=["escapes", "escaped quotes", "quotes", "duplicates"],
)
def test_no_body_takes_long_to_refuse(body: bytes):
    begun = time.perf_counter()
    with pytest.raises(MalformedBody):
        decode(body)
    assert time.perf_counter() - begun < 2


@given(st.binary(max_size=200) | st.text('{}[]",:\\u0d8a1eE+-. \n', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes):
    with suppress(MalformedBody):
        assert isinstance(decode(body), dict)
