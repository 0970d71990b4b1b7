"""Steps are queued on a GPU and done later: how far the queue may run ahead."""

from typing import Any

import torch


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
