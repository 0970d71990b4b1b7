"""What judges Mini's pictures: its questions, its parts of pictures and its figures."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # training/ is beside tests/, and no installed package

torch = pytest.importorskip("torch")

from training.captions import Concept  # noqa: E402
from training.diversity import apart, distances, parting  # noqa: E402
from training.eye import FEATURES, THUMB, Eye, Look, with_outputs  # noqa: E402
from training.impressions import hues, numbers, standing_out  # noqa: E402
from training.judge import knows  # noqa: E402
from training.linear import fit_linear  # noqa: E402
from training.pages import (  # noqa: E402
    BEGIN,
    END,
    GOALS,
    SHEETS,
    contact_sheets,
    smaller,
    table,
    written,
)
from training.panel import Judge  # noqa: E402
from training.questions import (  # noqa: E402
    BESIDE,
    CREATURES,
    KOREAN_SETTINGS,
    RELATIONS,
    SEATS,
    WORN,
    Question,
    a,
    hundred,
    questions,
)
from training.staged import COUNTS, SETTINGS, Asked, answers, at_random, cutout  # noqa: E402
from training.things import Things, kind  # noqa: E402
from training.views import closer, parts  # noqa: E402

from safelight.moderation.pictures import WEIGHTS as EYE  # noqa: E402
from training import colours  # noqa: E402


@pytest.fixture(scope="module")
def things() -> Things:
    """The evaluation's own, a hundred others, and a face, which has no colour."""
    names = list(CREATURES | BESIDE | SEATS | WORN) + [f"thing {n}" for n in range(100)]
    concepts = [Concept(str(k), name, f"이름{k}", (), (), 3, True) for k, name in enumerate(names)]
    return Things([*concepts, Concept("face", "smiling face", "얼굴", (), (), 0, False)])


def test_a_thing_is_called_the_same_without_words_that_only_qualify_it():
    assert kind("cat face") == kind("black cat") == kind("cat") == "cat"
    assert kind("new moon face") == kind("waxing crescent moon")
    assert kind("moon cake") == "moon cake"
    assert kind("dog") != kind("hot dog")
    assert kind("white") == "white"  # a word that stands alone is a name


def test_only_what_may_have_any_colour_is_named(things: Things):
    assert "smiling" not in things.kinds
    assert things.kinds[things.kind_of(things.concept("rock"))] == "rock"


def test_what_is_taught_is_never_a_pair_that_is_held_out(things: Things):
    random = np.random.default_rng(1)
    concepts = [k for k, _ in things.secret]
    taught = [at_random(int(random.choice(concepts)), things, random) for _ in range(3000)]
    assert things.secret
    assert not things.secret & {(asked.concept, asked.colour) for asked in taught}
    assert {asked.count for asked in taught} == set(range(1, COUNTS + 1))
    assert {asked.setting for asked in taught} == set(range(len(SETTINGS)))


def test_every_held_out_pair_is_asked_for_in_both_languages(things: Things):
    for korean in (False, True):
        asked = questions(things, korean)["held-out pairs"]
        assert {(q.asked.concept, q.asked.colour) for q in asked} == things.secret
        assert len({q.prompt for q in asked}) == len(asked)
        assert all(any("가" <= c <= "힣" for c in q.prompt) == korean for q in asked)


def test_both_languages_ask_for_the_same(things: Things):
    english, korean = questions(things, korean=False), questions(things, korean=True)
    assert [q.asked for part in english.values() for q in part] == [
        q.asked for part in korean.values() for q in part
    ]
    assert len(KOREAN_SETTINGS) == len(SETTINGS)


def test_every_count_background_and_relation_is_asked_for(things: Things):
    asked = questions(things, korean=False)
    assert {q.asked.count for q in asked["counts"]} == set(range(1, COUNTS + 1))
    assert {q.asked.setting for q in asked["backgrounds"]} == set(range(1, len(SETTINGS)))
    for relation in RELATIONS:
        assert all(q.asked.relation == relation for q in asked[relation])
        assert all(q.asked.concept != q.asked.other for q in asked[relation])
    assert "an owl" in {q.prompt for q in asked["counts"]}
    assert a("elephant") == "an elephant"


