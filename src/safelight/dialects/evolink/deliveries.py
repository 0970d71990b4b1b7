"""Callbacks and their secrets in EvoLink's manner: times in seconds since 1970, lists in `data`."""

from collections.abc import Mapping, Sequence
from typing import Any

from safelight.dialects.deliveries import DeliveryQuery, cursor_after, parse_delivery_query
from safelight.dialects.evolink.ids import ID
from safelight.webhooks.deliveries import LoggedAttempt, LoggedMessage
from safelight.webhooks.rotation import AccountSecret


def parse_deliveries(query: Mapping[str, str]) -> DeliveryQuery:
    """Raises InvalidRequest."""
    return parse_delivery_query(query, "task_id", ID)


def render_delivery(message: LoggedMessage, *, answers: bool = True) -> dict[str, Any]:
    """`answers`: with how each answer of the receiver begins."""
    return {
        "attempts": [_attempt(attempt, answers) for attempt in message.attempts],
        "created_at": message.created_at_ms // 1000,
        "finished_at": _seconds(message.finished_at_ms),
        "id": message.id,
        "next_attempt_at": _seconds(message.next_at_ms),
        "object": "webhook.delivery",
        "status": message.state.value,
        "task_id": message.job_id,
        "url": message.url,
    }


def render_deliveries(messages: Sequence[LoggedMessage], query: DeliveryQuery) -> dict[str, Any]:
    """One page. `messages` holds one more than the page when another page follows."""
    page = messages[: query.limit]
    return {
        "data": [render_delivery(message, answers=False) for message in page],
        "next_cursor": cursor_after(page[-1]) if len(messages) > query.limit else None,
        "object": "list",
    }


def render_secrets(secrets: Sequence[AccountSecret]) -> dict[str, Any]:
    return {
        "data": [
            {
                "created_at": one.created_at_ms // 1000,
                "expires_at": _seconds(one.expires_at_ms),
                "secret": one.secret,
            }
            for one in secrets
        ],
        "object": "list",
    }


def _attempt(attempt: LoggedAttempt, answers: bool) -> dict[str, Any]:
    return {
        **({"answer": attempt.answer} if answers else {}),
        "duration_ms": attempt.duration_ms,
        "number": attempt.number,
        "reason": attempt.reason,
        "started_at": attempt.started_at_ms // 1000,
        "status_code": attempt.status,
    }


def _seconds(moment_ms: int | None) -> int | None:
    return None if moment_ms is None else moment_ms // 1000
