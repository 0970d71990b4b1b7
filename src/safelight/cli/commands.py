"""Every command with its options; what it does is in the module beside it."""

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from safelight import __version__, settings
from safelight.catalog.prices import credits_text, microcredits
from safelight.cli import (
    audit,
    bookkeeping,
    diagnosis,
    drawing,
    lora,
    origin,
    review,
    serving,
    webhooks,
)
from safelight.cli.assembly import run, start_logging
from safelight.cli.listing import AsJson
from safelight.errors import ConfigurationError, SafelightError

app = typer.Typer(
    name="safelight",
    help="A self-hosted text-to-image service that speaks the EvoLink and Krea wires.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
keys = typer.Typer(help="API keys: what opens the doors.", no_args_is_help=True)
accounts = typer.Typer(help="Credits: what pictures are paid with.", no_args_is_help=True)
ledger = typer.Typer(help="The books.", no_args_is_help=True)
styles = typer.Typer(help="LoRA styles for open weights.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(accounts, name="credits")
app.add_typer(ledger, name="ledger")
app.add_typer(styles, name="styles")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(audit.app, name="audit")
app.add_typer(review.app, name="review")

console = Console()
CREDITS_MAX = Decimal(10**9)  # so that every sum of microcredits fits into 64 bits
DAYS_MAX = 36_500
REQUESTS_PER_MINUTE_MAX = 1_000_000


def _credits(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text} is not a number of credits") from None
    if not amount.is_finite() or abs(amount) > CREDITS_MAX:
        raise typer.BadParameter(f"{text} is not between -{CREDITS_MAX} and {CREDITS_MAX}")
    return amount


def _no_less_than_nothing(text: str) -> Decimal:
    if (amount := _credits(text)) < 0:
        raise typer.BadParameter(f"{text} is less than nothing")
    return amount


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    no_workers: Annotated[
        bool,
        typer.Option("--no-workers", help="Only the API; `safelight work` makes the pictures."),
    ] = False,
    demo_key: Annotated[
        bool,
        typer.Option("--demo-key", help="Make a key with 1000 credits for today, and print it."),
    ] = False,
) -> None:
    """Serve both wires, with a worker process that makes the pictures."""
    config = settings.load(host=host, port=port, workers=0 if no_workers else None)
    start_logging(config)
    key = bookkeeping.demo_key(config) if demo_key else None

    def announce(url: str) -> None:
        console.print(f"[bold]Safelight {__version__}[/] listens at [link]{url}[/]")
        if key:
            console.print(f"Key for today: {key}", soft_wrap=True)
            console.print(drawing.curl(url, key), soft_wrap=True, highlight=False)

    run(serving.serve(config, announce))


@app.command()
def work() -> None:
    """Make pictures for an API that runs elsewhere on the same database."""
    config = settings.load()
    start_logging(config)
    run(serving.work(config))


@app.command()
def image(
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write.")] = None,
    model: Annotated[str, typer.Option(help="A model of `safelight models`.")] = "krea-2-turbo",
    size: Annotated[str, typer.Option(help="Aspect ratio, such as 16:9.")] = "1:1",
    quality: Annotated[str, typer.Option(help="1K or 2K.")] = "1K",
    seed: Annotated[int | None, typer.Option(help="The same seed draws the same picture.")] = None,
    show_curl: Annotated[
        bool, typer.Option("--show-curl", help="Also print the curl that does the same.")
    ] = False,
) -> None:
    """Draw one picture, over HTTP: at SAFELIGHT_URL, else at this machine's own server."""
    body = {"model": model, "prompt": prompt, "size": size, "quality": quality}
    if seed is not None:
        body["seed"] = seed  # type: ignore[assignment]
    drawing.draw(settings.load(), body, output, show_curl=show_curl, console=console)


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="The account's name; it is made if it is new.")],
    grant: Annotated[
        Decimal | None,
        typer.Option(
            "--credits", parser=_no_less_than_nothing, help="Credits to give, fractions too."
        ),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A model the key may use; repeat it. Default: all.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=DAYS_MAX, help="Days until the key expires.")
    ] = None,
    rpm: Annotated[
        int | None, typer.Option(min=1, max=REQUESTS_PER_MINUTE_MAX, help="Submissions a minute.")
    ] = None,
    credit_limit: Annotated[
        Decimal | None,
        typer.Option(parser=_no_less_than_nothing, help="Credits the key may spend in all."),
    ] = None,
    daily_limit: Annotated[
        Decimal | None,
        typer.Option(parser=_no_less_than_nothing, help="Credits the key may spend a day (UTC)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once and stored only as a digest."""
    made = bookkeeping.create_key(
        settings.load(),
        name,
        grant=None if grant is None else microcredits(grant),
        models=model,
        days=days,
        requests_per_minute=rpm,
        credit_limit=None if credit_limit is None else microcredits(credit_limit),
        daily_limit=None if daily_limit is None else microcredits(daily_limit),
    )
    if as_json:
        typer.echo(json.dumps(made))
        return
    typer.echo(made["key"])
    Console(stderr=True).print(
        f"for account {made['account']}; keep it, it is not shown again", style="dim"
    )


@keys.command("list")
def keys_list(as_json: AsJson = False) -> None:
    """Every key, without its secret part."""
    found = bookkeeping.list_keys(settings.load())
    if as_json:
        typer.echo(json.dumps(found))
    else:
        console.print(bookkeeping.table(found, "id", "account", "hint", "models", "state", "spent"))


@keys.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="An id of `safelight keys list`.")],
) -> None:
    """Close a key for ever, within a second."""
    bookkeeping.revoke_key(settings.load(), key_id)
    typer.echo(f"{key_id} is revoked")


