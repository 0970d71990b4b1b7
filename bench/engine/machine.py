"""What the device can do at best: its rate of multiplying random matrices."""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

SIDE = 8192
SIDE_CPU = 512
ROUNDS = 10


@dataclass(frozen=True)
class Machine:
    """The device, and operations a second of one product of square matrices; None: it cannot."""

    device: str
    memory_bytes: int | None
    torch: str
    rate: float
    low_rate: float | None  # fp8 with a scale for each row


def look(device: torch.device, dtype: torch.dtype) -> Machine:
    cuda = device.type == "cuda"
    side = SIDE if cuda else SIDE_CPU
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    rate = _rate(lambda: left @ right, side, device)
    return Machine(
        device=torch.cuda.get_device_name(device) if cuda else platform.processor() or "CPU",
        memory_bytes=torch.cuda.get_device_properties(device).total_memory if cuda else None,
        torch=torch.__version__,
        rate=rate,
        low_rate=_low_rate(left, right, side, device) if cuda else None,
    )


def _low_rate(
    left: torch.Tensor, right: torch.Tensor, side: int, device: torch.device
) -> float | None:
    rows, columns = left.to(torch.float8_e4m3fn), right.to(torch.float8_e4m3fn).t()
    scale = torch.ones(side, 1, device=device)

    def multiply() -> torch.Tensor:
        return torch._scaled_mm(rows, columns, scale, scale.t(), out_dtype=torch.bfloat16)

    try:
        return _rate(multiply, side, device)
    except RuntimeError:  # what a GPU before Ada says
        return None


def _rate(multiply: Callable[[], Any], side: int, device: torch.device) -> float:
    for _ in range(3):
        multiply()
    _wait(device)
    began = time.perf_counter()
    for _ in range(ROUNDS):
        multiply()
    _wait(device)
    return ROUNDS * 2 * side**3 / (time.perf_counter() - began)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
