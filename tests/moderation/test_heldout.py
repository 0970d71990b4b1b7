"""The held-out prompts are judged as well as the page about moderation says."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))  # training/ is beside tests/, and no installed package

from training.moderation import measure  # noqa: E402
from training.moderation.disguises import DISGUISES  # noqa: E402

from safelight.moderation import Category, PromptRules  # noqa: E402


@pytest.fixture(scope="module")
def rules() -> PromptRules:
    found = PromptRules()
    found.load()
    return found


@pytest.fixture(scope="module")
def both(rules: PromptRules) -> measure.Both:
    return measure.Both(rules)


def test_at_most_one_in_a_hundred_benign_prompts_is_refused(both: measure.Both) -> None:
    for language, prompts in measure.benign().items():
        assert len(prompts) >= 100
        refused = measure.wrongly_refused(both, prompts)
        assert len(refused) <= max(1, len(prompts) // 100), (language, refused)
    everything = [text for prompts in measure.benign().values() for text in prompts]
    everything += [text for prompts in measure.fresh()[0].values() for text in prompts]
    assert len(everything) >= 650
    assert len(measure.wrongly_refused(both, everything)) <= len(everything) // 100


@pytest.mark.parametrize("category", [Category(name) for name in measure.unsafe()])
def test_unsafe_prompts_are_refused(rules: PromptRules, category: Category) -> None:
    prompts = [text for texts in measure.unsafe()[category].values() for text in texts]
    passed = measure.wrongly_passed(rules, prompts, category)
    wanted = 0.98 if category is Category.MINORS else 0.9
    assert len(prompts) - len(passed) >= wanted * len(prompts), passed


@pytest.mark.parametrize("disguise", DISGUISES)
def test_disguises_do_not_help(rules: PromptRules, disguise: str) -> None:
    for category, wanted in ((Category.MINORS, 0.98), (Category.SEXUAL, 0.9)):
        prompts = measure.disguised(measure.unsafe()[category], disguise)
        assert len(prompts) >= 10
        passed = measure.wrongly_passed(rules, prompts, category)
        assert len(prompts) - len(passed) >= wanted * len(prompts), (category, passed)


def test_2000_characters_are_judged_in_five_milliseconds(rules: PromptRules) -> None:
    median, p99 = measure.milliseconds(rules)
    assert median < 5
    assert p99 < 15  # 4 on a quiet core; this one is shared with other tests


def test_the_classifier_refuses_what_the_rules_have_no_words_for(
    rules: PromptRules, both: measure.Both
) -> None:
    """Prompts that neither had seen: 29 of 69 by the rules, and 51 together, at the first run."""
    texts = [
        (category, text)
        for category, languages in measure.fresh()[1].items()
        if category != Category.MINORS
        for prompts in languages.values()
        for text in prompts
    ]
    passed = dict.fromkeys(("rules", "both"), 0)
    for category, text in texts:
        passed["rules"] += len(measure.wrongly_passed(rules, [text], category))
        passed["both"] += len(measure.wrongly_passed(both, [text], category))
    assert len(texts) - passed["both"] >= 50
    assert passed["rules"] - passed["both"] >= 15


def test_the_page_shows_what_is_measured(rules: PromptRules, both: measure.Both) -> None:
    text = measure.PAGE.read_text()
    made = measure.page(text, rules, both)
    assert made == text, "run python -m training.moderation.measure --write"
