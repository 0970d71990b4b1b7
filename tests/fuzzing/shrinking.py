"""The smallest request that still gets the reply it should not get."""

import re
from collections.abc import Callable
from dataclasses import replace

from fuzzing.cases import Case

TRIES_MAX = 400


def smallest(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Take away headers, then ever smaller pieces of the body, for as long as it still fails."""
    left = TRIES_MAX

    def still(tried: Case) -> bool:
        nonlocal left
        left -= 1
        return left > 0 and fails(tried)

    head, _, body = case.raw.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for line in lines[1:]:
        fewer = [kept for kept in lines if kept is not line]
        if still(tried := replace(case, raw=_joined(fewer, body))):
            lines, case = fewer, tried
    size = len(body) // 2
    while size:
        at = 0
        while at < len(body):
            shorter = body[:at] + body[at + size :]
            if still(tried := replace(case, raw=_joined(lines, shorter))):
                body, case = shorter, tried
            else:
                at += size
        size //= 2
    return case


def _joined(lines: list[bytes], body: bytes) -> bytes:
    """The request, its Content-Length made true again."""
    lengths = [
        re.sub(rb"(?i)^(content-length: *)\d+$", rb"\g<1>%d" % len(body), line) for line in lines
    ]
    return b"\r\n".join(lengths) + b"\r\n\r\n" + body
