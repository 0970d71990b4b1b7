"""Pictures at signed links: no key needed, gone after their day."""

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from safelight.api.house import House, house_time
from safelight.api.route import DoorRoute
from safelight.errors import NotFound


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
