"""Which precision and which offloading a card's memory allows: arithmetic, and no torch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

GIB = 2**30
GB = 10**9
RESERVED_BYTES = 600_000_000  # the driver's context and what the display holds
WORKING_BYTES = 2_500_000_000  # activations at 1024²; what needs more at 2048² is tiled
STREAMED_BYTES = 1_200_000_000  # the few blocks that are on the card while the rest is streamed
FP8_CAPABILITY = (8, 9)  # the first to multiply in fp8: Ada and Hopper
INT8_CAPABILITY = (7, 5)
LOW_PRECISION_SHARE = 0.53  # of bf16's bytes: weights halved, scales and norms beside them

DENOISERS = ("transformer", "unet")

ChosenPrecision = Literal["bf16", "fp8", "int8", "fp32"]
ChosenOffload = Literal["none", "text", "group", "sequential"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How a model is run on a card, and why so."""

    precision: ChosenPrecision
    offload: ChosenOffload
    reason: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of a model's parts in bf16."""

    denoiser: int
    text: int
    rest: int  # the autoencoder

    @classmethod
    def of(cls, sizes_bytes: Mapping[str, int]) -> "Sizes":
        """By the names that diffusers gives to parts."""
        denoiser = sum(size for name, size in sizes_bytes.items() if name in DENOISERS)
        text = sum(size for name, size in sizes_bytes.items() if name.startswith("text_encoder"))
        return cls(denoiser, text, sum(sizes_bytes.values()) - denoiser - text)


def choose(
    vram_bytes: int, compute_capability: tuple[int, int], sizes_bytes: Mapping[str, int]
) -> Profile:
    """The first profile that fits, from the exact and quick to the lossy and slow.

    `sizes_bytes` are the parts' sizes in bf16, by diffusers' names.
    """
    sizes = Sizes.of(sizes_bytes)
    room = vram_bytes - RESERVED_BYTES
    for precision, offload in _ladder(compute_capability):
        need = needed_bytes(sizes, precision, offload)
        if need <= room:
            reason = (
                f"{precision} with {WORDS[offload]} needs {need / GB:.1f} GB"
                f" of the card's {vram_bytes / GIB:.0f} GiB"
            )
            return Profile(precision, offload, reason)
    reason = f"nothing larger fits into {vram_bytes / GIB:.0f} GiB; expect minutes for a picture"
    return Profile("bf16", "sequential", reason)


WORDS: Mapping[ChosenOffload, str] = {
    "none": "everything on the card",
    "text": "the text encoder streamed from the host",
    "group": "text encoder and transformer streamed from the host",
    "sequential": "layer after layer brought from the host",
}


def needed_bytes(sizes: Sizes, precision: ChosenPrecision, offload: ChosenOffload) -> int:
    """What must be on the card at once."""
    share = {"bf16": 1.0, "fp32": 2.0, "fp8": LOW_PRECISION_SHARE, "int8": LOW_PRECISION_SHARE}
    denoiser = int(sizes.denoiser * share[precision])
    whole = 2 if precision == "fp32" else 1
    resident = {
        "none": denoiser + (sizes.text + sizes.rest) * whole,
        "text": denoiser + sizes.rest * whole,
        "group": min(STREAMED_BYTES, denoiser) + sizes.rest * whole,
        "sequential": 0,
    }
    return resident[offload] + WORKING_BYTES


def _ladder(capability: tuple[int, int]) -> Iterator[tuple[ChosenPrecision, ChosenOffload]]:
    """bf16 gives the model's own pictures, so it comes first as long as the blocks stay put.

    Streaming the transformer costs its bytes over the bus at every step, so it is halved first.
    """
    yield "bf16", "none"
    yield "bf16", "text"
    low: ChosenPrecision = "bf16"
    if capability >= FP8_CAPABILITY:
        low = "fp8"
    elif capability >= INT8_CAPABILITY:
        low = "int8"
    if low != "bf16":
        yield low, "none"
        yield low, "text"
    yield low, "group"
