"""A bounded memory of what is dear to compute: the longest unused goes first."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """At most `capacity` values of at most `bytes_max` in all. Several threads may use it."""

    def __init__(self, capacity: int, bytes_max: int | None = None):
        self._capacity = capacity
        self._bytes_max = bytes_max
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def recall(self, key: Hashable) -> Value | None:
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def keep(self, key: Hashable, value: Value, size_bytes: int = 0) -> Value:
        """→ the value; it is kept unless it is too large by itself."""
        with self._lock:
            self._drop(key)
            self._values[key] = (value, size_bytes)
            self._bytes += size_bytes
            while self._is_full():
                self._drop(next(iter(self._values)))
            return value

    def forget(self, key: Hashable) -> None:
        with self._lock:
            self._drop(key)

    def _is_full(self) -> bool:
        too_large = self._bytes_max is not None and self._bytes > self._bytes_max
        return len(self._values) > self._capacity or too_large

    def _drop(self, key: Hashable) -> None:
        _, size_bytes = self._values.pop(key, (None, 0))
        self._bytes -= size_bytes
