"""Cases by number: the same seed and number make the same case, whichever run they are in."""

import random
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from fuzzing.bodies import garbled, spoiled, valid, written
from fuzzing.corpus import (
    HEADERS,
    HOSTS,
    METHODS,
    PATH_PARTS,
    QUERY_NAMES,
    QUERY_VALUES,
    SCHEMES,
    TEXTS,
)
from routing import PARAMETER, RealRoute

KREA_PATHS = ("/generate", "/jobs", "/assets", "/styles", "/node-apps", "/webhooks")
SUBMITTING = ("/generate", "/v1/images")
CHECKING = "/provenance/check"  # takes pictures, and their hashes
PICTURE_TYPES = ["image/png", "image/jpeg", "image/webp", "application/octet-stream", "image/x"]
SUBMISSIONS = 0.35  # of all cases; the rest is spread over every route
LAST = b"\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What cases are made of: the real routes, the document, and what there is on the server."""

    routes: tuple[RealRoute, ...]
    schemas: dict[str, Any]  # path of a submission → schema of its body
    rich: str  # a key with credits
    poor: str  # a key without: whatever it orders is read to its end and refused
    known: dict[str, list[str]]  # a path's parameter → values that there are, ours and others'
    pictures: list[str]  # signed links: path and query
    picture: bytes  # one of them, as it is served
    query: dict[str, list[str]] = field(default_factory=dict)  # route's path → names it knows

    @property
    def submissions(self) -> list[RealRoute]:
        """The routes that read the most: those that make pictures."""
        return [route for route in self.routes if route.path.startswith(SUBMITTING)]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is sent, and how the reply is to be read."""

    number: int
    raw: bytes
    method: str = ""  # empty: bytes that may be no request at all, on a connection of their own
    target: str = ""

    @property
    def door(self) -> str | None:
        """Whose words an error has to be in, or None where that cannot be known."""
        if not self.method:
            return None
        path = unquote(re.split(r"[?#]", self.target, maxsplit=1)[0])
        return "krea" if path.startswith(KREA_PATHS) else "evolink"

    @property
    def streams(self) -> bool:
        return "/events" in self.target or "wait=" in self.target


def make(ground: Ground, seed: int, number: int) -> Case:
    chance = random.Random(f"{seed}:{number}")
    route = chance.choice(ground.submissions if chance.random() < SUBMISSIONS else ground.routes)
    method = chance.choice(route.methods) if chance.random() < 0.85 else chance.choice(METHODS)
    target = _target(ground, route, chance)
    body = _body(ground, route, target, chance) if method in ("POST", "PUT", "PATCH") else b""
    headers = _headers(ground, 0.1 if route in ground.submissions else 0.5, chance)
    if route.path == CHECKING and method == "POST" and chance.random() < 0.8:
        headers.append(("Content-Type", chance.choice(PICTURE_TYPES)))
        body = _picture(ground, chance)
    if method not in ("POST", "PUT", "PATCH") and chance.random() < 0.03:
        body = garbled(b'{"prompt": "a cat"}', chance)
    raw = _request(method, target, headers, body, chance)
    if chance.random() < 0.08:
        return Case(number=number, raw=_torn(raw, chance) + LAST)
    return Case(number=number, raw=raw, method=method, target=target)


def _target(ground: Ground, route: RealRoute, chance: random.Random) -> str:
    if route.path.startswith("/pictures/") and chance.random() < 0.6:
        return _bent(chance.choice(ground.pictures), chance)
    if "{route" in route.path:
        chosen = chance.choice(list(ground.schemas)) if chance.random() < 0.8 else None
        path = chosen or "/generate/image/" + "/".join(chance.choices(PATH_PARTS, k=3))
    else:
        path = PARAMETER.sub(lambda found: _parameter(ground, found[1], chance), route.path)
    if chance.random() < 0.04:
        path += chance.choice(
            ["/", "//", "/.", "%2f", "/" + chance.choice(PATH_PARTS), ";a", "%00"]
        )
    if chance.random() < 0.02:
        path = chance.choice(["//", "/./", "/../", "/%2e%2e/"]) + path.lstrip("/")
    query = _query(ground, route, chance)
    return _in_ascii(path) + ("?" + _in_ascii(query) if query is not None else "")


def _parameter(ground: Ground, name: str, chance: random.Random) -> str:
    known = ground.known.get(name, [])
    if known and chance.random() < 0.5:
        return chance.choice(known)
    if known and chance.random() < 0.3:
        return _bent(chance.choice(known), chance)
    return chance.choice(PATH_PARTS)


def _bent(text: str, chance: random.Random) -> str:
    """Nearly right: a character changed, left out, doubled or in another case."""
    at, change = chance.randrange(len(text)), chance.randrange(5)
    if change == 0:
        return text
    if change == 1:
        return text[:at] + text[at + 1 :]
    if change == 2:
        return text[:at] + chance.choice("0aZ-_%.é/") + text[at + 1 :]
    if change == 3:
        return text[:at] + text[at] * 2 + text[at + 1 :]
    return text.swapcase()


def _query(ground: Ground, route: RealRoute, chance: random.Random) -> str | None:
    if chance.random() < 0.55:
        return None
    names = ground.query.get(route.path, []) or QUERY_NAMES
    pairs = []
    for _ in range(chance.choice([1, 1, 1, 2, 3, 40])):
        name = chance.choice(names) if chance.random() < 0.8 else chance.choice(QUERY_NAMES)
        # Nothing here is waited for longer than a second: what is odd about it is its form.
        values = ["0", "1", "-1", "61", "NaN", "", "１", "01"] if name == "wait" else QUERY_VALUES
        pairs.append(name + chance.choice(["=", "=", "=", "", "=="]) + chance.choice(values))
    return chance.choice(["&", "&", ";", "&&"]).join(pairs)


def _body(ground: Ground, route: RealRoute, target: str, chance: random.Random) -> bytes:
    path = urlsplit(target).path if target.startswith("/generate") else route.path
    schema = ground.schemas.get(path) or ground.schemas["/v1/images/generations"]
    if route.path == "/v1/tasks/batch":
        ids = [*ground.known["task_id"], *TEXTS, None, 5]
        body: Any = {"task_ids": chance.choices(ids, k=chance.choice([0, 1, 2, 50, 51, 500]))}
    else:
        body = valid(schema, chance)
    if chance.random() < 0.55:
        body = spoiled(body, chance)
    found = written(body, chance)
    return garbled(found, chance) if chance.random() < 0.2 else found


def _picture(ground: Ground, chance: random.Random) -> bytes:
    """A picture of ours: whole, cut, flipped, of a size that it has not, or no picture at all."""
    data, change = bytearray(ground.picture), chance.randrange(6)
    if change == 0:
        del data[chance.randrange(len(data)) :]
    elif change in (1, 2):
        for _ in range(chance.choice([1, 1, 8, 100])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif change == 3:  # its header's width and height
        data[16:24] = chance.choice([bytes(8), b"\x7f\xff\xff\xff" * 2, b"\x00\x01\x00\x00" * 2])
    elif change == 4:
        head = chance.choice(
            [b"\xff\xd8\xff\xe0", b"RIFF\xff\xff\xff\xffWEBPVP8 ", b"GIF89a", b"<svg"]
        )
        data[: len(head)] = head
    return bytes(data)


def _headers(ground: Ground, share_of_rich: float, chance: random.Random) -> list[tuple[str, str]]:
    host = "localhost" if chance.random() < 0.97 else chance.choice(HOSTS)
    found = [("Host", host)] if chance.random() < 0.995 else []
    if chance.random() < 0.92:
        key = ground.rich if chance.random() < share_of_rich else ground.poor
        if chance.random() < 0.04:
            key = _bent(key, chance)
        scheme = "Bearer" if chance.random() < 0.96 else chance.choice(SCHEMES)
        found.append(("Authorization", f"{scheme} {key}"))
    for _ in range(chance.choice([0, 0, 0, 1, 1, 2, 5])):
        name, values = chance.choice(HEADERS)
        found.append((name, chance.choice(values)))
    chance.shuffle(found)
    return found


def _request(
    method: str, target: str, headers: list[tuple[str, str]], body: bytes, chance: random.Random
) -> bytes:
    """The request's bytes; its framing is right, so that the connection can be used again."""
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1", "replace")]
    for name, value in headers:
        line = f"{name}: {value}".encode("latin-1", "replace")
        lines.append(re.sub(rb"[\r\n\0]", b"", line))
    if body and chance.random() < 0.1:
        lines.append(b"Transfer-Encoding: chunked")
        body = _chunked(body, chance)
    elif body or method == "POST":
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _chunked(body: bytes, chance: random.Random) -> bytes:
    size = chance.choice([1, 7, 1000, 70_000])
    if len(body) // size > 2000:
        size = 1000
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _torn(raw: bytes, chance: random.Random) -> bytes:
    """A request whose bytes themselves were changed: head, framing and all."""
    torn = bytearray(raw[:20_000])
    for _ in range(chance.randint(1, 4)):
        at, change = chance.randrange(len(torn) + 1), chance.randrange(5)
        if change == 0:
            torn[at : at + 1] = chance.randbytes(chance.randrange(3))
        elif change == 1:
            torn[at:at] = chance.choice(
                [b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\xff", b"\t", b"\r\n "]
            )
        elif change == 2:
            del torn[at : at + chance.choice([1, 2, 50])]
        elif change == 3:
            torn[at:at] = torn[at : at + chance.choice([1, 20, 2000])]
        elif torn:
            torn[at % len(torn)] ^= 1 << chance.randrange(8)
    return bytes(torn)


def _in_ascii(text: str) -> str:
    """What HTTP lets stand in a request line, without touching the percent signs."""
    return quote(text, safe="%/?#[]@!$&'()*+,;=:-._~\"<>\\^`{|}")
