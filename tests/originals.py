"""Where the two services' own documents lie, when they lie beside the checkout at all."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent.parent / "shared"
KREA_DOCUMENT = FOLDER / "seeds" / "004_67da42c3b5ae34c1.txt"
EVOLINK_OPENAPI = FOLDER / "wire" / "evolink-openapi.yaml"

needs_krea_document = pytest.mark.skipif(
    not KREA_DOCUMENT.exists(), reason="the original document is not beside this checkout"
)
needs_evolink_openapi = pytest.mark.skipif(
    not EVOLINK_OPENAPI.exists(), reason="the original document is not beside this checkout"
)


def code_block(language: str, number: int = 0) -> str:
    """One of the Krea document's code blocks, as printed there."""
    blocks = re.findall(
        rf"^ *```{language}[^\n]*\n(.*?)^ *```", KREA_DOCUMENT.read_text(), re.DOTALL | re.MULTILINE
    )
    lines = blocks[number].splitlines()
    indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return "\n".join(line[indent:] for line in lines) + "\n"
