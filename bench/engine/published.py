"""What was predicted, what is promised, and what others have published."""

from dataclasses import dataclass

from bench.engine.counting import Size

PREDICTED_SECONDS: dict[tuple[str, Size], str] = {
    ("stock", (1024, 1024)): "2.0–2.3",
    ("unpadded", (1024, 1024)): "1.7",
    ("attention", (1024, 1024)): "1.55",
    ("compile", (1024, 1024)): "1.40",
    ("fast", (1024, 1024)): "1.36",
    ("fp8", (1024, 1024)): "0.85–0.95",
    ("stock", (2048, 2048)): "8.5",
    ("fast", (2048, 2048)): "6.8",
    ("fp8", (2048, 2048)): "4.8",
}
"""Of one H200, written down before any GPU was at hand."""

GOAL_SECONDS: dict[tuple[str, Size], float] = {
    ("fast", (1024, 1024)): 1.36,
    ("fp8", (1024, 1024)): 0.95,
    ("fast", (2048, 2048)): 6.8,
}
GOAL_QUEUE = 1.10  # wall time over the sum of the solo times, all jobs arriving at once


@dataclass(frozen=True)
class Published:
    """Krea 2 Turbo in eight steps, elsewhere; not measured by us."""

    system: str
    hardware: str
    size: str
    seconds: str
    source: str


PUBLISHED = (
    Published(
        "SGLang Diffusion 0.5.13, bf16, over HTTP", "1 × H200", "1024²", "1.56",
        "SGLang's cookbook, diffusion/Krea/Krea-2",
    ),
    Published(
        "SGLang at 20 callers", "1 × H200", "1024²", "0.64 pictures/s, p99 31 s",
        "SGLang's cookbook, diffusion/Krea/Krea-2",
    ),
    Published(
        "Baseten (SGLang, lossy preset)", "1 × H100", "1024² / 2048²", "1.5–2 / 6–8",
        "docs.baseten.co/examples/models/image-gen/krea-2-turbo",
    ),
    Published(
        "diffusers bf16, cuDNN attention", "1 × L20", "1024²", "11.5",
        "cache-dit, distributed/transformers/krea2.py",
    ),
    Published(
        "diffusers bf16 / W4A4", "L40S", "1024²", "7.71 / 5.36",
        "huggingface.co/ModelsLab/Krea-2-Turbo-W4A4-Nunchaku",
    ),
    Published(
        "ComfyUI fp8", "RTX 4090", "not said", "6.5",
        "huggingface.co/QuantFunc/Krea-2-QuantFunc-4bit",
    ),
)  # fmt: skip
