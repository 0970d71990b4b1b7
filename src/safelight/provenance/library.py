"""The native C2PA library: loaded from its package and nowhere else, and kept off the network."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from safelight.errors import ConfigurationError

LOCATION_VARIABLE = "C2PA_LIBRARY_NAME"
FILE_NAMES = {"darwin": "libc2pa_c.dylib", "win32": "c2pa_c.dll"}


@lru_cache(1)
def load() -> Any:
    """The module `c2pa`. Raises ConfigurationError where its native part does not load."""
    try:
        with _own_library_only():
            import c2pa
    except (ImportError, OSError, RuntimeError) as error:
        raise ConfigurationError(
            f"the library that signs pictures (c2pa-python) does not load: {error}"
        ) from error
    return c2pa


def settings(anchors: str, *, hosts: tuple[str, ...] = ()) -> Any:
    """What signing and reading go by. `hosts` are those that may be asked for the time."""
    return load().Settings.from_dict(
        {
            "version": 1,
            "trust": {"trust_anchors": anchors} if anchors else {},
            "core": {
                "decode_identity_assertions": False,  # would look up strangers' did:web names
                "allowed_network_hosts": list(hosts),
                "allow_redirects": False,
            },
            "verify": {
                "verify_after_sign": False,  # costs as much again; Signer.load does it once
                "remote_manifest_fetch": False,
                "ocsp_fetch": False,
            },
            "builder": {"thumbnail": {"enabled": False}},  # 20 times the time, and 0.25 MB
        }
    )


@contextlib.contextmanager
def _own_library_only() -> Iterator[None]:
    """c2pa looks for its library in the current folder first: whoever owns that would be us."""
    spec = importlib.util.find_spec("c2pa")
    if spec is None or spec.origin is None or LOCATION_VARIABLE in os.environ:
        yield
        return
    name = FILE_NAMES.get(sys.platform, "libc2pa_c.so")
    os.environ[LOCATION_VARIABLE] = str(Path(spec.origin).parent / "libs" / name)
    try:
        yield
    finally:
        del os.environ[LOCATION_VARIABLE]
