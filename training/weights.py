"""Weights packed to 12 bits a number, in files small enough to carry: `name.00`, `name.01`, ..."""

import io
from pathlib import Path

import numpy as np
import torch
from torch import nn

GROUP = 128  # numbers that share one scale
LEVELS = 2047  # steps on either side of zero
PIECE_BYTES = 15 << 20


def _pack(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = np.pad(x.ravel(), (0, -x.size % GROUP)).reshape(-1, GROUP)
    scale = (np.maximum(np.abs(flat).max(1, keepdims=True), 1e-3) / LEVELS * 1.001).astype(
        np.float16
    )
    q = np.clip(np.rint(flat / scale.astype(np.float32)), -LEVELS, LEVELS).astype(np.int32) + LEVELS
    q = q.reshape(-1, 2)
    packed = np.stack([q[:, 0] & 255, (q[:, 0] >> 8) | ((q[:, 1] & 15) << 4), q[:, 1] >> 4], 1)
    return packed.astype(np.uint8), scale[:, 0]


def _unpack(packed: np.ndarray, scale: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    a, b, c = packed.astype(np.int32).T
    q = np.stack([a | ((b & 15) << 8), (b >> 4) | (c << 4)], 1).reshape(-1, GROUP) - LEVELS
    return (
        (q * scale[:, None].astype(np.float32))
        .astype(np.float32)
        .ravel()[: int(np.prod(shape))]
        .reshape(shape)
    )


def save_weights(model: nn.Module, folder: Path, name: str) -> list[Path]:
    """Matrices as 12-bit numbers with a scale per 128; vectors and counters as they are."""
    arrays: dict[str, np.ndarray] = {}
    for key, tensor in model.state_dict().items():
        value = (
            tensor.detach().cpu().float().numpy()
            if tensor.is_floating_point()
            else tensor.cpu().numpy()
        )
        if value.ndim < 2:
            arrays["raw/" + key] = value
        else:
            arrays["q/" + key], arrays["s/" + key] = _pack(value)
            arrays["shape/" + key] = np.array(value.shape)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    data, paths = buffer.getvalue(), []
    for old in folder.glob(f"{name}.[0-9][0-9]"):
        old.unlink()
    for k in range(0, len(data), PIECE_BYTES):
        path = folder / f"{name}.{k // PIECE_BYTES:02d}"
        path.write_bytes(data[k : k + PIECE_BYTES])
        paths.append(path)
    return paths


def has_weights(folder: Path, name: str) -> bool:
    return (folder / f"{name}.00").exists()


def load_weights(model: nn.Module, folder: Path, name: str) -> None:
    pieces = sorted(folder.glob(f"{name}.[0-9][0-9]"))
    if not pieces:
        raise FileNotFoundError(f"{folder} has no {name}.00")
    data = np.load(io.BytesIO(b"".join(path.read_bytes() for path in pieces)))
    state = {}
    for key in data.files:
        kind, _, rest = key.partition("/")
        if kind == "raw":
            state[rest] = torch.from_numpy(np.array(data[key]))
        elif kind == "q":
            shape = tuple(int(n) for n in data["shape/" + rest])
            state[rest] = torch.from_numpy(_unpack(data[key], data["s/" + rest], shape))
    model.load_state_dict(state)
