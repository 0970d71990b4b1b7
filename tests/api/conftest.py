"""A server that tests of slow and hostile connections share."""

from collections.abc import Iterator

import pytest

from running import Server


@pytest.fixture(scope="session")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose deadlines are a second."""
    deadlines = {f"CONNECTIONS__{name}_SECONDS": 1 for name in ("HEAD", "BODY", "IDLE", "STALLED")}
    server = Server(tmp_path_factory.mktemp("strict") / "home", **deadlines)
    try:
        yield server.start()
    finally:
        server.close()
