"""Whether the process runs (/livez), and whether a picture could be made now (/readyz)."""

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response

from safelight.api.answers import answer
from safelight.api.house import House
from safelight.api.route import DoorRoute


def routes(house: House) -> list[DoorRoute]:
    async def livez(_: Request) -> Response:
        return answer({"status": "ok"})

    async def readyz(_: Request) -> Response:
        report = await house.readiness.report()
        if report.ready:
            return answer(asdict(report))
        return answer(asdict(report), 503, {"Retry-After": "1"})

    return [
        DoorRoute("/livez", livez, methods=["GET"]),
        DoorRoute("/readyz", readyz, methods=["GET"]),
    ]
