"""Whether a webhook's address could ever be called: what can be told without asking DNS."""

import re

from safelight import egress
from safelight.catalog.parameters import URI_REST
from safelight.errors import InvalidRequest

_REST = re.compile(rf"[^:]*://[^/?#]*{URI_REST}")  # the egress guard has read the host


def check_webhook_url(url: str, parameter: str, allowed: egress.Networks = ()) -> str:
    """The address as it was given. Raises InvalidRequest, which names the parameter."""
    try:
        egress.check_url(url, allowed)
    except egress.Refused as refused:
        raise InvalidRequest(f"{parameter} {refused.reason}", parameter=parameter) from None
    if not _REST.fullmatch(url):  # both wires say `format: uri`, which is stricter than the guard
        raise InvalidRequest(f"{parameter} is not a valid URL", parameter=parameter)
    return url
