"""Whether the process runs (/livez), and whether a picture could be made now (/readyz)."""

from starlette.requests import Request
from starlette.responses import Response

from safelight import workers
from safelight.api.answers import answer
from safelight.api.house import House
from safelight.api.route import DoorRoute
from safelight.errors import Unavailable


def routes(house: House) -> list[DoorRoute]:
    async def livez(_: Request) -> Response:
        return answer({"status": "ok"})

    async def readyz(_: Request) -> Response:
        try:
            ready = await house.db.read(workers.count_ready)
        except Unavailable:
            ready = 0
        if ready == 0:
            return answer({"status": "starting", "workers": 0}, 503, {"Retry-After": "1"})
        return answer({"status": "ok", "workers": ready})

    return [
        DoorRoute("/livez", livez, methods=["GET"]),
        DoorRoute("/readyz", readyz, methods=["GET"]),
    ]
