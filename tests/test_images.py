"""Pictures on disk and the links that open them."""

import hashlib
import io
import os
import urllib.parse
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from keeping import NOON_MS, Books, link
from safelight import images, jobs
from safelight.db import Transaction
from safelight.flows import sweep
from safelight.images import NAME_PATTERN, ImageStore, StoredFile, encode_png

SECRET = b"an install's secret"


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "pictures", SECRET, "https://pictures.example/")


def noise(width: int, height: int) -> images.Pixels:
    return np.random.default_rng(width * height).integers(0, 256, (height, width, 3), np.uint8)


def put(store: ImageStore, attempt: int = 1) -> StoredFile:
    png = encode_png(noise(8, 4))
    return store.put(png, width=8, height=4, attempt=attempt, position="0")


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (2, 1), (1, 2), (1024, 1024), (1023, 577), (2816, 1408)]
)
def test_a_png_decodes_to_the_same_pixels(width: int, height: int):
    pixels = noise(width, height)
    with Image.open(io.BytesIO(encode_png(pixels))) as picture:
        picture.load()
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        assert np.array_equal(np.asarray(picture), pixels)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.booleans())
def test_a_png_of_any_small_size_decodes_to_the_same_pixels(width: int, height: int, flat: bool):
    pixels = np.full((height, width, 3), 255, np.uint8) if flat else noise(width, height)
    with Image.open(io.BytesIO(encode_png(pixels))) as picture:
        assert np.array_equal(np.asarray(picture), pixels)


def test_pixels_that_are_a_view_of_others_are_encoded_as_they_look():
    pixels = noise(32, 32)[::2, ::-1]
    with Image.open(io.BytesIO(encode_png(pixels))) as picture:
        assert np.array_equal(np.asarray(picture), pixels)


def test_a_stored_file_is_what_it_says_and_its_name_holds_the_attempt(store: ImageStore):
    file = put(store, attempt=3)
    assert NAME_PATTERN.match(file.name)
    assert file.name.endswith("-3-0.png")
    [path] = store.root.glob("*/*")
    assert path.name == file.name
    assert path.stat().st_size == file.size_bytes
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
    assert path.parent.stat().st_mode & 0o077 == 0


def test_names_cannot_be_guessed_from_one_another(store: ImageStore):
    names = {put(store).name[:26] for _ in range(50)}
    assert len(names) == 50
    assert all(len({one[i] for one in names}) > 1 for i in range(26))


def opened(store: ImageStore, url: str, now_ms: int, **changes: str) -> Path | None:
    """The file behind a link of ours, after what its holder may have changed in it."""
    parts = urllib.parse.urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("https", "pictures.example")
    fields = dict(urllib.parse.parse_qsl(parts.query)) | {"name": parts.path.split("/")[-1]}
    return store.open_link(**(fields | changes), now_ms=now_ms)


def test_a_link_opens_until_its_very_last_millisecond(store: ImageStore):
    url = store.link(put(store).name, NOON_MS)
    assert opened(store, url, NOON_MS - 86_400_000)
    assert opened(store, url, NOON_MS - 1)
    assert opened(store, url, NOON_MS) is None
    assert opened(store, url, NOON_MS + 1) is None


def test_a_link_that_was_tampered_with_opens_nothing(store: ImageStore):
    file, other = put(store), put(store)
    url = store.link(file.name, NOON_MS)
    right = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    signature = right["signature"]
    now = NOON_MS - 1000
    assert opened(store, url, now)
    for at in range(len(signature)):
        flipped = "0" if signature[at] != "0" else "1"
        wrong = signature[:at] + flipped + signature[at + 1 :]
        assert opened(store, url, now, signature=wrong) is None
    for wrong in ("", signature[:-1], signature + "0", signature.upper(), "é", "\ud800"[:0]):
        if wrong != signature:
            assert opened(store, url, now, signature=wrong) is None
    for wrong in ("", "0", "-1", "1e12", "٣", str(int(right["expires"]) + 1), "9" * 12, "9" * 13):
        assert opened(store, url, now, expires=wrong) is None
    for wrong in (
        other.name,
        file.name + "\n",
        "../secret",
        "..%2fsecret",
        "",
        "a" * 26 + "-1-0.png",
    ):
        assert opened(store, url, now, name=wrong) is None


def test_a_link_of_another_install_opens_nothing(store: ImageStore):
    url = store.link(put(store).name, NOON_MS)
    other = ImageStore(store.root, b"another install's secret", store.public_url)
    assert opened(other, url, NOON_MS - 1000) is None


def test_a_link_to_a_file_that_is_gone_opens_nothing(store: ImageStore):
    file = put(store)
    url = store.link(file.name, NOON_MS)
    store.remove(file.name)
    store.remove(file.name)  # which may be done twice
    assert opened(store, url, NOON_MS - 1000) is None


@pytest.mark.parametrize("name", ["../outside.png", "/etc/passwd", "x", "a/../../outside.png"])
def test_nothing_outside_the_folder_is_ever_removed(store: ImageStore, name: str, tmp_path: Path):
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"mine")
    store.remove(name)
    assert outside.exists()


def test_a_write_that_fails_leaves_nothing_behind(store: ImageStore, tmp_path: Path):
    store.root.write_bytes(b"a file where the folder should be")
    with pytest.raises(OSError, match=r"."):
        put(store)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures"]


def completed_job(books: Books, file: StoredFile) -> jobs.Job:
    books.submit(books.customer(credits=10))
    job = books.claim()
    assert job is not None
    books.complete(job)

    async def rename(tx: Transaction) -> None:
        await tx.execute(
            "update pictures set name = $1, expires_at_ms = $2 where job_id = $3",
            file.name, books.clock.now_ms + 86_400_000, job.id,
        )  # fmt: skip

    books.write(rename)
    return job


def test_the_sweep_removes_the_files_of_pictures_whose_day_is_over(books: Books, store: ImageStore):
    job = completed_job(books, put(store))
    books.clock.forward(hours=23.99)
    assert books.run(sweep.remove_expired_pictures(books.db, store)) == 0
    books.clock.forward(hours=0.02)
    assert books.run(sweep.remove_expired_pictures(books.db, store)) == 1
    assert list(store.root.glob("*/*")) == []
    assert books.run(sweep.remove_expired_pictures(books.db, store)) == 0
    again = books.read(lambda tx: jobs.get(tx, job.id, link, dialect="evolink"))
    assert len(again.pictures) == 1  # the row still says what the job made


def test_the_sweep_removes_old_files_that_no_row_knows_and_no_others(
    books: Books, store: ImageStore
):
    known, litter, fresh = put(store), put(store), put(store)
    completed_job(books, known)
    torn = store.root / "zz" / "torn.tmp"
    torn.parent.mkdir()
    torn.write_bytes(b"half a picture")
    for path in store.root.glob("*/*"):
        if path.name != fresh.name:
            os.utime(path, (0, 0))
    assert books.run(sweep.remove_litter(books.db, store)) == 2
    left = {path.name for path in store.root.glob("*/*")}
    assert left == {known.name, fresh.name}
    assert litter.name not in left
