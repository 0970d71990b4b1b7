"""The art as sprites: 128x128 premultiplied RGBA, fitted into the frame and moved about."""

import io
import json
import lzma
import math
import multiprocessing
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

SIDE = 128  # pixels of a sprite's frame
ROOM = 118  # pixels that its longer side may take; the rest is margin for turning

STYLES = ("unsaid", "3d", "glossy", "flat", "cartoon", "blob", "sticker", "soft", "doodle")
HOUSE = STYLES.index("3d")


@dataclass(frozen=True)
class Drawing:
    """One drawing of one concept: an SVG text, or the name of a WebP in the archive."""

    concept: int
    style: int
    svg: str = ""
    webp: str = ""


def write_art(folder: Path, drawings: list[Drawing], webps: dict[str, bytes]) -> None:
    rows = [[d.concept, d.style, d.svg, d.webp] for d in drawings]
    packed = lzma.compress(json.dumps(rows, ensure_ascii=False).encode(), preset=9)
    (folder / "art.json.xz").write_bytes(packed)
    with zipfile.ZipFile(folder / "art.zip", "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(webps.items()):
            archive.writestr(name, data)


def read_art(folder: Path) -> list[Drawing]:
    rows = json.loads(lzma.decompress((folder / "art.json.xz").read_bytes()))
    return [Drawing(*row) for row in rows]


def rasterise(drawing: Drawing, archive: zipfile.ZipFile) -> np.ndarray:
    """A drawing -> [128,128,4] uint8, premultiplied; an SVG is drawn at 4 times the size."""
    from PIL import Image

    if drawing.svg:
        import resvg_py

        data = bytes(resvg_py.svg_to_bytes(svg_string=drawing.svg, width=4 * SIDE))
    else:
        data = archive.read(drawing.webp)
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    box = image.getchannel("A").point(lambda a: 255 if a > 8 else 0).getbbox()
    if box is None:
        raise ValueError("an empty drawing")
    image = image.crop(box).convert("RGBa")
    scale = min(ROOM / max(image.size), 1.0)
    size = tuple(max(1, round(scale * n)) for n in image.size)
    image = image.resize(size, Image.Resampling.LANCZOS) if size != image.size else image
    flat = np.zeros((SIDE, SIDE, 4), np.uint8)
    left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    pixels = np.frombuffer(image.tobytes(), np.uint8).reshape(size[1], size[0], 4)
    flat[top : top + size[1], left : left + size[0]] = pixels
    flat[..., :3] = np.minimum(flat[..., :3], flat[..., 3:])
    return flat


def _rasterise_some(job: tuple[Path, list[Drawing]]) -> list[np.ndarray | None]:
    folder, drawings = job
    out: list[np.ndarray | None] = []
    with zipfile.ZipFile(folder / "art.zip") as archive:
        for drawing in drawings:
            try:
                out.append(rasterise(drawing, archive))
            except (OSError, ValueError, KeyError) as error:
                print(f"left out: {drawing.webp or drawing.svg[:60]!r}: {error}")
                out.append(None)
    return out


@dataclass(frozen=True)
class Sprites:
    """Pixels [n,4,128,128] uint8 and, per sprite, its concept and its style."""

    pixels: torch.Tensor
    concept: torch.Tensor
    style: torch.Tensor

    def __len__(self) -> int:
        return len(self.pixels)


def load_sprites(folder: Path, state: Path, processes: int, limit: int = 0) -> Sprites:
    """What an earlier run kept in state; what the archive has beyond that is rasterised now."""
    drawings = read_art(folder)
    if limit:
        chosen = np.random.default_rng(0).permutation(len(drawings))[:limit]
        drawings = [drawings[k] for k in sorted(chosen)]
    kept = state / "sprites.npz"
    known = len(np.load(kept)["concept"]) if kept.exists() else 0
    if known < len(drawings):
        _keep_sprites(folder, state, drawings, known, processes)
    data = np.load(kept)
    pixels = np.load(state / "pixels.npy")
    return Sprites(
        torch.from_numpy(pixels), torch.from_numpy(data["concept"]), torch.from_numpy(data["style"])
    )


def _keep_sprites(
    folder: Path, state: Path, drawings: list[Drawing], known: int, processes: int
) -> None:
    """Rasterises with all processors. What cannot be drawn stays empty: places must not shift."""
    start, images = time.monotonic(), list[np.ndarray | None]()
    jobs = [(folder, drawings[k : k + 64]) for k in range(known, len(drawings), 64)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for part in pool.imap(_rasterise_some, jobs):
            images += part
            if len(images) % 2048 < 64:
                done, seconds = known + len(images), time.monotonic() - start
                print(f"sprites {done}/{len(drawings)} {seconds:.0f}s", flush=True)
    if sum(image is None for image in images) > 0.05 * len(images):
        raise RuntimeError("more than one in twenty drawings could not be rasterised")
    empty = np.zeros((SIDE, SIDE, 4), np.uint8)
    pixels = np.stack([empty if image is None else image for image in images])
    pixels = pixels.transpose(0, 3, 1, 2)
    if known:
        pixels = np.concatenate([np.load(state / "pixels.npy"), pixels])
    np.save(state / "pixels.npy", np.ascontiguousarray(pixels))
    np.savez(
        state / "sprites.npz",
        concept=np.array([drawing.concept for drawing in drawings]),
        style=np.array([drawing.style for drawing in drawings]),
    )


def moved(
    x: torch.Tensor, turn: float = 0.2, shrink: float = 0.16, shift: float = 0.04
) -> torch.Tensor:
    """Mirrors, turns (radians), shrinks and shifts each sprite a little, by bicubic resampling."""
    n, device = len(x), x.device

    def spread(size: float) -> torch.Tensor:
        return size * (2 * torch.rand(n, device=device) - 1)

    angle, scale = spread(turn), 1 + shrink * torch.rand(n, device=device) - 0.03
    wide = 1 + spread(0.05)
    mirror = torch.where(torch.rand(n, device=device) < 0.5, 1.0, -1.0)
    place = x.new_zeros(n, 2, 3)
    place[:, 0, 0], place[:, 0, 1] = angle.cos() * scale * wide * mirror, -angle.sin() * scale
    place[:, 1, 0], place[:, 1, 1] = angle.sin() * scale * wide * mirror, angle.cos() * scale
    place[:, 0, 2], place[:, 1, 2] = spread(shift), spread(shift)
    grid = functional.affine_grid(place, list(x.shape), align_corners=False)
    x = functional.grid_sample(x, grid, mode="bicubic", align_corners=False).clamp(0, 1)
    return torch.cat([torch.minimum(x[:, :3], x[:, 3:]), x[:, 3:]], 1)


def on_white(x: torch.Tensor) -> np.ndarray:
    """[n,4,h,w] premultiplied -> [n,h,w,3] uint8 over white."""
    x = x.float().clamp(0, 1)
    flat = (x[:, :3] + 1 - x[:, 3:]).clamp(0, 1)
    return (flat * 255 + 0.5).byte().permute(0, 2, 3, 1).cpu().numpy()


def edge_energy(x: torch.Tensor) -> float:
    """Mean size of the pixel differences: falls when pictures are soft."""
    d = (x[..., 1:] - x[..., :-1]).abs().mean() + (x[..., 1:, :] - x[..., :-1, :]).abs().mean()
    return float(d) * math.sqrt(2)
