"""The whole story, through real processes and the embedded model: a prompt becomes a picture, and
the caller is told.

First in our own words, then with the two services' own examples where their documents are at hand.
"""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import requests
import standardwebhooks
from PIL import Image

from callbacks import LOOPBACK, Receiver, certificates, receiving
from originals import code_block, needs_evolink_openapi, needs_krea_document
from running import Customer, Server, until

PROMPT = "A cinematic product poster, silver headphones floating against a matte-black backdrop"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("studio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificates(folder)))  # of this test's own receivers
        server = Server(folder / "home", STAND_IN="mini", EGRESS_ALLOW=LOOPBACK).start()
        yield server
        server.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def assert_told(receiver: Receiver, caller: Customer, poll: str) -> None:
    """One signed webhook came, with the bytes of the poll."""
    until(lambda: receiver.calls)
    [call] = receiver.calls
    assert call.body == caller.call("GET", poll).content
    [secret, *_] = caller.call("GET", "/v1/webhooks/secret").json()["data"]
    standardwebhooks.Webhook(secret["secret"]).verify(call.body, call.headers)


@pytest.fixture
def caller(studio: Server) -> Customer:
    return studio.customer("100")


def download(url: str, folder: Path) -> Image.Image:
    """The picture on disk, as an application would keep it."""
    reply = requests.get(url, timeout=10)
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "image/png"
    path = folder / "picture.png"
    path.write_bytes(reply.content)
    with Image.open(path) as picture:
        picture.load()
        return picture


def test_evolinks_request_becomes_a_picture_of_its_cell_and_its_caller_is_told(
    studio: Server, caller: Customer, receiver: Receiver, tmp_path: Path
) -> None:
    fields = {"size": "16:9", "quality": "1K", "callback_url": receiver.url}
    created = caller.order(PROMPT, **fields).json()
    assert re.fullmatch(r"task-unified-\d{10}-[a-z0-9]{8}", created["id"])
    assert created["status"] == "pending"
    assert created["usage"]["credits_reserved"] == 0.45

    seen: list[int] = []

    def finished() -> dict[str, object] | None:
        task = caller.task(created["id"])
        seen.append(task["progress"])
        return task if task["status"] == "completed" else None

    task = until(finished)
    assert seen == sorted(seen), "progress never falls"
    assert task["model"] == "safelight-mini", "a stand-in says so"
    assert task["usage"] == {"credits_used": 0.45}
    assert [data["url"] for data in task["result_data"]] == task["results"]
    picture = download(task["results"][0], tmp_path)
    assert (picture.size, picture.format, picture.mode) == ((1344, 768), "PNG", "RGB")
    assert studio.balance(caller)["spent"] == Decimal("0.45")
    assert_told(receiver, caller, f"/v1/tasks/{created['id']}")
    studio.assert_books_agree()


def test_kreas_request_becomes_a_picture_of_its_width_and_height_and_its_caller_is_told(
    studio: Server, caller: Customer, receiver: Receiver, tmp_path: Path
) -> None:
    body = {
        "prompt": "a serene mountain landscape at sunset",
        "width": 1024,
        "height": 576,
        "steps": 28,
    }
    headers = {"X-Webhook-URL": receiver.url}
    job = caller.call("POST", "/generate/image/bfl/flux-1-dev", json=body, headers=headers).json()
    assert job["status"] == "queued"
    assert job["completed_at"] is None
    done = caller.job(job["job_id"], wait=30)
    assert done["status"] == "completed"
    assert done["completed_at"] > done["created_at"]
    assert download(done["result"]["urls"][0], tmp_path).size == (1024, 576)
    assert_told(receiver, caller, f"/jobs/{job['job_id']}")
    studio.assert_books_agree()


def test_the_same_prompt_seed_and_size_give_the_same_bytes(
    caller: Customer, tmp_path: Path
) -> None:
    def draw(seed: int) -> bytes:
        task = caller.finished(caller.ordered("a red apple", seed=seed))
        return requests.get(task["results"][0], timeout=10).content

    pixels = [Image.open(io.BytesIO(draw(seed))).tobytes() for seed in (7, 7, 8)]
    assert pixels[0] == pixels[1]
    assert pixels[0] != pixels[2]


@needs_evolink_openapi
def test_evolinks_own_request_example_ends_with_the_picture_on_disk(
    caller: Customer, tmp_path: Path
) -> None:
    import yaml

    from originals import EVOLINK_OPENAPI

    operation = yaml.safe_load(EVOLINK_OPENAPI.read_text())["paths"]["/v1/images/generations"]
    examples = operation["post"]["requestBody"]["content"]["application/json"]["examples"]
    created = caller.call("POST", "/v1/images/generations", json=examples["text_to_image"]["value"])
    assert created.status_code == 200
    task = until(lambda: _completed(caller.task(created.json()["id"])))
    assert download(task["results"][0], tmp_path).size == (1344, 768)


def _completed(task: dict[str, object]) -> dict[str, object] | None:
    return task if task["status"] == "completed" else None


@needs_krea_document
def test_kreas_own_python_program_ends_with_the_picture_on_disk(
    caller: Customer, tmp_path: Path
) -> None:
    program = code_block("python")
    assert "while True" in program
    program = program.replace("https://api.krea.ai", caller.url)
    program = program.replace("your-token-secret", caller.key)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    url = re.search(r"Image ready: (\S+)", done.stdout)
    assert url, done.stdout
    assert download(url.group(1), tmp_path).size == (1024, 576)


@needs_krea_document
def test_kreas_own_curl_lines_end_with_the_picture_on_disk(
    caller: Customer, tmp_path: Path
) -> None:
    create, poll = code_block("bash").split("# Step 2")
    created = _run_as_printed(create, caller)
    job_id = re.search(r'"job_id":"([0-9a-f-]{36})"', created)
    assert job_id, created
    poll = "# Step 2" + poll.replace("550e8400-e29b-41d4-a716-446655440000", job_id.group(1))

    def ready() -> "re.Match[str] | None":
        return re.search(r'"urls":\["([^"]+)"\]', _run_as_printed(poll, caller))

    assert download(until(ready).group(1), tmp_path).size == (1024, 576)


def _run_as_printed(lines: str, caller: Customer) -> str:
    script = lines.replace("https://api.krea.ai", caller.url)
    script = script.replace("YOUR_API_TOKEN", caller.key).replace("curl -X", "curl -sS -X")
    return subprocess.run(
        ["/bin/sh", "-c", script], capture_output=True, text=True, timeout=60, check=True
    ).stdout


def test_the_command_line_draws_without_a_running_server(tmp_path: Path) -> None:
    from running import command

    done = command(
        tmp_path / "home", "image", "빨간 사과 두 개", "-o", str(tmp_path / "apples.png"),
        "--size", "3:4", "--seed", "5", "--show-curl",
        STAND_IN="mini", PORT=1,  # nobody listens on port 1: the command starts its own server
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "apples.png") as picture:
        assert picture.size == (896, 1152)
    assert "curl http" in done.stdout
