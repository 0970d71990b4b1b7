"""What belongs to neither wire: health, this document, and the pictures."""

from typing import Any

from safelight.api.openapi.evolink_replies import REPLIES
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
from safelight.flows.check import Match
from safelight.provenance import Integrity

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


HEXADECIMAL: Schema = {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER_OR_NULL: Schema = {"type": ["integer", "null"], "minimum": 0}
MANIFEST = obj(
    {
        "integrity": {"type": "string", "enum": [integrity.value for integrity in Integrity]},
        "trusted": {"type": "boolean"},
        "ours": {"type": "boolean"},
        "problems": {"type": "array", "items": {"type": "string"}},
        **dict.fromkeys(
            ("signer", "signed_at", "made_at", "software", "source_type", "model", "asked_for",
             "engine"),
            TEXT_OR_NULL,
        ),
    },
    required=["integrity", "trusted", "ours", "problems"],
)  # fmt: skip
CHECKED_FIELDS: dict[str, Schema] = {
    "ours": {"type": "boolean"},
    "match": {"type": "string", "enum": [match.value for match in Match]},
    "distance": NUMBER_OR_NULL,
    "model": TEXT_OR_NULL,
    "asked_for": TEXT_OR_NULL,
    "engine": TEXT_OR_NULL,
    "made_at": TEXT_OR_NULL,
    "perceptual_hash": TEXT_OR_NULL,
    "quality": NUMBER_OR_NULL,
    "manifest": {"oneOf": [MANIFEST, {"type": "null"}]},
}
CHECKED = obj({**CHECKED_FIELDS, "sha256": HEXADECIMAL}, required=CHECKED_FIELDS)


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
        "/provenance/check": {"post": _check()},
        "/provenance/ca.pem": {"get": _authority()},
        "/legal": {"get": _legal()},
        "/legal/{model_id}": {"get": _licence_text()},
    }


def _check() -> dict[str, Any]:
    """A picture as it is, or its hash; both without a key."""
    hashes: dict[str, Schema] = {"sha256": HEXADECIMAL, "perceptual_hash": HEXADECIMAL}
    binary: Schema = {"type": "string", "format": "binary"}
    content: dict[str, Any] = {"application/json": {"schema": obj(hashes) | {"minProperties": 1}}}
    content |= {f"image/{kind}": {"schema": binary} for kind in ("png", "jpeg", "webp")}
    replies = {
        "200": reply("What is known of it.", CHECKED),
        **{status: REPLIES[status] for status in ("400", "401", "413", "429", "500", "503")},
    }
    operation = _open("Whether a picture was made here", "check_provenance", replies)
    return operation | {"requestBody": {"required": True, "content": content}}


def _authority() -> dict[str, Any]:
    found = {
        "description": "The certificates to trust, in PEM form.",
        "content": {"application/x-pem-file": {"schema": {"type": "string"}}},
    }
    return _open("Who certifies the signer of our pictures", "provenance_authority", {"200": found})


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
