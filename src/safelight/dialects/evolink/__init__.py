"""EvoLink's wire: one route for all models, tasks with four status words, credits."""

from safelight.dialects.evolink.deliveries import (
    parse_deliveries,
    render_deliveries,
    render_delivery,
    render_secrets,
)
from safelight.dialects.evolink.ids import check_id, new_id
from safelight.dialects.evolink.parsing import (
    ListQuery,
    parse_batch,
    parse_idempotency_key,
    parse_list_query,
    parse_submission,
)
from safelight.dialects.evolink.refusals import render_error
from safelight.dialects.evolink.rendering import (
    Balance,
    render,
    render_batch,
    render_credits,
    render_list,
    render_models,
    render_submitted,
)

NAME = "evolink"

__all__ = [
    "NAME",
    "Balance",
    "ListQuery",
    "check_id",
    "new_id",
    "parse_batch",
    "parse_deliveries",
    "parse_idempotency_key",
    "parse_list_query",
    "parse_submission",
    "render",
    "render_batch",
    "render_credits",
    "render_deliveries",
    "render_delivery",
    "render_error",
    "render_list",
    "render_models",
    "render_secrets",
    "render_submitted",
]
