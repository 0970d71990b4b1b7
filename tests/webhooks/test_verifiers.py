"""The verifiers that docs/concepts/webhooks.md shows accept what we sign, and nothing else."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from standardwebhooks import WebhookVerificationError

from keeping import PEPPER, Books
from safelight.flows.reveal import reveal
from safelight.webhooks.signing import Signer

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "webhooks.md"
BODY = b'{"id": "task-unified-1751280000-k2t9x8a3"}'


def verifiers() -> list[Callable[..., Any]]:
    found = []
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        names: dict[str, Any] = {}
        exec(block, names)
        found.append(names["verify"])
    return found


def accepts(verify: Callable[..., Any], key: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        return verify(key, headers, body) is not False
    except (WebhookVerificationError, InvalidSignature):
        return False


@pytest.mark.parametrize("number", range(3))
def test_each_verifier_of_the_page_works(books: Books, number: int):
    verify = verifiers()[number]
    [secret] = books.run(reveal(books.db, books.customer().account_id, PEPPER))
    signer = Signer(PEPPER)
    headers = signer.headers("msg_1", int(time.time() * 1000), BODY, [secret.secret])
    key = signer.jwk["x"] if number == 2 else secret.secret
    assert accepts(verify, key, headers, BODY)
    assert not accepts(verify, key, headers, BODY + b" ")
    assert not accepts(verify, key, headers | {"webhook-id": "msg_2"}, BODY)


def test_the_pages_test_vector_is_what_we_would_send():
    page = PAGE.read_text()
    shown = dict(re.findall(r"^(webhook-[a-z-]+): (.+)$", page, re.MULTILINE))
    body, secret, public = re.findall(r"the (?:body|secret|public key)(?: is)?\s`([^`]+)`", page)[
        :3
    ]
    signer = Signer(PEPPER)
    at_ms = int(shown["webhook-timestamp"]) * 1000
    assert signer.headers(shown["webhook-id"], at_ms, body.encode(), [secret]) == shown
    assert signer.jwk["x"] == public
