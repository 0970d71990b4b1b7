"""Webhooks as their owner sees them, at both doors, and the key set that receivers verify with."""

from typing import Any

from safelight.api.openapi import evolink_replies, krea
from safelight.api.openapi.schemas import (
    Schema,
    obj,
    path_parameter,
    query_parameter,
    ref,
    reply,
    whole,
)
from safelight.dialects.deliveries import (
    CURSOR_PATTERN,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    MESSAGE_ID_PATTERN,
)
from safelight.webhooks.outbox import Delivery

MESSAGE_ID: Schema = {
    "type": "string",
    "pattern": f"^{MESSAGE_ID_PATTERN}$",
    "example": "msg_0f3b6c1d2e4a59788695a4b3",
}
SECONDS: Schema = {"type": "integer", "minimum": 0}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
CURSOR: Schema = {"type": "string", "pattern": f"^{CURSOR_PATTERN}$"}
STATUS: Schema = {"type": "string", "enum": [state.value for state in Delivery]}


def _nullable(schema: Schema) -> Schema:
    return schema | {"type": [schema["type"], "null"]}


def _schemas(door: str, moment: Schema, job: str, job_id: Schema, page: str) -> dict[str, Schema]:
    """What one door says of deliveries; `page` is what it calls the items of a list."""
    attempt: dict[str, Schema] = {
        "number": {"type": "integer", "minimum": 1},
        "started_at": moment,
        "duration_ms": {"type": "integer", "minimum": 0},
        "status_code": {"type": ["integer", "null"]},
        "reason": TEXT_OR_NULL,
    }
    secret = whole({"secret": {"type": "string"}, "created_at": moment,
                    "expires_at": _nullable(moment)})  # fmt: skip
    delivery: dict[str, Schema] = {
        "id": MESSAGE_ID,
        job: job_id,
        "url": {"type": "string"},
        "status": STATUS,
        "created_at": moment,
        "next_attempt_at": _nullable(moment),
        "finished_at": _nullable(moment),
        "attempts": {
            "type": "array",
            "items": obj({**attempt, "answer": TEXT_OR_NULL}, required=attempt),
        },
    }
    kinds: dict[str, Schema] = {}
    if door == "Task":
        delivery["object"] = {"type": "string", "const": "webhook.delivery"}
        kinds["object"] = {"type": "string", "const": "list"}
    return {
        f"{door}Delivery": whole(delivery),
        f"{door}DeliveryList": whole(
            {
                page: {"type": "array", "items": ref(f"{door}Delivery")},
                "next_cursor": _nullable(CURSOR),
                **kinds,
            }
        ),
        f"{door}WebhookSecrets": whole({page: {"type": "array", "items": secret}, **kinds}),
    }


SCHEMAS: dict[str, Schema] = {
    **_schemas("Task", SECONDS, "task_id", evolink_replies.ID, "data"),
    **_schemas("Job", krea.MOMENT, "job_id", krea.JOB_ID, "items"),
    "KeySet": whole(
        {
            "keys": {
                "type": "array",
                "items": whole(
                    {
                        "kty": {"type": "string", "const": "OKP"},
                        "crv": {"type": "string", "const": "Ed25519"},
                        "x": {"type": "string"},
                        "kid": {"type": "string"},
                        "use": {"type": "string", "const": "sig"},
                        "alg": {"type": "string", "const": "EdDSA"},
                    }
                ),
            }
        }
    ),
}


def paths() -> dict[str, Any]:
    return {
        **_door("/v1/webhooks", "Task", "task_id", evolink_replies.ID, evolink_replies.REPLIES),
        **_door("/webhooks", "Job", "job_id", krea.JOB_ID, krea.REPLIES),
        "/.well-known/jwks.json": {
            "get": {
                "tags": ["Webhooks"],
                "summary": "The public key of v1a signatures",
                "operationId": "jwks",
                "security": [],
                "responses": {"200": reply("A JSON Web Key Set.", ref("KeySet"))},
            }
        },
    }


def _door(
    prefix: str, door: str, job: str, job_id: Schema, replies: dict[str, Schema]
) -> dict[str, Any]:
    def operation(
        summary: str, name: str, schema: str, *more: str, parameters: list[Schema] | None = None
    ) -> dict[str, Any]:
        statuses = sorted({*more, "401", "429", "500", "503"})
        return {
            "tags": ["Webhooks"],
            "summary": summary,
            "operationId": f"{name}_of_{door.lower()}s",
            "parameters": parameters or [],
            "responses": {
                "200": reply("As asked.", ref(f"{door}{schema}")),
                **{status: replies[status] for status in statuses},
            },
        }

    one = [path_parameter("id", MESSAGE_ID)]
    return {
        f"{prefix}/deliveries": {
            "get": operation(
                "List webhook deliveries, newest first", "list_deliveries", "DeliveryList", "400",
                parameters=_filters(job, job_id),
            )
        },
        f"{prefix}/deliveries/{{id}}": {
            "get": operation(
                "A delivery with its attempts", "get_delivery", "Delivery", "404", parameters=one
            )
        },
        f"{prefix}/deliveries/{{id}}/redeliver": {
            "post": operation(
                "Send it again, under the same webhook-id", "redeliver", "Delivery", "404",
                parameters=one,
            )
        },
        f"{prefix}/secret": {
            "get": operation("The secrets that sign now", "get_secret", "WebhookSecrets")
        },
        f"{prefix}/secret/rotate": {
            "post": operation(
                "Put a new secret in force; the old one is good for a day more", "rotate_secret",
                "WebhookSecrets",
            )
        },
    }  # fmt: skip


def _filters(job: str, job_id: Schema) -> list[Schema]:
    size: Schema = {
        "type": "integer",
        "minimum": 1,
        "maximum": LIMIT_MAX,
        "default": LIMIT_DEFAULT,
    }
    return [
        query_parameter(job, job_id, "Only what tells of this one."),
        query_parameter("status", STATUS, "Only deliveries that stand there."),
        query_parameter("cursor", CURSOR, "`next_cursor` of the page before."),
        query_parameter("limit", size, "How many deliveries on a page."),
    ]