def test_a_hundred_kinds_hold_all_that_pairs_ask_for(things: Things):
    assert len(hundred(things)) == 100
    assert {things.kind_of(k) for k, _ in things.secret} <= set(hundred(things))


def test_answers_are_numbered_as_asked(things: Things):
    blue = colours.IDS["blue"]
    asked = Asked(things.concept("owl"), blue, 3, SETTINGS.index("underwater"))
    assert answers(asked, things) == (things.kind_of(things.concept("owl")), blue, 3, 11)


def a_picture(*blots: tuple[int, int, int, int]) -> np.ndarray:
    """Blots (left, top, right, bottom, in pixels of 224), each darker than the last, on grey."""
    pixels = np.full((224, 224, 3), 230, np.uint8)
    for number, (left, top, right, bottom) in enumerate(blots):
        pixels[top:bottom, left:right] = (150 - 100 * number, 0, 0)
    return pixels


def test_the_left_part_of_a_picture_holds_the_left_thing_and_the_right_part_the_other():
    left, right = parts(a_picture((20, 100, 80, 180), (100, 80, 200, 180)), "left")
    assert (left == 150).any()
    assert not (left == 50).any()
    assert (right == 50).any()
    assert not (right == 150).any()


def test_the_upper_part_of_a_picture_holds_what_is_on_the_other():
    upper, lower = parts(a_picture((80, 40, 140, 120), (60, 120, 160, 180)), "on")
    assert (upper == 150).sum() > (upper == 50).sum()
    assert (lower == 50).sum() > (lower == 150).sum()


def test_a_closer_look_is_square_and_full_of_what_stands_out():
    close = closer(a_picture((60, 100, 120, 140)))
    assert abs(close.shape[0] - close.shape[1]) <= 1
    assert 60 < close.shape[0] < 80
    assert ((close == 150).sum()) == 60 * 40
    assert closer(a_picture()).shape == (224, 224, 3)  # nothing stands out


def test_a_mirrored_drawing_faces_the_other_way():
    sprite = np.zeros((8, 8, 4), np.float32)
    sprite[2:6, 0:3] = (1, 0, 0, 1)
    straight, mirrored = cutout(sprite, mirrored=False), cutout(sprite, mirrored=True)
    assert straight.box == (0, 0.25, 0.375, 0.75)
    assert mirrored.box == (0.625, 0.25, 1, 0.75)
    assert np.asarray(straight.texture)[3, 1].tolist() == [255, 0, 0]


def test_a_linear_head_tells_classes_apart_among_those_allowed(tmp_path: Path):
    random = np.random.default_rng(0)
    means = random.standard_normal((3, 40))
    said = np.repeat([4, 7, 9], 40)
    pooled = (means[np.searchsorted([4, 7, 9], said)]) + 0.4 * random.standard_normal((120, 40))
    head = fit_linear(pooled[::2], said[::2], shrinkage=0.3)
    assert (head.among(pooled[1::2], [4, 7, 9]) == said[1::2]).all()
    assert set(head.among(pooled, [4, 9]).tolist()) == {4, 9}
    few = Judge(["nine", "four"], {"thing": head.only([9, 4])})
    few.save(tmp_path / "few.npz")
    again = Judge.read(tmp_path / "few.npz")
    assert again.things == ["nine", "four"]
    numbers = again.heads["thing"].among(pooled[said != 7], [0, 1])
    assert (numbers == np.where(said[said != 7] == 9, 0, 1)).all()


def test_the_eye_sees_what_is_there_and_in_which_colour():
    pixels = np.full((256, 256, 3), 255, np.uint8)
    pixels[:, 128:] = (200, 20, 20)
    look = Eye(EYE).look(pixels)
    assert look.mean.shape == look.peak.shape == (FEATURES,)
    assert (look.peak >= look.mean).all()
    assert look.thumb[5, 2].tolist() == [255, 255, 255]
    assert look.thumb[5, -2].tolist() == [200, 20, 20]


def a_look(*blots: tuple[int, tuple[int, int, int]]) -> Look:
    """Of one picture with blots of a colour, from a column on, on grey."""
    thumb = np.full((1, THUMB, THUMB, 3), 230, np.uint8)
    for left, colour in blots:
        thumb[0, 20:36, left : left + 6] = colour
    nothing = np.zeros((1, FEATURES), np.float16)
    return Look(nothing, nothing, thumb)


