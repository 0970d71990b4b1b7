"""Modules of models that misbehave on purpose, for a while."""

from typing import Any

import torch


class Faulty:
    """A hook on a module whose outputs it spoils, or which it makes run out of memory."""

    def __init__(self, times: int, fault: Any):
        self.left = times
        self.fault = fault

    def __call__(self, _module: Any, _arguments: Any, output: Any) -> Any:
        if self.left == 0:
            return output
        self.left -= 1
        return self.fault(output)


def not_a_number(output: Any) -> Any:
    return (output[0] * float("nan"),)


def run_out(_output: Any) -> Any:
    raise torch.OutOfMemoryError("CUDA out of memory")
