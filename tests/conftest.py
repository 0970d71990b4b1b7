"""What tests share: one real server for each test process, servers of one's own, and a database."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeping import Books
from running import NOBODY, Customer, Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server that tests share; each test brings a customer of its own."""
    shared = Server(tmp_path_factory.mktemp("shared") / "home", EGRESS_ALLOW=f"{NOBODY}/32")
    try:
        yield shared.start()
    finally:
        shared.close()


@pytest.fixture
def customer(server: Server) -> Customer:
    return server.customer()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server of one's own, with settings such as ENGINE__TIMEOUT_SECONDS=0.5."""
    started: list[Server] = []

    def start(**variables: object) -> Server:
        server = Server(tmp_path / f"home-{len(started)}", **variables)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.close()


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """A database with an injected clock, and the verbs of the house on it."""
    books = Books(tmp_path / "books.db")
    yield books
    books.close()
