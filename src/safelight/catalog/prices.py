"""What a request costs at one door: rows of conditions, of which the first that holds counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from safelight.catalog.request import ImageRequest

MICROCREDITS_PER_CREDIT = 1_000_000
GIVEN = "given"  # the condition that a parameter was sent at all


@dataclass(frozen=True, kw_only=True)
class PriceRow:
    """The price of one picture when every condition holds; an empty `when` always does."""

    microcredits: int
    when: Mapping[str, str] = field(default_factory=dict)  # parameter or "tier" → its value
    each: Mapping[str, int] = field(default_factory=dict)  # list → microcredits for each item

    def holds_for(self, request: ImageRequest) -> bool:
        return all(_holds(request, name, value) for name, value in self.when.items())

    def microcredits_for(self, request: ImageRequest) -> int:
        """The price of all the pictures asked for."""
        extra = sum(
            amount * len(request.parameters.get(name, ())) for name, amount in self.each.items()
        )
        return (self.microcredits + extra) * request.count


def microcredits(amount: Decimal, credits_per_unit: Decimal = Decimal(1)) -> int:
    """Credits, or any money of which one unit is so many credits, as whole microcredits."""
    exact = amount * credits_per_unit * MICROCREDITS_PER_CREDIT
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def credits_text(microcredits: int) -> str:
    """450000 microcredits are "0.45": exact, and without a trailing zero."""
    return f"{Decimal(microcredits) / MICROCREDITS_PER_CREDIT:f}"


def _holds(request: ImageRequest, name: str, value: str) -> bool:
    if name == "tier":
        return request.tier == value
    sent = request.parameters.get(name)
    return bool(sent) if value == GIVEN else sent == value
