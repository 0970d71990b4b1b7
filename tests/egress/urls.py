"""The corpus of `urls.toml`, and the sockets that a process opens."""

import contextlib
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CORPUS: dict[str, Any] = tomllib.loads((Path(__file__).parent / "urls.toml").read_text())
REFUSED: list[str] = [url for urls in CORPUS["refused"].values() for url in urls]
TAKEN: list[str] = CORPUS["taken"]["urls"]


@dataclass(frozen=True)
class Resolving:
    """A URL whose name is told by its addresses only."""

    what: str
    url: str
    answers: list[str]
    answers_public: int = 0

    @property
    def addresses(self) -> list[str]:
        return [f"93.184.215.{i}" for i in range(self.answers_public)] + self.answers


RESOLVING = [Resolving(**entry) for entry in CORPUS["resolves"]]


@dataclass
class Sockets:
    """What this process did with sockets, as the interpreter itself tells."""

    opened: int = 0
    looked_up: list[Any] = field(default_factory=list)
    dialled: list[Any] = field(default_factory=list)


_watching: list[Sockets] = []


def _hear(event: str, arguments: Sequence[Any]) -> None:
    for sockets in _watching:
        if event == "socket.__new__":
            sockets.opened += 1
        elif event == "socket.connect":
            sockets.dialled.append(arguments[1])
        elif event == "socket.getaddrinfo":
            sockets.looked_up.append(arguments[0])


sys.addaudithook(_hear)


@contextlib.contextmanager
def sockets_watched() -> Iterator[Sockets]:
    sockets = Sockets()
    _watching.append(sockets)
    try:
        yield sockets
    finally:
        _watching.remove(sockets)
