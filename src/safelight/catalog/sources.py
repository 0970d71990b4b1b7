"""Pictures that requests bring along: by an https address, or themselves as a data: URI."""

import base64
import binascii
import re

SOURCE = "image_url"  # the parameter that names the picture to start from
KINDS = ("png", "jpeg", "webp")  # by their names in a data: URI
HEAD = re.compile(r"data:image/(png|jpeg|webp);base64,")
NOT_READ = "must be a PNG, JPEG or WebP picture"


def is_data(uri: str) -> bool:
    """Whether it is the picture itself."""
    return uri[:5].lower() == "data:"


def read_data(uri: str) -> tuple[str, bytes]:
    """The kind and the bytes of a data: URI.

    Raises ValueError, whose words follow the parameter's name, unless it begins as a picture of
    its kind does. What comes after the first bytes is not looked at.
    """
    head = HEAD.match(uri)
    if head is None:
        raise ValueError(f"{NOT_READ} in base64, or an https:// address of one")
    try:
        data = base64.b64decode(uri[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not valid base64") from None
    if kind_of(data) != head[1]:
        raise ValueError(f"is not a {head[1].upper()} picture, as it says")
    return head[1], data


def kind_of(data: bytes) -> str | None:
    """What its first bytes say it is; None for anything but PNG, JPEG and WebP."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return None


def write_data(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
