"""What belongs to neither wire: health, this document, and the pictures."""

from typing import Any

from safelight.api.openapi.schemas import (
    Schema,
    obj,
    path_parameter,
    query_parameter,
    ref,
    reply,
)

HEALTH = obj(
    {
        "status": {"type": "string", "enum": ["ok", "starting"]},
        "workers": {"type": "integer", "minimum": 0},
    },
    required=["status"],
)


def paths() -> dict[str, Any]:
    return {
        "/livez": {"get": _open("The process runs", "livez", {"200": reply("It does.", HEALTH)})},
        "/readyz": {
            "get": _open(
                "A picture could be made now",
                "readyz",
                {
                    "200": reply("It could.", HEALTH),
                    "503": reply("Not yet.", HEALTH, Retry_After="Seconds"),
                },
            )
        },
        "/openapi.json": {
            "get": _open("This document", "openapi", {"200": reply("It.", {"type": "object"})})
        },
        "/pictures/{name}": {"get": _picture()},
    }


def _picture() -> dict[str, Any]:
    found = {
        "description": "The picture.",
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
    }
    missing = reply("There is none, or its link has expired.", ref("TaskError"))
    operation = _open("A picture, by its signed link", "picture", {"200": found, "404": missing})
    return operation | {
        "parameters": [
            path_parameter("name", {"type": "string"}),
            query_parameter("expires", {"type": "string"}, "Second since 1970."),
            query_parameter("signature", {"type": "string"}, "Who made the link."),
        ]
    }


def _open(summary: str, name: str, responses: dict[str, Schema]) -> dict[str, Any]:
    """An operation that needs no key."""
    return {
        "tags": ["House"],
        "summary": summary,
        "operationId": name,
        "security": [],
        "responses": responses,
    }
