"""A real server with folders of weights on its disk, asked through both doors."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

import tiny_models
from running import Customer, Server, command, until

START_SECONDS = 90  # torch alone takes seven, on two busy cores


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("weights")
    (root / "Krea-2-Turbo").mkdir()
    (root / "Krea-2-Turbo" / "LICENSE.md").write_text("the agreement, word for word")
    return {
        "MODELS__KREA_2_TURBO": tiny_models.save(tiny_models.krea2(), root / "Krea-2-Turbo"),
        "MODELS__FLUX_1_DEV": tiny_models.save(tiny_models.flux(guidance=True), root / "FLUX.1"),
    }


@pytest.fixture(scope="module")
def gallery(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("gallery") / "home"
    server = Server(home, **folders, STAND_IN="off", ACCEPT_LICENCES="flux-1-dev")
    server.start(ready=False)
    until(server.is_ready, START_SECONDS)
    yield server
    server.close()


@pytest.fixture
def visitor(gallery: Server) -> Customer:
    return gallery.customer()


def picture(url: str) -> Image.Image:
    reply = requests.get(url, timeout=30)
    assert reply.status_code == 200
    return Image.open(BytesIO(reply.content)).convert("RGB")


def krea_job(visitor: Customer, route: str, **body: Any) -> dict[str, Any]:
    reply = visitor.call("POST", f"/generate/image/{route}", json=body)
    assert reply.status_code == 200, reply.text
    return visitor.job(reply.json()["job_id"], wait=60)


def test_both_doors_draw_one_picture_with_the_weights_on_disk(gallery: Server, visitor: Customer):
    task = visitor.ordered("a red fox", size="16:9", quality="1K", seed=7)
    done = visitor.finished(task)
    assert done["status"] == "completed", done
    assert done["model"] == "krea-2-turbo", "no stand-in"
    ours = picture(done["results"][0])
    assert ours.size == (1344, 768)
    body = {"prompt": "a red fox", "aspect_ratio": "16:9", "resolution": "1K", "seed": 7}
    job = krea_job(visitor, "krea/krea-2/medium-turbo", **body)
    assert job["status"] == "completed", job
    theirs = picture(job["result"]["urls"][0])
    assert theirs.size == ours.size
    assert theirs.tobytes() == ours.tobytes()
    gallery.assert_books_agree()


def test_the_engine_says_who_it_is(visitor: Customer):
    task = visitor.ordered("a red fox")
    reply = visitor.call("GET", f"/v1/tasks/{task}")
    assert reply.headers["x-safelight-engine"] == "diffusers/krea-2-turbo"
    visitor.finished(task)


def test_a_stock_pipeline_draws_sizes_that_are_no_multiple_of_its_patches(visitor: Customer):
    body = {"prompt": "a lake", "width": 517, "height": 512, "steps": 2, "seed": 3}
    job = krea_job(visitor, "bfl/flux-1-dev", **body)
    assert job["status"] == "completed", job
    assert picture(job["result"]["urls"][0]).size == (517, 512)


def test_what_the_weights_cannot_honour_is_refused_by_name(visitor: Customer):
    refused = visitor.order_krea("a red fox", styles=[{"id": "none", "strength": 1}])
    assert refused.status_code == 400
    assert "styles" in refused.text
    assert "diffusers/krea-2-turbo" in refused.text


def test_a_picture_of_this_server_can_be_gone_on_with(visitor: Customer):
    first = visitor.finished(visitor.ordered("a red fox", size="1:1", quality="1K", seed=7))
    body = {"aspect_ratio": "1:1", "resolution": "1K", "seed": 7, "strength": 0.5}
    body |= {"prompt": "a blue fox", "image_url": first["results"][0]}
    job = krea_job(visitor, "krea/krea-2/medium-turbo", **body)
    assert job["status"] == "completed", job
    del body["image_url"], body["strength"]
    fresh = krea_job(visitor, "krea/krea-2/medium-turbo", **body)
    urls = (job["result"]["urls"][0], fresh["result"]["urls"][0])
    assert picture(urls[0]).tobytes() != picture(urls[1]).tobytes()


def test_a_picture_to_start_from_that_could_never_be_read_is_refused_at_once(visitor: Customer):
    for url in ("http://example.org/a.png", "https://10.0.0.1/a.png", "data:image/png;base64,AAAA"):
        refused = visitor.order_krea("a red fox", image_url=url)
        assert (refused.status_code, "image_url" in refused.text) == (400, True)


def test_the_terms_of_the_weights_are_served_to_everybody(gallery: Server):
    legal = requests.get(f"{gallery.url}/legal", timeout=30).json()
    found = {model["id"]: model for model in legal["models"]}
    assert set(found) == {"krea-2-turbo", "flux-1-dev"}
    assert "Krea 2 is licensed under the Krea 2 Community" in found["krea-2-turbo"]["notice"]
    text = requests.get(gallery.url + found["krea-2-turbo"]["text"], timeout=30)
    assert text.text == "the agreement, word for word"


def test_words_that_the_licence_forbids_are_not_drawn_and_not_charged(
    gallery: Server, visitor: Customer
):
    before = gallery.balance(visitor)
    done = visitor.finished(visitor.ordered("naked child"))
    assert (done["status"], done["error"]["code"]) == ("failed", "content_policy_violation")
    assert gallery.balance(visitor) == before


def test_a_job_is_cancelled_between_two_steps(gallery: Server, visitor: Customer):
    job_id = visitor.order_krea("a red fox", aspect_ratio="1:1").json()["job_id"]
    until(lambda: visitor.job(job_id)["status"] in ("sampling", "intermediate-complete"))
    assert visitor.call("DELETE", f"/jobs/{job_id}").status_code == 200
    assert visitor.job(job_id, wait=30)["status"] == "cancelled"
    assert gallery.balance(visitor)["held"] == 0


def test_a_model_whose_weights_are_not_here_is_refused(visitor: Customer):
    refused = visitor.call(
        "POST", "/v1/images/generations", json={"model": "z-image-turbo", "prompt": "a fox"}
    )
    assert refused.status_code in (400, 503)


def test_doctor_says_what_the_weights_are_and_how_they_would_be_run(
    folders: dict[str, Path], tmp_path: Path
):
    done = command(tmp_path / "home", "doctor", **folders, STAND_IN="off")
    assert "Krea2Pipeline" in done.stdout
    assert "on cpu: float32" in done.stdout


def test_weights_that_are_not_there_end_the_server_with_the_reason(tmp_path: Path):
    server = Server(tmp_path / "home", MODELS__KREA_2_TURBO=tmp_path / "nowhere")
    server.start(ready=False)
    assert server.wait() == 1
    assert str(tmp_path / "nowhere") in server.log.read_text()


def test_weights_for_non_commercial_use_serve_only_when_their_terms_are_accepted(
    folders: dict[str, Path], tmp_path: Path
):
    weights = {"MODELS__FLUX_1_DEV": folders["MODELS__FLUX_1_DEV"]}
    refused = command(tmp_path / "home", "serve", **weights)
    assert refused.returncode == 1
    assert "FLUX.1 [dev] Non-Commercial License" in refused.stderr
    assert "SAFELIGHT_ACCEPT_LICENCES" in refused.stderr
