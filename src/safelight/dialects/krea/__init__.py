"""Krea's wire: one route per model, jobs with nine status words, a webhook by header."""

from safelight.dialects.krea.deliveries import (
    parse_deliveries,
    render_deliveries,
    render_delivery,
    render_secrets,
)
from safelight.dialects.krea.ids import check_id, new_id
from safelight.dialects.krea.listing import ListQuery, models_of_types, parse_list_query
from safelight.dialects.krea.parsing import parse_submission
from safelight.dialects.krea.refusals import render_error
from safelight.dialects.krea.rendering import render, render_list, render_submitted

NAME = "krea"

__all__ = [
    "NAME",
    "ListQuery",
    "check_id",
    "models_of_types",
    "new_id",
    "parse_deliveries",
    "parse_list_query",
    "parse_submission",
    "render",
    "render_deliveries",
    "render_delivery",
    "render_error",
    "render_list",
    "render_secrets",
    "render_submitted",
]
