"""The plain path: the transformer's own forward, padded and masked, for a picture that failed."""

from typing import Any

import torch

from safelight.engines.diffusers.krea2.denoiser import Grid
from safelight.engines.diffusers.krea2.schedule import Moment


@torch.no_grad()
def velocity(
    pipe: Any,
    latents: torch.Tensor,
    moment: Moment,
    *,
    states: torch.Tensor,
    mask: torch.Tensor,
    grid: Grid,
) -> torch.Tensor:
    """[1, tokens, channels], as Krea2Pipeline computes it.

    `states` and `mask` are of `Krea2Pipeline.encode_prompt`. Where there is a mask, our attention
    processor hands over to the stock one; and the blocks are compiled only on the fast path.
    """
    ids = pipe.prepare_position_ids(states.shape[1], grid.height, grid.width, latents.device)
    return pipe.transformer(
        hidden_states=latents,
        encoder_hidden_states=states,
        timestep=moment.timestep,
        position_ids=ids,
        encoder_attention_mask=mask,
        return_dict=False,
    )[0]
