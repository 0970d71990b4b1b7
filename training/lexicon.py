"""The words and the memory that ship beside the nets: lexicon.npz and memory.npy."""

import json
from pathlib import Path

import numpy as np

from training.captions import unit

PEOPLE = (0, 1)  # groups of emojibase: faces, people


def write_lexicon(data: Path, memory: Path, out: Path) -> None:
    """Labels, caption vectors, words that mean a label, and what each remembered latent shows.

    `memory` is what training wrote: int8 latents, their step, and each one's concept and style.
    """
    captions, known = np.load(data / "captions.npz"), np.load(memory)
    concepts = json.loads(str(captions["concepts"]))
    ranks: dict[str, tuple] = {}
    for k, concept in enumerate(concepts):
        for name, tags in (
            (concept["english"], concept["english_tags"]),
            (concept["korean"], concept["korean_tags"]),
        ):
            for word in [name, *tags]:
                if word != name and concept["group"] in PEOPLE and name.lower().split()[0] != word:
                    continue  # feelings and trades are said of too many faces
                _rank(ranks, word.lower(), name.lower(), concept["group"], k)
    rows, owners = [], []
    for k, (deck, concept) in enumerate(zip(captions["deck"], concepts, strict=True)):
        own = list(dict.fromkeys(deck.tolist()))  # name, Korean name, tags, name and tag
        korean = own[1:2] if concept["korean"] else []
        own = [own[0], *(own[-1:] if concept["english_tags"] else []), *korean]
        rows += own
        owners += [k] * len(own)
    np.savez_compressed(
        out / "lexicon.npz",
        labels=[concept["english"] for concept in concepts],
        E=unit(captions["vectors"][rows]).astype(np.float16),
        row=np.array(owners),
        exact=json.dumps({word: rank[-1] for word, rank in ranks.items()}, ensure_ascii=False),
        drawn=known["concept"].astype(np.int16),
        drawn_style=known["style"].astype(np.int8),
        step=known["step"],
    )
    np.save(out / "memory.npy", known["latents"])


def _rank(ranks: dict[str, tuple], word: str, name: str, group: int, k: int) -> None:
    """A name beats a tag, and a short name a long one."""
    if not word:
        return
    rank = (
        word != name,
        not name.startswith(word),
        word not in name,
        group in PEOPLE,
        len(name),
        k,
    )
    if word not in ranks or rank < ranks[word]:
        ranks[word] = rank
