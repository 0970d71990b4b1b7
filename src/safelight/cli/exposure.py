"""What must be so before strangers can reach this server."""

from safelight import accounts
from safelight.api.peers import is_loopback
from safelight.db import Database
from safelight.errors import ConfigurationError
from safelight.settings import Settings

FILES_BESIDE = 512  # that a server has open which are no connections


async def check_exposure(config: Settings, db: Database) -> None:
    """Raises ConfigurationError for an address that others reach while nobody has a key."""
    check_metrics_exposure(config)
    if config.host == "localhost" or is_loopback(config.host):
        return
    if not await db.read(accounts.any_open_key):
        raise ConfigurationError(
            f"{config.host or 'every address'} can be reached by others, and there is no API key"
            " yet: make one with `safelight keys create NAME`, or serve with --demo-key"
        )


def check_metrics_exposure(config: Settings) -> None:
    """Raises ConfigurationError for metrics that others could read without a token."""
    telemetry = config.telemetry
    if telemetry.metrics_port is None or telemetry.metrics_token is not None:
        return
    if not (telemetry.metrics_host == "localhost" or is_loopback(telemetry.metrics_host)):
        raise ConfigurationError(
            f"{telemetry.metrics_host or 'every address'} can be reached by others: metrics there"
            " need SAFELIGHT_TELEMETRY__METRICS_TOKEN, which Prometheus shows as its bearer token"
        )


def allow_files(connections: int) -> None:
    """Raise the soft limit of open files to what the connections need, where it is lower."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + FILES_BESIDE
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
