"""What a submission says, once it has been understood."""

from dataclasses import dataclass

from safelight.catalog import ImageRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """The request itself, where its outcome is to be sent, and what the caller should change."""

    request: ImageRequest
    webhook_url: str | None
    deprecated_fields: tuple[str, ...] = ()  # outdated names that were used; still understood
