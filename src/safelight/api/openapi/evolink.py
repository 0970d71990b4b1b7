"""EvoLink's door: one route for all models, and the tasks it starts."""

from typing import Any

from safelight.api.openapi.evolink_replies import ID, REPLIES
from safelight.api.openapi.krea import EXAMPLE_PROMPT, WAIT
from safelight.api.openapi.prices import price_table
from safelight.api.openapi.schemas import (
    TEXT_OR_NOTHING_PATTERN,
    Schema,
    event_stream,
    header_parameter,
    obj,
    parameters_schema,
    path_parameter,
    query_parameter,
    ref,
    reply,
)
from safelight.catalog import Catalog, Model, Offer
from safelight.dialects.evolink.parsing import (
    BATCH_TASKS_MAX,
    IDEMPOTENCY_KEY,
    MODEL_NAME,
    PAGE_MAX,
    PAGE_SIZE_DEFAULT,
    PAGE_SIZE_MAX,
    STATES_OF_STATUS,
    TYPES,
)

IDEMPOTENCY_HEADER = header_parameter(
    "Idempotency-Key",
    {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"},
    "The same key with the same request is answered with the same task, and charged once.",
)
TASK_ID = path_parameter("task_id", ID)


def paths(catalog: Catalog) -> dict[str, Any]:
    return {
        "/v1/images/generations": {"post": _generate(catalog)},
        "/v1/tasks": {"get": _list()},
        "/v1/tasks/batch": {"post": _batch()},
        "/v1/tasks/{task_id}": {
            "get": _get("Tasks", "A task as it stands", "get_task", ref("Task"), "400", "404")
            | {"parameters": [TASK_ID, WAIT]}
        },
        "/v1/tasks/{task_id}/events": {"get": _events()},
        "/v1/credits": {
            "get": _get("Account", "What is left to spend", "get_credits", ref("Credits"))
        },
        "/v1/models": {
            "get": _get("Account", "Models this key may use", "list_models", ref("ModelList"))
        },
    }


def _generate(catalog: Catalog) -> dict[str, Any]:
    offers = [(model, model.evolink) for model in catalog.models.values() if model.evolink]
    return {
        "tags": ["Tasks"],
        "summary": "Make pictures",
        "operationId": "create_image",
        "parameters": [IDEMPOTENCY_HEADER],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [_body(model, offer) for model, offer in offers]},
                    "example": {"model": "krea-2-turbo", "prompt": EXAMPLE_PROMPT, "size": "16:9"},
                }
            },
        },
        "responses": {
            "200": reply(
                "The task, not begun; ask for it at /v1/tasks/{task_id}.",
                ref("SubmittedTask"),
                Idempotency_Replayed='"true" when the task was there already',
            ),
            **_replies("400", "401", "402", "403", "409", "413", "429", "500", "503"),
        },
    }


def _body(model: Model, offer: Offer) -> Schema:
    """Unknown keys are ignored at this door, so the body is not closed."""
    schema = parameters_schema(offer.parameters, closed=False)
    name = {"type": "string", "enum": [offer.name, *offer.other_names]}
    return schema | {
        "title": model.title,
        "description": f"{model.description}\n\n{price_table(offer, model.estimated_seconds)}\n",
        "properties": {"model": name, **schema["properties"]},
        "required": ["model", *schema["required"]],
    }


def _list() -> dict[str, Any]:
    operation = _get("Tasks", "List tasks, newest first", "list_tasks", ref("TaskList"), "400")
    page: Schema = {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": 1}
    size: Schema = {
        "type": "integer",
        "minimum": 1,
        "maximum": PAGE_SIZE_MAX,
        "default": PAGE_SIZE_DEFAULT,
    }
    return operation | {
        "parameters": [
            query_parameter(
                "status",
                {"type": "string", "enum": [*STATES_OF_STATUS, ""]},
                '"processing" includes tasks that are pending.',
            ),
            query_parameter("type", {"type": "string", "enum": [*TYPES, ""]}, "Kind of output."),
            query_parameter(
                "model",
                {"type": "string", "pattern": f"^({MODEL_NAME.pattern})?$"},
                "Name of a model.",
            ),
            query_parameter("page", page, "Which page."),
            query_parameter("page_size", size, "How many tasks on a page."),
        ]
    }


def _batch() -> dict[str, Any]:
    ids: Schema = {
        "type": "array",
        "items": {"type": "string", "pattern": TEXT_OR_NOTHING_PATTERN},
        "minItems": 1,
        "maxItems": BATCH_TASKS_MAX,
        "uniqueItems": True,
    }
    body = obj({"task_ids": ids}, required=["task_ids"], closed=False)
    return {
        "tags": ["Tasks"],
        "summary": "Several tasks as they stand; those unknown are left out",
        "operationId": "get_tasks",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": reply("The tasks.", ref("TaskBatch")),
            **_replies("400", "401", "413", "429", "500", "503"),
        },
    }


def _events() -> dict[str, Any]:
    return {
        "tags": ["Tasks"],
        "summary": "A task's changes as they happen",
        "operationId": "watch_task",
        "parameters": [TASK_ID],
        "responses": {
            "200": event_stream("An event for each change, named by the task's status."),
            **_replies("400", "401", "404", "429", "500", "503"),
        },
    }


def _get(tag: str, summary: str, name: str, schema: Schema, *more: str) -> dict[str, Any]:
    return {
        "tags": [tag],
        "summary": summary,
        "operationId": name,
        "responses": {
            "200": reply("As asked.", schema),
            **_replies(*more, "401", "429", "500", "503"),
        },
    }


def _replies(*statuses: str) -> dict[str, Schema]:
    return {status: REPLIES[status] for status in sorted(statuses)}
