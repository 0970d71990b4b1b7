"""The fastest attention of this machine, found by trying all that are installed."""

import importlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn import attention as torch_attention
from torch.nn import functional

from safelight.errors import ConfigurationError

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Query [1, tokens, heads, size], key and value [1, tokens, kv heads, size] → as the query."""

Makers = dict[str, Callable[[], Attend]]

GPU_TOKENS = 4224  # a square 1K picture and 128 tokens of text
CPU_TOKENS = 64
CHECKED_TOKENS = 209  # a multiple of nothing, for kernels that forget the rest of a tile
ROUNDS = 5
NEARLY = 1.1  # times the fastest
CALLS_PER_PLAN = (
    8 * 28
)  # some kernels are planned for each new length: one picture's calls share it
WORST_ERROR = {torch.float32: 1e-4, torch.float16: 5e-3, torch.bfloat16: 4e-2}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shape:
    """What is attended: the heads of the model, in the precision that it runs in."""

    heads: int
    kv_heads: int
    size: int
    dtype: torch.dtype
    device: torch.device


@dataclass(frozen=True)
class Candidate:
    """How one did. `milliseconds` for a call with its share of a plan's; None: it cannot run."""

    name: str
    milliseconds: float | None
    why_not: str | None = None


@dataclass(frozen=True)
class Attention:
    """The one that was chosen, and the table of all."""

    name: str
    milliseconds: float
    candidates: tuple[Candidate, ...]
    attend: Attend

    @property
    def summary(self) -> str:
        """One line: "attention by flash: 0.21 ms; sdpa 0.40 ms; not here: fa3-fwd"."""
        others = [c for c in self.candidates if c.name != self.name]
        ran = [f"{c.name} {c.milliseconds:.2f} ms" for c in others if c.milliseconds is not None]
        absent = [c.name for c in others if c.milliseconds is None]
        words = [f"attention by {self.name}: {self.milliseconds:.2f} ms", *ran]
        return "; ".join([*words, *([f"not here: {', '.join(absent)}"] if absent else [])])


def choose(shape: Shape, wanted: str = "auto", among: Makers | None = None) -> Attention:
    """The fastest candidate that agrees with the formula, or the one that is `wanted`.

    Among those that are nearly as fast it is the first, so that the next start chooses the same:
    each rounds in its own way, and the same request is to give the same pixels.
    Raises ConfigurationError where the wanted one is unknown or does not work here.
    """
    among = candidates(shape.device) if among is None else among
    makers = {name: make for name, make in among.items() if wanted in ("auto", name)}
    if not makers:
        known = ", ".join(among)
        raise ConfigurationError(f"No attention is called {wanted!r} here; there are: {known}")
    table = tuple(_try(name, make, shape) for name, make in makers.items())
    able = [candidate for candidate in table if candidate.milliseconds is not None]
    if not able:
        raise ConfigurationError(f"Attention {wanted!r} does not work here: {table[0].why_not}")
    least = min(candidate.milliseconds or 0 for candidate in able)
    best = next(one for one in able if (one.milliseconds or 0) <= least * NEARLY)
    return Attention(best.name, best.milliseconds or 0, table, makers[best.name]())


def candidates(device: torch.device) -> Makers:
    """Every name that may be wanted on this device, and what makes it or raises."""
    everywhere: Makers = {"sdpa": lambda: _sdpa, "sdpa-repeated": lambda: _sdpa_repeated}
    if device.type != "cuda":
        return everywhere
    return {
        "flash-attn-3": partial(installed, "flash_attn_interface", "flash_attn_3"),
        "fa3-fwd": partial(installed, "fa3_fwd_interface", "fa3_fwd"),
        "cudnn": lambda: _cudnn,
        "flash": lambda: _flash,
        "flash-attn": partial(installed, "flash_attn", "flash_attn"),
        "efficient": lambda: _efficient,
        **everywhere,
        **{
            f"torch-{version}": partial(_activated, version)
            for version in torch_attention.list_flash_attention_impls()
        },
    }


