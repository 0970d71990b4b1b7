"""The routes of the application as it is really assembled."""

import asyncio
import contextlib
import re
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from safelight.api import app
from safelight.cli import assembly
from safelight.settings import Settings

PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")


@dataclass(frozen=True, order=True)
class RealRoute:
    """What the router listens to."""

    path: str  # as Starlette writes it: /jobs/{job_id}
    methods: tuple[str, ...]

    @property
    def parameters(self) -> list[str]:
        return PARAMETER.findall(self.path)

    def at(self, **values: str) -> str:
        return PARAMETER.sub(lambda found: values[found[1]], self.path)


@cache
def real_routes() -> tuple[RealRoute, ...]:
    """Every route, from the composition root; HEAD, which comes with GET, is left out."""
    return asyncio.run(_assembled())


async def _assembled() -> tuple[RealRoute, ...]:
    with tempfile.TemporaryDirectory() as home:
        config = Settings(home=Path(home), stand_in="fake")
        db = assembly.open_database(config)
        with contextlib.closing(db):
            house = assembly.build_house(config, db, "http://localhost")
            return tuple(
                RealRoute(route.path, tuple(sorted((route.methods or set()) - {"HEAD"})))
                for route in app.routes(house)
            )
