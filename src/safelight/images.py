"""Pictures on disk: fsynced under a name that holds the attempt, served at signed links."""

import hashlib
import hmac
import os
import re
import secrets
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

LIFE_SECONDS = 24 * 3600  # both wires promise a day
PREVIEW_LIFE_SECONDS = 3600
NAME_PATTERN = re.compile(r"^[a-z0-9]{26}-[0-9]{1,6}-(?:[0-9]{1,3}|p[0-9]{1,4})\.png$")
SIGNATURE_BYTES = 16
PROBE = bytes(4096)  # a block: an empty file fits on a full disk
# The keyword of XMP, and that it is not compressed, in no language, with no translated keyword.
XMP_KEYWORD = b"XML:com.adobe.xmp\0\0\0\0\0"
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A picture that is safely on disk, though no row knows it yet."""

    name: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    content_type: str = "image/png"


def encode_png(pixels: Pixels, xmp: bytes = b"") -> bytes:
    """[height, width, 3] sRGB → PNG. The "up" filter and ISA-L: a fifth of Pillow's time.

    `xmp` is a packet of metadata that goes along.

    https://www.w3.org/TR/png-3/ — filter type 2 stores each row as its difference from the one
    above, which suits smooth pictures and is one subtraction in numpy.
    """
    height, width, channels = pixels.shape
    assert channels == 3
    rows = np.empty((height, 1 + width * 3), np.uint8)
    rows[:, 0] = 2
    flat = pixels.reshape(height, width * 3)
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"sRGB", b"\x00"),
            _chunk(b"iTXt", XMP_KEYWORD + xmp) if xmp else b"",
            _chunk(b"IDAT", isal_zlib.compress(rows.data, 1)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
    )


class ImageStore:
    """The folder of pictures, and the links that open them for a day."""

    def __init__(self, root: Path, secret: bytes, public_url: str):
        self.root = root
        self.public_url = public_url.rstrip("/")
        self._secret = hmac.digest(secret, b"picture links", hashlib.sha256)

    def put(
        self, png: bytes, *, width: int, height: int, attempt: int, position: str
    ) -> StoredFile:
        """Write, fsync and rename; a crash leaves nothing that a link could reach."""
        token = "".join(secrets.choice(BASE32) for _ in range(26))
        name = f"{token}-{attempt}-{position}.png"
        path = self._path(name)
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _fsync_folder(self.root)  # the new folder survives a power cut like what is in it
            _fsync_folder(self.root.parent)
        unfinished = path.with_suffix(".tmp")
        try:
            with unfinished.open("wb") as file:
                file.write(png)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        _fsync_folder(path.parent)
        return StoredFile(name, width, height, len(png), hashlib.sha256(png).hexdigest())

    def try_writing(self) -> None:
        """Raises OSError when a picture could not be stored now. Leaves nothing behind."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.root / f".{secrets.token_hex(8)}.probe"
        try:
            path.write_bytes(PROBE)
        finally:
            path.unlink(missing_ok=True)

    def link(self, name: str, expires_at_ms: int) -> str:
        """The absolute URL of a picture, good until its expiry."""
        expires = expires_at_ms // 1000
        return (
            f"{self.public_url}/pictures/{name}"
            f"?expires={expires}&signature={self._sign(name, expires)}"
        )

    def open_link(self, name: str, expires: str, signature: str, now_ms: int) -> Path | None:
        """The file behind a link, or None: bad, expired and unknown ones look alike."""
        if not NAME_PATTERN.match(name) or not re.fullmatch(r"[0-9]{1,12}", expires):
            return None
        expected = self._sign(name, int(expires))
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            return None
        if int(expires) * 1000 <= now_ms:
            return None
        path = self._path(name)
        return path if path.is_file() else None

    def is_own(self, url: str) -> bool:
        """Whether it would be one of our links, were it good."""
        return url.startswith(f"{self.public_url}/pictures/")

    def find_own(self, url: str, now_ms: int) -> Path | None:
        """The file behind a whole link of ours, as `open_link` finds it."""
        # By hand: `urlsplit` raises at brackets, and callers write this.
        name, _, rest = url.removeprefix(f"{self.public_url}/pictures/").partition("?")
        query = dict(parse_qsl(rest.partition("#")[0]))
        return self.open_link(name, query.get("expires", ""), query.get("signature", ""), now_ms)

    def remove(self, name: str) -> None:
        if NAME_PATTERN.match(name):
            self._path(name).unlink(missing_ok=True)

    def names(self, older_than_seconds: float, now_seconds: float) -> list[str]:
        """Files on disk of at least that age: the sweep compares them with the rows."""
        return [
            path.name
            for path in self.root.glob("*/*")
            if now_seconds - path.stat().st_mtime > older_than_seconds
        ]

    def remove_litter(self, name: str) -> None:
        """Remove a file that no row knows, whatever its name: an attempt that never committed."""
        for path in self.root.glob(f"*/{name}"):
            path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.root / name[:2] / name

    def _sign(self, name: str, expires: int) -> str:
        message = f"{name}\n{expires}".encode()
        return hmac.digest(self._secret, message, hashlib.sha256)[:SIGNATURE_BYTES].hex()


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
