"""Tiny random models of the families that run on their stock pipelines, FLUX.1 apart."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
)

from tiny_models import TOKENS, tokenizer

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


def _words() -> PreTrainedTokenizerFast:
    words = tokenizer(("<|endoftext|>", "<|im_start|>", "<|im_end|>"), end="<|im_end|>")
    words.chat_template = CHAT
    return words


def _qwen3(layers: int) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=TOKENS, hidden_size=32, intermediate_size=32, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=2, head_dim=16, pad_token_id=0,
        bos_token_id=None, eos_token_id=2,
    )  # fmt: skip


def _scheduler() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)


def z_image(*, seed: int = 0) -> ZImagePipeline:
    torch.manual_seed(seed)
    transformer = ZImageTransformer2DModel(
        dim=32, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=32,
        axes_dims=[4, 6, 6], axes_lens=[1024, 64, 64], in_channels=4,
    )  # fmt: skip
    for name in ("x_pad_token", "cap_pad_token"):  # left uninitialised by the class
        torch.nn.init.normal_(getattr(transformer, name), std=0.02)
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1, scaling_factor=0.4,
    )  # fmt: skip
    pipe = ZImagePipeline(
        scheduler=_scheduler(),
        vae=vae.eval(),
        text_encoder=Qwen3Model(_qwen3(2)).eval(),
        tokenizer=_words(),
        transformer=transformer.eval(),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def qwen_image(*, seed: int = 0) -> QwenImagePipeline:
    torch.manual_seed(seed)
    text = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": TOKENS, "hidden_size": 32, "intermediate_size": 32,
            "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
            "rope_parameters": {
                "rope_type": "default", "mrope_section": [4, 2, 2], "rope_theta": 10000.0,
            },
            "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 2,
        },
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2,
            "out_hidden_size": 32,
        },
    )  # fmt: skip
    vae = AutoencoderKLQwenImage(
        base_dim=8, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, attn_scales=[],
        temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 16, latents_std=[1.0] * 16,
    )  # fmt: skip
    pipe = QwenImagePipeline(
        scheduler=_scheduler(),
        vae=vae.eval(),
        text_encoder=Qwen2_5_VLForConditionalGeneration(text).eval(),
        tokenizer=_words(),
        transformer=QwenImageTransformer2DModel(
            in_channels=64, out_channels=16, num_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=32, axes_dims_rope=(4, 6, 6),
        ).eval(),
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe


def flux2_klein(*, seed: int = 0) -> Flux2KleinPipeline:
    torch.manual_seed(seed)
    vae = AutoencoderKLFlux2(
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    pipe = Flux2KleinPipeline(
        scheduler=_scheduler(),
        vae=vae.eval(),
        text_encoder=Qwen3ForCausalLM(_qwen3(28)).eval(),
        tokenizer=_words(),
        transformer=Flux2Transformer2DModel(
            in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=96, timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4), guidance_embeds=False,
        ).eval(),
        is_distilled=True,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe
