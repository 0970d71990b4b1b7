"""Webhooks and their secrets in Krea's manner: ISO 8601 times, lists in `items`."""

from collections.abc import Mapping, Sequence
from typing import Any

from safelight.dialects.deliveries import DeliveryQuery, cursor_after, parse_delivery_query
from safelight.dialects.krea.ids import ID
from safelight.dialects.krea.words import timestamp
from safelight.webhooks.deliveries import LoggedAttempt, LoggedMessage
from safelight.webhooks.rotation import AccountSecret


def parse_deliveries(query: Mapping[str, str]) -> DeliveryQuery:
    """Raises InvalidRequest."""
    return parse_delivery_query(query, "job_id", ID)


def render_delivery(message: LoggedMessage, *, answers: bool = True) -> dict[str, Any]:
    """`answers`: with how each answer of the receiver begins."""
    return {
        "id": message.id,
        "job_id": message.job_id,
        "url": message.url,
        "status": message.state.value,
        "created_at": timestamp(message.created_at_ms),
        "next_attempt_at": _moment(message.next_at_ms),
        "finished_at": _moment(message.finished_at_ms),
        "attempts": [_attempt(attempt, answers) for attempt in message.attempts],
    }


def render_deliveries(messages: Sequence[LoggedMessage], query: DeliveryQuery) -> dict[str, Any]:
    """One page. `messages` holds one more than the page when another page follows."""
    page = messages[: query.limit]
    return {
        "items": [render_delivery(message, answers=False) for message in page],
        "next_cursor": cursor_after(page[-1]) if len(messages) > query.limit else None,
    }


def render_secrets(secrets: Sequence[AccountSecret]) -> dict[str, Any]:
    return {
        "items": [
            {
                "secret": one.secret,
                "created_at": timestamp(one.created_at_ms),
                "expires_at": _moment(one.expires_at_ms),
            }
            for one in secrets
        ]
    }


def _attempt(attempt: LoggedAttempt, answers: bool) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started_at": timestamp(attempt.started_at_ms),
        "duration_ms": attempt.duration_ms,
        "status_code": attempt.status,
        "reason": attempt.reason,
        **({"answer": attempt.answer} if answers else {}),
    }


def _moment(moment_ms: int | None) -> str | None:
    return None if moment_ms is None else timestamp(moment_ms)
