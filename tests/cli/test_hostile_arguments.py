"""Whatever stands on the command line, the answer is a line that an operator can act on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from running import command, environment
from safelight.cli import OPERATORS
from safelight.cli.commands import app
from safelight.cli.listening import bind
from safelight.errors import ConfigurationError

EVERY = 5  # of the texts, each place gets every fifth
STAYING = {"serve", "work", "image"}  # they start processes: only their options are tried, below
HOSTILE = [
    "", " ", "-1", "0", "1e400", "NaN", "9" * 400, "a" * 5000, "\n", "\x1b[31mred", "\x7f", "%s%n",
    "../../etc/passwd", "/nonexistent/file", "'; drop table keys; --", "{}", "[bold]", "\udcff",
    "한글", "👩‍👩‍👧", "\u202e", "acc_000000000000000000", "msg_000000000000000000000000",
]  # fmt: skip


def leaves(node: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that lead to it."""
    for name, inner in sorted(getattr(node, "commands", {}).items()):
        yield from leaves(inner, (*words, name))
    if not hasattr(node, "commands"):
        yield words, node


COMMANDS = dict(leaves(typer.main.get_command(app)))
TRIED = [words for words in COMMANDS if not STAYING & {*words}]


def places(words: tuple[str, ...]) -> list[str | None]:
    """Where a text may stand: None is all arguments at once, and then each option with a value."""
    parameters = COMMANDS[words].params
    found: list[str | None] = [
        option.opts[-1]
        for option in parameters
        if option.param_type_name == "option" and not option.is_flag and option.name != "help"
    ]
    return [None, *found] if arguments_of(words, "") else found


def arguments_of(words: tuple[str, ...], text: str) -> list[str]:
    return [text for p in COMMANDS[words].params if p.param_type_name == "argument"]


PLACES = [(words, place) for words in TRIED for place in places(words)]


def test_there_are_commands_to_try():
    assert len(TRIED) > 12
    assert len(PLACES) > 20
    assert {words[0] for words in COMMANDS} >= STAYING


@pytest.mark.parametrize("number", range(len(PLACES)))
def test_hostile_arguments_get_a_clear_answer(number: int, tmp_path: Path):
    """Every place gets some of the texts; HOSTILE_ARGUMENTS=all tries each of them everywhere."""
    words, place = PLACES[number]
    step = 1 if os.environ.get("HOSTILE_ARGUMENTS") == "all" else EVERY
    runner, variables = CliRunner(), environment(tmp_path)
    for text in HOSTILE[number % step :: step]:
        option = [] if place is None else [f"{place}={text}"]
        arguments = [*words, *option, "--", *arguments_of(words, text)]
        done = runner.invoke(app, arguments, env=variables)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            assert isinstance(done.exception, OPERATORS), (arguments, done.exception)
            assert str(done.exception)
        assert done.exit_code in (0, 1, 2, 3)
        assert "Traceback" not in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--port", "x"], ["image", "a cat", "--seed", "1e9"], ["work", "now"],
        ["nothing"], ["--nothing"], ["keys"], ["keys", "create"], ["credits", "grant", "a"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(arguments: list[str], tmp_path: Path):
    done = CliRunner().invoke(app, arguments, env=environment(tmp_path))
    assert done.exit_code in (1, 2)
    assert isinstance(done.exception, (SystemExit, *OPERATORS))


@pytest.mark.parametrize("host", ["a b", "\n", "a" * 300, "a..b", "\udcff", "999.1.1.1", "[::1]"])
def test_an_address_that_is_none_cannot_be_listened_on(host: str):
    with pytest.raises(ConfigurationError, match="cannot listen on"):
        bind(host, 0)


@pytest.mark.parametrize("name", ["", " ", "a" * 201, "a\x1b[31m", "a\nb"])
def test_an_account_s_name_is_a_line_of_some_length(name: str, tmp_path: Path):
    runner = CliRunner()
    for words in (["keys", "create"], ["credits", "grant"]):
        amount = ["5"] if words[0] == "credits" else []
        done = runner.invoke(app, [*words, "--", name, *amount], env=environment(tmp_path))
        assert isinstance(done.exception, OPERATORS)


def test_bytes_that_are_no_text_are_one_line_on_stderr(tmp_path: Path):
    refused = command(tmp_path, "keys", "create", "\udcff\udcfe")
    assert refused.returncode == 1
    assert refused.stderr == "safelight: an argument is not valid UTF-8\n"
