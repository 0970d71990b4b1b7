"""What both doors do alike: authenticate, submit, poll and stream, each in its dialect's words."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from safelight.accounts import Caller
from safelight.api.answers import event_stream, job_answer, read_or_wait
from safelight.api.house import House
from safelight.api.route import REQUEST_ID, TRACEPARENT
from safelight.catalog import Model
from safelight.dialects import Dialect, Submission
from safelight.flows.submit import Order, submit
from safelight.jobs import Job, State, get
from safelight.telemetry.events import JobCreated


class Door:
    """A wire's side of the house; the route modules add what only their wire has."""

    def __init__(self, house: House, dialect: Dialect, schemes: tuple[str, ...]):
        self.house = house
        self._dialect = dialect
        self._schemes = schemes  # of the Authorization header, in lower case

    async def caller(self, request: Request) -> Caller:
        return await self.house.authenticate(request, self._schemes)

    def order(
        self, request: Request, caller: Caller, wire_name: str, submission: Submission
    ) -> Order:
        """What is to be committed. Raises when the caller may not, or nobody here can."""
        model: Model = self.house.catalog.find(submission.request.model)
        choice = self.house.choose(caller, model, wire_name, submission.request)
        return Order(
            caller=caller,
            dialect=self._dialect.NAME,
            request=submission.request,
            price_microcredits=model.price_microcredits(submission.request, self._dialect.NAME),
            engine=choice.engine.name,
            stand_in=choice.stand_in,
            new_id=self._dialect.new_id,
            webhook_url=submission.webhook_url,
            traceparent=request.scope.get(TRACEPARENT),
        )

    async def submit(
        self,
        request: Request,
        order: Order,
        idempotency_key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        house = self.house
        if idempotency_key is not None:
            order = replace(order, idempotency_key=idempotency_key)
        job, replayed = await submit(house.db, order, house.defaults, house.store.link, house.rng)
        if not replayed:
            house.tell(_created(job, request))
        more = {"Idempotency-Replayed": "true"} if replayed else {}
        body = self._dialect.render_submitted(job, house.catalog)
        return job_answer(job, body, more | (headers or {}))

    async def poll(self, request: Request, job_id: str) -> Response:
        """The job as it stands, or with ?wait=N once it has ended."""
        caller = await self._caller_of(request, job_id)
        job = await read_or_wait(
            self.house,
            request,
            caller.account_id,
            job_id,
            lambda: self._read(caller, job_id),
        )
        return self.answer(job)

    async def stream(self, request: Request, job_id: str) -> Response:
        """The job's changes as server-sent events."""
        caller = await self._caller_of(request, job_id)
        first = await self._read(caller, job_id)
        return event_stream(
            self.house,
            request,
            caller.account_id,
            job_id,
            lambda: self._read(caller, job_id),
            lambda job: self._dialect.render(job, self.house.catalog),
            first,
        )

    def answer(self, job: Job) -> Response:
        return job_answer(job, self._dialect.render(job, self.house.catalog))

    async def _caller_of(self, request: Request, job_id: str) -> Caller:
        caller = await self.caller(request)
        self._dialect.check_id(job_id)
        return caller

    async def _read(self, caller: Caller, job_id: str) -> Job:
        return await self.house.db.read(
            lambda tx: get(
                tx,
                job_id,
                self.house.store.link,
                account_id=caller.account_id,
                dialect=self._dialect.NAME,
            )
        )


def _created(job: Job, request: Request) -> JobCreated:
    return JobCreated(
        job=job.id,
        account=job.account_id,
        dialect=job.dialect,
        model=job.request.model,
        engine=job.engine,
        price_microcredits=job.price_microcredits,
        backlogged=job.state is State.BACKLOGGED,
        request_id=request.scope[REQUEST_ID],
    )
