"""PDQ hashes: as other software computes them, and alike for what looks alike."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from keeping import Books
from safelight.db import Transaction
from safelight.provenance import Likeness, likeness, registry
from safelight.provenance.likeness import Pixels, distance
from safelight.provenance.lookalikes import FOUND_MAX, Lookalikes
from signed import ORIGIN


def waves(height: int, width: int) -> Pixels:
    y, x = np.mgrid[0:height, 0:width]
    channels = [
        np.sin(x / width * 9 + i) * 60 + np.cos(y / height * 7 * (i + 1)) * 60 + 127
        for i in range(3)
    ]
    return np.stack(channels, -1).clip(0, 255).astype(np.uint8)


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3)).astype(np.uint8)


# Computed by pdqhash 0.2.8, which wraps the authors' own code.
VECTORS = [
    (waves, 64, 64, "9c604bdd8753ec28c3552bd3b7ab55193bf93e95f5017df10ebbd00478b9c000"),
    (waves, 512, 512, "44fe170f68e18438147e48f2041a70f50f4c175fb09eccb1fcf8a67efae3045e"),
    (waves, 301, 700, "031fbab81c4ffe49a0927b88d4f2ff403a71343312b54bc3fa5405e2b2993f4b"),
    (noise, 128, 128, "a7aad4ba9f403ba86dd9edb209269585546da9aac267eea568d9620ead4c8dc4"),
    (noise, 1000, 1024, "dd8bbdb5f10f4ba98fb010a2a4127c13d186df54299b8f888205d9fb72b326ba"),
]


@pytest.mark.parametrize(("draw", "height", "width", "reference"), VECTORS)
def test_hashes_are_those_of_the_reference(
    draw: Callable[[int, int], Pixels], height: int, width: int, reference: str
) -> None:
    found = likeness(draw(height, width))
    assert distance(found.bits, bytes.fromhex(reference)) <= 4, "rounding may turn a bit or two"
    assert found.quality == 100


def encoded(pixels: Pixels, **options: Any) -> Pixels:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, **options)
    return np.asarray(Image.open(out).convert("RGB"))


def test_it_survives_encoding_scaling_and_light() -> None:
    pixels = np.asarray(Image.fromarray(noise(24, 36)).resize((768, 512), Image.Resampling.BICUBIC))
    original = likeness(pixels).bits
    halved = np.asarray(Image.fromarray(pixels).resize((384, 256)))
    brighter = np.clip(pixels.astype(int) + 20, 0, 255).astype(np.uint8)
    others = [
        encoded(pixels, format="JPEG", quality=50), encoded(pixels, format="WEBP", quality=50),
        halved, brighter,
    ]  # fmt: skip
    assert all(distance(original, likeness(other).bits) <= 31 for other in others)
    assert distance(original, likeness(pixels[:, ::-1]).bits) > 64, "mirrored, it is another"
    assert distance(original, likeness(noise(512, 768)).bits) > 64


def test_pictures_of_nothing_tell_nothing() -> None:
    for side in (1, 4, 64, 1024):
        assert not likeness(np.full((side, side, 3), 80, np.uint8)).tells


def registered(books: Books, *all_looks: Likeness) -> list[int]:
    async def work(tx: Transaction) -> list[int]:
        for number, looks in enumerate(all_looks):
            sha256 = bytes([number % 256, number // 256]) + looks.bits[:30]
            await registry.insert(tx, sha256, looks, ORIGIN, "job", number)
        rows = await tx.fetch_all("select seq from provenance order by seq")
        return [row["seq"] for row in rows]

    return books.write(work)


def near(books: Books, lookalikes: Lookalikes, bits: bytes) -> list[tuple[int, int]]:
    found = books.run(books.db.scan(lambda tx: lookalikes.search(tx, bits)))
    return [(distance, record.seq) for distance, record in found]


def with_flips(bits: bytes, count: int) -> bytes:
    return (int.from_bytes(bits) ^ ((1 << count) - 1)).to_bytes(32)


def test_the_nearest_are_found_up_to_the_distance_and_no_further(books: Books) -> None:
    rng = np.random.default_rng(1)
    crowd = [Likeness(rng.bytes(32), 100) for _ in range(300)]
    wanted = rng.bytes(32)
    flips = (31, 0, 32, 5)
    seqs = registered(books, *crowd, *(Likeness(with_flips(wanted, n), 100) for n in flips))
    lookalikes = Lookalikes()
    assert near(books, lookalikes, wanted) == [(0, seqs[301]), (5, seqs[303]), (31, seqs[300])]


def test_what_is_added_later_is_found_and_what_is_forgotten_is_not(books: Books) -> None:
    lookalikes, bits = Lookalikes(), bytes(range(32))
    assert near(books, lookalikes, bits) == []
    [seq] = registered(books, Likeness(bits, 100))
    assert near(books, lookalikes, bits) == [(0, seq)]
    books.clock.forward(hours=25)
    assert books.write(lambda tx: registry.forget(tx, 1, 100)) == 1
    assert near(books, lookalikes, bits) == []
    [later] = registered(books, Likeness(bits, 100))
    assert later > seq
    assert near(books, lookalikes, bits) == [(0, later)]


def test_what_tells_nothing_is_not_searched(books: Books) -> None:
    registered(books, Likeness(bytes(32), 49))
    assert near(books, Lookalikes(), bytes(32)) == []


def test_pages_are_read_to_their_end(books: Books) -> None:
    rng = np.random.default_rng(2)
    crowd = [Likeness(rng.bytes(32), 100) for _ in range(2500)]
    seqs = registered(books, *crowd)
    lookalikes = Lookalikes(page_rows=1000)
    for number in (0, 999, 1000, 1999, 2000, 2499):
        assert near(books, lookalikes, crowd[number].bits) == [(0, seqs[number])]


def test_what_is_forgotten_does_not_hide_what_is_kept(books: Books) -> None:
    lookalikes, bits = Lookalikes(), bytes(range(32))
    old = registered(books, *(Likeness(with_flips(bits, n), 100) for n in range(FOUND_MAX)))
    books.clock.forward(hours=25)
    *_, kept = registered(books, Likeness(with_flips(bits, 20), 100))
    assert near(books, lookalikes, bits) == list(enumerate(old))
    books.write(lambda tx: registry.forget(tx, 1, 100))
    assert near(books, lookalikes, bits) == [(20, kept)]
