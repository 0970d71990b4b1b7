"""Links to pictures on a running server: good for their life, and for nothing else."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import requests

from running import Customer, Server, until


@pytest.fixture
def url(customer: Customer) -> str:
    [url] = customer.finished(customer.ordered("a cat"))["results"]
    return str(url)


def status(url: str) -> int:
    return requests.get(url, timeout=10).status_code


def test_a_link_needs_no_key_and_says_how_long_it_lives(url: str):
    reply = requests.get(url, timeout=10)
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "image/png"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    life = int(reply.headers["Cache-Control"].split("max-age=")[1].split(",")[0])
    assert 86_300 < life <= 86_400
    assert reply.content.startswith(b"\x89PNG")
    head = requests.head(url, timeout=10)
    assert int(head.headers["Content-Length"]) == len(reply.content)


def test_whatever_is_changed_in_a_link_it_opens_nothing(url: str, server: Server):
    parts = urlsplit(url)
    name, query = parts.path.split("/")[-1], parts.query
    expires, signature = (field.split("=")[1] for field in query.split("&"))
    for wrong in (
        f"{name}?expires={int(expires) + 1}&signature={signature}",
        f"{name}?expires={expires}&signature={signature[:-1]}",
        f"{name}?expires={expires}&signature={'0' * 32}",
        f"{name}?expires={expires}&signature=%ED%A0%80",
        f"{name}?expires={expires}",
        f"{name}?signature={signature}",
        f"{name}?expires=&signature=",
        name,
        f"{'b' * 26}-1-0.png?{query}",
        f"{name}%00?{query}",
        f"..%2f..%2fsecret?{query}",
        f"../safelight.db?{query}",
        f"?{query}",
    ):
        assert status(f"{server.url}/pictures/{wrong}") == 404, wrong
    assert status(url) == 200


def test_a_link_ends_with_its_life_and_the_sweep_takes_the_file(start: Callable[..., Server]):
    server = start(PICTURE_SECONDS=1)
    customer = server.customer()
    task_id = customer.ordered("a cat")
    [url] = customer.finished(task_id)["results"]
    pictures = server.config.pictures_path
    assert len(list(pictures.glob("*/*.png"))) >= 1
    until(lambda: status(url) == 404, seconds=5)
    until(lambda: not list(pictures.glob("*/*.png")), seconds=10)
    assert customer.task(task_id)["status"] == "completed"
    server.assert_books_agree()
