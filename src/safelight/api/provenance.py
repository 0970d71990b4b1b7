"""Whether a picture was made here, for anybody who has it; and the certificate that proves it.

No key is needed: who meets a picture somewhere has none, and the law of several places wants them
to have an answer. It tells no more than the picture itself: never an account, a prompt or a job.
"""

import asyncio
import hashlib
import re
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from safelight.api import evolink, krea
from safelight.api.answers import answer
from safelight.api.house import House, read_body
from safelight.api.route import DoorRoute
from safelight.dialects import strict_json
from safelight.errors import InvalidRequest, Unavailable
from safelight.flows.check import Found, Match, check
from safelight.provenance import Likeness
from safelight.provenance.examiner import Examined
from safelight.provenance.likeness import LIKENESS_BYTES

UPLOAD_BYTES_MAX = 32 << 20
UPLOADED_BYTES_MAX = 128 << 20  # of all uploads in memory at a time
AUTHORITY_PATH = "/provenance/ca.pem"
AUTHORITY_SECONDS = 3600  # how long verifiers may keep it
SCHEMES = tuple({*evolink.SCHEMES, *krea.SCHEMES})
SHA256 = re.compile(r"[0-9a-fA-F]{64}")
PERCEPTUAL = re.compile(rf"[0-9a-fA-F]{{{2 * LIKENESS_BYTES}}}")
PICTURES = re.compile(r"image/[\w.+-]+|application/octet-stream")
UNTOLD = ("prompt", "account", "serial")  # of a report: the file's owner reads them there


def routes(house: House) -> list[DoorRoute]:
    desk = Desk(house)
    headers = {"Cache-Control": f"public, max-age={AUTHORITY_SECONDS}"}

    async def authority(_: Request) -> Response:
        pem = house.trust.anchors
        return Response(pem, media_type="application/x-pem-file", headers=headers)

    return [
        DoorRoute("/provenance/check", desk.check, methods=["POST"]),
        DoorRoute(AUTHORITY_PATH, authority, methods=["GET"]),
    ]


class Desk:
    """Takes pictures or their hashes, and says what is known of them."""

    def __init__(self, house: House, uploaded_bytes_max: int = UPLOADED_BYTES_MAX):
        self._house = house
        self._uploaded_bytes_max = uploaded_bytes_max
        self._uploaded_bytes = 0  # of uploads that are here now

    async def check(self, request: Request) -> Response:
        await self._admit(request)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "application/json":
            return await self._check_hash(await read_body(request))
        if PICTURES.fullmatch(kind):
            return await self._check_upload(request)
        raise InvalidRequest(
            'Send {"sha256": …} as application/json, or a picture as image/png, image/jpeg or'
            " image/webp"
        )

    async def _admit(self, request: Request) -> None:
        """With a key, at once; without, if this address did not ask too often."""
        if "authorization" in request.headers:
            await self._house.authenticate(request, SCHEMES)
        elif request.client is not None:
            self._house.checks.note(
                request.client.host, "checks", "Too many checks without a key from this address"
            )

    async def _check_hash(self, body: bytes) -> Response:
        wanted = strict_json.decode(body)
        if unknown := wanted.keys() - {"sha256", "perceptual_hash"}:
            raise InvalidRequest(f"{min(unknown)} is not a parameter", parameter=min(unknown))
        if not wanted:
            raise InvalidRequest("Give sha256 or perceptual_hash", parameter="sha256")
        sha256 = _hexadecimal(wanted, "sha256", SHA256)
        bits = _hexadecimal(wanted, "perceptual_hash", PERCEPTUAL)
        looks = None if bits is None else Likeness(bits, quality=100)
        house = self._house
        return answer(_told(await check(house.db, house.lookalikes, sha256, looks)))

    async def _check_upload(self, request: Request) -> Response:
        taken = 0

        def take(more: int) -> None:
            nonlocal taken
            if self._uploaded_bytes + more > self._uploaded_bytes_max:
                raise Unavailable("Too many pictures are being checked, please try again")
            self._uploaded_bytes += more
            taken += more

        try:
            data = await read_body(request, UPLOAD_BYTES_MAX, take)
            return answer(await self._check_file(data))
        finally:
            self._uploaded_bytes -= taken

    async def _check_file(self, data: bytes) -> dict[str, Any]:
        house = self._house
        sha256 = (await asyncio.to_thread(hashlib.sha256, data)).digest()
        examined = await house.examiner.examine(data)
        found = await check(house.db, house.lookalikes, sha256, examined.looks)
        return _told(found, examined) | {"sha256": sha256.hex()}


def _hexadecimal(body: dict[str, Any], name: str, pattern: re.Pattern[str]) -> bytes | None:
    value = body.get(name)
    if name not in body:
        return None
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InvalidRequest(f"{name} must be 64 hexadecimal digits", parameter=name)
    return bytes.fromhex(value)


def _told(found: Found, examined: Examined | None = None) -> dict[str, Any]:
    record, looks = found.record, examined and examined.looks
    signed_here = examined is not None and bool(examined.report["ours"])
    told: dict[str, Any] = {
        "ours": found.match is not Match.NONE or signed_here,
        "match": found.match,
        "distance": found.distance,
        "model": record and record.model,
        "asked_for": record and record.asked_for,
        "engine": record and record.engine,
        "made_at": record and _moment(record.made_at_ms),
        "perceptual_hash": looks and looks.bits.hex(),
        "quality": looks and looks.quality,
        "manifest": None,
    }
    if examined is not None:
        told["manifest"] = {k: v for k, v in examined.report.items() if k not in UNTOLD}
    return told


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
