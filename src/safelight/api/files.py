"""Pictures at signed links: no key needed, gone after their day."""

import re

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from safelight.api.house import House, house_time
from safelight.api.route import DoorRoute
from safelight.errors import NotFound

ONE_RANGE = re.compile(r"bytes=([0-9]{1,12})-([0-9]{0,12})")


def routes(house: House) -> list[DoorRoute]:
    async def picture(request: Request) -> Response:
        now_ms = await house_time(house.db)
        name: str = request.path_params["name"]
        expires = request.query_params.get("expires", "")
        signature = request.query_params.get("signature", "")
        path = house.store.open_link(name, expires, signature, now_ms)
        try:
            found = path.stat() if path is not None else None
        except FileNotFoundError:  # swept a moment ago
            found = None
        if path is None or found is None:
            raise NotFound("This picture does not exist, or its link has expired")
        _forget_odd_range(request, found.st_size)
        seconds_left = int(expires) - now_ms // 1000
        return FileResponse(
            path,
            media_type="image/png",
            stat_result=found,  # or a thread would ask for it a second time
            headers={
                "Cache-Control": f"private, max-age={max(0, seconds_left)}, immutable",
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
                "Referrer-Policy": "no-referrer",
                # The link itself is the permission, so any page that has it may show and read it.
                "Cross-Origin-Resource-Policy": "cross-origin",
                "Access-Control-Allow-Origin": "*",
            },
        )

    return [DoorRoute("/pictures/{name}", picture, methods=["GET"])]


def _forget_odd_range(request: Request, size_bytes: int) -> None:
    """Leave only a Range that can be kept: the whole picture is as good an answer to any other.

    RFC 9110, section 14.2, allows that; Starlette's own refusals would be in words of no door.
    """
    scope, asked = request.scope, request.headers.get("range")
    if asked is None:
        return
    found = ONE_RANGE.fullmatch(asked)
    start, end = (int(found[1]), int(found[2] or size_bytes)) if found else (0, -1)
    if not start <= end or start >= size_bytes:
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"range"]
