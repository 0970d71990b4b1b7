"""What a filter finds: allowed, or refused with a category."""

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


SENTENCES = {
    Category.MINORS: "Sexual content with minors is never made here.",
    Category.NON_CONSENSUAL: "Intimate pictures of real people are not made here.",
    Category.SEXUAL: "It was found to be sexual content.",
    Category.GORE: "It was found to be graphic violence.",
    Category.HATE: "It was found to be hateful or extremist content.",
    Category.SELF_HARM: "It was found to be about self-harm.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed, when there is no category. It never quotes what it was found in."""

    category: Category | None = None
    score: float = 0.0  # 0 to 1, of what the category is about; rules know only 1
    filter: str = ""  # the name of the filter that found it

    @property
    def allowed(self) -> bool:
        return self.category is None

    def enforce(self) -> None:
        """Raises the EngineError that a refused job ends with; returns when it is allowed."""
        if self.category is not None:
            raise EngineError(SENTENCES[self.category], code=JobErrorCode.CONTENT_POLICY_VIOLATION)


ALLOWED = Verdict()
