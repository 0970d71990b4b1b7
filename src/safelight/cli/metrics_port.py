"""The port of `/metrics`, beside `safelight serve` and `safelight work`."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from safelight.api.hosts import Hosts
from safelight.api.metrics import Metrics
from safelight.cli.exposure import check_metrics_exposure
from safelight.cli.guarded import Guard
from safelight.cli.listening import Server, bind
from safelight.db import Database
from safelight.settings import Settings

if TYPE_CHECKING:
    from safelight.telemetry.meters import Meters

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def metrics_port(
    config: Settings, meters: "Meters | None", db: Database, connections: Callable[[], int]
) -> AsyncIterator[None]:
    """Answer Prometheus for as long as this is open; nothing at all without meters."""
    if meters is None:
        yield
        return
    from safelight.flows.survey import Survey  # it needs what only who counts has loaded

    check_metrics_exposure(config)
    telemetry = config.telemetry
    listener = bind(telemetry.metrics_host, telemetry.metrics_port or 0)
    survey = Survey(meters, db, config.pictures_path, connections)
    token = telemetry.metrics_token
    app = Metrics(
        survey.expose,
        Hosts(config.hosts, None),
        None if token is None else token.get_secret_value(),
    )
    guard = Guard(config.connections, None)
    server = Server(app, guard)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    patrolling = asyncio.create_task(guard.patrol())
    log.info("metrics at http://%s:%d/metrics", *listener.getsockname()[:2])
    try:
        yield
    finally:
        server.should_exit = True
        await running
        patrolling.cancel()
        survey.close()
