"""Whether a part's weights come and go under hooks: then it is entered by its front door."""

from torch import nn


def is_hooked(part: nn.Module) -> bool:
    """Offloading by accelerate or by diffusers is on it, or on something in it."""
    return any(
        hasattr(module, "_hf_hook") or hasattr(module, "_diffusers_hook")
        for module in part.modules()
    )
