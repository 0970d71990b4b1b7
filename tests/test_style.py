"""The habits that a machine can check: captions, lengths, names, and pages that are never stale."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "safelight"
MODULES = sorted(SOURCE.rglob("*.py"))
VAGUE = {"base", "common", "helpers", "manager", "misc", "service", "utils"}

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_opens_with_its_caption_and_ends_in_time(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "a module opens with its caption"
    assert path.stem not in VAGUE | sys.stdlib_module_names - {"__main__"}, "a name that explains"
    assert len(path.read_text().splitlines()) <= FILE_LINES_MAX
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < FUNCTION_LINES_MAX, node.name


def test_generated_pages_are_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\nrun `make docs`"


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


def test_the_readme_names_only_commands_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_tests_that_the_security_page_names_exist() -> None:
    page = (ROOT / "docs" / "concepts" / "security.md").read_text()
    named = re.findall(r"`(?:tests/)?([\w/]*test_\w+\.py)`", page)
    assert len(named) > 20
    for name in named:
        assert (ROOT / "tests" / name).is_file() or len(list(ROOT.glob(f"tests/*/{name}"))) == 1, (
            name
        )
    rows = re.findall(r"^\| API(\d+) .*\| `[\w/]*test_\w+\.py`.*\|$", page, re.MULTILINE)
    assert [int(row) for row in rows] == list(range(1, 11))  # each risk has a test
