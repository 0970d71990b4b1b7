"""Standard Webhooks signatures: HMAC with the account's secrets, ed25519 with the install's key.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safelight.webhooks.rotation import PREFIX


class Signer:
    """The install's ed25519 key, made of its secret: every process has the same one."""

    def __init__(self, pepper: bytes):
        seed = hmac.digest(pepper, b"webhook signing key", hashlib.sha256)
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        self.jwk = _jwk(public)
        self.key_id: str = self.jwk["kid"]

    def headers(
        self, message_id: str, now_ms: int, body: bytes, secrets: Iterable[str]
    ) -> dict[str, str]:
        """What a message carries; `secrets` are those of the account that are good now."""
        timestamp = str(now_ms // 1000)
        content = f"{message_id}.{timestamp}.".encode() + body
        signatures = [f"v1,{_base64(_mac(secret, content))}" for secret in secrets]
        signatures.append(f"v1a,{_base64(self._key.sign(content))}")
        return {
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(signatures),
            "webhook-key-id": self.key_id,
        }


def _mac(secret: str, content: bytes) -> bytes:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return hmac.digest(key, content, hashlib.sha256)


def _jwk(public: bytes) -> dict[str, Any]:
    """RFC 8037, named by its thumbprint (RFC 7638)."""
    required = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public)}
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    thumbprint = _base64url(hashlib.sha256(canonical).digest())
    return {**required, "kid": thumbprint, "use": "sig", "alg": "EdDSA"}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