@accounts.command("show")
def credits_show(
    account: Annotated[str | None, typer.Argument(help="An account's name. Default: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """What accounts have, have reserved, and have spent."""
    found = bookkeeping.balances(settings.load(), account)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        console.print(bookkeeping.table(found, "account", "available", "held", "spent", "granted"))


@accounts.command("grant", context_settings={"ignore_unknown_options": True})  # -5 is no option
def credits_grant(
    account: Annotated[str, typer.Argument(help="An account's name; it is made if it is new.")],
    amount: Annotated[
        Decimal, typer.Argument(parser=_credits, help="Credits; a negative amount takes back.")
    ],
    note: Annotated[
        str | None, typer.Option(help="Why; kept in the ledger and the audit log.")
    ] = None,
) -> None:
    """Give an account credits."""
    left = bookkeeping.grant(settings.load(), account, microcredits(amount), note)
    typer.echo(f"{account} has {credits_text(left)} credits available")


@ledger.command("verify")
def ledger_verify() -> None:
    """Prove the books from their rows: exit 0 and one line, or 1 and what is wrong."""
    proof = bookkeeping.verify(settings.load())
    if proof.problems:
        for problem in proof.problems:
            typer.echo(problem)
        raise typer.Exit(1)
    typer.echo(
        f"ok: {proof.entries} entries of {proof.accounts} accounts and {proof.jobs} jobs agree;"
        f" {credits_text(proof.granted_microcredits)} credits granted,"
        f" {credits_text(proof.held_microcredits)} held,"
        f" {credits_text(proof.spent_microcredits)} spent"
    )


@styles.command("list")
def styles_list(as_json: AsJson = False) -> None:
    """The styles that callers can name, and which models wear them."""
    found = lora.listed(settings.load())
    if as_json:
        typer.echo(json.dumps(found))
    else:
        console.print(bookkeeping.table(found, "id", "models", "file", "title"))


@styles.command("pin")
def styles_pin(
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model that new files are for, such as krea-2-turbo; repeat it."),
    ] = None,
) -> None:
    """Write styles.toml: the hash of every .safetensors file in the folder, as it is now."""
    path, count = lora.pin(settings.load(), model or [])
    typer.echo(f"{path} lists {count} styles")


@app.command()
def models(as_json: AsJson = False) -> None:
    """The models on offer, who makes them here, and what they cost."""
    found = diagnosis.models(settings.load())
    if as_json:
        typer.echo(json.dumps(found))
    else:
        console.print(
            bookkeeping.table(found, "id", "made_by", "evolink", "krea", "credits", "licence")
        )


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check that this machine can serve: folders, secret, database, filters, engine."""
    checks = diagnosis.doctor(settings.load())
    if as_json:
        typer.echo(json.dumps(checks))
    else:
        for check in checks:
            mark = "[green]ok  [/]" if check["ok"] else "[red]fail[/]"
            console.print(f"{mark} {check['name']}: {check['note']}", highlight=False)
    if not all(check["ok"] for check in checks):
        raise typer.Exit(1)


@app.command()
def provenance(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A picture.")],
    trust: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Certificates to believe, in PEM form."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read where a picture comes from, and whether it was changed.

    Exit code 0: intact, and signed by this install or by whom you trust;
    1: changed since it was signed; 2: that cannot be told;
    3: it holds no manifest; 4: intact, and signed by somebody unknown.
    """
    try:
        found, code = origin.examine(settings.load(), file, trust)
    except (ConfigurationError, SafelightError, OSError) as error:  # 1 would call it changed
        typer.echo(f"safelight: {error}", err=True)
        raise typer.Exit(origin.EXIT_UNREAD) from None
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        for line in origin.describe(found):
            typer.echo(line)
    raise typer.Exit(code)


@app.command("settings")
def show_settings(as_json: AsJson = False) -> None:
    """Every setting in force, its variable and what it means; secrets are masked."""
    found = diagnosis.settings_in_force(settings.load())
    if as_json:
        typer.echo(json.dumps(found))
    else:
        console.print(bookkeeping.table(found, "variable", "value", "meaning"))


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
