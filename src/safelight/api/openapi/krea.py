"""Krea's door: a literal path for each model, with its price where clients look for it."""

from typing import Any

from safelight.api.answers import WAIT_SECONDS_MAX
from safelight.api.openapi.prices import price_table
from safelight.api.openapi.schemas import (
    LINK,
    WEBHOOK_URL,
    Schema,
    event_stream,
    header_parameter,
    obj,
    parameters_schema,
    path_parameter,
    query_parameter,
    ref,
    reply,
    whole,
)
from safelight.catalog import Catalog, Model, Offer
from safelight.catalog.parameters import Parameter
from safelight.dialects.krea.listing import LIMIT_DEFAULT, LIMIT_MAX
from safelight.dialects.krea.words import STATUSES
from safelight.errors import JobErrorCode

# What the original announced for its outdated names; here they are understood without an end.
ALIASES_SUNSET_DATE = "2026-06-19"
ALIASES_REASON = "The field has a new name."
EXAMPLE_PROMPT = "a serene mountain landscape at sunset"

JOB_ID: Schema = {
    "type": "string",
    "format": "uuid",
    "example": "4d0e5f97-9721-4422-b88c-73a9032d7de1",
}
MOMENT: Schema = {"type": "string", "format": "date-time"}
JOB: dict[str, Schema] = {
    "job_id": JOB_ID,
    "status": {"type": "string", "enum": list(STATUSES)},
    "created_at": MOMENT,
    "completed_at": {"type": ["string", "null"], "format": "date-time"},
    "type": {"type": "string"},
    "result": {
        "type": "object",
        "properties": {
            "urls": {"type": "array", "items": LINK},
            "preview_urls": {"type": "array", "items": LINK},
            "error": {"type": "string"},
        },
        "additionalProperties": False,
    },
}
FAILURE = whole(
    {
        "code": {"type": "string", "enum": [str(code) for code in JobErrorCode]},
        "message": {"type": "string"},
    }
)

SCHEMAS: dict[str, Schema] = {
    "SubmittedJob": whole({**JOB, "completed_at": {"type": "null"}, "result": {"type": "null"}}),
    "Job": obj({**JOB, "error": FAILURE}, required=JOB),
    "JobList": whole(
        {
            "items": {"type": "array", "items": ref("Job")},
            "next_cursor": {"type": ["string", "null"], "format": "date-time"},
        }
    ),
    "JobError": whole({"error": {"type": "string"}}),
    "InvalidJobRequest": whole(
        {
            "error": {"type": "string"},
            "issues": {
                "type": "array",
                "items": whole({"path": {"type": "string"}, "message": {"type": "string"}}),
            },
        }
    ),
}

REPLIES: dict[str, Schema] = {
    "400": reply("The request is invalid.", ref("InvalidJobRequest")),
    "401": reply("The key is missing or not valid.", ref("JobError")),
    "402": reply("The account or the key has run out of credits.", ref("JobError")),
    "403": reply("The key may not use this model.", ref("JobError")),
    "404": reply("The job is unknown to this account.", ref("JobError")),
    "413": reply("The body is larger than 64 KiB.", ref("JobError")),
    "429": reply("Too many requests, or jobs waiting.", ref("JobError"), Retry_After="Seconds"),
    "500": reply("A mistake of the server.", ref("JobError")),
    "503": reply("No engine can make this now.", ref("JobError"), Retry_After="Seconds"),
}

WEBHOOK_HEADER = header_parameter(
    "X-Webhook-URL", WEBHOOK_URL, "Where the finished job is posted to, over HTTPS."
)
WAIT = query_parameter(
    "wait",
    {"type": "integer", "minimum": 0, "maximum": WAIT_SECONDS_MAX},
    "Answer only when it has ended, this many seconds from now at the latest.",
)


def paths(catalog: Catalog) -> dict[str, Any]:
    models = (model for model in catalog.models.values() if model.krea is not None)
    generate = {
        f"/generate/image/{offer.name}": {"post": _generate(model, offer)}
        for model in models
        if (offer := model.krea) is not None
    }
    return {**generate, **JOB_PATHS}


