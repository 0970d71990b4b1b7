"""Writes what is never written by hand: settings, models and metrics pages, the README's tree.

python docs/generate.py           writes them
python docs/generate.py --check   says which are out of date, and exits 1 (the tests run this)
"""

import ast
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, SecretStr

from safelight import __version__, catalog
from safelight.catalog import Model
from safelight.cli.diagnosis import price_text
from safelight.settings import PREFIX, Settings
from safelight.telemetry.meters import Meters

ROOT = Path(__file__).parent.parent
TREE_BEGIN, TREE_END = "<!-- tree: made by docs/generate.py -->", "<!-- /tree -->"
BENCH_BEGIN, BENCH_END = "<!-- bench: made by make bench -->", "<!-- /bench -->"
# Defaults that differ from machine to machine are described, not printed.
DESCRIBED_DEFAULTS = {"home": "`~/.safelight`", "engine__threads": "the cores, at most 4"}


def settings_page() -> str:
    """Every variable with its default, unit and reason."""
    lines = [
        "# Settings",
        "",
        "Read once at start, from `SAFELIGHT_*` variables, else from the TOML file that",
        "`SAFELIGHT_CONFIG` names (there `engine.threads` is `threads` under `[engine]`). A",
        "variable with the prefix that is none of these is an error. `safelight settings` prints",
        "what is in force. This page is generated from `src/safelight/settings`.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        if isinstance(default, BaseModel):
            for inner, inner_field in type(default).model_fields.items():
                value = getattr(default, inner)
                lines.append(_setting(f"{name}__{inner}", value, inner_field.description))
        else:
            lines.append(_setting(name, default, field.description))
    return "\n".join(lines) + "\n"


def _setting(name: str, default: object, meaning: str | None) -> str:
    shown = DESCRIBED_DEFAULTS.get(name)
    if shown is None:
        nothing = default in (None, (), {}) or isinstance(default, SecretStr)
        shown = "–" if nothing else f"`{default}`"
    return f"| `{PREFIX}{name.upper()}` | {shown} | {meaning or ''} |"


def models_page() -> str:
    """The models on offer, as both doors name them, with prices in credits."""
    lines = [
        "# Models",
        "",
        "Each is a TOML file in `src/safelight/catalog/models/`, from which validation, prices,",
        "the OpenAPI document and this page derive. Prices are credits for one picture with",
        "nothing special asked for, at 68 credits to the dollar. Which of them this install can",
        "make itself, and which a stand-in draws, `safelight models` says.",
        "",
        "| model | EvoLink's name | Krea's route | credits | licence |",
        "|---|---|---|---|---|",
    ]
    lines += [_model(model) for model in catalog.load().models.values()]
    return "\n".join(lines) + "\n"


def _model(model: Model) -> str:
    evolink = f"`{model.evolink.name}`" if model.evolink else "–"
    krea = f"`{model.krea.name}`" if model.krea else "–"
    prices = "; ".join(
        f"{door} {price_text(offer)}"
        for door, offer in (("EvoLink", model.evolink), ("Krea", model.krea))
        if offer
    )
    return f"| {model.title} | {evolink} | {krea} | {prices} | {model.licence.name} |"


def metrics_page() -> str:
    """Every metric with its labels."""
    lines = [
        "# Metrics",
        "",
        "What `/metrics` shows (docs/concepts/observability.md says how to reach it), besides the",
        "`process_*` metrics of the process that answers. No label is ever written by a caller.",
        "This page is generated from `src/safelight/telemetry/meters.py`.",
        "",
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for metric in Meters(__version__).described:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |")
    return "\n".join(lines) + "\n"


def readme() -> str:
    """The README with its tree drawn anew, and the table of the last `make bench`."""
    text = (ROOT / "README.md").read_text()
    text = _between(text, TREE_BEGIN, TREE_END, f"```\n{tree()}```")
    measured = (ROOT / "bench" / "results.md").read_text().strip()
    return _between(text, BENCH_BEGIN, BENCH_END, measured)


def _between(text: str, begin: str, end: str, content: str) -> str:
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{content}\n{end}{after}"


def tree() -> str:
    """`src/safelight`, each file and folder with the first line of its docstring."""
    source = ROOT / "src" / "safelight"
    rows = [(0, "src/safelight/", _caption(source / "__init__.py"))]
    rows += _rows(source, 1)
    width = max(len("    " * depth + name) for depth, name, _ in rows) + 2
    return "".join(
        f"{'    ' * depth + name:<{width}}{caption}".rstrip() + "\n"
        for depth, name, caption in rows
    )


def _rows(folder: Path, depth: int) -> list[tuple[int, str, str]]:
    rows = []
    for path in sorted(folder.iterdir(), key=lambda p: (p.is_file(), p.name)):
        if path.is_dir() and (path / "__init__.py").exists():
            rows.append((depth, f"{path.name}/", _caption(path / "__init__.py")))
            if depth == 1 and path.name in ("api", "flows", "engines", "dialects"):
                rows += _rows(path, depth + 1)
        elif path.suffix == ".py" and path.name not in ("__init__.py", "__main__.py"):
            rows.append((depth, path.name, _caption(path)))
    return rows


def _caption(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text())) or ""
    return docstring.split("\n\n")[0].replace("\n", " ").strip()


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/settings.md": settings_page,
    "docs/reference/models.md": models_page,
    "docs/reference/metrics.md": metrics_page,
    "README.md": readme,
}


def main() -> int:
    stale = []
    for name, make in PAGES.items():
        page = make()
        path = ROOT / name
        if not path.exists() or path.read_text() != page:
            stale.append(name)
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(page)
    for name in stale:
        print(f"{'out of date' if '--check' in sys.argv else 'written'}: {name}")  # noqa: T201
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
