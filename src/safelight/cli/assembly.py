"""The composition root: builds every part from the settings, and is the only place that does."""

import asyncio
import contextlib
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from safelight import __version__, catalog, limits, settings
from safelight.api.answers import encode
from safelight.api.app import App
from safelight.api.hosts import Hosts
from safelight.api.house import House
from safelight.api.measuring import measuring
from safelight.api.peers import Damping
from safelight.api.proxies import Proxies
from safelight.api.watch import Watch
from safelight.catalog import Catalog
from safelight.cli import open_weights
from safelight.db import Database
from safelight.db.migrate import migrate
from safelight.db.sqlite import SqliteDatabase
from safelight.dialects import DIALECTS
from safelight.egress import Egress, parse_networks
from safelight.engines import Engine
from safelight.engines.roster import Roster
from safelight.errors import ConfigurationError
from safelight.flows.deliver import DeliverySettings, Sender
from safelight.flows.readiness import Readiness
from safelight.flows.work import Worker, WorkSettings
from safelight.flows.work.filing import Marking
from safelight.flows.work.review import Review
from safelight.flows.work.sources import Sources
from safelight.images import ImageStore
from safelight.jobs import Job
from safelight.moderation import Encode
from safelight.provenance import Credentials, Signer, Trust, credentials_of, trust_of
from safelight.provenance.examiner import Examiner
from safelight.settings import Settings
from safelight.telemetry import Tell, both, journal, silent
from safelight.telemetry.journal import Journal
from safelight.telemetry.tracing import Tracer
from safelight.webhooks.outbox import InFlight

if TYPE_CHECKING:
    from safelight.telemetry.meters import Meters

T = TypeVar("T")


def open_database(config: Settings) -> Database:
    """The database, at this version's schema."""
    migrate(config.database_path)
    return SqliteDatabase(config.database_path)


def build_roster(
    config: Settings, models: Catalog, worker: int = 0, encode: Encode | None = None
) -> Roster:
    """The engines of this install, for the worker of this number; none loads anything yet.

    `encode`: the sentence encoder that the embedded model shares with the filters.
    """
    return Roster(open_weights.engines(config, models, worker), build_stand_in(config, encode))


def load_catalog(config: Settings) -> Catalog:
    return catalog.load(config.credits_per_usd)


def build_stand_in(config: Settings, encode: Encode | None = None) -> Engine | None:
    """Who draws what nobody else here can make."""
    if config.stands_in == "fake":
        from safelight.engines.fake import FakeEngine

        return FakeEngine(seconds=config.engine.fake_seconds)
    if config.stands_in == "mini":
        from safelight.engines.mini import MiniEngine

        return MiniEngine(threads=config.engine.threads, encode=encode)
    return None


def build_store(config: Settings, public_url: str) -> ImageStore:
    return ImageStore(config.pictures_path, settings.install_secret(config), public_url)


def default_limits(config: Settings) -> limits.Defaults:
    return limits.Defaults(
        requests_per_minute=config.limits.requests_per_minute,
        concurrency_max=config.limits.concurrency,
        backlog_max=config.limits.backlog,
    )


def build_journal(config: Settings) -> Journal:
    lines = journal.choose(config.telemetry.log_format)
    return Journal(settings.install_secret(config), lines, config.telemetry.log_level, sys.stderr)


def build_tell(config: Settings, count: Tell | None) -> Tell:
    """What happens is written down, and counted where somebody counts."""
    write = build_journal(config).tell
    return write if count is None else both(count, write)


def build_meters(config: Settings) -> "Meters | None":
    """None unless somebody can ask for what is counted."""
    if config.telemetry.metrics_port is None:
        return None
    from safelight.telemetry.meters import Meters

    return Meters(__version__)


def build_tracer(config: Settings) -> Tracer | None:
    """None unless traces are wanted. Raises ConfigurationError without what they need."""
    if not config.telemetry.traces:
        return None
    try:
        from safelight.telemetry.exporting import Exporter
    except ImportError as missing:
        raise ConfigurationError(
            f"SAFELIGHT_TELEMETRY__TRACES needs `pip install 'safelight[otel]'` ({missing})"
        ) from None
    return Exporter(__version__)


