"""Compiles a denoiser's repeated blocks, and lets single turns run without."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


def compile_blocks(denoiser: Any, backend: str = "inductor") -> None:
    """One graph for every size and text length; nothing for a class that names no blocks."""
    if getattr(denoiser, "_repeated_blocks", None):
        denoiser.compile_repeated_blocks(fullgraph=True, dynamic=True, backend=backend)


@contextmanager
def uncompiled(denoiser: torch.nn.Module, wanted: bool = True) -> Iterator[None]:
    """Within, the denoiser's blocks run as they are written, if `wanted`.

    For a second attempt at a spoiled picture, and for styles: every set of adapters would be
    another graph, and compiling it would hold up everybody's turn.
    """
    held = []
    if wanted:
        for module in denoiser.modules():
            if module._compiled_call_impl is not None:
                held.append((module, module._compiled_call_impl))
                module._compiled_call_impl = None
    try:
        yield
    finally:
        for module, compiled in held:
            module._compiled_call_impl = compiled
