"""The embedded engine's reader: which things, how many, in which colour, and where."""

import time

import pytest

import reading
from safelight.engines.mini import WEIGHTS
from safelight.engines.mini.idea import Idea, Setting, Subject
from safelight.engines.mini.lexicon import Lexicon, inflections
from safelight.engines.mini.prompt import parse
from safelight.engines.mini.words import split

pytestmark = pytest.mark.skipif(not (WEIGHTS / "lexicon.npz").exists(), reason="no weights")


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return reading.lexicon()


def test_words_are_lower_case_without_punctuation():
    assert split("A Fox's  den -- (red)!") == ["a", "fox", "den", "red"]


def test_an_emoji_is_read_by_its_name():
    assert split("🦊 in ❄️") == ["fox", "face", "in", "snowflake"]


def test_japanese_and_chinese_are_cut_at_their_particles():
    assert split("雪の中のペンギン") == ["雪", "中", "ペンギン"]
    assert split("红色的猫") == ["红色", "猫"]


def test_only_the_beginning_of_a_long_prompt_is_read():
    assert len(split("cat " * 9000)) == 80
    assert len(split("고" * 18000)) == 1


def test_korean_particles_and_plurals_come_off():
    assert "여우" in inflections("여우가")
    assert "cherry" in inflections("cherries")


@pytest.mark.parametrize(
    ("prompt", "subject"),
    [
        ("a red apple", Subject("red apple", "red")),
        ("two cats", Subject("cat", count=2)),
        ("a dozen roses", Subject("rose", count=9)),
        ("five yellow ducks on a lake", Subject("duck", "yellow", 5)),
        ("silver headphones on matte black", Subject("headphone", "silver")),
        ("a pair of headphones", Subject("headphone")),
        ("a pair of dogs", Subject("dog", count=2)),
        ("🐧🐧🐧 in snow", Subject("penguin", count=3)),
        ("an orange", Subject("orange fruit")),
        ("un perro en la playa", Subject("dog")),
        ("a green apple", Subject("green apple", "green")),
        ("an airplane in the blue sky", Subject("airplane")),
    ],
)
def test_a_prompt_names_its_subject(lexicon: Lexicon, prompt: str, subject: Subject):
    assert parse(prompt, lexicon).subjects == (subject,)


@pytest.mark.parametrize(
    ("korean", "english"),
    [
        ("빨간 사과 두 개", "two red apples"),
        ("눈 속의 펭귄 세 마리", "three penguins in the snow"),
        ("해변의 파란 우산", "a blue umbrella on the beach"),
        ("밤하늘 아래의 부엉이", "an owl under the night sky"),
        ("검은 고양이 두 마리와 하얀 강아지", "two black cats and a white dog"),
        ("검은 배경의 은색 헤드폰", "silver headphones on a black background"),
        ("노을 지는 바다", "the sea at sunset"),
        ("성 위를 나는 초록 용", "a green dragon flying over a castle"),
    ],
)
def test_korean_means_what_english_means(lexicon: Lexicon, korean: str, english: str):
    one, other = parse(korean, lexicon), parse(english, lexicon)
    assert set(one.subjects) == set(other.subjects)
    assert (one.setting, one.flying) == (other.setting, other.flying)


@pytest.mark.parametrize(
    ("prompt", "place", "light"),
    [
        ("a serene mountain landscape at sunset", "mountain", "sunset"),
        ("foggy forest at dawn", "forest", "sunset"),
        ("비 오는 서울의 밤거리", "city", "night"),
        ("a beautiful sunset over the ocean", "sea", "sunset"),
        ("sun rising over snowy mountains", "mountain", "day"),
    ],
)
def test_a_prompt_of_scenery_names_no_subject(
    lexicon: Lexicon, prompt: str, place: str, light: str
):
    idea = parse(prompt, lexicon)
    assert idea.subjects == ()
    assert (idea.setting.place, idea.setting.light) == (place, light)


@pytest.mark.parametrize("prompt", ["on a black background", "on matte black", "검은 배경"])
def test_a_plain_colour_behind_is_a_backdrop(lexicon: Lexicon, prompt: str):
    assert parse(f"a crown {prompt}", lexicon).setting.backdrop == "black"


def test_the_words_of_photographers_name_nothing(lexicon: Lexicon):
    prompt = "cinematic, ultra detailed, 8k, dramatic lighting, shallow depth of field, a fox"
    assert parse(prompt, lexicon) == Idea((Subject("fox"),), Setting())


def test_no_more_is_drawn_than_fits_in_a_picture(lexicon: Lexicon):
    idea = parse("nine cats, nine dogs, a fox, a horse and a cow", lexicon)
    assert sum(subject.count for subject in idea.subjects) <= 9


@pytest.mark.parametrize(
    "prompt", ["!!!", "…", "\x00", "\u200b\ufe0f", "-", "''s", "ﷺ" * 400, "'s"]
)
def test_what_nobody_understands_is_scenery(lexicon: Lexicon, prompt: str):
    assert isinstance(parse(prompt, lexicon), Idea)


@pytest.mark.parametrize("word", ["word ", "고양", "zx-q ", "猫の", "🦊", "가", "a’"])
def test_reading_18000_characters_takes_little_time(lexicon: Lexicon, word: str):
    began = time.perf_counter()
    parse((word * 18000)[:18000], lexicon)
    assert time.perf_counter() - began < 2  # tenfold room for a busy machine


# What a phrase says besides its nouns


