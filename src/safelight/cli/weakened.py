"""What the operator's settings loosen, written to the audit log when it changed."""

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

from safelight import audit, settings
from safelight.api.hosts import ANY
from safelight.api.peers import is_loopback
from safelight.audit import Action
from safelight.db import Database, Transaction
from safelight.settings import Settings

INSTALL = "install"  # what the row is about
LISTED_MAX = 20  # of a list; a longer one is told by its digest, as a row has an end

log = logging.getLogger(__name__)


def weakened(config: Settings) -> dict[str, Any]:
    """The settings in force that loosen a safeguard, by name; none is the strictest install."""
    found = {
        "stand_in": None if config.stands_in == "off" else config.stands_in,
        "egress_allow": _brief(config.egress_allow),
        "accept_licences": _brief(config.accept_licences),
        "host": None if config.host == "localhost" or is_loopback(config.host) else config.host,
        "hosts": ANY if ANY in config.hosts else None,
        "provenance.prompt": config.provenance.prompt,
        "provenance.account": config.provenance.account,
        "moderation.level": "minors" if config.moderation.level == "minors" else None,
        "moderation.classifier": None if config.moderation.classifier else "off",
        "connections.proxies": _brief(config.connections.proxies),
        "torch.download": config.torch.download,
    }
    return {name: value for name, value in found.items() if value}


def _brief(values: Sequence[str]) -> list[str]:
    """All of them, or so much that every change is a change of it."""
    if len(values) <= LISTED_MAX:
        return list(values)
    digest = hashlib.sha256("\n".join(values).encode()).hexdigest()
    return [*values[:LISTED_MAX], f"and {len(values) - LISTED_MAX} more; sha256 of all: {digest}"]


async def record_weakened(config: Settings, db: Database) -> None:
    """At the start of a server: a row if they are others than at the last one, and the head."""
    pepper, now = settings.install_secret(config), weakened(config)

    async def commit(tx: Transaction) -> audit.Head:
        before = await audit.latest(tx, Action.SETTINGS_IN_FORCE, INSTALL)
        if before == now:
            return await audit.head(tx)
        return await audit.append(
            tx, pepper, audit.SERVER, Action.SETTINGS_IN_FORCE, INSTALL, before=before, after=now
        )

    # In the log, which leaves this machine on a well-kept one, it shows a cut-off end.
    log.info("the audit log's head is %s", await db.write(commit))
