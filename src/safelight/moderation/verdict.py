"""What a filter finds: allowed, or refused with a category; and how much an install refuses."""

from dataclasses import dataclass
from enum import StrEnum

from safelight.errors import EngineError, JobErrorCode


class Category(StrEnum):
    """Why something is refused; the gravest first."""

    MINORS = "minors"  # sexual content with minors: refused at any setting
    NON_CONSENSUAL = "non_consensual"  # real people, undressed or spied on
    SEXUAL = "sexual"
    GORE = "gore"
    HATE = "hate"  # hate and extremism
    SELF_HARM = "self_harm"
    BLOCKED = "blocked"  # looks like a picture that a person has blocked


class Level(StrEnum):
    """How much is refused. What is made with minors in it is judged alike on every level."""

    MINORS = "minors"  # sexual content with minors, and nothing else
    BASE = "base"
    STRICT = "strict"  # what `nsfw_check` asks for


SENTENCES = {
    Category.MINORS: "Sexual content with minors is never made here.",
    Category.NON_CONSENSUAL: "Intimate pictures of real people are not made here.",
    Category.SEXUAL: "It was found to be sexual content.",
    Category.GORE: "It was found to be graphic violence.",
    Category.HATE: "It was found to be hateful or extremist content.",
    Category.SELF_HARM: "It was found to be about self-harm.",
    Category.BLOCKED: "It looks like a picture that was blocked here.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed, when there is no category. It never quotes what it was found in."""

    category: Category | None = None
    score: float = 0.0  # 0 to 1, of what the category is about; rules know only 1
    filter: str = ""  # the name of the filter that found it
    near: Category | None = None  # allowed, but a person may want to look

    @property
    def allowed(self) -> bool:
        return self.category is None

    def enforce(self, layer: str = "prompt") -> None:
        """Raises Refused unless it is allowed. `layer`: what was judged."""
        if not self.allowed:
            raise Refused(self, layer)


ALLOWED = Verdict()


class Refused(EngineError):
    """What a refused job ends with: the documented code, and a sentence that quotes nothing."""

    def __init__(self, verdict: Verdict, layer: str):
        assert verdict.category is not None
        super().__init__(SENTENCES[verdict.category], code=JobErrorCode.CONTENT_POLICY_VIOLATION)
        self.verdict = verdict
        self.layer = layer  # "prompt", "source" or "picture"
