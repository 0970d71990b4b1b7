"""What Schemathesis would look for in our own document for minutes, and never find.

Each takes 10 to 40 seconds for each of its places, see test_conformance.py.
"""

import os
from typing import Any

import schemathesis

EVERY_DAY = "CONFORMANCE_EXAMPLES" not in os.environ


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """Addresses in bodies without `format`, which says nothing beyond their narrower pattern: no
    text has the one and not the other. Every day also without addresses of the greatest length and
    in headers, which test_bad_input.py and test_webhook_url.py send anyway.
    """
    for item in raw_schema["paths"].values():
        for operation in item.values():
            if EVERY_DAY and "requestBody" in operation:
                parameters = operation.get("parameters", [])
                operation["parameters"] = [p for p in parameters if p["name"] != "X-Webhook-URL"]
            _shorten(operation.get("requestBody", {}))


def _shorten(schema: Any) -> None:
    if isinstance(schema, dict):
        if schema.get("format") == "uri" and "pattern" in schema:
            del schema["format"]
            if EVERY_DAY:
                schema.pop("maxLength", None)
        for inner in schema.values():
            _shorten(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _shorten(inner)
