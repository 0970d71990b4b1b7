"""How much of the GPUs this process has, in bytes."""

import torch


def gpu_memory() -> dict[str, int]:
    """allocated: by tensors; reserved: by torch, for those and the next; free and total: of the
    GPUs that we have something on. Empty without any.
    """
    if not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return {}
    ours = [n for n in range(torch.cuda.device_count()) if torch.cuda.memory_reserved(n)]
    if not ours:
        return {}
    rooms = [torch.cuda.mem_get_info(n) for n in ours]  # would open a context on the others
    return {
        "allocated": sum(torch.cuda.memory_allocated(n) for n in ours),
        "reserved": sum(torch.cuda.memory_reserved(n) for n in ours),
        "free": sum(free for free, _ in rooms),
        "total": sum(total for _, total in rooms),
    }
