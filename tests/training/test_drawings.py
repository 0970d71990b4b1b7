"""What Safelight Mini learns from: every source may be shipped, every added concept is whole."""

import re
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # training/ is beside tests/, and no installed package

from training.added import added_concepts  # noqa: E402
from training.picked import clip_art  # noqa: E402

from training import packages  # noqa: E402

ADDED = added_concepts()
SOURCES = {source.name: source for source in packages.sources()}
CREDITED = {"CC-BY-3.0", "CC-BY-4.0"}
HANGUL = re.compile("[가-힣]")


def repeated(words: list[str]) -> list[str]:
    return [word for word, times in Counter(words).items() if times > 1]


def test_every_source_has_a_licence_that_may_be_shipped_and_an_author() -> None:
    rows = tomllib.loads(packages.MANIFEST.read_text())["source"]
    assert {row["licence"] for row in rows} <= packages.LICENCES
    assert all(row["author"] and row["version"] and row["use"] for row in rows)
    assert not repeated([row["name"] for row in rows])


def test_a_licence_that_may_not_be_shipped_is_refused(tmp_path: Path) -> None:
    text = packages.MANIFEST.read_text().replace('"CC-BY-4.0"', '"CC-BY-SA-4.0"', 1)
    (tmp_path / "manifest.toml").write_text(text)
    with pytest.raises(ValueError, match=r"CC-BY-SA-4\.0 may not be used"):
        packages.sources(tmp_path / "manifest.toml")


def test_the_notice_names_whoever_asks_to_be_named() -> None:
    notice = " ".join((ROOT / "NOTICE").read_text().split())
    for row in tomllib.loads(packages.MANIFEST.read_text())["source"]:
        if row["licence"] in CREDITED:
            assert row["author"] in notice, row["name"]


def test_every_added_concept_has_names_and_tags_in_both_languages() -> None:
    for concept in ADDED:
        assert re.fullmatch(r"x-[a-z0-9-]+", concept.code), concept.code
        assert concept.tags, concept.name
        assert concept.korean_tags, concept.name
        assert not any(map(HANGUL.search, [concept.name, *concept.tags])), concept.name
        assert all(map(HANGUL.search, [concept.korean, *concept.korean_tags])), concept.name
        assert concept.group in {3, 4, 5, 6, 7}


def test_codes_and_names_of_added_concepts_are_their_own() -> None:
    assert not repeated([concept.code for concept in ADDED])
    assert not repeated([concept.name.lower() for concept in ADDED])
    assert not repeated([concept.korean for concept in ADDED])


def test_no_added_concept_has_the_name_of_an_emoji_in_either_language() -> None:
    lines = (ROOT / "training/data/emoji.txt").read_text().splitlines()
    emoji = {name for line in lines for name in line.split("\t")}
    assert len(lines) > 1300
    assert not emoji & {name for c in ADDED for name in (c.name.lower(), c.korean)}


def test_every_drawing_of_an_added_concept_is_in_a_source_that_is_picked_from() -> None:
    for concept in ADDED:
        assert concept.drawings or concept.emoji, concept.name
        for source, icon in concept.drawings:
            assert SOURCES[source].picked, (concept.name, source)
            assert icon, concept.name
    assert not repeated([f"{source}:{icon}" for c in ADDED for source, icon in c.drawings])


def test_clip_art_that_does_not_say_it_is_public_domain_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "pump.svg"
    file.write_text('<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>')
    with pytest.raises(ValueError, match="public domain"):
        clip_art(file)
