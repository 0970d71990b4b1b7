"""What C2PA signs nothing of in a manifest that we wrote: frames and names of boxes, and padding.

The store is boxes within boxes (JUMBF, ISO/IEC 19566-5): each has a length and a kind, and those
that hold others begin with a description of themselves. The signature is a COSE structure that is
filled up with zeros. There is one right way for all of this to be, and here it is checked.
"""

import re
import struct
from collections.abc import Iterator

HEAD = struct.Struct(">I4s")
TYPE_BYTES = 16
TYPE_ENDING = bytes.fromhex("00110010800000aa00389b71")  # after four letters, in all that we write
# Each type with the label that it must have, where that is not signed.
LABELS = {
    b"c2pa": b"c2pa",
    b"c2as": b"c2pa.assertions",
    b"c2cl": b"c2pa.claim.v2",
    b"c2cs": b"c2pa.signature",
    b"c2ma": None,
    b"cbor": None,
    b"json": None,
}
TOGGLES_MAX = 0x1F  # the bits above mean nothing
# A key of the unprotected header, and how many bytes follow: CBOR's three ways to say that. Where
# it is the only key, what comes then is null: the signed content is elsewhere.
PADDING = re.compile(rb"(\xa1?)\x63pad(?:\x58(.)|\x59(..)|\x5a(....))", re.DOTALL)
NULL = b"\xf6"


def problems(store: bytes) -> list[str]:
    """What is not as we write it; empty for a store that is, and no check of what is signed."""
    try:
        kinds = list(_walk(store, 0, len(store)))
    except (ValueError, IndexError, RecursionError, struct.error):
        return ["a box of the manifest is not framed as it should be"]
    if kinds.count(b"c2ma") == 1 and not _is_padded(store):
        return ["the signature's padding is not empty"]
    return []


def _walk(store: bytes, start: int, end: int) -> Iterator[bytes]:
    """The types of all described boxes. Raises ValueError where one does not fit."""
    while start < end:
        length, kind = HEAD.unpack_from(store, start)
        inside, after = start + HEAD.size, start + length
        if after > end or length < HEAD.size:
            raise ValueError("a box is longer than what holds it")
        if kind == b"jumb":
            described = HEAD.unpack_from(store, inside)[0]
            yield _type_of(store[inside : inside + described])
            yield from _walk(store, inside + described, after)
        start = after


def _type_of(description: bytes) -> bytes:
    """The four letters that say what the box holds."""
    kind = description[HEAD.size : HEAD.size + TYPE_BYTES]
    if description[4:8] != b"jumd" or kind[:4] not in LABELS or kind[4:] != TYPE_ENDING:
        raise ValueError("a box is of no type that we write")
    toggles, text = description[HEAD.size + TYPE_BYTES], description[HEAD.size + TYPE_BYTES + 1 :]
    label = LABELS[kind[:4]]
    if toggles > TOGGLES_MAX or (label is not None and text != label + b"\0"):
        raise ValueError("a box says of itself what is not so")
    return kind[:4]


def _is_padded(store: bytes) -> bool:
    """Whether the signature's filling is there, and nothing but zeros."""
    found = list(PADDING.finditer(store))
    for match in found:
        only, *lengths = match.groups()
        end = match.end() + int.from_bytes(next(filter(None, lengths)))
        if store[match.end() : end].strip(b"\0") or (only and store[end : end + 1] != NULL):
            return False
    return bool(found)
