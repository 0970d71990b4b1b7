"""What the operator's settings loosen, written to the audit log when it changed."""

import logging
from typing import Any

from safelight import audit, settings
from safelight.api.hosts import ANY
from safelight.api.peers import is_loopback
from safelight.audit import Action
from safelight.db import Database, Transaction
from safelight.settings import Settings

INSTALL = "install"  # what the row is about

log = logging.getLogger(__name__)


def weakened(config: Settings) -> dict[str, Any]:
    """The settings in force that loosen a safeguard, by name; none is the strictest install."""
    found = {
        "stand_in": None if config.stands_in == "off" else config.stands_in,
        "egress_allow": list(config.egress_allow),
        "accept_licences": list(config.accept_licences),
        "host": None if config.host == "localhost" or is_loopback(config.host) else config.host,
        "hosts": ANY if ANY in config.hosts else None,
        "provenance.prompt": config.provenance.prompt,
        "provenance.account": config.provenance.account,
        "moderation.level": "minors" if config.moderation.level == "minors" else None,
        "moderation.classifier": None if config.moderation.classifier else "off",
        "connections.proxies": list(config.connections.proxies),
        "torch.download": config.torch.download,
    }
    return {name: value for name, value in found.items() if value}


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
