"""The one way out: every URL that a caller can name is called through here, or refused."""

from safelight.egress.addresses import Networks, parse_networks
from safelight.egress.destination import check_url
from safelight.egress.outcome import Answer, Refused, Unreachable
from safelight.egress.resolving import Resolve
from safelight.egress.sending import Egress

__all__ = [
    "Answer",
    "Egress",
    "Networks",
    "Refused",
    "Resolve",
    "Unreachable",
    "check_url",
    "parse_networks",
]
