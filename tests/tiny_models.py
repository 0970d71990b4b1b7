"""Models of the real classes with tiny random weights, saved in the format of the real ones."""

import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    Krea2Pipeline,
    Krea2Transformer2DModel,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    PreTrainedTokenizerFast,
    Qwen3VLConfig,
    Qwen3VLModel,
    T5Config,
    T5EncoderModel,
)

TOKENS = 512
CORPUS = [
    "Describe the image by detailing the color, shape, size, texture, quantity, text, spatial"
    " relationships of the objects and background: a photograph of a red fox in the snow,"
    " system user assistant\n"
]


def tokenizer(specials: tuple[str, ...], *, end: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE of 512 tokens, trained here in 10 ms; the first special one pads."""
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=model, pad_token=specials[0], eos_token=end, padding_side="right"
    )


def krea2(
    *, distilled: bool = True, seed: int = 0, text_layers: int = 3, layers: int = 2, heads: int = 4
) -> Krea2Pipeline:
    """Krea 2 with 120 thousand parameters: real classes, the real VAE's geometry (f8, 16 channels).

    The text encoder has `text_layers` layers, of which all but the last are tapped, as in the
    real one. The template's token counts, which the pipeline hard-codes for the real tokenizer,
    are those of ours; they are not saved with it.
    """
    torch.manual_seed(seed)
    taps = tuple(range(text_layers))
    transformer = Krea2Transformer2DModel(
        in_channels=64, num_layers=layers, attention_head_dim=16, num_attention_heads=heads,
        num_key_value_heads=heads // 2, intermediate_size=64, timestep_embed_dim=16,
        text_hidden_dim=32,
        num_text_layers=len(taps), text_num_attention_heads=2, text_num_key_value_heads=2,
        text_intermediate_size=32, num_layerwise_text_blocks=1, num_refiner_text_blocks=1,
        axes_dims_rope=(4, 6, 6), rope_theta=1000.0,
    )  # fmt: skip
    for name, parameter in transformer.named_parameters():
        if "scale_shift_table" in name or ".norm" in name:  # zero when made, and then inert
            torch.nn.init.normal_(parameter, std=0.05)
    vae = AutoencoderKLQwenImage(
        base_dim=8, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, attn_scales=[],
        temperal_downsample=[False, True, True],
        latents_mean=[0.1 * (i % 3 - 1) for i in range(16)],
        latents_std=[1.0 + 0.05 * i for i in range(16)],
    )  # fmt: skip
    text = Qwen3VLConfig(
        text_config={
            "vocab_size": TOKENS, "hidden_size": 32, "intermediate_size": 32,
            "num_hidden_layers": text_layers, "num_attention_heads": 2, "num_key_value_heads": 2,
            "head_dim": 16,
            "rope_parameters": {
                "rope_type": "default", "mrope_section": [4, 2, 2], "rope_theta": 10000.0,
            },
        },
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2,
            "out_hidden_size": 32, "deepstack_visual_indexes": [0],
        },
    )  # fmt: skip
    pipe = Krea2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15,
            base_image_seq_len=256, max_image_seq_len=6400,
        ),
        vae=vae.eval(),
        text_encoder=Qwen3VLModel(text).eval(),
        tokenizer=tokenizer(("<|endoftext|>", "<|im_start|>", "<|im_end|>"), end="<|im_end|>"),
        transformer=transformer.eval(),
        text_encoder_select_layers=taps,
        is_distilled=distilled,
    )  # fmt: skip
    return count_template(pipe)


def count_template(pipe: Krea2Pipeline) -> Krea2Pipeline:
    """Give the stock pipeline the token counts of the tokenizer it has."""
    pipe.prompt_template_encode_start_idx = len(
        pipe.tokenizer(pipe.prompt_template_encode_prefix).input_ids
    )
    pipe.prompt_template_encode_num_suffix_tokens = len(
        pipe.tokenizer(pipe.prompt_template_encode_suffix).input_ids
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def flux(*, guidance: bool = False, seed: int = 0) -> FluxPipeline:
    """FLUX.1: schnell's kind, or with `guidance` dev's."""
    torch.manual_seed(seed)
    clip = CLIPTextConfig(
        hidden_size=32, intermediate_size=37, num_attention_heads=4, num_hidden_layers=2,
        vocab_size=1000, projection_dim=32, max_position_embeddings=77,
    )  # fmt: skip
    t5 = T5Config(
        vocab_size=TOKENS, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4,
        is_encoder_decoder=False, use_cache=False,
    )  # fmt: skip
    transformer = FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=32, pooled_projection_dim=32,
        axes_dims_rope=[4, 4, 8], guidance_embeds=guidance,
    )  # fmt: skip
    vae = AutoencoderKL(
        in_channels=3, out_channels=3, sample_size=32, latent_channels=4,
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.0609, scaling_factor=1.5,
    )  # fmt: skip
    words = tokenizer(("<pad>", "<|startoftext|>", "<|endoftext|>"), end="<|endoftext|>")
    words.model_max_length = 77
    pipe = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=guidance),
        vae=vae.eval(),
        text_encoder=CLIPTextModel(clip).eval(),
        tokenizer=words,
        text_encoder_2=T5EncoderModel(t5).eval(),
        tokenizer_2=tokenizer(("<pad>", "</s>", "<unk>"), end="</s>"),
        transformer=transformer.eval(),
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe


def save(pipe: Krea2Pipeline | FluxPipeline, folder: Path) -> Path:
    pipe.save_pretrained(folder, safe_serialization=True)
    return folder
