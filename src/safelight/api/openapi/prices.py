"""A model's prices as a table in Markdown: where clients of Krea's document look for them."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from safelight.catalog import Offer
from safelight.catalog.prices import GIVEN, MICROCREDITS_PER_CREDIT, PriceRow, credits_text

# Krea's older documents count in Compute Units, and clients read whole ones from this table. An
# eighth of a credit is about what one was worth: in May 2026, 22.9 of them were 0.042 USD.
COMPUTE_UNITS_PER_CREDIT = 8


def price_table(offer: Offer, seconds: int) -> str:
    """One line for each row of the price list, its conditions first."""
    conditions = list(dict.fromkeys(name for row in offer.prices for name in row.when))
    extras = list(dict.fromkeys(name for row in offer.prices for name in row.each))
    header = [
        *(_title(name) for name in conditions),
        "Compute Units",
        "Credits",
        *(f"Credits for each of {name}" for name in extras),
        "Average Completion Time",
    ]
    rows = [_row(row, conditions, extras, seconds) for row in offer.prices]
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _row(row: PriceRow, conditions: list[str], extras: list[str], seconds: int) -> list[str]:
    return [
        *(_condition(row.when, name) for name in conditions),
        f"~{_compute_units(row.microcredits)}",
        credits_text(row.microcredits),
        *(credits_text(row.each.get(name, 0)) for name in extras),
        f"~{seconds} seconds",
    ]


def _compute_units(microcredits: int) -> int:
    exact = Decimal(microcredits * COMPUTE_UNITS_PER_CREDIT) / MICROCREDITS_PER_CREDIT
    return max(1, int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)))


def _condition(when: Mapping[str, str], name: str) -> str:
    value = when.get(name)
    return "any other" if value is None else "Yes" if value == GIVEN else value


def _title(name: str) -> str:
    return "Resolution" if name == "tier" else name.replace("_", " ").title()
