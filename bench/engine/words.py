"""A tokenizer without files, and prompts of exactly so many tokens."""

import random
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "Describe", " the", " image", " by", " detailing", " color", ",", " shape", " size",
    " texture", " quantity", " text", " spatial", " relationships", " of", " objects", " and",
    " background", ":", "system", "user", "assistant",
)  # fmt: skip
VOCABULARY = 256 + len(SPECIAL) + len(TEMPLATE)
LETTERS = "bcdfghjklmnpqrstvwxz"  # of which no word of the template can be written


def tokenizer() -> PreTrainedTokenizerFast:
    """A token for each byte, and one for each word of Krea 2's template.

    So the template has 34 and 5 tokens, as with the real tokenizer.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words.decoder = decoders.ByteLevel()
    words.add_special_tokens(list(SPECIAL))
    words.add_tokens([AddedToken(word, normalized=False) for word in TEMPLATE])
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token=SPECIAL[0], eos_token=SPECIAL[2], padding_side="right"
    )


def prompt(pipe: Any, tokens: int, number: int) -> str:
    """A prompt that the transformer reads as so many tokens, with the template's last ones.

    Another for each `number`. Raises ValueError where so few cannot be.
    """
    start = pipe.prompt_template_encode_start_idx
    wanted = tokens - pipe.prompt_template_encode_num_suffix_tokens
    if wanted < 1:
        raise ValueError(f"{tokens} tokens are fewer than the template's own")

    def count(text: str) -> int:
        return len(pipe.tokenizer(pipe.prompt_template_encode_prefix + text).input_ids) - start

    source = random.Random(number)
    text = "".join(source.choices(LETTERS, k=wanted))
    while count(text) < wanted:
        text += source.choice(LETTERS)
    while count(text) > wanted:
        text = text[:-1]
    return text
