"""What belongs to neither wire: health, this document, and the pictures."""

from typing import Any

from safelight.api.openapi.schemas import (
    LINK,
    Schema,
    obj,
    path_parameter,
    query_parameter,
    ref,
    reply,
    whole,
)

HEALTH = obj(
    {
        "status": {"type": "string", "enum": ["ok", "starting", "draining", "unavailable"]},
        "workers": {"type": "integer", "minimum": 0},
        "database": {"type": "string", "enum": ["ok", "not writable"]},
        "storage": {"type": "string", "enum": ["ok", "not writable"]},
    },
    required=["status"],
)


LICENCE = obj({"name": {"type": "string"}, "url": LINK}, required=["name", "url"])
SOFTWARE: dict[str, Schema] = {
    "name": {"type": "string"},
    "licence": LICENCE,
    "notice": {"type": "string"},
}
MODEL: dict[str, Schema] = {
    **SOFTWARE,
    "id": {"type": "string"},
    "obligations": {"type": "array", "items": {"type": "string"}},
    "text": {"type": "string"},
}
LEGAL = whole(
    {
        "models": {
            "type": "array",
            "items": obj(MODEL, required=["id", "name", "licence", "obligations"]),
        },
        "software": {"type": "array", "items": whole(SOFTWARE)},
    }
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
                    "503": reply("Not now.", HEALTH, Retry_After="Seconds"),
                },
            )
        },
        "/openapi.json": {
            "get": _open("This document", "openapi", {"200": reply("It.", {"type": "object"})})
        },
        "/pictures/{name}": {"get": _picture()},
        "/legal": {"get": _legal()},
        "/legal/{model_id}": {"get": _licence_text()},
    }


def _legal() -> dict[str, Any]:
    found = reply("Models made here and software, each with its licence.", LEGAL)
    found["content"]["text/html"] = {"schema": {"type": "string"}}
    return _open("The licences that apply here", "legal", {"200": found})


def _licence_text() -> dict[str, Any]:
    found = {
        "description": "The licence and the notice, as they came with the weights.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    missing = reply("There is none of that model.", ref("TaskError"))
    operation = _open("A licence's text", "licence_text", {"200": found, "404": missing})
    return operation | {"parameters": [path_parameter("model_id", {"type": "string"})]}


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
