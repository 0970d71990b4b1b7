"""What both trainings share: averaged weights, a way back, and a learning rate."""

import copy
import math

import torch
from torch import nn


class Average:
    """An exponential moving average of a model's weights; buffers are copied."""

    def __init__(self, model: nn.Module, keep: float) -> None:
        self.model, self.keep, self.steps = (
            copy.deepcopy(model).eval().requires_grad_(False),
            keep,
            0,
        )

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        self.steps += 1
        share = 1 - min(self.keep, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), share)
        for mine, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(theirs)


class Rescue:
    """Takes a training back to its last good average when the loss stops being a number."""

    def __init__(
        self, model: nn.Module, average: Average, optimizer: torch.optim.Optimizer
    ) -> None:
        self.model, self.average, self.optimizer = model, average, optimizer
        self.good = copy.deepcopy(average.model.state_dict())

    def check(self, loss: float) -> bool:
        """True when all is well, and then the present average becomes the one to go back to."""
        if math.isfinite(loss):
            self.good = copy.deepcopy(self.average.model.state_dict())
            return True
        self.model.load_state_dict(self.good)
        self.average.model.load_state_dict(self.good)
        self.optimizer.state.clear()
        return False


def cosine(fraction: float) -> float:
    """1 at the start, 0.02 at the end."""
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, fraction)))


def late_fall(fraction: float, start: float = 0.55) -> float:
    """1 until start, then straight down to 0.01: a run can be taken up before its fall."""
    return 1.0 if fraction < start else max(0.01, 1 - (fraction - start) / (1 - start))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
