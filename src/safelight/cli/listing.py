"""Lists of rows as commands show them: how many, and for whom."""

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

LISTED_DEFAULT = 50
LISTED_MAX = 10_000

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Limit = Annotated[int, typer.Option(min=1, max=LISTED_MAX, help="How many, newest first.")]


def show(
    found: Sequence[dict[str, Any]], told: Callable[[dict[str, Any]], str], *, as_json: bool
) -> None:
    """One JSON list, or each as `told` tells it to people."""
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for one in found:
            typer.echo(told(one))
