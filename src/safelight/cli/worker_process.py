"""One worker process: `python -m safelight.cli.worker_process ID NUMBER [PORT]`, supervised.

Beats on stdout once a second; drains when stdin closes, as it does when the supervisor dies.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys

from safelight import settings, workers
from safelight.catalog import Model, licences
from safelight.cli import assembly, filtering, open_weights
from safelight.cli.supervisor import BEAT_SECONDS, EXIT_CONFIGURATION
from safelight.db import Database
from safelight.engines.roster import Roster
from safelight.errors import ConfigurationError, EngineError, Unavailable
from safelight.flows.work import Stuck, Worker
from safelight.telemetry import Tell
from safelight.telemetry.events import GpuMemory
from safelight.telemetry.relay import Relay

HAND_BACK_SECONDS = 20.0  # a drained worker's job is finished within this, or put back
GREET_AGAIN_SECONDS = 1.0  # after the database could not be written
EXIT_STUCK = 70

log = logging.getLogger(__name__)


def main() -> None:
    config = settings.load(port=int(sys.argv[3]) if len(sys.argv) > 3 else None)
    assembly.start_logging(config)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assembly.run(_run(config, sys.argv[1], int(sys.argv[2])))
    except (ConfigurationError, EngineError) as error:  # of weights, or of filters
        log.critical("%s", error)
        os._exit(EXIT_CONFIGURATION)  # a thread that still loads weights would hold us up
    except Stuck as stuck:
        # A thread that hangs in native code cannot be stopped; the process can.
        log.critical("the engine hangs on job %s: this process ends", stuck)
        os._exit(EXIT_STUCK)


async def _run(config: settings.Settings, worker_id: str, number: int) -> None:
    db = assembly.open_database(config)
    models = assembly.load_catalog(config)
    encode = filtering.build_encoder(config)
    roster = assembly.build_roster(config, models, number, encode)
    tracer = assembly.build_tracer(config)
    relay = Relay(sys.stdout.fileno())
    tell = assembly.build_tell(config, relay if config.telemetry.metrics_port is not None else None)
    review = filtering.build_review(config, models, encode, tell)
    marking = assembly.build_marking(config)
    worker = assembly.build_worker(config, db, roster, review, marking, worker_id, tell, tracer)
    _drain_when_told(worker)
    beating = asyncio.create_task(_beat(relay))
    own = [models.find(model_id) for model_id in open_weights.configured(config, models)]
    if number == 0:
        _remind(own)
    await asyncio.to_thread(review.load)
    await asyncio.to_thread(marking.signer.load)  # who cannot sign is not ready
    for engine in roster.engines:
        await asyncio.to_thread(engine.load)
    greeting = asyncio.create_task(greet(db, roster, worker_id))
    counted = config.telemetry.metrics_port is not None
    weighing = asyncio.create_task(_tell_gpu_memory(tell, number)) if own and counted else None
    try:
        await worker.run()
    finally:
        greeting.cancel()
        if weighing is not None:
            weighing.cancel()
        beating.cancel()
        if tracer is not None:
            await asyncio.to_thread(tracer.close)
    with contextlib.suppress(Unavailable):  # who falls silent is forgotten too
        await db.write_soon(lambda tx: workers.say_goodbye(tx, worker_id))
    db.close()


def _remind(own: list[Model]) -> None:
    """What the licences of the weights that we load ask of the operator."""
    for model in own:
        for remark in licences.remarks(model):
            log.warning("%s", remark)


async def _beat(relay: Relay) -> None:
    while True:
        relay.beat()
        await asyncio.sleep(BEAT_SECONDS)


async def _tell_gpu_memory(tell: Tell, number: int) -> None:
    from safelight.engines.diffusers.gpu_memory import gpu_memory  # torch is loaded already

    while True:
        if memory := await asyncio.to_thread(gpu_memory):
            tell(GpuMemory(number=number, memory=memory))
        await asyncio.sleep(workers.HELLO_SECONDS)


async def greet(db: Database, roster: Roster, worker_id: str) -> None:
    engines = " ".join(engine.name for engine in roster.engines)
    while True:
        try:
            await db.write_soon(
                lambda tx: workers.say_hello(tx, worker_id, engines, ready=bool(engines))
            )
        except Unavailable as error:  # it may pass, and silence would count as death
            log.error("cannot say that this worker lives: %s", error.__cause__)
            await asyncio.sleep(GREET_AGAIN_SECONDS)
        else:
            await asyncio.sleep(workers.HELLO_SECONDS)


def _drain_when_told(worker: Worker) -> None:
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def finish_or_hand_back() -> None:
        worker.drain()
        await asyncio.sleep(HAND_BACK_SECONDS)
        await worker.hand_back()

    def drain() -> None:
        if not tasks:
            tasks.add(loop.create_task(finish_or_hand_back()))

    def lifeline() -> None:
        if not os.read(sys.stdin.fileno(), 64):
            loop.remove_reader(sys.stdin.fileno())
            drain()

    os.set_blocking(sys.stdin.fileno(), False)
    loop.add_reader(sys.stdin.fileno(), lifeline)
    loop.add_signal_handler(signal.SIGTERM, drain)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
