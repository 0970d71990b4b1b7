"""The content filters of this install, as its settings and its models' licences want them."""

import logging
from collections.abc import Callable

from safelight.catalog import Catalog, licences
from safelight.cli import open_weights
from safelight.engines.diffusers.rack import read_list
from safelight.errors import ConfigurationError
from safelight.flows.work.review import Review
from safelight.jobs import Job
from safelight.moderation import Level, Moderator, NsfwClassifier, PromptRules
from safelight.settings import Settings
from safelight.telemetry import Tell, silent

log = logging.getLogger(__name__)

LOOSE = (
    "SAFELIGHT_MODERATION__LEVEL=minors: prompts and pictures are refused for sexual content with"
    " minors only. What is made is yours to answer for."
)


def build_review(config: Settings, models: Catalog, tell: Tell = silent) -> Review:
    """The filters, for every job. Raises ConfigurationError for a level that licences forbid."""
    # Half of the threads, as a picture is encoded and signed on another core meanwhile.
    threads = max(1, config.engine.threads // 2)
    moderator = Moderator([PromptRules()], [NsfwClassifier(threads=threads)])
    return Review(moderator, level(config, models), _drawn_words(config), tell)


def level(config: Settings, models: Catalog) -> Level:
    """How much is refused. Raises ConfigurationError where a licence asks for more."""
    chosen = Level(config.moderation.level)
    if chosen is Level.MINORS:
        for model_id in open_weights.configured(config, models):
            if licences.requires_filters(models.find(model_id).licence):
                raise ConfigurationError(
                    f"SAFELIGHT_MODERATION__LEVEL=minors: the licence of {model_id} asks for"
                    " content filters; set base or strict, or serve without these weights"
                )
    return chosen


def announce(config: Settings, models: Catalog) -> None:
    """Say it loudly when less than the base is refused. Raises ConfigurationError as `level`."""
    if level(config, models) is Level.MINORS:
        log.warning("%s", LOOSE)


def _drawn_words(config: Settings) -> Callable[[Job], str]:
    """The prompt, and the words that the operator's styles add to it."""
    if config.torch.styles is None:
        return lambda job: job.request.prompt
    added = {style.id: style.prompt for style in read_list(config.torch.styles)}

    def words(job: Job) -> str:
        worn = job.request.parameters.get("styles") or ()
        return ", ".join([job.request.prompt, *filter(None, (added.get(s["id"]) for s in worn))])

    return words
