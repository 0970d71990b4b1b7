"""POST /provenance/check: whether a picture was made here, for whoever has it."""

import hashlib
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from running import Customer, Server
from signed import signed_png

PROMPT = "three penguins in the snow at sunset"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With the embedded model: the patterns of the fake one look alike to PDQ."""
    server = Server(tmp_path_factory.mktemp("checks") / "home", STAND_IN="mini")
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def customer(server: Server) -> Customer:
    return server.customer()


@pytest.fixture(scope="module")
def picture(customer: Customer) -> bytes:
    """One that was served; its looks tell something."""
    body = {"prompt": PROMPT, "width": 512, "height": 512, "seed": 3}
    job = customer.call("POST", "/generate/image/bfl/flux-1-dev", json=body).json()
    done = customer.job(job["job_id"], wait=30)
    return requests.get(done["result"]["urls"][0], timeout=10).content


def ask(server: Server, body: bytes, kind: str = "image/png", **headers: str) -> requests.Response:
    return requests.post(
        f"{server.url}/provenance/check",
        data=body, headers={"Content-Type": kind} | headers, timeout=30,
    )  # fmt: skip


def checked(server: Server, body: bytes, kind: str = "image/png") -> dict[str, Any]:
    reply = ask(server, body, kind)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def by_hash(server: Server, **body: object) -> requests.Response:
    return requests.post(f"{server.url}/provenance/check", json=body, timeout=10)


def encoded(content: bytes, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        scale = options.pop("scale", 1)
        picture.resize([int(side * scale) for side in picture.size]).save(out, form, **options)
    return out.getvalue()


def noise(side: int = 64) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(5).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_a_served_picture_is_ours_without_a_key(server: Server, picture: bytes) -> None:
    told = checked(server, picture)
    assert (told["ours"], told["match"], told["distance"]) == (True, "exact", 0)
    assert told["quality"] >= 50
    assert (told["model"], told["asked_for"]) == ("safelight-mini", "flux-1-dev")
    assert told["sha256"] == hashlib.sha256(picture).hexdigest()
    made = datetime.fromisoformat(told["made_at"])
    assert timedelta() <= datetime.now(UTC) - made < timedelta(minutes=10)
    assert told["manifest"]["integrity"] == "intact"
    assert told["manifest"]["ours"]


def test_neither_account_nor_job_nor_prompt_is_told(
    server: Server, customer: Customer, picture: bytes
) -> None:
    reply = ask(server, picture).text
    [job] = customer.call("GET", "/jobs").json()["items"]
    for secret in (PROMPT, customer.account, customer.key, job["job_id"]):
        assert secret not in reply


def test_its_hash_is_enough(server: Server, picture: bytes) -> None:
    sha256 = hashlib.sha256(picture).hexdigest()
    for digits in (sha256, sha256.upper()):
        told = by_hash(server, sha256=digits).json()
        assert (told["ours"], told["match"], told["manifest"]) == (True, "exact", None)
    assert by_hash(server, sha256="0" * 64).json()["ours"] is False
    looks = checked(server, picture)["perceptual_hash"]
    assert by_hash(server, perceptual_hash=looks).json()["match"] == "similar"


@pytest.mark.parametrize(
    ("form", "kind", "options"),
    [
        ("PNG", "image/png", {}),
        ("JPEG", "image/jpeg", {"quality": 60}),
        ("WEBP", "image/webp", {"quality": 60}),
        ("JPEG", "image/jpeg", {"scale": 0.5}),
    ],
)
def test_encoded_anew_and_scaled_it_is_known_by_its_looks(
    server: Server, picture: bytes, form: str, kind: str, options: dict[str, Any]
) -> None:
    told = checked(server, encoded(picture, form, **options), kind)
    assert (told["ours"], told["match"], told["model"]) == (True, "similar", "safelight-mini")
    assert told["manifest"]["integrity"] == "absent"


def test_a_picture_of_somebody_else_is_not_ours(
    server: Server, picture: bytes, tmp_path: Path
) -> None:
    stranger = signed_png(tmp_path, side=64)
    told = checked(server, stranger)
    assert (told["ours"], told["match"], told["model"]) == (False, "none", None)
    assert told["manifest"]["integrity"] == "intact"
    assert (told["manifest"]["trusted"], told["manifest"]["ours"]) == (False, False)
    assert checked(server, noise())["manifest"]["integrity"] == "absent"


def test_what_we_signed_is_ours_though_the_registry_does_not_list_it(server: Server) -> None:
    """As previews are, and pictures that it has forgotten."""
    told = checked(server, signed_png(server.home))
    assert (told["ours"], told["match"]) == (True, "none")
    assert told["manifest"]["model"] == "safelight-mini"


def test_a_changed_picture_is_called_changed(server: Server, picture: bytes) -> None:
    at = picture.index(b"IDAT") + 200
    broken = picture[:at] + bytes([picture[at] ^ 1]) + picture[at + 1 :]
    told = checked(server, broken)
    assert told["match"] != "exact"
    assert told["manifest"]["integrity"] == "changed"
    assert told["manifest"]["problems"]


def bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def animated() -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:])
    return out.getvalue()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"hello" * 100,
    "a torn picture": lambda: noise()[:900],
    "a picture of 3600 million pixels": bomb,
    "an animation": animated,
    "only a signature": lambda: b"\x89PNG\r\n\x1a\n",
    "a gif": lambda: encoded(noise(), "GIF"),
    "chunks of garbage": lambda: noise()[:33] + b"\xff\xff\xff\xffcaBX" + bytes(99),
    "zeros": lambda: bytes(1 << 20),
    "a PNG of 2.7 million empty chunks": lambda: b"\x89PNG\r\n\x1a\n" + bytes(32_000_000),
    "a JPEG of 5 million segments": lambda: b"\xff\xd8" + b"\xff\xe1\x00\x04c2" * 5_000_000,
    "a WebP of 4 million chunks": lambda: b"RIFF\0\0\0\1WEBP" + b"EXIF\0\0\0\0" * 4_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_picture_is_refused_and_the_next_one_is_answered(
    server: Server, name: str
) -> None:
    reply = ask(server, HOSTILE[name]())
    assert reply.status_code == 400, reply.text
    assert "cannot be examined" in reply.json()["error"]["message"]
    assert checked(server, noise())["match"] == "none"


def test_manifests_of_garbage_are_answered(server: Server, picture: bytes) -> None:
    """Their own checksum is right, so that the parser is reached."""
    at = picture.index(b"caBX")
    (length,) = struct.unpack(">I", picture[at - 4 : at])
    random = np.random.default_rng(7)
    for _ in range(40):
        manifest = bytearray(picture[at + 4 : at + 4 + length])
        for place in random.integers(0, length, 8):
            manifest[place] = random.integers(0, 256)
        chunk = b"caBX" + bytes(manifest)
        sealed = chunk + struct.pack(">I", zlib.crc32(chunk))
        hostile = picture[:at] + sealed + picture[at + 8 + length :]
        told = checked(server, hostile)
        assert told["match"] in ("similar", "none")


def test_uploads_are_limited_and_so_are_json_bodies(server: Server) -> None:
    assert ask(server, bytes((32 << 20) + 1)).status_code == 413
    long = b'{"sha256": "' + b"0" * 70_000 + b'"}'
    assert ask(server, long, "application/json").status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"null", b'{"sha256": 5}', b'{"sha256": "00"}', b'{"sha256": null}',
        b'{"other": 1}', b'{"sha256": NaN}', b'{"perceptual_hash": "zz"}',
    ],
)  # fmt: skip
def test_json_that_says_no_hash_is_refused(server: Server, body: bytes) -> None:
    assert ask(server, body, "application/json").status_code == 400


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_other_types_are_refused(server: Server, picture: bytes, kind: str) -> None:
    reply = ask(server, picture, kind)
    assert reply.status_code == 400
    assert "image/png" in reply.json()["error"]["message"]


def test_who_has_no_key_may_ask_so_often_and_who_has_one_goes_on(
    start: Callable[..., Server],
) -> None:
    server = start(LIMITS__CHECKS_PER_MINUTE=3)
    customer = server.customer()
    replies = [by_hash(server, sha256="0" * 64) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert int(replies[-1].headers["Retry-After"]) > 0
    path, body = "/provenance/check", {"sha256": "0" * 64}
    assert customer.call("POST", path, json=body).status_code == 200
    wrong = {"Authorization": "Bearer sl-wrong"}
    assert customer.call("POST", path, json=body, headers=wrong).status_code == 401


def test_the_authority_is_published_and_verifies_what_is_served(
    server: Server, picture: bytes
) -> None:
    from safelight import provenance

    reply = requests.get(f"{server.url}/provenance/ca.pem", timeout=10)
    assert reply.headers["Content-Type"] == "application/x-pem-file"
    assert "PRIVATE" not in reply.text
    assert provenance.read(picture, reply.text).trusted
