"""Single drawings out of large sets: icons, furniture catalogues, clip art."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from training.packages import Source

# Catalogues of sweethome3d-furniture: a picture of each model, with alpha.
CATALOGUES = {
    "scopia": "Scopia",
    "katorlegaz": "KatorLegaz",
    "blendswap-cc0": "BlendSwap-CC-0",
    "blendswap-cc-by": "BlendSwap-CC-BY",
}
DISC = re.compile(r'<path fill="#\w+" d="M24 47\.99[^"]*"/>')  # what Kameleon sets its icons on
GROUND = 3000  # units of the ground that clip art of unknown size is looked for on
GROUND_STEP = 5  # units of that ground in a pixel

Picture = str | bytes  # an SVG text, or a WebP
Pick = Callable[[str], Picture]


def picker(source: Source, folder: Path) -> Pick:
    """What finds a drawing of this source by its icon's name."""
    if source.name in CATALOGUES:
        name = f"sweethome3d/furniture/{CATALOGUES[source.name]}.sh3f"
        return _catalogue(folder / name, source)
    if source.name == "openclipart":
        return lambda icon: clip_art(folder / "openclipart" / "svg" / f"{icon}.svg")
    data = json.loads((folder / "json" / f"{source.name}.json").read_text())
    undisced = source.name == "streamline-kameleon-color"

    def pick(icon: str) -> str:
        svg = icon_svg(data, icon)
        return DISC.sub("", svg, count=1) if undisced else svg

    return pick


def icon_svg(data: dict, name: str) -> str:
    """An icon of an Iconify set as an SVG text."""
    icon = data["icons"][name]
    box = [
        icon.get(side, data.get(side, default))
        for side, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
    ]
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'{head} viewBox="{" ".join(map(str, box))}">{icon["body"]}</svg>'


def _catalogue(path: Path, source: Source) -> Pick:
    archive = zipfile.ZipFile(path)
    inside = {Path(name).stem: name for name in archive.namelist() if name.endswith(".png")}

    def pick(icon: str) -> bytes:
        from PIL import Image

        image = Image.open(io.BytesIO(archive.read(inside[icon]))).convert("RGBA")
        packed = io.BytesIO()
        image.save(packed, "WEBP", lossless=True)
        return packed.getvalue()

    return pick


def clip_art(path: Path) -> str:
    """An Open Clipart file as an SVG text that fits its drawing; refused unless public domain."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if "publicdomain" not in text.lower():
        raise ValueError(f"{path.name} does not say that it is in the public domain")
    text = re.sub(r"<metadata\b.*?</metadata>", "", text, flags=re.DOTALL)
    low = (GROUND_STEP - GROUND) // 3
    left, top, right, bottom = _bounds(_framed(text, low, low, GROUND))
    left, top, right, bottom = (
        low + GROUND_STEP * n for n in (left - 1, top - 1, right + 1, bottom + 1)
    )
    return _framed(text, left, top, max(right - left, bottom - top))


def _framed(svg: str, left: int, top: int, side: int) -> str:
    """The same drawing, seen through a square window."""
    head = re.search(r"<svg\b[^>]*>", svg, re.DOTALL)
    if head is None:
        raise ValueError("no SVG")
    kept = re.sub(r"\s(width|height|viewBox)\s*=\s*(\"[^\"]*\"|'[^']*')", "", head[0])[:-1]
    frame = f' width="{side}" height="{side}" viewBox="{left} {top} {side} {side}">'
    return svg[: head.start()] + kept + frame + svg[head.end() :]


def _bounds(svg: str) -> tuple[int, int, int, int]:
    import resvg_py
    from PIL import Image

    data = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=GROUND // GROUND_STEP))
    box = Image.open(io.BytesIO(data)).convert("RGBA").getchannel("A").getbbox()
    if box is None:
        raise ValueError("an empty drawing")
    return box
