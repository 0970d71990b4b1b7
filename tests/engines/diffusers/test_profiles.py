"""Which cards run what: the table of the models we serve."""

import pytest

from safelight.engines.diffusers.profiles import GB, GIB, Sizes, choose, needed_bytes

KREA_2 = {"transformer": int(25.6 * GB), "text_encoder": 8 * GB, "vae": GB // 4}
FLUX_1 = {
    "transformer": int(23.8 * GB),
    "text_encoder": GB // 4,
    "text_encoder_2": int(9.5 * GB),
    "vae": GB // 6,
}
KLEIN = {"transformer": int(7.8 * GB), "text_encoder": int(8.05 * GB), "vae": GB // 6}
QWEN = {"transformer": int(40.9 * GB), "text_encoder": int(16.6 * GB), "vae": GB // 4}

AMPERE, ADA, HOPPER, TURING, PASCAL = (8, 6), (8, 9), (9, 0), (7, 5), (6, 1)


@pytest.mark.parametrize(
    ("sizes", "gib", "capability", "expected"),
    [
        (KREA_2, 141, HOPPER, ("bf16", "none")),
        (KREA_2, 80, HOPPER, ("bf16", "none")),
        (KREA_2, 48, ADA, ("bf16", "none")),
        (KREA_2, 48, AMPERE, ("bf16", "none")),
        (KREA_2, 32, ADA, ("bf16", "text")),
        (KREA_2, 24, ADA, ("fp8", "none")),
        (KREA_2, 24, AMPERE, ("int8", "none")),
        (KREA_2, 16, ADA, ("fp8", "text")),
        (KREA_2, 16, TURING, ("int8", "text")),
        (KREA_2, 12, ADA, ("fp8", "group")),
        (KREA_2, 8, AMPERE, ("int8", "group")),
        (KREA_2, 8, PASCAL, ("bf16", "group")),
        (KREA_2, 6, PASCAL, ("bf16", "group")),
        (KREA_2, 4, PASCAL, ("bf16", "sequential")),
        (FLUX_1, 48, ADA, ("bf16", "none")),
        (FLUX_1, 32, ADA, ("bf16", "text")),
        (FLUX_1, 24, ADA, ("fp8", "none")),
        (KLEIN, 24, AMPERE, ("bf16", "none")),
        (KLEIN, 12, AMPERE, ("bf16", "text")),
        (KLEIN, 8, ADA, ("fp8", "text")),
        (QWEN, 80, HOPPER, ("bf16", "none")),
        (QWEN, 48, ADA, ("bf16", "text")),
        (QWEN, 32, ADA, ("fp8", "text")),
    ],
)
def test_the_exact_and_quick_comes_first_that_fits(
    sizes: dict[str, int], gib: int, capability: tuple[int, int], expected: tuple[str, str]
) -> None:
    profile = choose(gib * GIB, capability, sizes)
    assert (profile.precision, profile.offload) == expected
    assert str(gib) in profile.reason


def test_more_memory_never_means_a_worse_profile() -> None:
    order = ["sequential", "group", "text", "none"]
    for capability in (AMPERE, HOPPER):
        ranks = []
        for gib in range(2, 160):
            profile = choose(gib * GIB, capability, KREA_2)
            exact = profile.precision == "bf16" and profile.offload in ("none", "text")
            ranks.append((exact, order.index(profile.offload)))
        assert ranks == sorted(ranks)


def test_what_fits_is_no_more_than_the_card_has() -> None:
    for gib in range(4, 96):
        profile = choose(gib * GIB, HOPPER, KREA_2)
        assert needed_bytes(Sizes.of(KREA_2), profile.precision, profile.offload) < gib * GIB


def test_parts_are_told_apart_by_their_names() -> None:
    assert Sizes.of(FLUX_1) == Sizes(int(23.8 * GB), GB // 4 + int(9.5 * GB), GB // 6)
    assert Sizes.of({"unet": 5, "vae": 1}) == Sizes(5, 0, 1)