def test_hues_are_of_the_thing_and_not_of_its_place_or_of_the_background():
    here, there, blue = (
        hues(a_look((left, colour)))
        for left, colour in ((10, (220, 20, 20)), (40, (220, 20, 20)), (10, (20, 20, 220)))
    )
    assert np.allclose(here, there, atol=1e-5)
    assert np.abs(here - blue).max() > 0.5
    assert standing_out(a_look((10, (220, 20, 20))).thumb).sum() == pytest.approx(16 * 6)


def test_numbers_are_of_how_many_stand_out_and_not_of_where():
    red = (220, 20, 20)
    one, moved, two = (
        numbers(a_look(*blots)) for blots in ([(10, red)], [(30, red)], [(10, red), (30, red)])
    )
    assert np.allclose(one, moved, atol=1e-3)
    assert np.abs(one - two).max() > 0.02


def test_a_graph_answers_with_its_inner_values_too():
    names = ("MobilenetV2/Conv/Relu6",)
    session = onnxruntime.InferenceSession(with_outputs(EYE.read_bytes(), names))
    assert [output.name for output in session.get_outputs()] == ["probabilities", *names]


def test_the_threshold_parts_what_is_the_same_from_what_is_not():
    same, other = np.array([0.1, 0.2, 0.3]), np.array([0.25, 0.5, 0.6, 0.7])
    assert 0.2 <= parting(same, other) <= 0.3


def test_pictures_count_as_distinct_only_beyond_the_threshold_from_all_others():
    vectors = np.eye(4)[[0, 0, 1, 2]]
    assert apart(distances(vectors), 0.5) == 3
    assert apart(distances(vectors[:2]), 0.5) == 1


def test_contact_sheets_are_moderate_in_size(things: Things, tmp_path: Path):
    asked = set[str]()

    def artist(side: int):
        def draw(question: Question, seed: int) -> np.ndarray:
            asked.add(question.prompt)
            return np.random.default_rng(seed).integers(0, 255, (side, side, 3)).astype(np.uint8)

        return draw

    contact_sheets(artist, things, tmp_path)
    sheets = sorted(path.name for path in tmp_path.iterdir())
    assert sheets == [f"{name}.jpg" for name in SHEETS]
    assert {q.prompt for q in questions(things, korean=False)["held-out pairs"]} < asked
    assert "silver headphones on a matte-black backdrop" in asked
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (900, 900, 3), np.uint8))
    noise.save(tmp_path / "noise.jpg", quality=95)
    before = (tmp_path / "noise.jpg").stat().st_size
    smaller(tmp_path / "noise.jpg")
    assert (tmp_path / "noise.jpg").stat().st_size < before / 2


def test_a_folder_of_lessons_keeps_what_its_numbers_mean(things: Things, tmp_path: Path):
    assert knows(tmp_path, things)
    assert knows(tmp_path, things)
    assert not knows(tmp_path, Things(things.concepts[:-2]))


def test_the_tables_stand_between_the_marks_of_the_page():
    share = {name: dict.fromkeys([key, "pictures"], 0.5) for _, (name, key), _ in GOALS}
    for _, (name, key), _ in GOALS:
        share[name][key] = 0.75
    marks = dict.fromkeys(("real", "English", "Korean"), share)
    assert table(marks).count("| 0.75 | 0.75 | 0.75 |") == len(GOALS)
    with pytest.raises(ValueError, match="no <!-- evaluation"):
        written("a page without marks", {})
    found = {
        "date": "2026-01-02",
        "marks": marks,
        "diversity": dict.fromkeys(
            (
                "seeds", "different drawings", "one drawing set up again", "threshold",
                "threshold right", "pairs of seeds beyond", "distinct of 16, mean",
                "distinct of 16, least",
            ),
            0.5,
        ),
        "costs": {"loading_seconds": 1.0, "first_picture_seconds": 2.0}
        | {
            f"{side}_{what}": 3.0
            for side in (1024, 2048)
            for what in ("seconds", "processor_seconds", "peak_megabytes")
        },
    }  # fmt: skip
    page = written(f"before {BEGIN}\nold\n{END} after", found)
    assert page.startswith(f"before {BEGIN}\nMeasured on 2026-01-02")
    assert page.endswith(f"{END} after")
    assert "old" not in page
