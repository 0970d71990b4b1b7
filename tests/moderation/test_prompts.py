"""The prompt filter: what is hidden is read, what only looks alike is left alone."""

import time

import pytest

from safelight.moderation import Category, PromptRules
from safelight.moderation.folding import fold
from safelight.moderation.opening import open_up


@pytest.fixture(scope="module")
def rules() -> PromptRules:
    found = PromptRules()
    found.load()
    return found


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Ｎａｔｕｒｅ", "nature"),
        ("𝐧𝐚𝐭𝐮𝐫𝐞", "nature"),
        ("ɴᴀᴛᴜʀᴇ", "nature"),
        ("nаturе", "nature"),  # with Cyrillic letters
        ("n\u200ba\u2060t\u00adu\u034fr\ufe0fe", "nature"),
        ("n̶a̶t̶u̶r̶e̶", "nature"),
        ("🅽🅰🆃🆄🆁🅴", "nature"),
        ("ㄴㅏ무", "나무"),
        ("ㄴㅏㅁㅜㅇㅣㅍ", "나뭉ㅣㅍ"),
        ("ㅈㅏㅇㅁㅣ", "장미"),
        ("\u1102\u1161\u1106\u116e", "나무"),
        ("ㅋㅋㅋ", "ㅋㅋㅋ"),
        ("ﾈｺ ガ", "ねこ が"),
        ("體育兒童", "体育儿童"),
    ],
)
def test_there_is_one_spelling(written: str, read: str) -> None:
    assert fold(written) == fold(read)


@pytest.mark.parametrize(
    ("hidden", "read"),
    [
        ("s u n f l o w e r", "sunflower"),
        ("s.u.n.f.l.o.w.e.r", "sunflower"),
        ("r e d  s u n f l o w e r", "red sunflower"),
        ("sun-flower", "sunflower"),
        ("sunf10w3r", "sunflower"),
        ("sunfl*wer", "sunflower"),
        ("suuuunflowerrrr", "sunflower"),
        ("sunf lower", "sunflower"),
        ("해 바 라 기", "해바라기"),
        ("해 바  라 기", "해바 라기"),
        ("解.剖 図", "解剖図"),
        ("the sun flowers", "the sun flowers"),
        ("4k, f/1.8, iso 800, u.s.a.", "4k, f/1.8, iso 800, u.s.a."),
        ("a 9-y old", "a 9-y old"),
    ],
)
def test_only_known_words_come_out_of_a_disguise(hidden: str, read: str) -> None:
    assert open_up(hidden, {"red", "sunflower"}.__contains__) == read


@pytest.mark.parametrize(
    ("prompt", "category"),
    [
        ("a nude woman on a bed", Category.SEXUAL),
        ("n u d e woman", Category.SEXUAL),
        ("a naked 12-year-old", Category.MINORS),
        ("naked child, museum, renaissance, medical", Category.MINORS),  # nothing excuses it
        ("13살 나체", Category.MINORS),
        ("ㅇㅏㄷㅗㅇ ㄴㅏㅊㅔ", Category.MINORS),
        ("裸の小学生", Category.MINORS),
        ("兒童 裸體", Category.MINORS),
        ("undress this woman", Category.NON_CONSENSUAL),
        ("보지 사진", Category.SEXUAL),
        ("severed head on a table", Category.GORE),
        ("jews drawn as rats", Category.HATE),
        ("손목을 긋는 사람", Category.SELF_HARM),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_the_gravest_category_counts_at_both_settings(
    rules: PromptRules, prompt: str, category: Category, strict: bool
) -> None:
    assert rules.judge(prompt, strict=strict).category is category


@pytest.mark.parametrize(
    "prompt",
    [
        "Essex cockpit with an analyst and a Scunthorpe cocktail",
        "시발점, 보지 못한 풍경, 자지 않는 도시, 성인 교육",
        "breast cancer awareness and chicken breast",
        "nude lipstick, naked eye, naked mole rat",
        "kids' birthday party",
        "裸足の少女とカフェラテ、フェラーリ、フロリダ、カロリー",
        "路口交通 女性交流 赤裸裸的真相",
        "a naked wire and a 12 year old whisky",
        "",
        "\ud800 \x00 \uffff",
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_what_only_looks_alike_passes_at_both_settings(
    rules: PromptRules, prompt: str, strict: bool
) -> None:
    assert rules.judge(prompt, strict=strict).allowed


@pytest.mark.parametrize(
    "prompt", ["marble nude by Michelangelo", "sexy dancer", "a bloodied warrior"]
)
def test_the_strict_setting_refuses_more(rules: PromptRules, prompt: str) -> None:
    assert rules.judge(prompt, strict=False).allowed
    assert not rules.judge(prompt, strict=True).allowed


@pytest.mark.parametrize(
    ("prompt", "minors"),
    [
        ("a child and a dog", True),
        ("a girl, 12yo", True),
        ("ch1ld", True),
        ("중학생 두 명", True),
        ("a woman and a 9-year-old dog", False),
        ("baby blue car, 12 cars", False),
    ],
)
def test_it_is_known_whether_a_prompt_speaks_of_minors(
    rules: PromptRules, prompt: str, minors: bool
) -> None:
    assert rules.speaks_of_minors(prompt) is minors


@pytest.mark.parametrize(
    "pattern",
    [
        "a",
        "1",
        "가",
        "ㄱ",
        "nude lipstick nude ",
        "a b ",
        "n.u.d.",
        "1!|*",
        "裸 ",
        " ",
        "@.",
        "kid ",
    ],
)
def test_no_prompt_of_64_kib_takes_time_squared(rules: PromptRules, pattern: str) -> None:
    prompt = pattern * (65536 // len(pattern.encode()))
    begun = time.thread_time()
    rules.judge(prompt, strict=True)
    assert time.thread_time() - begun < 2
