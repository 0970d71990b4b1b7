"""Whether a PNG is whole: every chunk in its place, with the checksum that it declares.

C2PA's own hash leaves out the chunk that holds the manifest, and within it neither the padding nor
the names of boxes are signed. The chunk's checksum covers them.
"""

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
FRAME = 12  # bytes of a chunk besides its data: length, type and checksum
CHUNKS_MAX = 65_536  # looked at; 32 MB in the smallest that encoders write are a tenth of that
MANIFEST = b"caBX"  # https://c2pa.org/specifications — "Embedding manifests into PNG"


def chunks(png: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's type, where its data begins, and where it ends. Ends before what is torn."""
    view, at = memoryview(png), len(SIGNATURE)
    for _ in range(CHUNKS_MAX):
        if at + FRAME > len(view):
            return
        (length,) = struct.unpack_from(">I", view, at)
        if at + FRAME + length > len(view):
            return
        yield bytes(view[at + 4 : at + 8]), at + 8, at + 8 + length
        at += FRAME + length


def problems(png: bytes) -> list[str]:
    """What is wrong with the file's structure, in words; empty when it is whole."""
    found, end, last, manifests = [], len(SIGNATURE), b"", 0
    view = memoryview(png)
    for kind, start, stop in chunks(png):
        (declared,) = struct.unpack_from(">I", view, stop)
        if zlib.crc32(view[start - 4 : stop]) != declared:
            found.append(f"the checksum of the chunk at byte {start - 8} is wrong")
        end, last, manifests = stop + 4, kind, manifests + (kind == MANIFEST)
        if kind == b"IEND":
            break
    if last != b"IEND":
        found.append("the file is cut short")
    elif end != len(png):
        found.append(f"{len(png) - end} bytes follow the end of the picture")
    if manifests > 1:
        found.append("it holds more than one manifest")
    return found
