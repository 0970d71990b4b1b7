"""The EvoLink door: image generations, tasks, credits, models."""

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from safelight import ledger
from safelight.api.answers import answer
from safelight.api.door import Door
from safelight.api.house import House, house_time, parse_body, read_body
from safelight.api.route import DoorRoute
from safelight.dialects import evolink as wire
from safelight.jobs import listing

SCHEMES = ("bearer",)


class TaskConvertor(StringConvertor):
    """Whatever stands where a task's id would, but for the one word that is a route beside it."""

    regex = "(?!batch(?:/|$))[^/]+"


register_url_convertor("task", TaskConvertor())


def routes(house: House) -> list[DoorRoute]:
    door = EvolinkDoor(house)
    return [
        DoorRoute("/v1/tasks/{task_id:task}", door.task, methods=["GET"]),
        DoorRoute("/v1/images/generations", door.create, methods=["POST"]),
        DoorRoute("/v1/tasks/batch", door.batch, methods=["POST"]),
        DoorRoute("/v1/tasks/{task_id:task}/events", door.events, methods=["GET"]),
        DoorRoute("/v1/tasks", door.tasks, methods=["GET"]),
        DoorRoute("/v1/credits", door.credits, methods=["GET"]),
        DoorRoute("/v1/models", door.models, methods=["GET"]),
    ]


class EvolinkDoor:
    """The sitemap of the EvoLink wire."""

    def __init__(self, house: House):
        self.house = house
        self.door = Door(house, wire, SCHEMES)

    async def create(self, request: Request) -> Response:
        caller = await self.door.caller(request)
        catalog = self.house.catalog
        submission = await parse_body(
            await read_body(request),
            lambda body: wire.parse_submission(body, catalog, self.house.egress_allowed),
        )
        offer = catalog.find(submission.request.model).evolink
        assert offer is not None  # the dialect found the model by its name at this door
        key = request.headers.get("idempotency-key")
        return await self.door.submit(
            request,
            self.door.order(request, caller, offer.name, submission),
            None if key is None else wire.parse_idempotency_key(key),
        )

    async def task(self, request: Request) -> Response:
        return await self.door.poll(request, request.path_params["task_id"])

    async def events(self, request: Request) -> Response:
        return await self.door.stream(request, request.path_params["task_id"])

    async def tasks(self, request: Request) -> Response:
        caller = await self.door.caller(request)
        query = wire.parse_list_query(request.query_params)
        wanted = listing.Filter(
            account_id=caller.account_id,
            dialect=wire.NAME,
            states=query.states,
            models=self._model_ids(query),
        )
        jobs, total = await self.house.db.scan(
            lambda tx: listing.page(
                tx,
                wanted,
                self.house.store.link,
                offset=query.offset,
                limit=query.page_size,
            )
        )
        return answer(wire.render_list(jobs, total, query, self.house.catalog))

    async def batch(self, request: Request) -> Response:
        caller = await self.door.caller(request)
        ids = wire.parse_batch(await read_body(request))
        wanted = listing.Filter(account_id=caller.account_id, dialect=wire.NAME)
        jobs = await self.house.db.read(
            lambda tx: listing.by_ids(tx, wanted, ids, self.house.store.link)
        )
        return answer(wire.render_batch(jobs, self.house.catalog))

    async def credits(self, request: Request) -> Response:
        caller = await self.door.caller(request)
        balance = await self.house.db.read(
            lambda tx: ledger.balance(tx, caller.account_id, caller.key_id)
        )
        left = balance.available
        if balance.key_limit is not None:
            left = min(left, balance.key_limit - balance.key_held - balance.key_spent)
        body = wire.render_credits(
            wire.Balance(
                user_remaining=balance.available,
                user_used=balance.spent,
                token_remaining=left,
                token_used=balance.key_spent,
                unlimited=balance.key_limit is None,
            )
        )
        return answer(body)

    async def models(self, request: Request) -> Response:
        caller = await self.door.caller(request)
        usable = [
            model
            for model in self.house.catalog.models.values()
            if model.evolink and caller.may_use(model.id) and self.house.roster.choose(model.id)
        ]
        return answer(wire.render_models(usable, await house_time(self.house.db)))

    def _model_ids(self, query: wire.ListQuery) -> list[str] | None:
        if query.matches_nothing:
            return []
        if query.model is None:
            return None
        model = self.house.catalog.by_evolink_name(query.model)
        return [] if model is None else [model.id]
