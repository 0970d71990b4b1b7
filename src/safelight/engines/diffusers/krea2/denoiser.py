"""One forward of the transformer, from parts that were computed before and blocks compiled once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_krea2 import Krea2AttnProcessor

from safelight.engines.diffusers.attention import Attend
from safelight.engines.diffusers.krea2.hooked import is_hooked
from safelight.engines.diffusers.krea2.remembering import Memory
from safelight.engines.diffusers.krea2.schedule import Moment
from safelight.engines.diffusers.krea2.text import Text

ROTARY_REMEMBERED = 8  # tables: 17 MB each at 2K

Compiler = str | Callable[..., Any]
Rotary = tuple[torch.Tensor, torch.Tensor]


class UnmaskedAttention:
    """The stock processor with another attention in its middle, where there is no mask.

    Keys and values keep their 12 heads. With a mask, as on the plain path, it is the stock one.
    """

    def __init__(self, attend: Attend):
        self._attend = attend
        self._stock = Krea2AttnProcessor()

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: Rotary | None = None,
    ) -> torch.Tensor:
        if attention_mask is not None:
            return self._stock(attn, hidden_states, attention_mask, image_rotary_emb)
        query = attn.norm_q(attn.to_q(hidden_states).unflatten(-1, (attn.num_heads, attn.head_dim)))
        key = attn.norm_k(
            attn.to_k(hidden_states).unflatten(-1, (attn.num_kv_heads, attn.head_dim))
        )
        value = attn.to_v(hidden_states).unflatten(-1, (attn.num_kv_heads, attn.head_dim))
        if image_rotary_emb is not None:
            query = apply_rotary_emb(query, image_rotary_emb, sequence_dim=1)
            key = apply_rotary_emb(key, image_rotary_emb, sequence_dim=1)
        mixed = self._attend(query, key, value).flatten(2, 3)
        return attn.to_out[0](mixed * torch.sigmoid(attn.to_gate(hidden_states)))


@dataclass(frozen=True)
class Grid:
    """A picture in tokens of 16 × 16 pixels."""

    height: int
    width: int

    @property
    def tokens(self) -> int:
        return self.height * self.width


class Denoiser:
    """The transformer without what a step shares with all others of its prompt or schedule."""

    def __init__(
        self, pipe: Any, attend: Attend, device: torch.device, compiler: Compiler | None = None
    ):
        """`compiler` is a backend of torch.compile, such as "inductor"; None: eager."""
        self._transformer = pipe.transformer
        self._position_ids = pipe.prepare_position_ids
        self._device = device
        self._whole = is_hooked(pipe.transformer)
        self._rotary: Memory[Rotary] = Memory(ROTARY_REMEMBERED)
        for block in self._transformer.transformer_blocks:
            block.attn.set_processor(UnmaskedAttention(attend))
        self._compiled = _run_block if compiler is None else _compiled(compiler)

    def stop_compiling(self) -> None:
        """Where this machine has no compiler, after all."""
        self._compiled = _run_block

    @torch.no_grad()
    def velocity(
        self, latents: torch.Tensor, moment: Moment, *, text: Text, grid: Grid, styled: bool = False
    ) -> torch.Tensor:
        """[1, grid.tokens, channels] of noisy latents → the same shape: noise less picture.

        With styles on, the blocks run as they are written: each set of adapters would be another
        graph, and to compile it would hold up everybody's turn.
        """
        if self._whole:
            return self._velocity_whole(latents, moment, text, grid)
        transformer = self._transformer
        run_block = _run_block if styled else self._compiled
        rotary = self._rotary_table(grid, text.states.shape[1])
        hidden = torch.cat([text.states, transformer.img_in(latents)], dim=1)
        for block in transformer.transformer_blocks:
            hidden = run_block(block, hidden, moment.modulation, rotary)
        return transformer.final_layer(hidden[:, text.states.shape[1] :], moment.embedding)

    def _velocity_whole(
        self, latents: torch.Tensor, moment: Moment, text: Text, grid: Grid
    ) -> torch.Tensor:
        """By the transformer's own forward, whose hooks bring its weights; still unpadded."""
        return self._transformer(
            hidden_states=latents,
            encoder_hidden_states=text.states,
            timestep=moment.timestep,
            position_ids=self._position_ids(
                text.states.shape[1], grid.height, grid.width, self._device
            ),
            return_dict=False,
        )[0]

    def _rotary_table(self, grid: Grid, text_tokens: int) -> Rotary:
        key = (grid, text_tokens)
        table = self._rotary.recall(key)
        if table is None:
            ids = self._position_ids(text_tokens, grid.height, grid.width, self._device)
            table = self._rotary.keep(key, self._transformer.rotary_emb(ids))
        return table


def _run_block(
    block: torch.nn.Module, hidden: torch.Tensor, modulation: torch.Tensor, rotary: Rotary
) -> torch.Tensor:
    return block(hidden, modulation, rotary)


def _compiled(backend: Compiler) -> Callable[..., torch.Tensor]:
    """One graph for all blocks, sizes and text lengths.

    It is compiled apart from the blocks themselves, so that the plain path stays eager.
    """
    return torch.compile(_run_block, fullgraph=True, dynamic=True, backend=backend)
