"""How jobs are numbered: UUIDs of version 4, given out in lower case and taken in any."""

import re
from random import Random
from uuid import UUID

from safelight.errors import NotFound

ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def new_id(now_ms: int, random: Random) -> str:
    """122 bits from the random source; the time is not part of it."""
    return str(UUID(int=random.getrandbits(128), version=4))


def check_id(text: str) -> None:
    """Raise NotFound for an id of another form: to its caller it is merely unknown."""
    if not ID.fullmatch(text):
        raise NotFound
