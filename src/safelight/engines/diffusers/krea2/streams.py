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
