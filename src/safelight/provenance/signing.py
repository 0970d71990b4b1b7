"""Puts a signed C2PA manifest into a PNG; what cannot be signed must not be served."""

import io
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from safelight.errors import ConfigurationError, EngineError, JobErrorCode
from safelight.provenance import library
from safelight.provenance.certificates import Credentials
from safelight.provenance.manifest import Origin, definition
from safelight.provenance.reading import Integrity, read

PNG = "image/png"
# One black pixel, to try a certificate on.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de00000001735247"
    "4200aece1ce90000000c49444154785e636260600000000c0003c139b5f60000000049454e44ae42"
    "6082"
)
TRIAL = Origin(model="trial", asked_for="trial", engine="trial")

log = logging.getLogger(__name__)


class Signer:
    """Signs pictures with the credentials that are good at the time, from any thread."""

    def __init__(
        self,
        credentials: Callable[[datetime], Credentials],
        time_authority: str | None = None,
        clock: Callable[[], float] = time.time,
    ):
        """`time_authority` is the URL of an RFC 3161 service, asked for each picture."""
        self._credentials = credentials
        self._time_authority = time_authority
        self._clock = clock
        self._opening = threading.Lock()
        self._opened: tuple[Credentials, Any] | None = None

    def load(self) -> None:
        """Sign something, and read it back. Raises ConfigurationError when that fails."""
        credentials, context = self._open()
        try:
            signed = self._sign(context, PIXEL, TRIAL)
        except library.load().C2paError as error:
            raise ConfigurationError(f"pictures cannot be signed: {error}") from error
        report = read(signed, credentials.anchor)
        if report.integrity is not Integrity.INTACT:
            codes = ", ".join(report.problems)
            raise ConfigurationError(f"what is signed with this certificate is not valid: {codes}")

    def sign(self, png: bytes, origin: Origin) -> bytes:
        """The same picture with its manifest. Raises EngineError: then it may not be served."""
        try:
            return self._sign(self._open()[1], png, origin)
        except (ConfigurationError, OSError) as error:
            log.error("a picture cannot be signed: %s", error)
        except library.load().C2paError as error:
            log.error("a picture could not be signed: %s", error)
        raise EngineError(
            "The picture could not be signed, and is not delivered without.",
            code=JobErrorCode.SERVICE_ERROR,
        )

    def _sign(self, context: Any, png: bytes, origin: Origin) -> bytes:
        signed = io.BytesIO()
        builder = library.load().Builder(definition(origin, self._clock()), context)
        builder.sign(PNG, io.BytesIO(png), signed)
        return signed.getvalue()

    def _open(self) -> tuple[Credentials, Any]:
        """The credentials of now, and what the library makes of them."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        opened = self._opened
        if opened is not None and opened[0].are_good(now):
            return opened
        with self._opening:
            credentials = self._credentials(now)
            self._opened = credentials, self._context(credentials)
            return self._opened

    def _context(self, credentials: Credentials) -> Any:
        c2pa = library.load()
        url = self._time_authority
        hosts = (urlsplit(url).netloc,) if url else ()
        info = c2pa.C2paSignerInfo(
            credentials.algorithm, credentials.chain.encode(), credentials.key.encode(), url
        )
        try:
            signer = c2pa.Signer.from_info(info)
            return c2pa.Context(library.settings(credentials.anchor, hosts=hosts), signer)
        except c2pa.C2paError as error:
            raise ConfigurationError(f"this certificate cannot sign pictures: {error}") from error
