"""Whether the picture a request starts from could ever be read: what can be told at the door."""

from collections.abc import Callable

from safelight import egress
from safelight.catalog.request import ImageRequest
from safelight.catalog.sources import SOURCE, is_data, read_data
from safelight.errors import InvalidRequest


def check_source(
    request: ImageRequest, is_own: Callable[[str], bool], allowed: egress.Networks = ()
) -> None:
    """Raises InvalidRequest. `is_own`: whether an address is a link to a picture of this server,
    which is opened without a call.
    """
    uri = request.parameters.get(SOURCE)
    if not uri or is_own(uri):
        return
    try:
        if is_data(uri):
            read_data(uri)
        else:
            egress.check_url(uri, allowed)
    except (ValueError, egress.Refused) as refused:
        raise InvalidRequest(f"{SOURCE} {refused}", parameter=SOURCE) from None
