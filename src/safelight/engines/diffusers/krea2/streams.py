"""Work of other threads runs beside the steps on the device, and is finished when it returns."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")


class SideStream:
    """A second queue of the GPU. Elsewhere there is only one, and work simply runs.

    What `run` returns is complete, so nobody need wait for it again. What it keeps on the device
    must be passed to `adopt` before a step uses it, or its memory could be given away too early.
    """

    def __init__(self, device: torch.device):
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def mark(self) -> Any:
        """The end of what the calling thread has queued so far: what `run` can wait for."""
        if self._stream is None:
            return None
        return torch.cuda.current_stream(self._device).record_event()

    def run(self, work: Callable[[], Result], after: Any = None) -> Result:
        if self._stream is None:
            return work()
        with torch.cuda.stream(self._stream):
            if after is not None:
                self._stream.wait_event(after)
            try:
                return work()
            finally:
                self._stream.synchronize()

    def adopt(self, *tensors: torch.Tensor | None) -> None:
        if self._stream is not None:
            for tensor in tensors:
                if tensor is not None:
                    tensor.record_stream(torch.cuda.current_stream(self._device))


class Pacer:
    """Keeps the steps' thread at most one step ahead of the GPU.

    To wait for each step would leave the GPU idle until the next one is queued; not to wait at
    all would queue a whole picture, so that progress were fiction and cancelling saved nothing.
    """

    def __init__(self, device: torch.device):
        self._device = device
        self._before: Any = None

    def step_queued(self) -> None:
        if self._device.type == "cuda":
            queued = torch.cuda.current_stream(self._device).record_event()
            if self._before is not None:
                self._before.synchronize()
            self._before = queued
