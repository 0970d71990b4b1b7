"""/legal: what applies here, for programs and for people, and the texts that came with weights."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests
from starlette.responses import Response
from starlette.routing import Router

from running import Server
from safelight import catalog
from safelight.api import legal
from safelight.api.house import House
from safelight.api.route import RESPONSE
from safelight.catalog import Catalog
from safelight.engines.fake import FakeEngine
from safelight.engines.roster import Roster
from safelight.errors import NotFound

CATALOG = catalog.load()
NOTICE = (
    "Krea 2 is licensed under the Krea 2 Community License Agreement. For more information, visit"
    " https://krea.ai/krea-2-licensing."
)
AGREEMENT = "KREA 2 COMMUNITY LICENSE AGREEMENT\n§ 1 …\n"


class Legal:
    """The routes of an install with these weights of its own."""

    def __init__(self, weights: Mapping[str, str], models: Catalog = CATALOG):
        engine = FakeEngine(seconds=0)
        roster = Roster(dict.fromkeys(weights, engine), engine)
        house = cast(House, SimpleNamespace(catalog=models, roster=roster))
        self._router = Router(legal.routes(house, weights))

    def get(self, path: str, accept: str = "*/*") -> Response:
        scope: dict[str, Any] = {
            "type": "http", "method": "GET", "path": path, "root_path": "", "query_string": b"",
            "headers": [(b"accept", accept.encode())],
        }  # fmt: skip

        async def nothing(*_: object) -> Any:
            return {"type": "http.disconnect"}

        asyncio.run(self._router(scope, nothing, nothing))
        if RESPONSE not in scope:
            raise NotFound
        return cast(Response, scope[RESPONSE])

    def json(self) -> Any:
        return json.loads(bytes(self.get("/legal").body))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "LICENSE.md").write_text(AGREEMENT)
    (tmp_path / "Notice").write_text(NOTICE)
    (tmp_path / "secret.txt").write_text("not yours")
    (tmp_path / "license").mkdir()
    return tmp_path


def test_a_running_server_tells_its_licences_without_a_key(server: Server) -> None:
    reply = requests.get(f"{server.url}/legal", timeout=10)
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Vary"] == "Accept"
    assert reply.json()["models"] == []  # a stand-in draws them all: nobody's licence but ours
    assert [row["name"] for row in reply.json()["software"]][:2] == [
        "Safelight",
        "Safelight Mini, the embedded model",
    ]


def test_a_browser_gets_a_page_that_runs_nothing(server: Server) -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    reply = requests.get(f"{server.url}/legal", headers={"Accept": browser}, timeout=10)
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src")
    assert "Apache License 2.0" in reply.text
    assert "<script" not in reply.text


@pytest.mark.parametrize(
    "path",
    ["krea-2-turbo", "nobody", "..%2f..%2fetc%2fpasswd", "../../etc/passwd", "%00", ".", "a/b"],
)
def test_texts_that_are_not_there_are_not_found(server: Server, path: str) -> None:
    url = f"{server.url}/legal/{path}"
    prepared = requests.Request("GET", url).prepare()
    prepared.url = url  # as it is: requests would tidy the dots away
    with requests.Session() as session:
        reply = session.send(prepared, timeout=10)
    assert reply.status_code == 404
    assert reply.json()["error"]["message"]


def test_own_weights_are_named_with_their_notice_and_duties(folder: Path) -> None:
    here = Legal(
        {"krea-2-turbo": str(folder), "flux-1-schnell": "black-forest-labs/FLUX.1-schnell"}
    )
    schnell, krea = here.json()["models"]
    assert krea["licence"]["name"] == "Krea 2 Community License Agreement"
    assert krea["notice"] == NOTICE
    assert len(krea["obligations"]) == 4
    assert krea["text"] == "/legal/krea-2-turbo"
    assert schnell == {
        "id": "flux-1-schnell",
        "name": "Flux.1 Schnell",
        "licence": {
            "name": "Apache License 2.0",
            "url": "https://www.apache.org/licenses/LICENSE-2.0",
        },
        "obligations": [],
    }
    page = bytes(here.get("/legal", "text/html").body).decode()
    assert NOTICE in page
    assert '<a href="/legal/krea-2-turbo">' in page


def test_a_running_server_serves_the_licence_of_its_weights(folder: Path, tmp_path: Path) -> None:
    server = Server(tmp_path / "home", WORKERS=0, MODELS__KREA_2_TURBO=folder)
    try:
        url = server.start(ready=False).url
        [krea] = requests.get(f"{url}/legal", timeout=10).json()["models"]
        assert (krea["id"], krea["notice"]) == ("krea-2-turbo", NOTICE)
        text = requests.get(url + krea["text"], timeout=10)
        assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert AGREEMENT in text.text
        [listed] = [
            row["licence"]
            for row in server.customer().call("GET", "/v1/models").json()["data"]
            if row["id"] == "krea-2-turbo"
        ]
        assert listed == krea["licence"] | {"notice": NOTICE}
    finally:
        server.close()


def test_the_text_is_the_folders_licence_and_notice_and_nothing_else(folder: Path) -> None:
    here = Legal({"krea-2-turbo": str(folder)})
    reply = here.get("/legal/krea-2-turbo")
    assert bytes(reply.body).decode() == f"{AGREEMENT}\n\n{NOTICE}"
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    with pytest.raises(NotFound):
        here.get("/legal/secret.txt")


def test_a_long_text_is_cut_and_a_removed_one_is_not_found(folder: Path) -> None:
    (folder / "Notice").unlink()
    (folder / "LICENSE.md").write_bytes(b"\xff" + b"a" * legal.TEXT_BYTES_MAX)
    here = Legal({"krea-2-turbo": str(folder)})
    text = bytes(here.get("/legal/krea-2-turbo").body).decode()
    assert len(text) == legal.TEXT_BYTES_MAX
    (folder / "LICENSE.md").unlink()
    with pytest.raises(NotFound):
        here.get("/legal/krea-2-turbo")


def test_names_are_escaped_in_the_page(folder: Path) -> None:
    model = CATALOG.find("krea-2-turbo")
    licence = replace(model.licence, url='https://x/"><script>', notice="<b>&")
    models = Catalog(models={model.id: replace(model, title="<script>", licence=licence)})
    page = bytes(Legal({model.id: str(folder)}, models).get("/legal", "text/html").body).decode()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("", False),
        ("*/*", False),
        ("text/html", True),
        ("Text/HTML; charset=utf-8, */*;q=0.1", True),
        ("application/json, text/html;q=0.9", False),
        ("application/json;q=0.5, text/html", True),
        ("text/html;q=0", False),
        ("text/html;q=nan, */*", False),
        (";;,q=;,text/html;q=²", False),
    ],
)
def test_html_only_for_whom_prefers_it(accept: str, html: bool) -> None:
    assert legal.prefers_html(accept) is html