def _sdpa(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Torch's own choice, which knows grouped heads."""
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    grouped = query.shape[1] != key.shape[1]
    mixed = functional.scaled_dot_product_attention(query, key, value, enable_gqa=grouped)
    return mixed.transpose(1, 2)


def _sdpa_repeated(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return _sdpa(query, _repeat(key, query), _repeat(value, query))


# One kernel of torch's is named by its operator, not by `sdpa_kernel`: that sets a switch of the
# whole process, and the decoder, in another thread, needs a kernel that it would switch off.


def _flash(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    attend = torch.ops.aten._scaled_dot_product_flash_attention
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    return attend(query, key, value)[0].transpose(1, 2)


def _cudnn(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    attend = torch.ops.aten._scaled_dot_product_cudnn_attention
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    return attend(query, key, value, None, False)[0].transpose(1, 2)


def _efficient(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    attend = torch.ops.aten._scaled_dot_product_efficient_attention
    key, value = _repeat(key, query), _repeat(value, query)
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    return attend(query, key, value, None, False)[0].transpose(1, 2)


def _repeat(heads: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    return heads.repeat_interleave(query.shape[2] // heads.shape[2], dim=2)


def installed(module: str, name: str) -> Attend:
    """`flash_attn_func` of a package, as an operator of ours that torch.compile need not read."""
    function = importlib.import_module(module).flash_attn_func

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        mixed = function(query, key, value)
        return mixed[0] if isinstance(mixed, tuple) else mixed

    operator = torch.library.custom_op(f"safelight::{name}", attend, mutates_args=())
    operator.register_fake(lambda query, key, value: torch.empty_like(query))
    return operator


def _activated(version: str) -> Attend:
    """Torch's flash operator with another implementation behind it, for the whole process."""
    if torch_attention.current_flash_attention_impl() != version:
        torch_attention.activate_flash_attention_impl(version)
    return _flash


def _try(name: str, make: Callable[[], Attend], shape: Shape) -> Candidate:
    with _restoring_flash():
        try:
            attend = make()
            _check(attend, shape)
            candidate = Candidate(name, _measure(attend, shape))
        except Exception as error:  # any kernel may refuse in its own words: it is out, no more
            candidate = Candidate(name, None, f"{type(error).__name__}: {error}".splitlines()[0])
    if candidate.why_not:
        log.debug("Attention %s is out: %s", name, candidate.why_not)
    return candidate


@contextmanager
def _restoring_flash() -> Iterator[None]:
    """A trial may activate another implementation; the winner is activated again at the end."""
    before = torch_attention.current_flash_attention_impl()
    try:
        yield
    finally:
        if torch_attention.current_flash_attention_impl() != before:
            torch_attention.restore_flash_attention_impl()
            if before is not None:
                torch_attention.activate_flash_attention_impl(before)


@torch.no_grad()
def _check(attend: Attend, shape: Shape) -> None:
    """Raises ArithmeticError where it disagrees with softmax(q·kᵀ/√size)·v in float32."""
    query, key, value = _random(shape, CHECKED_TOKENS)
    wide = [_repeat(part, query).float().transpose(1, 2) for part in (query, key, value)]
    scores = wide[0] @ wide[1].transpose(-1, -2) / shape.size**0.5
    expected = (scores.softmax(-1) @ wide[2]).transpose(1, 2)
    error = float((attend(query, key, value).float() - expected).abs().max())
    if not error <= WORST_ERROR.get(shape.dtype, 4e-2):  # nor NaN
        raise ArithmeticError(f"off by {error:.2g}")


@torch.no_grad()
def _measure(attend: Attend, shape: Shape) -> float:
    """Milliseconds of one call, with its share of what a new length costs the first time."""
    tokens = GPU_TOKENS if shape.device.type == "cuda" else CPU_TOKENS
    attend(*_random(shape, tokens))  # what is slow the first time ever is no length's fault
    parts = _random(shape, tokens + 1)
    first = _clock(lambda: attend(*parts), shape.device)
    later = min(_clock(lambda: attend(*parts), shape.device) for _ in range(ROUNDS))
    return later + max(0.0, first - later) / CALLS_PER_PLAN


def _clock(call: Callable[[], Any], device: torch.device) -> float:
    _wait(device)
    began = time.perf_counter()
    call()
    _wait(device)
    return (time.perf_counter() - began) * 1000


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _random(shape: Shape, tokens: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(tokens)

    def some(heads: int) -> torch.Tensor:
        numbers = torch.randn(1, tokens, heads, shape.size, generator=source)
        return numbers.to(shape.device, shape.dtype)

    return some(shape.heads), some(shape.kv_heads), some(shape.kv_heads)
