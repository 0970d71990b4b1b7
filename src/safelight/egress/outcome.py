"""How a call to a caller's URL can end: an answer, a refusal, or nobody there."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """What came back. Nothing in it is trusted, and no redirect was followed."""

    status: int
    headers: Mapping[str, str]  # names in lower case; repeated ones joined with ", "
    body: bytes  # as sent: nothing is decompressed
    truncated: bool = False  # there was more than `answer_bytes_max`, which was not read


class Refused(Exception):
    """We will not call this URL. `reason` may be shown to the caller and follows the URL's name
    ("callback_url must begin with https://"); it never says which address a name led to.
    """

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class Unreachable(Exception):
    """The URL was called and there is no answer. `reason` may be shown to the caller."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason
