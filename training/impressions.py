"""What of a look each head of the judge goes by: features for things, hues, numbers, settings."""

import numpy as np
import numpy.typing as npt

from training.eye import THUMB, Look

Floats = npt.NDArray[np.float32]

SHADES = 5  # levels of red, green and blue that a background's colours are counted in
HUES, VALUES, SATURATIONS = 18, 5, 3  # bins of what stands off the background
MARGIN = THUMB // 14  # pixels at the border that are taken for background
NOTICED, SURE = 0.06, 0.18  # differences from the background, in 0..1, from which a pixel counts
OUTLINES = 1.5  # weight of outlines beside what the net sees
DIRECTIONS = 8  # of edges
EPSILON = 1e-6
WAVES = 16  # frequencies that a profile is described by


def whole(look: Look) -> Floats:
    """Stacked looks → [n, features], for what fills a picture: what a net sees, and outlines.

    Outlines do not change with colours, which a net learnt from photographs leans on.
    """
    seen = np.sqrt(look.mean.astype(np.float32))  # a product of few: evened out
    fine, coarse = (OUTLINES * outlines(look.thumb, cell) for cell in (8, 14))
    return np.concatenate(
        [seen / (np.linalg.norm(seen, axis=1)[:, None] + EPSILON), fine, coarse], 1
    )


def outlines(thumb: npt.NDArray[np.uint8], cell: int) -> Floats:
    """[n,THUMB,THUMB,3] → [n, features] of length one: directions of edges in each cell.

    Histograms of oriented gradients (Dalal and Triggs 2005), without their blocks.
    """
    down, across = np.gradient(thumb.astype(np.float32).mean(-1) / 255, axis=(1, 2))
    angle = np.arctan2(down, across) % np.pi / np.pi * DIRECTIONS
    found = _soft(angle, DIRECTIONS) * np.hypot(across, down)[..., None]
    side = THUMB // cell
    cells = found.reshape(len(thumb), side, cell, side, cell, DIRECTIONS).sum((2, 4))
    flat = np.sqrt(cells.reshape(len(thumb), -1))
    return flat / (np.linalg.norm(flat, axis=1)[:, None] + EPSILON)


def varied(look: Look) -> list[Look]:
    """Stacked looks, and the same mirrored, shifted and larger, as far as outlines go."""
    thumb, mirrored = look.thumb, look.thumb[:, :, ::-1]
    inner = np.linspace(2, THUMB - 3, THUMB).round().astype(int)
    thumbs = (
        thumb,
        mirrored,
        np.roll(thumb, 2, 1),
        np.roll(mirrored, 2, 2),
        thumb[:, inner][:, :, inner],
        mirrored[:, inner][:, :, inner],
    )
    return [Look(look.mean, look.peak, one) for one in thumbs]


def peaks(look: Look) -> Floats:
    """Stacked looks → [n, FEATURES], for something small that is somewhere in a picture."""
    return look.peak.astype(np.float32)


def around(look: Look) -> Floats:
    """Stacked looks → [n, FEATURES + SHADES³], for what is behind the things."""
    levels = np.minimum(look.thumb.astype(np.int64) * SHADES // 256, SHADES - 1)
    shade = (levels * np.array([SHADES**2, SHADES, 1])).sum(-1).reshape(len(levels), -1)
    counted = np.stack([np.bincount(row, minlength=SHADES**3) for row in shade])
    shares = np.sqrt(counted / shade.shape[1])
    return np.concatenate([look.mean, shares], 1).astype(np.float32)


def standing_out(thumb: npt.NDArray[np.uint8]) -> Floats:
    """[n,THUMB,THUMB,3] → [n,THUMB,THUMB] in 0..1: how far each pixel is from a plain background.

    The background is the median colour of the upper, left and right borders.
    """
    x = thumb.astype(np.float32) / 255
    parts = (x[:, :MARGIN], x[:, :, :MARGIN], x[:, :, -MARGIN:])
    border = np.concatenate([part.reshape(len(x), -1, 3) for part in parts], 1)
    away = np.abs(x - np.median(border, 1)[:, None, None]).max(-1)
    found: Floats = ((away - NOTICED) / (SURE - NOTICED)).clip(0, 1)
    return found


def hues(look: Look) -> Floats:
    """Stacked looks → the shares of hues and greys in what stands out, for its colour."""
    x = look.thumb.astype(np.float32) / 255
    weight = standing_out(look.thumb)
    top, span = x.max(-1), np.ptp(x, axis=-1)
    red, green, blue = x[..., 0], x[..., 1], x[..., 2]
    turn = np.where(
        top == red,
        green - blue,
        np.where(top == green, 2 * span + blue - red, 4 * span + red - green),
    )
    hue = turn / np.maximum(span, 1e-3) / 6 % 1
    saturation = span / np.maximum(top, 1e-3)
    hue_bins, values = _soft(hue * HUES, HUES), _soft(top * (VALUES - 1), VALUES)
    saturations = _soft(saturation * (SATURATIONS - 1), SATURATIONS)
    vivid = weight * (2 * saturation).clip(0, 1)
    coloured = np.einsum("nxy,nxya,nxyb->nab", vivid, hue_bins, values)
    grey = np.einsum("nxy,nxya,nxyb->nab", weight, saturations, values)
    found = np.concatenate([part.reshape(len(x), -1) for part in (coloured, grey)], 1)
    return np.sqrt(found / (weight.sum((1, 2))[:, None] + 1e-3)).astype(np.float32)


def _soft(place: Floats, bins: int) -> Floats:
    """[...] in 0..bins → [..., bins]: each place between the two bins that are nearest, a ring."""
    low = np.floor(place).astype(np.int64)
    part = place - low
    found = np.zeros((*place.shape, bins), np.float32)
    np.put_along_axis(found, (low % bins)[..., None], (1 - part)[..., None], -1)
    next_one = ((low + 1) % bins)[..., None]
    more = np.take_along_axis(found, next_one, -1) + part[..., None]
    np.put_along_axis(found, next_one, more, -1)
    return found


def numbers(look: Look) -> Floats:
    """Stacked looks → what repeats across what stands out, wherever it stands, for a count."""
    mask = standing_out(look.thumb)
    profiles = (mask.mean(1), mask[:, : THUMB * 2 // 3].mean(1), mask.mean(2))
    waves = [np.abs(np.fft.rfft(profile, axis=1))[:, :WAVES] for profile in profiles]
    plane = np.abs(np.fft.rfft2(mask))[:, :7, :10].reshape(len(mask), -1)
    found = np.concatenate([*waves, plane, mask.mean((1, 2))[:, None]], 1)
    return np.concatenate([found, found**2], 1).astype(np.float32)
