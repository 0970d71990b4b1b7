"""How many pixels a ratio has in a tier."""

import math
from collections.abc import Iterable, Mapping

Pixels = tuple[int, int]  # width, height
SizeTable = Mapping[str, Mapping[str, Pixels]]  # ratio → tier → pixels, as a vendor documents them

SIDE_MULTIPLE = 16  # pixels: what the models' patches and autoencoders need
TIER_SLACK = 1.125  # the largest documented 2K picture has 4 % more pixels than 2048 × 2048


def pixels(ratio: str, tier: str, table: SizeTable) -> Pixels:
    """Width and height in whole pixels.

    A size that the vendor documents comes from the table. Any other has the tier's area (1K is
    1024 × 1024), and each side is the multiple of 16 nearest to the exact ratio's.
    """
    documented = table.get(ratio, {}).get(tier)
    if documented is not None:
        return documented
    width, height = (float(part) for part in ratio.split(":"))
    side = math.sqrt(tier_area(tier) / (width * height))
    return _nearest_multiple(width * side), _nearest_multiple(height * side)


def tier_area(tier: str) -> int:
    """Pixels in a square picture of a tier: "1K" is 1024 × 1024, "0.5K" 512 × 512."""
    side = int(float(tier.removesuffix("K")) * 1024)
    return side * side


def covering_tier(width: int, height: int, tiers: Iterable[str]) -> str | None:
    """The smallest of the tiers, given in rising order, that has room for a picture."""
    return next((tier for tier in tiers if width * height <= tier_area(tier) * TIER_SLACK), None)


def _nearest_multiple(side: float) -> int:
    return max(1, math.floor(side / SIDE_MULTIPLE + 0.5)) * SIDE_MULTIPLE
