"""Every flip of one bit in a served picture is detected: by its bytes alone, and by the registry.

C2PA's validator cannot see all of them: its hash leaves out the chunk that holds the manifest, in
which padding, and frames and names of boxes, are not signed. Reading back checks those, and every
chunk's checksum. The everyday run puts every bit to the structure and every 211th to the whole
validator; EVERY_BIT=1 puts each to it, for some minutes.
"""

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from running import Customer, Server
from safelight import provenance
from safelight.provenance import Integrity, Trust, boxes, png, trust_of
from signed import signed_png

VALIDATED_EVERY = 1 if os.environ.get("EVERY_BIT") else 211
MANIFEST_EVERY = 1 if os.environ.get("EVERY_BIT") else 16


def flipped(content: bytes, bits: range) -> Iterator[bytes]:
    changed = bytearray(content)
    for bit in bits:
        changed[bit >> 3] ^= 1 << (bit & 7)
        yield bytes(changed)
        changed[bit >> 3] ^= 1 << (bit & 7)


@pytest.fixture(scope="module")
def served(server: Server) -> bytes:
    customer: Customer = server.customer()
    body = {"prompt": "a cat", "width": 512, "height": 512}
    job = customer.call("POST", "/generate/image/bfl/flux-1-dev", json=body).json()
    url = customer.job(job["job_id"], wait=30)["result"]["urls"][0]
    return requests.get(url, timeout=10).content


def test_no_flip_of_one_bit_in_a_served_picture_goes_unseen(server: Server, served: bytes) -> None:
    trust = trust_of(server.home, None)
    assert provenance.read_own(served, trust).ours, "untouched, it is intact"
    bits = range(len(served) * 8)
    unseen = [number for number, f in enumerate(flipped(served, bits)) if not png.problems(f)]
    assert set(unseen) <= set(range(64)), "only the file's own signature is left to the validator"
    sampled = [*unseen, *bits[::VALIDATED_EVERY]]
    for bit in sampled:
        [content] = flipped(served, range(bit, bit + 1))
        report = provenance.read_own(content, trust)
        assert report.integrity is not Integrity.INTACT, bit
        assert not report.ours or report.problems


def test_the_registry_does_not_know_a_flipped_picture(server: Server, served: bytes) -> None:
    known = f"provenance where hex(sha256) = '{hashlib.sha256(served).hexdigest().upper()}'"
    assert server.count(known) == 1
    digests = {hashlib.sha256(f).digest() for f in flipped(served, range(0, len(served) * 8, 997))}
    listed = ",".join(f"x'{digest.hex()}'" for digest in digests)
    assert server.count(f"provenance where sha256 in ({listed})") == 0


def test_who_mends_the_checksum_is_seen_too(tmp_path: Path) -> None:
    """Padding, and frames and names of boxes, have one right way to be in what we write."""
    content = signed_png(tmp_path)
    trust: Trust = trust_of(tmp_path, None)
    at = content.index(png.MANIFEST)
    (length,) = struct.unpack(">I", content[at - 4 : at])
    bits = range((at + 4) * 8, (at + 4 + length) * 8, MANIFEST_EVERY)
    for changed in flipped(content, bits):
        checksum = struct.pack(">I", zlib.crc32(changed[at : at + 4 + length]))
        mended = changed[: at + 4 + length] + checksum + changed[at + 8 + length :]
        assert not png.problems(mended)
        assert provenance.read_own(mended, trust).integrity is not Integrity.INTACT


@pytest.mark.parametrize("length", range(17))
def test_a_box_that_is_cut_short_is_told_of(length: int) -> None:
    """Its description ends before, or with, the four letters that say what it holds."""
    description = struct.pack(">I4s", 8 + length, b"jumd") + (b"c2pa" + boxes.TYPE_ENDING)[:length]
    box = struct.pack(">I4s", 8 + len(description), b"jumb") + description
    assert boxes.problems(box) == ["a box of the manifest is not framed as it should be"]


def test_boxes_without_end_within_boxes_are_told_of() -> None:
    label = struct.pack(">I4s", 30, b"jumd") + b"c2pa" + boxes.TYPE_ENDING + b"\x03c2pa\0"
    box = b""
    for _ in range(3000):
        box = struct.pack(">I4s", 8 + len(label) + len(box), b"jumb") + label + box
    assert boxes.problems(box) == ["a box of the manifest is not framed as it should be"]
