"""The process that opens strangers' files: `python -m safelight.provenance.examining`.

Decoders of pictures and manifests are where hostile bytes do harm. Here they can take no more than
this process, which has little memory, no keys and no database. Asked on stdin and answered on
stdout: a length in eight bytes, and then so many; the first message is whom to trust.
"""

import contextlib
import io
import json
import os
import signal
import struct
import sys
from typing import Any, BinaryIO

from safelight.provenance import png, reading
from safelight.provenance.certificates import Trust
from safelight.provenance.likeness import Likeness, likeness

MEMORY_BYTES_MAX = 1 << 30  # of addresses; a picture of 32 million pixels takes half of it
PIXELS_MAX = 32_000_000
PARTS_MAX = png.CHUNKS_MAX  # of a file; parsers take ten microseconds and more for each
MARKS_MAX = 200_000  # bytes of a JPEG before its pixels that could begin a part
NICENESS = 10  # pictures are made first
LENGTH = struct.Struct(">Q")
RIFF_HEAD_BYTES = 12
FORMATS = {"PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff", "WEBP": b"RIFF"}


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us decides when we end
    os.nice(NICENESS)
    _limit_memory()
    trust = Trust(**json.loads(receive(sys.stdin.buffer)))
    while data := receive(sys.stdin.buffer):
        answer = json.dumps(examine(data, trust)).encode()
        sys.stdout.buffer.write(LENGTH.pack(len(answer)) + answer)
        sys.stdout.buffer.flush()


def examine(data: bytes, trust: Trust) -> dict[str, Any]:
    """What the file says of itself, how it looks, and why it cannot be looked at."""
    if _has_too_many_parts(data):
        absent = reading.Report(integrity=reading.Integrity.ABSENT)
        return _answer(absent, None, "it is made of too many parts")
    report = reading.read_own(data, trust)
    looks, refusal = None, None
    try:
        looks = _look(data)
    except ValueError as error:
        refusal = str(error)
    return _answer(report, looks, refusal)


def _answer(report: reading.Report, looks: Likeness | None, refusal: str | None) -> dict[str, Any]:
    return {
        "report": report.as_dict(),
        "likeness": looks and looks.bits.hex(),
        "quality": looks and looks.quality,
        "refusal": refusal,
    }


def _has_too_many_parts(data: bytes) -> bool:
    """Whether a parser would be at it for long: a byte costs a sender less than it costs us."""
    if data.startswith(FORMATS["PNG"]):
        return sum(1 for _ in png.chunks(data)) >= PARTS_MAX
    if data.startswith(FORMATS["JPEG"]):
        pixels = data.find(b"\xff\xda")
        return data.count(b"\xff", 0, pixels if pixels >= 0 else len(data)) > MARKS_MAX
    at, parts = RIFF_HEAD_BYTES, 0
    while data.startswith(FORMATS["WEBP"]) and at + 8 <= len(data) and parts < PARTS_MAX:
        (length,) = struct.unpack_from("<I", data, at + 4)
        at, parts = at + 8 + length + length % 2, parts + 1
    return parts >= PARTS_MAX


def _look(data: bytes) -> Likeness:
    """Raises ValueError, in words, for what is no single picture that we can decode."""
    import numpy as np
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = PIXELS_MAX // 2  # Pillow itself refuses twice as much
    kinds = [kind for kind, magic in FORMATS.items() if data.startswith(magic)]
    try:
        with Image.open(io.BytesIO(data), formats=kinds) as picture:
            if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
                raise ValueError("the picture is animated; send one frame")
            return likeness(np.asarray(picture.convert("RGB")))
    except Image.DecompressionBombError:
        raise ValueError(f"the picture has more than {PIXELS_MAX} pixels") from None
    except MemoryError:
        raise ValueError("the picture takes too much memory to decode") from None
    except (OSError, SyntaxError, EOFError, struct.error, IndexError, TypeError, KeyError):
        raise ValueError("it is no whole picture in PNG, JPEG or WebP") from None


def receive(stream: BinaryIO) -> bytes:
    """The next message; empty once there are no more."""
    head = stream.read(LENGTH.size)
    return stream.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not everywhere
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
