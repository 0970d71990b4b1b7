"""How prompts are counted."""

import pytest

from safelight.catalog import tokens


@pytest.mark.parametrize(
    ("text", "count"),
    [("word " * 10, 10), ("고요한 산 풍경", 6), (" " * 1000, 1)],
)
def test_tokens_are_those_of_the_multilingual_model(text: str, count: int):
    assert tokens.count_tokens(text) == count


def test_a_text_too_short_to_matter_is_not_tokenized(monkeypatch: pytest.MonkeyPatch):
    def fail() -> None:
        raise AssertionError("the tokenizer was loaded")

    monkeypatch.setattr(tokens, "_tokenizer", fail)
    assert tokens.count_tokens("x" * 639, enough=640) <= 640


def test_characters_that_stand_for_whole_phrases_are_not_taken_for_short():
    phrase = "\ufdfa"  # one character, which normalizes to eighteen
    assert tokens.count_tokens(phrase * 300, enough=640) > 640
