"""Prompts become the transformer's text: without padding, and once for each prompt and style."""

import logging
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import torch

from safelight.engines.diffusers.krea2.hooked import is_hooked
from safelight.engines.diffusers.krea2.remembering import Memory

Styles = tuple[tuple[str, float], ...]

BYTES_MAX = 400_000_000  # of remembered texts on the device: 0.7 MB each at 60 tokens
STREAMED_BYTES_MAX = 100_000_000  # where weights are streamed, because memory is short

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Text:
    """One prompt, on the device.

    `states` are the text encoder's tapped layers [1, tokens, taps, width], or, once `fused`, what
    the transformer's blocks read: [1, tokens, width]. No token is padding. A transformer that is
    entered whole is given the tapped layers.
    """

    prompt: str
    states: torch.Tensor
    fused: bool  # nothing is left to be done before the steps
    tokens: int  # of the prompt itself, before any were left out
    left_out: int


class Texts:
    """Tokens as `Krea2Pipeline` counts and cuts them; states without its padding.

    The text encoder reads causally and counts only real tokens, and the transformer gives text no
    positions. So padding that is masked everywhere may as well not be there.
    """

    def __init__(self, pipe: Any, limit: int, remembered: int):
        trim_text_encoder(pipe)
        self._pipe = pipe
        self._limit = limit
        self._whole = is_hooked(pipe.transformer)
        self._remembered: Memory[Text] = Memory(
            remembered, STREAMED_BYTES_MAX if self._whole else BYTES_MAX
        )
        self._lock = Lock()  # a fast tokenizer's truncation is a state of its own
        self._start, self._suffix = measure_template(pipe)

    @torch.no_grad()
    def read(self, prompt: str, styles: Styles) -> Text:
        """The prompt as it is remembered, or else as the encoder reads it, not fused yet.

        Any thread may call it, at any time: styles do not touch the text encoder.
        """
        known = self._remembered.recall((prompt, styles))
        if known is not None:
            return known
        with self._lock:
            ids, tokens = self._tokenize(prompt)
            states = self._tap(ids)
        kept = len(ids) - self._start - len(self._suffix)
        return Text(prompt, states, fused=False, tokens=tokens, left_out=tokens - kept)

    @torch.no_grad()
    def fuse(self, text: Text, styles: Styles) -> Text:
        """What the blocks read. Only in a job's turn, with its styles on: they may touch this."""
        if text.fused:
            return text
        transformer = self._pipe.transformer
        states = text.states
        if not self._whole:
            states = transformer.txt_in(transformer.text_fusion(states))
        fused = replace(text, states=states, fused=True)
        return self._remembered.keep((text.prompt, styles), fused, states.nbytes)

    def forget(self, prompt: str, styles: Styles) -> None:
        """What came of it was spoiled, and it may be the reason."""
        self._remembered.forget((prompt, styles))

    def read_padded(self, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
        """The stock pipeline's padded states and mask, for its plain path."""
        with self._lock, torch.no_grad():
            return self._pipe.encode_prompt(prompt, max_sequence_length=self._limit)

    def _tokenize(self, prompt: str) -> tuple[list[int], int]:
        """Prefix, prompt and suffix as tokens, and how many the whole prompt has.

        The prefix and the prompt go in as one string, because that is what the stock pipeline
        does: a line break that leads the prompt merges with the one that ends the prefix.
        """
        tokenizer, whole = self._pipe.tokenizer, self._pipe.prompt_template_encode_prefix + prompt
        longest = self._limit + self._start - len(self._suffix)
        ids = tokenizer(whole, truncation=True, max_length=longest).input_ids
        tokens = len(ids)
        if tokens >= longest:
            tokens = len(tokenizer(whole).input_ids)
        return ids + self._suffix, tokens - self._start

    def _tap(self, ids: list[int]) -> torch.Tensor:
        device = self._pipe._execution_device  # the encoder itself may be parked elsewhere
        count = torch.arange(len(ids), device=device)
        outputs = self._pipe.text_encoder(
            input_ids=torch.tensor([ids], device=device),
            position_ids=count.view(1, 1, -1).expand(3, 1, -1),
            output_hidden_states=True,
            use_cache=False,
        )
        layers = [outputs.hidden_states[i] for i in self._pipe.text_encoder_select_layers]
        return torch.stack(layers, dim=2)[:, self._start :]


def measure_template(pipe: Any) -> tuple[int, list[int]]:
    """The number of tokens before the prompt, and the tokens after it.

    The pipeline's own numbers hold for the real tokenizer. Where another is loaded they are put
    right, with a warning, since its plain path reads them.
    """
    start = len(pipe.tokenizer(pipe.prompt_template_encode_prefix).input_ids)
    suffix = list(pipe.tokenizer(pipe.prompt_template_encode_suffix).input_ids)
    said = (pipe.prompt_template_encode_start_idx, pipe.prompt_template_encode_num_suffix_tokens)
    if said != (start, len(suffix)):
        log.warning(
            "This tokenizer is not the one that Krea 2 was trained with: its template has %d and"
            " %d tokens, not %d and %d.", start, len(suffix), *said,
        )  # fmt: skip
        pipe.prompt_template_encode_start_idx = start
        pipe.prompt_template_encode_num_suffix_tokens = len(suffix)
    return start, suffix


def trim_text_encoder(pipe: Any) -> None:
    """Drop the layers after the last one that is tapped, and the vision tower.

    The final norm would then be applied to a tapped state, so it goes too. Where the last layer
    itself is tapped, the stock pipeline taps it normed, and everything stays.
    """
    if hasattr(pipe.text_encoder, "visual"):
        del pipe.text_encoder.visual
    language_model = pipe.text_encoder.language_model
    last = max(pipe.text_encoder_select_layers)
    if last < len(language_model.layers):
        language_model.layers = language_model.layers[:last]
        language_model.norm = torch.nn.Identity()
