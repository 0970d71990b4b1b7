"""Every flip of one bit in a served picture is detected: by its bytes alone, and by the registry.

C2PA's validator cannot see all of them: its hash leaves out the chunk that holds the manifest, in
which padding and the names of boxes are not signed. That chunk's checksum covers them, and reading
back checks it. The everyday run puts every bit to the structure and every 211th to the whole
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
from safelight.provenance import Integrity, Trust, png, trust_of
from signed import signed_png

VALIDATED_EVERY = 1 if os.environ.get("EVERY_BIT") else 211
MANIFEST_EVERY = 1 if os.environ.get("EVERY_BIT") else 64


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


def test_with_the_checksum_mended_only_what_says_nothing_can_be_changed_unseen(
    tmp_path: Path,
) -> None:
    """Whoever mends the checksum can change padding and names of boxes, and nothing else.

    What the picture says and shows is signed: it reads the same, bit for bit.
    """
    content = signed_png(tmp_path)
    trust: Trust = trust_of(tmp_path, None)
    said = provenance.read_own(content, trust)
    at = content.index(png.MANIFEST)
    (length,) = struct.unpack(">I", content[at - 4 : at])
    bits = range((at + 4) * 8, (at + 4 + length) * 8, MANIFEST_EVERY)
    unseen = 0
    for changed in flipped(content, bits):
        checksum = struct.pack(">I", zlib.crc32(changed[at : at + 4 + length]))
        mended = changed[: at + 4 + length] + checksum + changed[at + 8 + length :]
        report = provenance.read_own(mended, trust)
        if report.integrity is Integrity.INTACT:
            unseen += 1
            assert report == said
    assert unseen < 0.4 * len(bits)
