"""JSON Schema of what the catalog says, and of replies that both doors give."""

from collections.abc import Iterable, Mapping
from typing import Any

from safelight.catalog.parameters import MEDIA_URI, URI_REST, Parameter
from safelight.catalog.sources import SOURCE
from safelight.egress.destination import INTERNAL_NAMES

Schema = dict[str, Any]

# A text that is more than white space, without the character that no database can store. The
# control characters are white space to Python, but not to every reader of a pattern.
TEXT_PATTERN = r"^[^\u0000]*[^\s\u0000\u001c-\u001f\u0085][^\u0000]*$"
TEXT_OR_NOTHING_PATTERN = r"^[^\u0000]*$"

# What a webhook's address looks like, mostly: longer names, names in other scripts and public IP
# addresses are taken too; names and addresses of internal networks are not.
WEBHOOK_PATTERN = (
    r"^https://([a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?\.){1,4}"
    rf"(?!(?:{'|'.join(INTERNAL_NAMES)})(?:[:/?#]|$))[a-z]{{2,24}}(:(443|8443))?{URI_REST}$"
)
WEBHOOK_URL: Schema = {
    "type": "string",
    "format": "uri",
    "maxLength": 2048,
    "pattern": WEBHOOK_PATTERN,
}
# Links of this server and data: URIs of pictures are taken too; no pattern tells a good one.
SOURCE_URL: Schema = {
    "description": "The picture to start from: an https address, a link that this server gave out,"
    " or the picture itself as a data: URI.",
    "pattern": WEBHOOK_PATTERN,
}

LINK: Schema = {"type": "string", "format": "uri"}

KEYWORDS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_items": "minItems",
    "max_items": "maxItems",
    "pattern": "pattern",
    "format": "format",
}


def parameters_schema(parameters: Mapping[str, Parameter], *, closed: bool) -> Schema:
    """A body with these parameters; `closed` when an unknown key is an error."""
    return obj(
        {
            name: parameter_schema(parameter) | (SOURCE_URL if name == SOURCE else {})
            for name, parameter in parameters.items()
        },
        required=[name for name, parameter in parameters.items() if parameter.required],
        closed=closed,
    )


def parameter_schema(parameter: Parameter) -> Schema:
    """What the door will accept for one parameter."""
    schema: Schema = {"type": [parameter.type, "null"] if parameter.nullable else parameter.type}
    description = _description(parameter)
    if description:
        schema["description"] = description
    for ours, theirs in KEYWORDS.items():
        value = getattr(parameter, ours)
        if value is not None:
            schema[theirs] = value
    if parameter.type == "string":
        schema |= _string(parameter)
    if isinstance(parameter.items, Parameter):
        schema["items"] = parameter_schema(parameter.items)
    if parameter.type == "object":
        inner = {k: p for k, p in parameter.properties.items() if isinstance(p, Parameter)}
        schema |= parameters_schema(inner, closed=True)
    if parameter.default is not None:
        schema["default"] = parameter.default
    return schema


def obj(properties: Schema, *, required: Iterable[str] = (), closed: bool = True) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "required": list(required)}
    return schema | {"additionalProperties": False} if closed else schema


def whole(obj_properties: Schema) -> Schema:
    """An object whose every property is always there, and no other."""
    return obj(obj_properties, required=obj_properties)


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def reply(description: str, schema: Schema | None = None, **headers: str) -> Schema:
    found: Schema = {"description": description}
    if schema is not None:
        found["content"] = {"application/json": {"schema": schema}}
    if headers:
        found["headers"] = {
            name.replace("_", "-"): {"description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        }
    return found


def event_stream(description: str) -> Schema:
    """Each event: the id to resume after, the status word, and as data what a poll answers."""
    event = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]+$"},
            "event": {"type": "string"},
            "data": {"type": "string", "description": "JSON: the body of a poll at this moment"},
        },
        "required": ["id", "event", "data"],
    }
    return {"description": description, "content": {"text/event-stream": {"schema": event}}}


def path_parameter(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def query_parameter(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def header_parameter(name: str, schema: Schema, description: str) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema,
    }


def _string(parameter: Parameter) -> Schema:
    if parameter.enum:
        return {"enum": [*parameter.enum, *([None] if parameter.nullable else [])]}
    if parameter.means == "webhook_url":
        return WEBHOOK_URL
    if parameter.format == "uri":
        return {"pattern": f"^{MEDIA_URI}$"}
    if parameter.format is not None or parameter.pattern is not None:
        return {}
    if parameter.required:
        return {"pattern": TEXT_PATTERN, "minLength": parameter.min_length or 1}
    return {"pattern": TEXT_OR_NOTHING_PATTERN}


def _description(parameter: Parameter) -> str:
    sentences = [parameter.description]
    if parameter.max_tokens is not None:
        sentences.append(f"At most {parameter.max_tokens} tokens.")
    if parameter.pixels is not None:
        low, high = parameter.pixels.edge_min, parameter.pixels.edge_max
        sentences.append(f"Or WIDTHxHEIGHT, each from {low} to {high} pixels.")
    return " ".join(sentence for sentence in sentences if sentence)