def _generate(model: Model, offer: Offer) -> dict[str, Any]:
    operation = {
        "tags": ["Image"],
        "summary": model.title,
        "description": _description(model, offer),
        "operationId": f"generate_{model.id}",
        "parameters": [WEBHOOK_HEADER],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": parameters_schema(offer.parameters, closed=True),
                    "example": _example(offer),
                }
            },
        },
        "responses": {
            "200": reply("The job, not begun; ask for it at /jobs/{id}.", ref("SubmittedJob")),
            **_replies("400", "401", "402", "403", "413", "429", "500", "503"),
        },
    }
    aliases = [
        {"from": old, "to": new, "sunset_date": ALIASES_SUNSET_DATE, "reason": ALIASES_REASON}
        for old, new in offer.aliases.items()
    ]
    return {**operation, "x-krea-deprecated-field-aliases": aliases} if aliases else operation


def _description(model: Model, offer: Offer) -> str:
    lines = [model.description, price_table(offer, model.estimated_seconds)]
    if offer.aliases:
        renamed = ", ".join(f"`{old}` for `{new}`" for old, new in offer.aliases.items())
        lines.append(f"Outdated names that are still understood: {renamed}.")
    lines.append(f"Licence: [{model.licence.name}]({model.licence.url}). {model.licence.notice}")
    return "\n\n".join(line.rstrip() for line in lines) + "\n"


def _example(offer: Offer) -> dict[str, Any]:
    return {
        name: _example_of(parameter)
        for name, parameter in offer.parameters.items()
        if parameter.required
    }


def _example_of(parameter: Parameter) -> Any:
    if parameter.means == "prompt":
        return EXAMPLE_PROMPT
    if parameter.means in ("width", "height"):
        return 1024
    if parameter.enum:
        return parameter.enum[0]
    if isinstance(parameter.items, Parameter):
        return [_example_of(parameter.items)]
    if parameter.type == "object":
        inner = {k: p for k, p in parameter.properties.items() if isinstance(p, Parameter)}
        return {name: _example_of(p) for name, p in inner.items() if p.required}
    return "https://example.com/picture.png" if parameter.format == "uri" else "picture"


def _replies(*statuses: str) -> dict[str, Schema]:
    return {status: REPLIES[status] for status in statuses}


_ID = path_parameter("id", JOB_ID)
_LIST_PARAMETERS = [
    query_parameter("cursor", MOMENT, "Only jobs created before; `next_cursor` of the last page."),
    query_parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
        "How many jobs on a page.",
    ),
    query_parameter("types", {"type": "string"}, 'Types, as in "flux,externalImage".'),
    query_parameter("status", {"type": "string", "enum": list(STATUSES)}, "Only jobs in it."),
]

JOB_PATHS: dict[str, Any] = {
    "/jobs": {
        "get": {
            "tags": ["Jobs"],
            "summary": "List jobs, newest first",
            "operationId": "list_jobs",
            "parameters": _LIST_PARAMETERS,
            "responses": {
                "200": reply("One page.", ref("JobList")),
                **_replies("400", "401", "429", "500", "503"),
            },
        }
    },
    "/jobs/{id}": {
        "get": {
            "tags": ["Jobs"],
            "summary": "A job as it stands",
            "operationId": "get_job",
            "parameters": [_ID, WAIT],
            "responses": {
                "200": reply("The job.", ref("Job")),
                **_replies("400", "401", "404", "429", "500", "503"),
            },
        },
        "delete": {
            "tags": ["Jobs"],
            "summary": "Cancel a job",
            "operationId": "delete_job",
            "parameters": [_ID],
            "responses": {
                "200": reply("The job as it stands now.", ref("Job")),
                **_replies("401", "404", "429", "500", "503"),
            },
        },
    },
    "/jobs/{id}/events": {
        "get": {
            "tags": ["Jobs"],
            "summary": "A job's changes as they happen",
            "operationId": "watch_job",
            "parameters": [_ID],
            "responses": {
                "200": event_stream("An event for each change, named by the job's status."),
                **_replies("401", "404", "429", "500", "503"),
            },
        }
    },
}
