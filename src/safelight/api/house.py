"""What every door is given: the parts of the house, and what a request needs of them."""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import Request

from safelight import accounts, limits
from safelight.accounts import Caller
from safelight.api.peers import Damping
from safelight.api.route import CALLER, REQUEST_ID
from safelight.api.watch import Watch
from safelight.audit import Origin
from safelight.catalog import Catalog, Model
from safelight.catalog.request import ImageRequest
from safelight.db import Database, Transaction
from safelight.dialects.source_url import check_source
from safelight.dialects.strict_json import BODY_BYTES_MAX
from safelight.egress import Networks
from safelight.engines.roster import Choice, Roster
from safelight.errors import (
    MalformedBody,
    ModelNotAllowed,
    ModelUnavailable,
    RequestTooLarge,
    Unauthenticated,
    UnsupportedParameter,
)
from safelight.flows.readiness import Readiness
from safelight.images import ImageStore
from safelight.provenance import Trust
from safelight.provenance.examiner import Examiner
from safelight.provenance.lookalikes import Lookalikes
from safelight.telemetry import Tell, silent

T = TypeVar("T")

LONG_BODY_BYTES = 2 * 1024  # longer ones are parsed in a thread
AUTHORIZATION_BYTES_MAX = 4096
CALLER_CACHE_SECONDS = 1.0  # how long a revoked key may still open a door
CALLER_CACHE_KEYS_MAX = 10_000


@dataclass(kw_only=True)
class House:
    """The composed parts, as the doors use them."""

    db: Database
    catalog: Catalog
    roster: Roster
    store: ImageStore
    watch: Watch
    defaults: limits.Defaults
    readiness: Readiness
    pepper: bytes
    trust: Trust  # by which our own pictures are known
    examiner: Examiner
    checks: Damping
    lookalikes: Lookalikes = field(default_factory=Lookalikes)
    weights: Mapping[str, str] = field(default_factory=dict)  # model id → where its own ones are
    egress_allowed: Networks = ()  # where callers' URLs may lead besides the public internet
    tell: Tell = silent  # of what happens here, for logs and metrics
    rng: random.Random = field(default_factory=random.SystemRandom)
    _callers: OrderedDict[tuple[str, tuple[str, ...]], tuple[float, Caller]] = field(
        default_factory=OrderedDict
    )

    async def authenticate(self, request: Request, schemes: tuple[str, ...]) -> Caller:
        """The caller behind the Authorization header. Raises Unauthenticated."""
        header = request.headers.get("authorization", "")
        cached = self._callers.get((header, schemes))
        if cached is not None and cached[0] > time.monotonic():
            request.scope[CALLER] = cached[1]
            return cached[1]
        if len(header) > AUTHORIZATION_BYTES_MAX:
            raise Unauthenticated()
        scheme, _, key = header.partition(" ")
        key = key.strip()
        if scheme.lower() not in schemes or not key:
            raise Unauthenticated()
        caller = await self.db.read(lambda tx: accounts.authenticate(tx, key, self.pepper))
        self._callers[header, schemes] = (time.monotonic() + CALLER_CACHE_SECONDS, caller)
        if len(self._callers) > CALLER_CACHE_KEYS_MAX:
            self._callers.popitem(last=False)
        request.scope[CALLER] = caller
        return caller

    def choose(self, caller: Caller, model: Model, wire_name: str, request: ImageRequest) -> Choice:
        """The engine that will make this request for this caller, or why none may or can."""
        if not caller.may_use(model.id):
            raise ModelNotAllowed(wire_name)
        choice = self.roster.choose(model.id)
        if choice is None:
            raise ModelUnavailable(wire_name)
        if unsupported := choice.engine.unsupported(request):
            parameter, reason = unsupported
            raise UnsupportedParameter(
                f"{parameter} is not supported by the engine '{choice.engine.name}' that makes"
                f" {wire_name} on this server" + (f": {reason}" if reason else ""),
                parameter=parameter,
            )
        check_source(request, self.store.is_own, self.egress_allowed)
        return choice


def origin_of(request: Request, caller: Caller) -> Origin:
    """Who asks, as the audit log names them."""
    return Origin(
        actor=caller.key_id,
        request_id=request.scope.get(REQUEST_ID),
        address=request.client.host if request.client else None,
    )


async def read_body(
    request: Request, bytes_max: int = BODY_BYTES_MAX, take: Callable[[int], None] | None = None
) -> bytes:
    """The whole body, or RequestTooLarge as soon as it is known to be too long.

    `take` is told of each part's length before it is kept, and may raise.
    """
    too_large = RequestTooLarge(f"The request body is larger than {bytes_max >> 10} KiB")
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > bytes_max:
        raise too_large
    body, more = bytearray(), True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise MalformedBody("The connection closed before the body was complete")
        part = message.get("body", b"")
        if len(body) + len(part) > bytes_max:
            raise too_large
        if take is not None:
            take(len(part))
        body += part
        more = message.get("more_body", False)
    return bytes(body)


async def parse_body(body: bytes, parse: Callable[[bytes], T]) -> T:
    """What the dialect makes of a body. Counting a long prompt's tokens must not stop the loop."""
    if len(body) <= LONG_BODY_BYTES:
        return parse(body)
    return await asyncio.to_thread(parse, body)


def engine_headers(choice_engine: str | None, stand_in: str | None) -> Mapping[str, str]:
    """Says who makes the picture, wherever it is seen."""
    if choice_engine is None:
        return {}
    return {"X-Safelight-Engine": f"{choice_engine}; stand-in" if stand_in else choice_engine}


async def house_time(db: Database) -> int:
    """Milliseconds since 1970 by the database's clock."""

    async def now(tx: Transaction) -> int:
        return tx.now_ms

    return await db.read(now)
