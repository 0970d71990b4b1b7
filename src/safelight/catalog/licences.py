"""What a model's licence asks of whoever serves it, in words, and whether it may be served."""

from collections.abc import Collection, Iterator

from safelight.catalog.model import Licence, Model, Obligation

SETTING = "SAFELIGHT_ACCEPT_LICENCES"

# In our own words, for operators and callers; the licence's text is what binds.
DUTIES: dict[Obligation, str] = {
    "non_commercial": (
        "Not for commercial use: nothing that earns revenue, and no service for end users, without"
        " a licence of its own from the vendor."
    ),
    "requires_filters": (
        "Prompts and pictures must pass content filters; here they are on, and cannot be avoided."
    ),
    "requires_notice": "The licence's notice must reach everybody who uses the service.",
    "requires_disclosure": (
        "Pictures must be disclosed as made by AI where law or a platform asks for it."
    ),
    "revenue_limit": (
        "Commercial use ends when the company, with its affiliates, has earned the revenue that"
        " the licence names within twelve months (Krea 2: one million US dollars)."
    ),
}
# What the operator should read when such weights are loaded; the rest needs nothing of them.
SAID_AT_START: tuple[Obligation, ...] = ("revenue_limit", "requires_disclosure")


def requires_filters(licence: Licence) -> bool:
    """Whether prompts and pictures of a model under it must be moderated."""
    return "requires_filters" in licence.obligations


def duties(licence: Licence) -> list[str]:
    """One sentence for each obligation, always in the same order."""
    return [words for name, words in DUTIES.items() if name in licence.obligations]


def refusal(model: Model, accepted: Collection[str]) -> str | None:
    """Why the model's own weights may not be served yet, and what to set; None: they may.

    `accepted` are the catalog ids that the operator has acknowledged.
    """
    if "non_commercial" not in model.licence.obligations or model.id in accepted:
        return None
    ids = ",".join(sorted({*accepted, model.id}))
    return (
        f"{model.title} is under the {model.licence.name} ({model.licence.url})."
        f" {DUTIES['non_commercial']} Prompts and pictures must pass content filters, and"
        " pictures may not be used to train a competing model. Read the licence; if your use is"
        f" within it, say so with {SETTING}={ids}"
    )


def remarks(model: Model) -> Iterator[str]:
    """What to log when the model's own weights are loaded."""
    for name in SAID_AT_START:
        if name in model.licence.obligations:
            yield f"{model.title}, {model.licence.name}: {DUTIES[name]} See {model.licence.url}"


def unknown(accepted: Collection[str], models: Collection[str]) -> str | None:
    """What is wrong with the setting: an id that no model has. None: nothing."""
    strangers = sorted(set(accepted) - set(models))
    return f"{SETTING}: there is no model {', '.join(strangers)}" if strangers else None
