"""The Krea door: one route for each model, and the jobs they make."""

from starlette.requests import Request
from starlette.responses import Response

from safelight.accounts import Caller
from safelight.api.answers import answer, event_stream, job_answer, read_or_wait
from safelight.api.door import DoorRoute
from safelight.api.house import House, parse_body, read_body
from safelight.dialects import krea as wire
from safelight.flows.cancel import cancel
from safelight.flows.submit import Order, submit
from safelight.jobs import Job, get, listing

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

    async def create(self, request: Request) -> Response:
        house = self.house
        caller = await self._caller(request)
        route: str = request.path_params["route"]
        submission = await parse_body(
            await read_body(request),
            lambda body: wire.parse_submission(route, body, request.headers, house.catalog),
        )
        model = house.catalog.find(submission.request.model)
        choice = house.choose(caller, model, route, submission.request)
        order = Order(
            caller=caller,
            dialect=wire.NAME,
            request=submission.request,
            price_microcredits=model.price_microcredits(submission.request, wire.NAME),
            engine=choice.engine.name,
            stand_in=choice.stand_in,
            new_id=wire.new_id,
            webhook_url=submission.webhook_url,
        )
        job, _ = await submit(house.db, order, house.defaults, house.store.link, house.rng)
        headers = {"Deprecation": "true"} if submission.deprecated_fields else None
        return job_answer(job, wire.render_submitted(job, house.catalog), headers)

    async def job_or_delete(self, request: Request) -> Response:
        # One route for both, so that a 405 names both in its Allow header.
        return await (self.delete if request.method == "DELETE" else self.job)(request)

    async def job(self, request: Request) -> Response:
        caller, job_id = await self._caller_and_id(request)
        job = await read_or_wait(self.house, request, job_id, lambda: self._read(caller, job_id))
        return job_answer(job, wire.render(job, self.house.catalog))

    async def events(self, request: Request) -> Response:
        caller, job_id = await self._caller_and_id(request)
        first = await self._read(caller, job_id)
        return event_stream(
            self.house,
            request,
            job_id,
            lambda: self._read(caller, job_id),
            lambda job: wire.render(job, self.house.catalog),
            first,
        )

    async def delete(self, request: Request) -> Response:
        caller, job_id = await self._caller_and_id(request)
        house = self.house
        job = await cancel(
            house.db, caller.account_id, job_id, wire.NAME, house.defaults, house.store.link
        )
        return job_answer(job, wire.render(job, house.catalog))

    async def jobs(self, request: Request) -> Response:
        caller = await self._caller(request)
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

    async def _caller(self, request: Request) -> Caller:
        return await self.house.authenticate(request, SCHEMES)

    async def _caller_and_id(self, request: Request) -> tuple[Caller, str]:
        caller = await self._caller(request)
        job_id: str = request.path_params["job_id"]
        wire.check_id(job_id)
        return caller, job_id.lower()

    async def _read(self, caller: Caller, job_id: str) -> Job:
        return await self.house.db.read(
            lambda tx: get(
                tx, job_id, self.house.store.link, account_id=caller.account_id, dialect=wire.NAME
            )
        )