def build_house(config: Settings, db: Database, public_url: str, tell: Tell = silent) -> House:
    models = load_catalog(config)
    store = build_store(config, public_url)
    trust = build_trust(config)
    return House(
        db=db,
        catalog=models,
        roster=build_roster(config, models),
        store=store,
        watch=Watch(db, config.limits.watchers),
        defaults=default_limits(config),
        readiness=Readiness(db, store),
        pepper=settings.install_secret(config),
        trust=trust,
        examiner=Examiner(trust),
        checks=Damping(config.limits.checks_per_minute),
        weights=open_weights.configured(config, models),
        egress_allowed=parse_networks(config.egress_allow),
        tell=tell,
    )


def build_app(config: Settings, house: House, meters: "Meters | None" = None) -> App:
    journal = build_journal(config) if config.telemetry.log_requests else None
    return App(
        house,
        Hosts(config.hosts, config.public_url),
        Damping(config.limits.wrong_keys_per_minute),
        Proxies(config.connections.networks),
        measuring(meters.requests.count if meters else None, journal),
    )


def build_trust(config: Settings) -> Trust:
    """By which certificates pictures are known to be ours; made now if there are none."""
    own = config.provenance
    credentials_of(config.home, own.certificate, own.key, datetime.now(UTC))
    return trust_of(config.home, own.certificate)


def build_marking(config: Settings) -> Marking:
    """What pictures say of their origin, and who signs it. Nothing is read or made yet."""
    own = config.provenance

    def credentials(now: datetime) -> Credentials:
        return credentials_of(config.home, own.certificate, own.key, now)

    return Marking(Signer(credentials, own.time_authority), prompt=own.prompt, account=own.account)


def build_worker(
    config: Settings,
    db: Database,
    roster: Roster,
    review: Review,
    marking: Marking,
    worker_id: str,
    tell: Tell = silent,
    tracer: Tracer | None = None,
) -> Worker:
    store = build_store(config, config.base_url)
    return Worker(
        worker_id,
        db,
        store,
        roster.named,
        Sources(db, store, build_egress(config)),
        review,
        marking,
        WorkSettings(
            defaults=default_limits(config),
            timeout_seconds=config.engine.timeout_seconds,
            stuck_seconds=config.engine.stuck_seconds,
            picture_seconds=config.picture_seconds,
            jobs_max=config.engine.jobs,
        ),
        tell,
        tracer,
    )


def build_egress(config: Settings) -> Egress:
    """The only way out to addresses that callers named."""
    return Egress(allowed=parse_networks(config.egress_allow))


def build_sender(config: Settings, house: House, tracer: Tracer | None = None) -> Sender:
    """Who delivers webhooks: with the bodies, and the links in them, that polls here answer."""

    def render(job: Job) -> bytes:
        return encode(DIALECTS[job.dialect].render(job, house.catalog))

    return Sender(
        f"{socket.gethostname()}-{secrets.token_hex(4)}",
        house.db,
        build_egress(config),
        render,
        house.store.link,
        house.pepper,
        DeliverySettings(
            attempt_seconds=config.webhooks.attempt_seconds,
            in_flight=config.webhooks.in_flight,
            limits=InFlight(
                per_account=config.webhooks.per_account, per_host=config.webhooks.per_host
            ),
        ),
        house.tell,
        tracer,
    )


def run(main: Coroutine[Any, Any, T]) -> T:
    """asyncio.run for the processes that stay: on uvloop, whose sockets cost half the time."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(main)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def run_with_database(config: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Open the database for one command, run it, and close it again."""

    async def run() -> T:
        db = open_database(config)
        with contextlib.closing(db):
            return await work(db)

    return asyncio.run(run())


def start_logging(config: Settings) -> None:
    """To stderr, one line an event; keys and prompts are never logged."""
    journal.start(journal.choose(config.telemetry.log_format), config.telemetry.log_level)
