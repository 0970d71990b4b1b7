"""Every size of both doors, through a real server: exactly the documented pixels come out."""

import io

import pytest
import requests
from PIL import Image

from cells import CELLS
from running import KREA_ROUTE, Customer

EVERY_CELL = [
    (ratio, quality, pixels)
    for ratio, both in CELLS.items()
    for quality, pixels in zip(("1K", "2K"), both, strict=True)
]
KREA_RATIOS = ["1:1", "4:3", "3:2", "16:9", "2.35:1", "4:5", "3:4", "2:3", "9:16"]


def size_of(url: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(requests.get(url, timeout=10).content)) as picture:
        assert picture.format == "PNG"
        picture.load()
        return picture.size


@pytest.mark.parametrize(("ratio", "quality", "pixels"), EVERY_CELL)
def test_a_cell_of_the_table_is_what_comes_out(
    customer: Customer, ratio: str, quality: str, pixels: tuple[int, int]
) -> None:
    created = customer.order(size=ratio, quality=quality).json()
    assert created["usage"]["credits_reserved"] == (0.45 if quality == "1K" else 1.8)
    task = customer.finished(created["id"])
    assert size_of(task["results"][0]) == pixels


@pytest.mark.parametrize("size", [(512, 512), (1024, 576), (2368, 512), (777, 2368)])
def test_flux_takes_any_width_and_height_of_its_range(
    customer: Customer, size: tuple[int, int]
) -> None:
    body = {"prompt": "a cat", "width": size[0], "height": size[1]}
    job = customer.call("POST", "/generate/image/bfl/flux-1-dev", json=body).json()
    done = customer.job(job["job_id"], wait=30)
    assert size_of(done["result"]["urls"][0]) == size


@pytest.mark.parametrize("ratio", KREA_RATIOS)
def test_krea_2_takes_every_ratio_at_about_a_megapixel(customer: Customer, ratio: str) -> None:
    body = {"prompt": "a cat", "aspect_ratio": ratio, "resolution": "1K"}
    job = customer.call("POST", f"/generate/image/{KREA_ROUTE}", json=body).json()
    done = customer.job(job["job_id"], wait=30)
    width, height = size_of(done["result"]["urls"][0])
    across, down = map(float, ratio.split(":"))
    assert width / height == pytest.approx(across / down, rel=0.1)
    assert 0.9 < width * height / 1024**2 < 1.1
    assert width % 16 == height % 16 == 0


def test_the_reply_about_a_picture_says_how_long_it_may_be_kept(customer: Customer) -> None:
    task = customer.finished(customer.ordered())
    reply = requests.head(task["results"][0], timeout=10)
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "image/png"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    cache = reply.headers["Cache-Control"]
    assert cache.startswith("private, max-age=")
    assert 86_000 < int(cache.split("max-age=")[1].split(",")[0]) <= 86_400
