"""The fastest attention is the fastest of those that are right."""

import time
from functools import partial
from pathlib import Path

import pytest
import torch

from safelight.engines.diffusers.attention import Attend, Shape, candidates, choose, installed
from safelight.errors import ConfigurationError

CPU = torch.device("cpu")
SHAPE = Shape(heads=8, kv_heads=2, size=16, dtype=torch.float32, device=CPU)
SDPA = candidates(CPU)["sdpa"]()


def test_one_is_chosen_in_no_time_and_all_are_told() -> None:
    choose(SHAPE)
    began = time.perf_counter()
    chosen = choose(SHAPE)
    assert time.perf_counter() - began < 0.5
    assert {candidate.name for candidate in chosen.candidates} == {"sdpa", "sdpa-repeated"}
    assert all(candidate.milliseconds for candidate in chosen.candidates)
    assert chosen.milliseconds <= 1.1 * min(c.milliseconds or 0 for c in chosen.candidates)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_all_agree_with_the_formula(dtype: torch.dtype) -> None:
    shape = Shape(heads=6, kv_heads=3, size=32, dtype=dtype, device=CPU)
    assert not [candidate for candidate in choose(shape).candidates if candidate.why_not]


def test_the_operator_may_name_one() -> None:
    assert choose(SHAPE, "sdpa-repeated").name == "sdpa-repeated"
    with pytest.raises(ConfigurationError, match=r"'flash-9' here; there are: sdpa, sdpa-repeated"):
        choose(SHAPE, "flash-9")


def slow(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    for _ in range(8):
        mixed = SDPA(query, key, value)
    return mixed


def test_the_fastest_wins_wherever_it_stands() -> None:
    assert choose(SHAPE, among={"slow": lambda: slow, "sdpa": lambda: SDPA}).name == "sdpa"


PACKAGE = """
import torch

def flash_attn_func(query, key, value):
    assert not torch.compiler.is_compiling()
    heads = [part.transpose(1, 2) for part in (query, key, value)]
    mixed = torch.nn.functional.scaled_dot_product_attention(*heads, enable_gqa=True)
    return mixed.transpose(1, 2).contiguous(), "logsumexp"
"""


def test_an_installed_package_is_one_operator_in_the_compiled_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny_flash.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    chosen = choose(SHAPE, among={"tiny": partial(installed, "tiny_flash", "tiny_flash")})
    parts = [torch.randn(1, 40, heads, 16) for heads in (8, 2, 2)]
    compiled = torch.compile(chosen.attend, fullgraph=True, dynamic=True, backend="eager")
    torch.testing.assert_close(compiled(*parts), SDPA(*parts))


def ungrouped(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return SDPA(query, key.repeat(1, 1, 4, 1), value.repeat(1, 1, 4, 1))


def refusing(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("only on a\nnewer card")


def missing() -> Attend:
    import no_such_attention  # type: ignore[import-not-found]

    return no_such_attention.attend


def test_what_is_wrong_or_missing_never_wins() -> None:
    among = {
        "ungrouped": lambda: ungrouped, "refusing": lambda: refusing, "missing": missing,
        "sdpa": lambda: SDPA,
    }  # fmt: skip
    chosen = choose(SHAPE, among=among)
    assert chosen.name == "sdpa"
    reasons = {candidate.name: candidate.why_not or "" for candidate in chosen.candidates}
    assert reasons["ungrouped"].startswith("ArithmeticError: off by")
    assert reasons["refusing"] == "RuntimeError: only on a"
    assert reasons["missing"].startswith("ModuleNotFoundError")
    with pytest.raises(ConfigurationError, match="'refusing' does not work here"):
        choose(SHAPE, "refusing", among)
