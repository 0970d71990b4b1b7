"""Where a picture comes from: signed into it, kept in a registry, and read back."""

from safelight.provenance.certificates import Credentials, credentials_of, public_anchors
from safelight.provenance.likeness import Likeness, likeness
from safelight.provenance.manifest import Origin, xmp
from safelight.provenance.reading import Integrity, Report, read
from safelight.provenance.signing import Signer

__all__ = [
    "Credentials",
    "Integrity",
    "Likeness",
    "Origin",
    "Report",
    "Signer",
    "credentials_of",
    "likeness",
    "public_anchors",
    "read",
    "xmp",
]
