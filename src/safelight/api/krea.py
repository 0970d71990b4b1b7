"""The Krea door: one route for each model, and the jobs they make."""

from starlette.requests import Request
from starlette.responses import Response

from safelight.api.answers import answer
from safelight.api.door import Door
from safelight.api.house import House, parse_body, read_body
from safelight.api.route import DoorRoute
from safelight.dialects import krea as wire
from safelight.flows.cancel import cancel
from safelight.jobs import listing

SCHEMES = ("bearer", "key")


def routes(house: House) -> list[DoorRoute]:
    door = KreaDoor(house)
    return [
        DoorRoute("/generate/image/{route:path}", door.create, methods=["POST"]),
        DoorRoute("/jobs/{job_id}", door.job_or_delete, methods=["GET", "DELETE"]),
        DoorRoute("/jobs/{job_id}/events", door.events, methods=["GET"]),
        DoorRoute("/jobs", door.jobs, methods=["GET"]),
    ]


class KreaDoor:
    """The sitemap of the Krea wire."""

    def __init__(self, house: House):
        self.house = house
        self.door = Door(house, wire, SCHEMES)

    async def create(self, request: Request) -> Response:
        caller = await self.door.caller(request)
        route: str = request.path_params["route"]
        submission = await parse_body(
            await read_body(request),
            lambda body: wire.parse_submission(
                route, body, request.headers, self.house.catalog, self.house.egress_allowed
            ),
        )
        return await self.door.submit(
            request,
            self.door.order(request, caller, route, submission),
            headers={"Deprecation": "true"} if submission.deprecated_fields else None,
        )

    async def job_or_delete(self, request: Request) -> Response:
        # One route for both, so that a 405 names both in its Allow header.
        return await (self.delete if request.method == "DELETE" else self.job)(request)

    async def job(self, request: Request) -> Response:
        return await self.door.poll(request, request.path_params["job_id"])

    async def events(self, request: Request) -> Response:
        return await self.door.stream(request, request.path_params["job_id"])

    async def delete(self, request: Request) -> Response:
        caller, house = await self.door.caller(request), self.house
        job_id: str = request.path_params["job_id"]
        wire.check_id(job_id)
        job = await cancel(
            house.db, caller.account_id, job_id, wire.NAME, house.defaults, house.store.link,
            house.tell,
        )  # fmt: skip
        return self.door.answer(job)

    async def jobs(self, request: Request) -> Response:
        caller = await self.door.caller(request)
        query = wire.parse_list_query(request.query_params)
        wanted = listing.Filter(
            account_id=caller.account_id,
            dialect=wire.NAME,
            states=query.states,
            models=None
            if query.types is None
            else wire.models_of_types(query.types, self.house.catalog),
        )
        found = await self.house.db.scan(
            lambda tx: listing.before(
                tx,
                wanted,
                self.house.store.link,
                created_ms=query.before_ms,
                seq=query.before_seq,
                limit=query.limit + 1,
            )
        )
        return answer(wire.render_list(found, query, self.house.catalog))
