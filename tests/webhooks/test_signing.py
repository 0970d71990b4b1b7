"""Signatures, as receivers' own libraries read them, and secrets that rotate without a gap."""

import base64
import hashlib
import json
import time

import pytest
import standardwebhooks
import svix
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keeping import PEPPER, Books
from safelight.audit import SERVER
from safelight.flows.reveal import reveal
from safelight.webhooks.rotation import OVERLAP_MS, VALID_MAX
from safelight.webhooks.signing import Signer

BODY = '{"id":"task-unified-1751280000-k2t9x8a3","prompt":"빨간 사과"}'.encode()


def now_ms() -> int:
    return int(time.time() * 1000)


def secrets(books: Books, account_id: str, *, rotate: bool = False) -> list[str]:
    found = books.run(reveal(books.db, account_id, PEPPER, SERVER if rotate else None))
    assert [one.expires_at_ms is None for one in found] == [True] + [False] * (len(found) - 1)
    return [one.secret for one in found]


@pytest.mark.parametrize("webhook", [standardwebhooks.Webhook, svix.Webhook])
def test_receivers_libraries_accept_what_we_sign_and_nothing_else(books: Books, webhook: type):
    [secret] = secrets(books, books.customer().account_id)
    headers = Signer(PEPPER).headers("msg_1", now_ms(), BODY, [secret])
    assert webhook(secret).verify(BODY, headers) in (None, json.loads(BODY))
    for body, changed in (
        (BODY + b" ", headers),
        (BODY, headers | {"webhook-id": "msg_2"}),
        (BODY, headers | {"webhook-timestamp": str(now_ms() // 1000 + 1)}),
    ):
        with pytest.raises(Exception, match="signature"):
            webhook(secret).verify(body, changed)
    late = Signer(PEPPER).headers("msg_1", now_ms() - 3_600_000, BODY, [secret])
    with pytest.raises(Exception, match="too old"):
        webhook(secret).verify(BODY, late)


def test_the_public_key_verifies_v1a_and_no_other_text():
    signer = Signer(PEPPER)
    headers = signer.headers("msg_1", 1_763_640_000_000, BODY, [])
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(signer.jwk["x"] + "="))
    [signature] = headers["webhook-signature"].split()
    kind, _, encoded = signature.partition(",")
    assert kind == "v1a"
    public.verify(base64.b64decode(encoded), b"msg_1.1763640000." + BODY)
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(encoded), b"msg_1.1763640001." + BODY)


def test_the_key_is_named_by_its_thumbprint_and_is_the_installs_own():
    signer = Signer(PEPPER)
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{signer.jwk["x"]}"}}'
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest())
    assert signer.jwk["kid"] == thumbprint.decode().rstrip("=")
    assert signer.headers("m", 0, b"", [])["webhook-key-id"] == signer.jwk["kid"]
    assert Signer(PEPPER).jwk == signer.jwk  # every process has the same
    assert Signer(b"another install's secret").jwk["x"] != signer.jwk["x"]


def test_the_first_secret_is_made_once_and_stays(books: Books):
    account = books.customer().account_id
    [secret] = secrets(books, account)
    assert secrets(books, account) == [secret]
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert secrets(books, books.customer(name="other").account_id) != [secret]


def test_a_rotated_secret_is_good_for_a_day_beside_the_new_one(books: Books):
    account = books.customer().account_id
    [old] = secrets(books, account)
    new, kept = secrets(books, account, rotate=True)
    assert (kept, new != old) == (old, True)
    headers = Signer(PEPPER).headers("msg_1", now_ms(), BODY, [new, kept])
    for secret in (new, old):
        assert standardwebhooks.Webhook(secret).verify(BODY, headers)
    books.clock.forward(seconds=OVERLAP_MS / 1000 - 0.001)
    assert secrets(books, account) == [new, old]
    books.clock.forward(seconds=0.001)
    assert secrets(books, account) == [new]


def test_rotating_again_and_again_drops_the_oldest_and_keeps_the_last(books: Books):
    account = books.customer().account_id
    seen = secrets(books, account)
    for _ in range(VALID_MAX + 2):
        books.clock.forward(seconds=1)
        seen.insert(0, secrets(books, account, rotate=True)[0])
    assert secrets(books, account) == seen[:VALID_MAX]


def test_the_database_holds_no_secret(books: Books):
    account = books.customer().account_id
    [secret] = secrets(books, account)
    rows = json.dumps(books.rows("select * from webhook_secrets"))
    assert secret.removeprefix("whsec_") not in rows
