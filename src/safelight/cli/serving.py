"""`safelight serve` and `safelight work`: the processes that stay."""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from safelight.api.house import House
from safelight.api.traced import Traced
from safelight.api.watch import Watch
from safelight.catalog.tokens import count_tokens
from safelight.cli import assembly, filtering
from safelight.cli.exposure import allow_files, check_exposure
from safelight.cli.guarded import Guard
from safelight.cli.listening import Server, bind
from safelight.cli.metrics_port import metrics_port
from safelight.cli.supervisor import Supervisor
from safelight.cli.weakened import record_weakened
from safelight.db import Database
from safelight.errors import Unavailable
from safelight.flows import sweep
from safelight.flows.deliver import Sender
from safelight.settings import Settings
from safelight.telemetry import Tell, silent
from safelight.workers import forget_silent

if TYPE_CHECKING:
    from safelight.telemetry.meters import Meters

GARBAGE_OBJECTS = 10_000  # new objects between two collections; 700 would cost 5 % of a submission
LITTER_ROUNDS = 1800  # look for forgotten files every this many rounds of the sweep

log = logging.getLogger(__name__)


async def serve(config: Settings, announce: Callable[[str], None]) -> None:
    """The API, with its workers beside it, until SIGTERM or Ctrl-C."""
    listener = bind(config.host, config.port)
    port = listener.getsockname()[1]
    config = config.model_copy(update={"port": port})
    db = assembly.open_database(config)
    async with contextlib.AsyncExitStack() as last:
        last.callback(db.close)
        await check_exposure(config, db)
        filtering.announce(config, assembly.load_catalog(config))
        await record_weakened(config, db)
        allow_files(config.connections.total)
        meters = assembly.build_meters(config)
        tell = assembly.build_tell(config, meters.count if meters else None)
        house = assembly.build_house(config, db, config.base_url, tell)
        guard = Guard(config.connections, config.public_url)
        await last.enter_async_context(metrics_port(config, meters, db, guard.count))
        tracer = assembly.build_tracer(config)
        app = assembly.build_app(config, house, meters)
        server = Server(app if tracer is None else Traced(app, tracer), guard)
        supervisor = _supervisor(config, db, meters, tell)
        # The first prompt that is long enough to be counted should not wait for the tokenizer.
        warming = asyncio.create_task(asyncio.to_thread(count_tokens, "a cat"))
        beside = [
            asyncio.create_task(supervisor.run()),
            asyncio.create_task(_sweep_forever(config, db, tell)),
        ]
        patrolling = asyncio.create_task(guard.patrol())
        sender = assembly.build_sender(config, house, tracer)
        delivering = asyncio.create_task(_deliver_forever(sender))
        _when_it_fails(beside[0], lambda: _stop(server, house.watch))
        _stop_on_signals(server, house, config.connections.drain_seconds)
        gc.collect()
        gc.freeze()  # what stays for ever is not searched again and again
        gc.set_threshold(GARBAGE_OBJECTS)
        announce(config.base_url)
        try:
            await server.serve(sockets=[listener])
        finally:
            supervisor.stop()
            await asyncio.gather(beside[0], warming)
            beside[1].cancel()
            patrolling.cancel()
            await house.examiner.stop()
            sender.stop()  # last, so that it has told of what the workers ended
            await delivering
            if tracer is not None:
                await asyncio.to_thread(tracer.close)


async def work(config: Settings) -> None:
    """Workers without an API, beside one that runs elsewhere on the same database."""
    db = assembly.open_database(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    meters = assembly.build_meters(config)
    tell = assembly.build_tell(config, meters.count if meters else None)
    with contextlib.closing(db):
        async with metrics_port(config, meters, db, lambda: 0):
            supervisor = _supervisor(config, db, meters, tell)
            supervising = asyncio.create_task(supervisor.run())
            sweeping = asyncio.create_task(_sweep_forever(config, db, tell))
            _when_it_fails(supervising, stop.set)
            await stop.wait()
            supervisor.stop()
            await supervising
            sweeping.cancel()


def _when_it_fails(task: asyncio.Task[None], then: Callable[[], None]) -> None:
    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            then()

    task.add_done_callback(ended)


def _stop_on_signals(server: Server, house: House, drain_seconds: float) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if server.should_exit:
            server.force_exit = True  # asked twice: do not wait for open requests
        if house.readiness.draining or drain_seconds == 0:
            _stop(server, house.watch)
            return
        house.readiness.draining = True
        loop.call_later(drain_seconds, _stop, server, house.watch)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def _stop(server: Server, watch: Watch) -> None:
    watch.close()  # who waits for a job is answered now, not cut off at the end
    server.should_exit = True


def _supervisor(config: Settings, db: Database, meters: "Meters | None", tell: Tell) -> Supervisor:
    async def free_jobs_of(worker_id: str) -> None:
        with contextlib.suppress(Unavailable):  # their leases end by themselves
            await sweep.bury(db, assembly.default_limits(config), worker_id, tell)

    # Workers have written down themselves what they tell us.
    heard = meters.count if meters else silent
    return Supervisor(config.workers, [str(config.port)], free_jobs_of, heard)


async def _sweep_forever(config: Settings, db: Database, tell: Tell) -> None:
    store = assembly.build_store(config, config.base_url)
    defaults = assembly.default_limits(config)
    round_number = 0
    while True:
        try:
            if round_number % LITTER_ROUNDS == 0:
                await sweep.remove_litter(db, store)
                await db.write_soon(forget_silent)
            await sweep.sweep(
                db, store, defaults,
                keep_days=config.job_days, registry_days=config.provenance.registry_days, tell=tell,
            )  # fmt: skip
        except (Unavailable, OSError) as error:
            why = error.__cause__ or error
            log.error("the sweep could not finish, and tries again: %s", why)
        except Exception:  # one broken row must not end all sweeping, silently and for ever
            log.exception("the sweep met a mistake of ours, and tries again")
        round_number += 1
        await asyncio.sleep(sweep.SWEEP_SECONDS)


async def _deliver_forever(sender: Sender) -> None:
    while not sender.stopping:
        try:
            await sender.run()
        except Exception:  # the API must not go on without anybody delivering
            log.exception("the sender of webhooks met a mistake of ours, and begins again")
            await asyncio.sleep(sweep.SWEEP_SECONDS)
