"""Puts LoRA styles on a loaded model for one turn, and takes them off for the next."""

import logging
import warnings
from typing import Any

from safelight.catalog.request import ImageRequest
from safelight.engines.diffusers.placing import denoiser_of
from safelight.engines.diffusers.rack import MOST_STYLES, Style, StyleRack, pin
from safelight.errors import ConfigurationError, EngineError, JobErrorCode

__all__ = ["MOST_LOADED", "StyleRack", "Wardrobe", "Wearing", "pin"]

MOST_LOADED = MOST_STYLES  # adapters in memory at once
EXPECTED_WARNINGS = (
    "Already found a `peft_config`",  # several adapters are what we mean
    "TorchaoLoraLinear was instantiated without",  # none is ever merged
)

Wearing = tuple[tuple[str, float], ...]  # styles' ids with their strengths, sorted

log = logging.getLogger(__name__)


class Wardrobe:
    """The styles of one loaded model. Not for two threads at once: `wear` belongs to a turn.

    Only the denoiser wears styles: a LoRA that also changes a text encoder is refused, because
    prompts are encoded beside other jobs' turns.
    """

    def __init__(self, pipe: Any, rack: StyleRack | None, *, most_loaded: int = MOST_LOADED):
        """Checks every style's hash and fit, and loads the first ones, before blocks are compiled.

        Raises ConfigurationError.
        """
        self._pipe = pipe
        self._denoiser = denoiser_of(pipe)
        self._rack = rack
        self._most_loaded = most_loaded
        self._loaded: dict[str, Style] = {}  # by id, the longest unused first
        self._worn: Wearing | None = ()  # None: nobody knows, as putting some on has failed
        for style in rack.styles.values() if rack else ():
            self._check(style)
            if len(self._loaded) < most_loaded:
                self._load(style)
        if self._loaded:
            self._denoiser.disable_lora()

    def wanted(self, request: ImageRequest) -> Wearing:
        """The request's styles; the strengths of one that is named twice are added.

        Raises EngineError for a style that is not on the rack, or for too many.
        """
        strengths: dict[str, float] = {}
        for style in request.parameters.get("styles") or ():
            if self._rack is None or style["id"] not in self._rack.styles:
                raise _refusal(f"There is no style {style['id']} for this model.")
            strengths[style["id"]] = strengths.get(style["id"], 0.0) + float(style["strength"])
        wanted = tuple(sorted((name, value) for name, value in strengths.items() if value))
        if len(wanted) > min(MOST_STYLES, self._most_loaded):
            raise _refusal(f"At most {MOST_STYLES} styles can be combined.")
        return wanted

    def prompt(self, prompt: str, wanted: Wearing) -> str:
        """The prompt, with the words that the styles answer to unless they are there already."""
        if self._rack is None:
            return prompt
        words = [self._rack.styles[name].prompt for name, _ in wanted]
        missing = [text for text in words if text and text.lower() not in prompt.lower()]
        return ", ".join([prompt, *missing])

    def wear(self, wanted: Wearing) -> None:
        """Exactly these styles from now on. Costs nothing when they are worn already."""
        if wanted == self._worn:
            return
        self._worn = None
        if not wanted:
            self._denoiser.disable_lora()
            self._worn = ()
            return
        assert self._rack is not None
        styles = [self._rack.styles[name] for name, _ in wanted]
        for style in styles:
            self._bring(style, keep=styles)
        self._denoiser.set_adapters(
            [style.adapter for style in styles], [strength for _, strength in wanted]
        )
        self._denoiser.enable_lora()
        self._worn = wanted

    def _bring(self, style: Style, keep: list[Style]) -> None:
        """Have it loaded, in place of the one that was longest unused."""
        if style.id in self._loaded:
            self._loaded[style.id] = self._loaded.pop(style.id)
            return
        kept = {other.id for other in keep}
        while len(self._loaded) >= self._most_loaded:
            oldest = next(name for name in self._loaded if name not in kept)
            self._denoiser.delete_adapters([self._loaded.pop(oldest).adapter])
        try:
            self._load(style)
        except ConfigurationError as error:
            log.error("%s", error)
            raise EngineError(f"The style {style.id} cannot be loaded any more.") from error

    def _load(self, style: Style) -> None:
        assert self._rack is not None
        path = self._rack.checked(style)
        with warnings.catch_warnings():
            for known in EXPECTED_WARNINGS:
                warnings.filterwarnings("ignore", known)
            self._pipe.load_lora_weights(
                str(path.parent),
                weight_name=path.name,
                adapter_name=style.adapter,
                use_safetensors=True,
                local_files_only=True,
            )
        self._loaded[style.id] = style

    def _check(self, style: Style) -> None:
        """Raises ConfigurationError unless the file is the right one and fits the model."""
        assert self._rack is not None
        if not hasattr(self._pipe, "load_lora_weights"):
            raise ConfigurationError(f"{type(self._pipe).__name__} takes no styles")
        path = self._rack.checked(style)
        try:
            read = self._pipe.lora_state_dict(
                str(path.parent), weight_name=path.name, use_safetensors=True, local_files_only=True
            )
        except Exception as error:  # converters of foreign layouts raise whatever they like
            raise ConfigurationError(f"The style {style.id} cannot be read: {error}") from error
        _check_fit(style, read[0] if isinstance(read, tuple) else read, self._denoiser)


def _check_fit(style: Style, tensors: dict[str, Any], denoiser: Any) -> None:
    """The library loads what fits, warns, or stretches the model: here it fits or is refused."""
    modules = dict(denoiser.named_modules())
    matched = 0
    for name, tensor in tensors.items():
        part, _, layer = name.partition(".")
        if part.startswith("text_encoder"):
            raise ConfigurationError(
                f"The style {style.id} also changes {part}, which is not supported"
            )
        if "lora" not in name:
            raise ConfigurationError(f"The style {style.id} is not a plain LoRA: it has {name}")
        down = ".lora_A." in name
        module = modules.get(layer.partition(".lora_")[0])
        if module is None or not down:
            continue
        if tensor.shape[1] != module.in_features:
            raise ConfigurationError(f"The style {style.id} was made for another model: {name}")
        matched += 1
    if matched == 0:
        raise ConfigurationError(
            f"The style {style.id} matches no layer of {type(denoiser).__name__}"
        )


def _refusal(message: str) -> EngineError:
    return EngineError(message, code=JobErrorCode.INVALID_PARAMETERS)
