"""Where a picture comes from: signed into it, kept in a registry, and read back."""

from safelight.provenance.certificates import Credentials, Trust, credentials_of, trust_of
from safelight.provenance.likeness import Likeness, likeness
from safelight.provenance.manifest import Origin, xmp
from safelight.provenance.reading import Integrity, Report, read, read_own
from safelight.provenance.signing import Signer

__all__ = [
    "Credentials",
    "Integrity",
    "Likeness",
    "Origin",
    "Report",
    "Signer",
    "Trust",
    "credentials_of",
    "likeness",
    "read",
    "read_own",
    "trust_of",
    "xmp",
]