@pytest.mark.parametrize(
    ("prompt", "colours"),
    [
        ("a red car and a blue house", {"automobile": "red", "house": "blue"}),
        ("빨간 차와 파란 집", {"automobile": "red", "house": "blue"}),
        ("a car that is red", {"automobile": "red"}),
        ("the car is blue and the house is yellow", {"automobile": "blue", "house": "yellow"}),
        ("a red-roofed house", {"house": None}),
        ("a white cat with blue eyes", {"cat": "white"}),
        ("파란 눈의 고양이", {"cat": None}),
    ],
)
def test_a_colour_is_bound_to_its_own_noun(
    lexicon: Lexicon, prompt: str, colours: dict[str, str | None]
):
    assert {s.label: s.colour for s in parse(prompt, lexicon).subjects} == colours


def test_two_things_of_one_kind_in_two_colours_are_two_things(lexicon: Lexicon):
    assert parse("a red car and a blue car", lexicon).subjects == (
        Subject("automobile", "red"),
        Subject("automobile", "blue"),
    )


@pytest.mark.parametrize(
    ("prompt", "count"),
    [
        ("cats", 3),
        ("a pair of cats", 2),
        ("several cats", 4),
        ("a dozen cats", 9),
        ("twenty cats", 9),
        ("4 cats", 4),
        ("고양이들", 3),
        ("고양이 3마리", 3),
        ("고양이 세마리", 3),
        ("a cat --ar 16:9 --v 6", 1),
        ("a cat, 35mm, f/1.8, 8k", 1),
    ],
)
def test_counts_are_read_from_words_digits_and_plurals(lexicon: Lexicon, prompt: str, count: int):
    assert parse(prompt, lexicon).subjects == (Subject("cat", count=count),)


@pytest.mark.parametrize(
    "prompt",
    ["a cat without a hat", "a cat, no dogs", "모자 없는 고양이", "a cat with no people or cars"],
)
def test_what_is_denied_is_left_out(lexicon: Lexicon, prompt: str):
    assert parse(prompt, lexicon) == Idea((Subject("cat"),))


@pytest.mark.parametrize(
    ("prompt", "label"),
    [
        ("a wireless mouse on a keyboard", "computer mouse"),
        ("a mouse in a field", "mouse"),
        ("an orange on a plate", "orange fruit"),
        ("배와 사과가 담긴 접시", "pear"),
        ("호수 위의 배", "sailboat"),
        ("따뜻한 차 한 잔", "teacup"),
        ("길가의 빨간 차", "automobile"),
        ("구운 밤", "chestnut"),
        ("a crane at a construction site", "building construction"),
        ("개 두 마리", "dog"),
    ],
)
def test_a_word_with_two_meanings_is_told_by_its_company(lexicon: Lexicon, prompt: str, label: str):
    assert parse(prompt, lexicon).subjects[0].label == label


def test_of_two_nouns_in_a_row_the_last_is_meant(lexicon: Lexicon):
    assert parse("a robot cat", lexicon).subjects == (Subject("cat"),)
    assert parse("a snowman with a carrot nose", lexicon).subjects == (Subject("snowman"),)
    assert parse("a baby elephant", lexicon).subjects == (Subject("elephant", scale=0.65),)
    assert len(parse("cat, dog", lexicon).subjects) == 2


@pytest.mark.parametrize(
    ("prompt", "labels", "place"),
    [
        ("a laptop on a wooden desk", ["laptop"], "table"),
        ("탁자 위의 사과", ["red apple"], "table"),
        ("a cat under a table", ["cat", "table"], None),
        ("책상 앞의 의자", ["desk", "chair"], None),
        ("a coffee cup, wooden table", ["hot beverage"], "table"),
    ],
)
def test_a_table_is_the_place_of_what_is_on_it_and_else_a_thing(
    lexicon: Lexicon, prompt: str, labels: list[str], place: str | None
):
    idea = parse(prompt, lexicon)
    assert ([s.label for s in idea.subjects], idea.setting.place) == (labels, place)


def test_a_label_of_two_words_goes_before_the_senses_of_one(lexicon: Lexicon):
    assert [s.label for s in parse("a bow tie", lexicon).subjects] == ["bow tie"]
    assert [s.label for s in parse("a girl with a pink bow", lexicon).subjects][1] == "ribbon"


def test_an_adjective_in_a_tag_is_still_read(lexicon: Lexicon):
    assert parse("작은 집", lexicon).subjects == (Subject("house", scale=0.65),)
    assert parse("a golden retriever", lexicon).subjects == (Subject("golden retriever"),)


@pytest.mark.parametrize(
    ("prompt", "spot"),
    [
        ("a bird in the top left corner", "0.2 0.22"),
        ("왼쪽 위에 새", "0.2 0.22"),
        ("a bird in the distance", "- far"),
        ("in the center a bird", "0.5 0.5"),
    ],
)
def test_a_place_in_the_picture_is_read(lexicon: Lexicon, prompt: str, spot: str):
    assert parse(prompt, lexicon).subjects == (Subject("bird", spot=spot),)


@pytest.mark.parametrize(
    ("prompt", "styles"),
    [
        ("a black and white photo of a cat", ("mono",)),
        ("수채화로 그린 고양이", ("watercolour",)),
        ("a cat, pixel art, vintage", ("pixel", "vintage")),
        ("an anime cat, octane render", ()),
    ],
)
def test_styles_that_can_be_done_are_read_and_others_ignored(
    lexicon: Lexicon, prompt: str, styles: tuple[str, ...]
):
    idea = parse(prompt, lexicon)
    assert idea.styles == styles
    assert [subject.label for subject in idea.subjects] == ["cat"]


@pytest.mark.parametrize(
    ("prompt", "zoom"), [("close-up of a cat", 1.5), ("wide shot of a cat", 0.55)]
)
def test_the_camera_comes_near_or_goes_away(lexicon: Lexicon, prompt: str, zoom: float):
    assert parse(prompt, lexicon).zoom == zoom
