"""What an account sees of its webhooks at either door, and the key that proves they are ours."""

from starlette.requests import Request
from starlette.responses import Response

from safelight.api import evolink, krea
from safelight.api.answers import answer
from safelight.api.house import House, origin_of
from safelight.api.route import DoorRoute
from safelight.dialects import DIALECTS, Dialect
from safelight.dialects.deliveries import check_message_id
from safelight.errors import UnknownDelivery
from safelight.flows.redeliver import redeliver
from safelight.flows.reveal import reveal
from safelight.webhooks import deliveries
from safelight.webhooks.signing import Signer

KEYS_PATH = "/.well-known/jwks.json"
KEYS_SECONDS = 3600  # how long a receiver may keep the key set
PREFIXES = {"evolink": "/v1/webhooks", "krea": "/webhooks"}
SCHEMES = {"evolink": evolink.SCHEMES, "krea": krea.SCHEMES}


def routes(house: House) -> list[DoorRoute]:
    key_set = {"keys": [Signer(house.pepper).jwk]}

    async def keys(_: Request) -> Response:
        return answer(key_set, headers={"Cache-Control": f"public, max-age={KEYS_SECONDS}"})

    found = [DoorRoute(KEYS_PATH, keys, methods=["GET"])]
    for name, prefix in PREFIXES.items():
        desk = Desk(house, DIALECTS[name], SCHEMES[name])
        delivery = f"{prefix}/deliveries/{{message_id}}"
        found += [
            DoorRoute(f"{prefix}/deliveries", desk.deliveries, methods=["GET"]),
            DoorRoute(delivery, desk.delivery, methods=["GET"]),
            DoorRoute(f"{delivery}/redeliver", desk.redeliver, methods=["POST"]),
            DoorRoute(f"{prefix}/secret", desk.secrets, methods=["GET"]),
            DoorRoute(f"{prefix}/secret/rotate", desk.rotate, methods=["POST"]),
        ]
    return found


class Desk:
    """The same at both doors, each in its dialect's words, of the jobs made through it."""

    def __init__(self, house: House, dialect: Dialect, schemes: tuple[str, ...]):
        self.house = house
        self._dialect = dialect
        self._schemes = schemes

    async def deliveries(self, request: Request) -> Response:
        caller = await self.house.authenticate(request, self._schemes)
        query = self._dialect.parse_deliveries(request.query_params)
        wanted = deliveries.Wanted(
            account_id=caller.account_id,
            dialect=self._dialect.NAME,
            job_id=query.job_id,
            state=query.state,
            before_ms=query.before_ms,
            before_id=query.before_id,
        )
        found = await self.house.db.scan(lambda tx: deliveries.page(tx, wanted, query.limit + 1))
        return answer(self._dialect.render_deliveries(found, query))

    async def delivery(self, request: Request) -> Response:
        caller = await self.house.authenticate(request, self._schemes)
        message_id = _message_id(request)
        found = await self.house.db.read(
            lambda tx: deliveries.find(
                tx, message_id, account_id=caller.account_id, dialect=self._dialect.NAME
            )
        )
        if found is None:
            raise UnknownDelivery
        return answer(self._dialect.render_delivery(found))

    async def redeliver(self, request: Request) -> Response:
        caller = await self.house.authenticate(request, self._schemes)
        message = await redeliver(
            self.house.db, caller, _message_id(request), self._dialect.NAME, self.house.defaults
        )
        return answer(self._dialect.render_delivery(message))

    async def secrets(self, request: Request) -> Response:
        return await self._reveal(request, rotate=False)

    async def rotate(self, request: Request) -> Response:
        return await self._reveal(request, rotate=True)

    async def _reveal(self, request: Request, *, rotate: bool) -> Response:
        caller = await self.house.authenticate(request, self._schemes)
        found = await reveal(
            self.house.db,
            caller.account_id,
            self.house.pepper,
            origin_of(request, caller) if rotate else None,
        )
        return answer(self._dialect.render_secrets(found), headers={"Cache-Control": "no-store"})


def _message_id(request: Request) -> str:
    message_id: str = request.path_params["message_id"]
    check_message_id(message_id)
    return message_id
