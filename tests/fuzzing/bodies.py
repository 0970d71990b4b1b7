"""Bodies: valid ones by the document's schemas, and what becomes of them in hostile hands."""

import gzip
import json
import random
from typing import Any

from fuzzing.corpus import JSON_TOKENS, TEXTS, URLS
from running import NOBODY

GOOD_URL = f"https://{NOBODY}/a.png"  # the server may ask nobody else
ENCODINGS = ["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "cp500"]


class Raw(bytes):
    """Bytes that stand in a body as they are."""


def valid(schema: dict[str, Any], chance: random.Random, name: str = "") -> Any:
    """Something that the schema allows, as far as we know."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return chance.choice(schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return valid(chance.choice(schema[several]), chance, name)
    kind = schema.get("type", "string")
    if isinstance(kind, list):
        kind = chance.choice(kind)
    return _of_kind(kind, schema, chance, name)


def _of_kind(kind: str, schema: dict[str, Any], chance: random.Random, name: str) -> Any:
    low, high = schema.get("minimum", 0), schema.get("maximum", 4096)
    if kind == "object":
        required = schema.get("required", [])
        return {
            key: valid(inner, chance, key)
            for key, inner in schema.get("properties", {}).items()
            if key in required or chance.random() < 0.4
        }
    if kind == "array":
        count = chance.randint(schema.get("minItems", 0), min(3, schema.get("maxItems", 3)))
        return [valid(schema.get("items", {}), chance, name) for _ in range(count)]
    if kind == "integer":
        return chance.choice([low, high, chance.randint(low, high)])
    if kind == "number":
        return chance.choice([low, high, chance.uniform(low, high)])
    if kind == "boolean":
        return chance.random() < 0.5
    return None if kind == "null" else _text(schema, chance, name)


def _text(schema: dict[str, Any], chance: random.Random, name: str) -> str:
    if schema.get("format") == "uri" or "url" in name:
        return GOOD_URL
    if schema.get("format") == "uuid":
        return "00000000-0000-4000-8000-000000000000"
    return chance.choice(["a cat", "눈 속의 고양이", "a", "cat " * chance.randrange(1, 60)])


def spoiled(body: Any, chance: random.Random) -> Any:
    """The body with one to three things in it that do not belong."""
    for _ in range(chance.randint(1, 3)):
        if not isinstance(body, dict):
            return body
        body = dict(body)
        key = chance.choice([*body, "prompt", "n"])
        change = chance.randrange(8)
        if change == 0:
            body.pop(key, None)
        elif change == 1:
            body[chance.choice(TEXTS)] = chance.choice(TEXTS)
        elif change == 2:
            body[key] = chance.choice(TEXTS)
        elif change == 3:
            body[key] = chance.choice(URLS)
        elif change == 4 and isinstance(body.get(key), dict):
            body[key] = spoiled(body[key], chance)
        elif change == 4 and isinstance(body.get(key), list) and body[key]:
            body[key] = [spoiled(body[key][0], chance)] * chance.choice([1, 2, 11, 60])
        elif change == 5:
            body[key] = [body.get(key)] * chance.choice([0, 1, 2, 60])
        elif change == 6:
            body[key.upper()] = body.get(key)
        else:
            body[key] = Raw(chance.choice(JSON_TOKENS))
    return body


def written(value: Any, chance: random.Random) -> bytes:
    """JSON, with raw bytes where there are some, and now and then a key twice."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, dict):
        pairs = [
            written(key, chance) + b":" + written(inner, chance) for key, inner in value.items()
        ]
        if pairs and chance.random() < 0.01:
            pairs.append(chance.choice(pairs))
        return b"{" + b", ".join(pairs) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(written(inner, chance) for inner in value) + b"]"
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5)
    return text.encode("utf-8", "surrogatepass")


def garbled(body: bytes, chance: random.Random) -> bytes:
    """Its bytes flipped, cut, repeated, encoded in another way, or replaced."""
    change = chance.randrange(11)
    at = chance.randrange(len(body) + 1)
    if change == 0:
        return body[:at]
    if change == 1:
        return body[:at] + chance.randbytes(chance.randrange(1, 9)) + body[at:]
    if change == 2:
        return body[:at] + chance.choice(JSON_TOKENS) + body[at:]
    if change == 3 and body:
        flipped = bytearray(body)
        for _ in range(chance.randint(1, 4)):
            flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        return bytes(flipped)
    if change == 4:
        return body * chance.choice([0, 2, 3])
    if change == 5:
        text = body.decode("utf-8", "replace")
        return text.encode(chance.choice(ENCODINGS), "replace")
    if change == 6:
        return gzip.compress(body)
    if change == 7:
        return chance.choice(JSON_TOKENS)
    if change == 8:
        return chance.choice(
            [b"a=b&prompt=cat", b"--x\r\n\r\n--x--", b"<?xml version='1.0'?><a/>", b""]
        )
    if change == 9:
        return body[:at] + b" " * chance.choice([10, 66_000]) + body[at:]
    return chance.randbytes(chance.choice([1, 10, 1000, 65_535, 65_537]))
