"""The wires: words in, words out. A dialect only translates; it does no I/O."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Protocol

from safelight.catalog import Catalog
from safelight.dialects import evolink, krea
from safelight.dialects.deliveries import DeliveryQuery
from safelight.dialects.submission import Submission
from safelight.errors import SafelightError
from safelight.jobs import Job
from safelight.webhooks.deliveries import LoggedMessage
from safelight.webhooks.rotation import AccountSecret

__all__ = ["DIALECTS", "Dialect", "Submission", "evolink", "krea"]


class Dialect(Protocol):
    """What both wires can do. What only one of them has, its own route module calls by name."""

    NAME: str  # as in `Job.dialect`

    def new_id(self, now_ms: int, random: Random) -> str: ...

    def check_id(self, text: str) -> None:
        """Raise NotFound or InvalidIdentifier for an id that this wire never gives out."""
        ...

    def render_submitted(self, job: Job, catalog: Catalog) -> dict[str, Any]:
        """The answer to a submission, of the job as it was committed."""
        ...

    def render(self, job: Job, catalog: Catalog) -> dict[str, Any]:
        """The answer to a poll, and the body of the webhook."""
        ...

    def parse_deliveries(self, query: Mapping[str, str]) -> DeliveryQuery: ...

    def render_delivery(self, message: LoggedMessage) -> dict[str, Any]: ...

    def render_deliveries(
        self, messages: Sequence[LoggedMessage], query: DeliveryQuery
    ) -> dict[str, Any]: ...

    def render_secrets(self, secrets: Sequence[AccountSecret]) -> dict[str, Any]: ...

    def render_error(
        self, error: SafelightError, request_id: str, *, reading: bool = False
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, body and additional headers."""
        ...


DIALECTS: Mapping[str, Dialect] = {dialect.NAME: dialect for dialect in (evolink, krea)}
