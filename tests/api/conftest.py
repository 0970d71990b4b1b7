"""A server that hostile tests share; those of one xdist group share it in one process."""

from collections.abc import Iterator

import pytest

from running import NOBODY, Server


@pytest.fixture(scope="session")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose deadlines are a second, and whose accounts may watch two jobs at a time."""
    strict: dict[str, object] = {
        f"CONNECTIONS__{name}_SECONDS": 1 for name in ("HEAD", "BODY", "IDLE", "STALLED")
    }
    strict |= {"LIMITS__WATCHERS": 2, "EGRESS_ALLOW": f"{NOBODY}/32"}
    server = Server(tmp_path_factory.mktemp("strict") / "home", **strict)
    try:
        yield server.start()
    finally:
        server.close()
