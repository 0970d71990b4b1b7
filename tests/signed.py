"""A signer for tests, and a small picture that it signed."""

import contextlib
import hashlib
import sqlite3
from pathlib import Path

import numpy as np

from safelight import images, provenance
from safelight.provenance import Origin, Signer, credentials_of

ORIGIN = Origin(model="safelight-mini", asked_for="krea-2-turbo", engine="mini")


PICTURES = """
    select p.name, p.sha256, r.sha256 as registered from jobs j
    join pictures p on p.job_id = j.id and p.kind = 'final' and p.removed_at_ms is null
    left join provenance r on r.job_id = j.id and r.position = p.position
    where j.state = 'completed'
"""


def assert_all_are_signed(home: Path) -> int:
    """Each picture that can be fetched is whole, signed by the install and in the registry."""
    with contextlib.closing(sqlite3.connect(home / "safelight.db")) as connection:
        rows = connection.execute(PICTURES).fetchall()
        (count,) = connection.execute("select count(*) from provenance").fetchone()
    trust = provenance.trust_of(home, None)
    for name, sha256, registered in rows:
        content = (home / "pictures" / name[:2] / name).read_bytes()
        assert hashlib.sha256(content).digest() == bytes.fromhex(sha256) == registered
        report = provenance.read_own(content, trust)
        assert (report.integrity, report.ours, report.problems) == ("intact", True, ())
    assert count >= len(rows)
    return len(rows)


def install_signer(home: Path) -> Signer:
    return Signer(lambda now: credentials_of(home, None, None, now))


def anchors(home: Path) -> str:
    return provenance.trust_of(home, None).anchors


def plain_png(side: int = 8) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    return images.encode_png(pixels, provenance.xmp(ORIGIN.model))


def signed_png(home: Path, origin: Origin = ORIGIN, side: int = 8) -> bytes:
    return install_signer(home).sign(plain_png(side), origin)
