"""Which engine makes which model: local weights, else a vendor, else the stand-in."""

from collections.abc import Mapping
from dataclasses import dataclass

from safelight.engines import Engine


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine for a model, and what the picture must say when another model drew it."""

    engine: Engine
    stand_in: str | None  # the name callers are told, such as "safelight-mini"


class Roster:
    """The engines of this install. Built once, from the settings."""

    def __init__(self, own: Mapping[str, Engine], stand_in: Engine | None):
        self._own = dict(own)  # catalog id → the engine that makes this very model
        self._stand_in = stand_in
        engines = [*self._own.values(), *([stand_in] if stand_in else [])]
        self._by_name = {engine.name: engine for engine in engines}

    @property
    def engines(self) -> list[Engine]:
        return list(self._by_name.values())

    def choose(self, model_id: str) -> Choice | None:
        """None: nobody here can make the model."""
        if engine := self._own.get(model_id):
            return Choice(engine, None)
        if self._stand_in is not None:
            return Choice(self._stand_in, f"safelight-{self._stand_in.name}")
        return None

    def named(self, name: str) -> Engine | None:
        return self._by_name.get(name)
