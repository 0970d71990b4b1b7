"""The prompt filter: rules over word lists in four languages, which see through disguises."""

import math
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import msgspec

from safelight.errors import ConfigurationError
from safelight.moderation import terms
from safelight.moderation.folding import fold
from safelight.moderation.opening import open_up
from safelight.moderation.terms import Hit, Lexicon
from safelight.moderation.verdict import ALLOWED, Category, Verdict

# An age below eighteen. Ages are told from "a 12 year old whisky" by what else is in the prompt.
AGE = re.compile(
    r"(?<![\d.,$€£#])(?:1[0-7]|[1-9])[\s-]?(?:(?:years?|yrs?)[\s-]?(?:old|young)|"
    r"yo\b|y/o\b|y\.o|살|세(?![기트계대])|さい|歳|才|岁|周岁)"
    r"(?!\s(?:single |malt |oak |wooden )*(?:whisk|wine|scotch|rum\b|bourbon|cognac|port\b|"
    r"cheese|oak|tree|bonsai|dog|cat\b|horse|car\b|bike|building|house|temple|violin|company))"
    r"|\b(?:[1-9]|1[0-2])(?:st|nd|rd|th)[\s-]grade(?:r|rs)?\b|[초중고][1-6](?![\d가-힣])|[小中高][1-6](?![\d.米cm])"
    r"|\bage[ds]?:?\s(?:of\s)?(?:1[0-7]|[1-9])\b(?!\s?(?:\d|%|century))"
)
MINOR = "minor"
PROMPTS_REMEMBERED = 64


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of rules.toml: refused, when every side has a hit and no excuse is there."""

    category: Category
    sides: tuple[tuple[str, ...], ...]  # one of each of these sets of groups
    unless: tuple[str, ...] = ()  # groups that make it harmless, anywhere in the prompt
    within: int | None = None  # characters between the first two sides
    strict: bool = False  # holds only when the stricter filter was asked for


@dataclass(frozen=True, slots=True)
class _Found:
    """The hits of one reading of the prompt, by group."""

    by_group: dict[str, list[Hit]]

    @classmethod
    def of(cls, hits: Iterable[Hit]) -> "_Found":
        by_group: dict[str, list[Hit]] = {}
        for hit in hits:
            by_group.setdefault(hit.group, []).append(hit)
        return cls(by_group)

    def breaks(self, rule: Rule) -> bool:
        if any(group in self.by_group for group in rule.unless):
            return False
        sides = [[h for g in side for h in self.by_group.get(g, ())] for side in rule.sides]
        if not all(sides):
            return False
        return rule.within is None or _near(sides[0], sides[1], rule.within)


def _near(these: list[Hit], those: list[Hit], within: int) -> bool:
    """Whether two of them, one of each, have at most so many characters between them."""
    reach: list[float] = [-math.inf, -math.inf]  # how far each side has come
    marked = [(hit, 0) for hit in these] + [(hit, 1) for hit in those]
    for hit, side in sorted(marked, key=lambda pair: pair[0].start):
        if hit.start - reach[1 - side] <= within:
            return True
        reach[side] = max(reach[side], hit.end)
    return False


class PromptRules:
    """Our own rule engine. Milliseconds for 2 000 characters; no weights, no network."""

    name = "prompt-rules"

    def __init__(self) -> None:
        self._lexicon: Lexicon | None = None
        self._rules: tuple[Rule, ...] = ()
        # Each picture of a job asks again whether its prompt speaks of children.
        self._readings = lru_cache(PROMPTS_REMEMBERED)(self._read_both)

    def load(self) -> None:
        lexicon = terms.load()
        file = resources.files("safelight.moderation") / "rules.toml"
        try:
            rules = msgspec.convert(
                tomllib.loads(file.read_text(encoding="utf-8")), dict[str, list[Rule]]
            )
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"{file.name}: {error}") from None
        self._rules = tuple(rules["rule"])
        self._lexicon = lexicon

    def judge(self, text: str, *, strict: bool) -> Verdict:
        readings = self._readings(text)
        for rule in self._rules:  # the gravest first, whichever reading shows it
            if (strict or not rule.strict) and any(found.breaks(rule) for found in readings):
                return Verdict(rule.category, 1.0, self.name)
        return ALLOWED

    def speaks_of_minors(self, text: str) -> bool:
        return MINOR in self.groups(text)

    def groups(self, text: str) -> frozenset[str]:
        """Which groups of terms/*.toml have a word in the prompt, be it in disguise."""
        return frozenset(group for found in self._readings(text) for group in found.by_group)

    def _read_both(self, text: str) -> tuple[_Found, ...]:
        """The prompt as it stands, and with its disguises undone where it has any."""
        if self._lexicon is None:
            raise RuntimeError("the rules are not loaded")
        plain = fold(text)
        opened = open_up(plain, self._lexicon.known)
        return tuple(self._read(reading) for reading in dict.fromkeys((plain, opened)))

    def _read(self, text: str) -> _Found:
        assert self._lexicon is not None
        ages = (Hit(found.start(), found.end(), MINOR) for found in AGE.finditer(text))
        return _Found.of([*self._lexicon.hits(text), *ages])
