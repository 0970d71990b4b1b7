"""Contact sheets: rows of pictures with their captions."""

from pathlib import Path

import numpy as np


def _font(size: int):
    from PIL import ImageFont

    places = (
        "/usr/share/fonts/truetype/nanum/NanumGothic.ttf",
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    )
    for place in places:
        if Path(place).exists():
            return ImageFont.truetype(place, size)
    return ImageFont.load_default()


def save_sheet(
    path: Path, images: np.ndarray, captions: list[str], columns: int, cell: int = 176
) -> None:
    """images: [n,h,w,3] uint8."""
    from PIL import Image, ImageDraw

    rows, font = -(-len(images) // columns), _font(13)
    sheet = Image.new("RGB", (columns * cell, rows * (cell + 18)), "white")
    draw = ImageDraw.Draw(sheet)
    for k, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = k % columns * cell, k // columns * (cell + 18)
        sheet.paste(Image.fromarray(image).resize((cell, cell), Image.Resampling.LANCZOS), (x, y))
        try:
            draw.text((x + 4, y + cell), caption[:28], fill="black", font=font)
        except UnicodeError:  # a bitmap font without this script
            draw.text(
                (x + 4, y + cell),
                caption.encode("ascii", "replace").decode()[:28],
                fill="black",
                font=font,
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=90)
