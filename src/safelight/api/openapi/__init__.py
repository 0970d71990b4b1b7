"""One OpenAPI document of the whole service, written from the catalog."""

from typing import Any

from safelight.api.openapi import evolink, evolink_replies, house, krea, webhooks
from safelight.catalog import Catalog

TAGS = (
    ("Image", "One route for each model, in Krea's form"),
    ("Jobs", "What the routes under Image have started"),
    ("Tasks", "Pictures and tasks in EvoLink's form"),
    ("Account", "Credits and models of the key that asks"),
    ("Webhooks", "What was sent to the addresses that callers named, and what signs it"),
    ("House", "The server itself, and the pictures it keeps"),
)


def document(catalog: Catalog, version: str) -> dict[str, Any]:
    """OpenAPI 3.1, in the shape of Krea's own: clients find the models among its paths."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Safelight API",
            "version": version,
            "description": "A self-hosted text-to-image service that speaks two wires.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS],
        "security": [{"bearerAuth": []}],
        "paths": {
            **krea.paths(catalog),
            **evolink.paths(catalog),
            **webhooks.paths(),
            **house.paths(),
        },
        "components": {
            "securitySchemes": {
                "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "Bearer"}
            },
            "schemas": {**krea.SCHEMAS, **evolink_replies.SCHEMAS, **webhooks.SCHEMAS},
        },
    }
