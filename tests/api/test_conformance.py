"""Schemathesis, with all its checks, drives the running server by two OpenAPI documents.

The everyday run takes a few routes of each kind; `make conformance` takes all, with more examples.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from originals import EVOLINK_OPENAPI, needs_evolink_openapi
from running import Server

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("CONFORMANCE_EXAMPLES")  # cases a route; set: every route is driven
# The only DELETE is Krea's cancel. The job stays readable, as "cancelled" or as it had ended: who
# waits for it must learn how. This check would have it answer 404.
CONTRADICTED = "use_after_free"
# One model of each shape of parameters, and everything that is not a model.
EVERYDAY = r"^(?!/generate/image/)|/(flux-1-dev|gpt-image-2)$"


def drive(server: Server, document: str, *options: str, **environment: str) -> None:
    """Run Schemathesis as a user would; its report is the failure's message."""
    customer = server.customer("1000000")
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file", HERE / "schemathesis.toml", "run", document,
            "--url", server.url, "-H", f"Authorization: Bearer {customer.key}",
            "--checks", "all", "--exclude-checks", CONTRADICTED, "--no-color",
            "--suppress-health-check=all", *options,
        ],
        capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(HERE)} | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@needs_evolink_openapi
@pytest.mark.xdist_group("conformance-original")
def test_evolinks_own_document_is_what_the_server_does(server: Server) -> None:
    drive(
        server, str(EVOLINK_OPENAPI), "--max-examples", EXAMPLES or "20",
        SCHEMATHESIS_HOOKS="conformance_hooks",
    )  # fmt: skip
    server.assert_books_agree()


@pytest.mark.xdist_group("conformance-own")
def test_our_own_document_is_what_the_server_does(server: Server) -> None:
    routes = [] if EXAMPLES else ["--include-path-regex", EVERYDAY]
    drive(
        server, f"{server.url}/openapi.json", "--max-examples", EXAMPLES or "2", *routes,
        SCHEMATHESIS_HOOKS="own_document_hooks",
    )  # fmt: skip
    server.assert_books_agree()
