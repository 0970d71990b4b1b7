"""A signer for tests, and a small picture that it signed."""

from pathlib import Path

import numpy as np

from safelight import images, provenance
from safelight.provenance import Origin, Signer, credentials_of

ORIGIN = Origin(model="safelight-mini", asked_for="krea-2-turbo", engine="mini")


def install_signer(home: Path) -> Signer:
    return Signer(lambda now: credentials_of(home, None, None, now))


def anchors(home: Path) -> str:
    return provenance.trust_of(home, None).anchors


def plain_png(side: int = 8) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    return images.encode_png(pixels, provenance.xmp(ORIGIN.model))


def signed_png(home: Path, origin: Origin = ORIGIN, side: int = 8) -> bytes:
    return install_signer(home).sign(plain_png(side), origin)
