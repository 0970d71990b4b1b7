"""Filters elsewhere: an OpenAI-style moderation service, or a hook of the operator's own.

The URL is the operator's, so it may be in a private network. Whatever is not a clear answer in
time raises, and then nothing passes. Redirects are not followed and no proxy is used.
"""

import base64
import contextlib
import http.client
import io
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
from PIL import Image

from safelight.moderation.verdict import ALLOWED, Category, Verdict

ANSWER_BYTES_MAX = 256 * 1024
SIDE_MAX = 1024  # pixels of the longer side of what is sent
JPEG_QUALITY = 90
# The gravest first. https://platform.openai.com/docs/guides/moderation names them.
OPENAI_CATEGORIES = {
    "sexual/minors": Category.MINORS,
    "sexual": Category.SEXUAL,
    "violence/graphic": Category.GORE,
    "hate": Category.HATE,
    "hate/threatening": Category.HATE,
    "harassment/threatening": Category.HATE,
    "self-harm": Category.SELF_HARM,
    "self-harm/intent": Category.SELF_HARM,
    "self-harm/instructions": Category.SELF_HARM,
}
STRICT_SCORE = 0.3  # where the stricter check was asked for, less than "flagged" is enough

Json = Any


class Unclear(Exception):
    """The service gave no answer that could be trusted."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """Where it is and how it is spoken to."""

    url: str
    kind: Literal["openai", "hook"]
    token: str | None = None
    model: str | None = None
    timeout_seconds: float = 5.0

    def ask(self, question: Json) -> Json:
        """One POST. Raises Unclear, OSError, http.client.HTTPException or ValueError."""
        deadline = time.monotonic() + self.timeout_seconds
        connection = self._connection()
        try:
            parts = urlsplit(self.url)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            headers = {"content-type": "application/json", "accept": "application/json"}
            if self.token is not None:
                headers["authorization"] = f"Bearer {self.token}"
            connection.request("POST", path, json.dumps(question), headers)
            with _hanging_up(connection.sock, deadline):
                answer = connection.getresponse()
            if answer.status != HTTPStatus.OK:
                raise Unclear(f"it answers {answer.status}")
            return json.loads(_read(connection, answer, deadline))
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        assert parts.hostname is not None, "checked when the settings were read"
        if parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=self.timeout_seconds, context=context
            )
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=self.timeout_seconds)


class ServiceWords:
    """Prompts, judged by a service."""

    def __init__(self, service: Service):
        self._service = service
        self.name = f"{service.kind}-prompts"

    def load(self) -> None:
        """Nothing to read."""

    def judge(self, text: str, *, strict: bool) -> Verdict:
        if self._service.kind == "hook":
            question: Json = {"kind": "prompt", "text": text, "strict": strict}
            return _read_hook(self._service.ask(question), self.name)
        return _ask_openai(self._service, [{"type": "text", "text": text}], self.name, strict)

    def speaks_of_minors(self, text: str) -> bool:
        return False  # our own rules know


class ServicePictures:
    """Pictures, judged by a service."""

    def __init__(self, service: Service):
        self._service = service
        self.name = f"{service.kind}-pictures"

    def load(self) -> None:
        """Nothing to read."""

    def judge(self, pixels: npt.NDArray[np.uint8], *, strict: bool, minors: bool) -> Verdict:
        picture = base64.b64encode(_jpeg(pixels)).decode()
        if self._service.kind == "hook":
            question = {"kind": "picture", "jpeg": picture, "strict": strict, "minors": minors}
            found = _read_hook(self._service.ask(question), self.name)
            return _with_minors(found) if minors else found
        url = {"url": f"data:image/jpeg;base64,{picture}"}
        part = {"type": "image_url", "image_url": url}
        found = _ask_openai(self._service, [part], self.name, strict or minors)
        return _with_minors(found) if minors else found


def _with_minors(found: Verdict) -> Verdict:
    """The prompt speaks of them: what is sexual then is refused on every level."""
    return replace(found, category=Category.MINORS) if found.category is Category.SEXUAL else found


def _ask_openai(service: Service, parts: Json, name: str, strict: bool) -> Verdict:
    """The gravest category of ours that is flagged, or under strict has such a score."""
    model = {} if service.model is None else {"model": service.model}
    answer = service.ask({**model, "input": parts})
    try:
        [result] = answer["results"]
        flagged, scores = result["categories"], result["category_scores"]
        if not isinstance(result["flagged"], bool) or not isinstance(flagged, dict):
            raise Unclear("flagged is no boolean")
        for theirs, ours in OPENAI_CATEGORIES.items():
            score = float(scores.get(theirs, 0.0))
            if flagged.get(theirs) or (strict and not score < STRICT_SCORE):
                return Verdict(ours, score, name)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unclear(f"no answer of a moderation service: {error!r}") from None
    return ALLOWED


def _read_hook(answer: Json, name: str) -> Verdict:
    """`{"allowed": true}`, or `{"allowed": false, "category": …, "score": …}`; nothing else."""
    if not isinstance(answer, dict) or not isinstance(answer.get("allowed"), bool):
        raise Unclear("the hook's answer has no boolean 'allowed'")
    if answer["allowed"]:
        return ALLOWED
    return Verdict(Category(str(answer.get("category"))), float(answer.get("score", 1.0)), name)


def _jpeg(pixels: npt.NDArray[np.uint8]) -> bytes:
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE_MAX, SIDE_MAX))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


@contextlib.contextmanager
def _hanging_up(sock: socket.socket, deadline: float) -> Iterator[None]:
    """Headers that drip end then: the socket's own timeout is for each piece of them alone.

    What was cut off there has no body, and is no clear answer.
    """
    timer = threading.Timer(max(0, deadline - time.monotonic()), _hang_up, (sock,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _read(
    connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, deadline: float
) -> bytes:
    """The body, by the deadline of the whole question: a drip must not hold a job for ever."""
    body = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Unclear("it takes too long")
        if connection.sock is not None:
            connection.sock.settimeout(left)
        part = answer.read1(16 * 1024)
        body += part
        if not part:
            return body
        if len(body) > ANSWER_BYTES_MAX:
            raise Unclear("its answer is too long")
