"""Under which licences the pictures are made: for programs, for people, and as the texts stand."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from safelight.api.answers import answer
from safelight.api.house import House
from safelight.api.route import DoorRoute
from safelight.catalog import Model
from safelight.catalog.licences import duties
from safelight.errors import NotFound

TEXT_BYTES_MAX = 256 * 1024  # of one file; licences have a twentieth of that
TEXT_NAMES = frozenset(
    f"{name}{ending}"
    for name in ("license", "licence", "notice", "copying", "model_license")
    for ending in ("", ".txt", ".md")
)
APACHE = {"name": "Apache License 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}
MIT = {"name": "MIT License", "url": "https://opensource.org/license/mit"}
# What comes with the service itself.
SOFTWARE: list[dict[str, Any]] = [
    {"name": "Safelight", "licence": APACHE, "notice": "Copyright 2026 the Safelight authors"},
    {
        "name": "Safelight Mini, the embedded model",
        "licence": APACHE,
        "notice": "Its weights were trained on the Fluent Emoji 3D artwork (MIT License, Copyright"
        " (c) Microsoft Corporation).",
    },
    {
        "name": "Multilingual Universal Sentence Encoder, which reads prompts",
        "licence": APACHE,
        "notice": "By Google.",
    },
    {
        "name": "MobileNetV2 of nsfwjs, which judges pictures",
        "licence": MIT,
        "notice": "Copyright (c) 2019 Infinite Red, Inc.",
    },
]
NO_MODELS = "No open weights are configured here."
STYLE = (
    "body{max-width:44em;margin:2em auto;padding:0 1em;font:1rem/1.5 system-ui,sans-serif}"
    "h1,h2{line-height:1.2}"
)
POLICY = (
    "default-src 'none'; style-src 'sha256-"
    f"{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
SEALED = {  # with a policy of its own, a reply declares the rest beside it
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def routes(house: House, weights: Mapping[str, str]) -> list[DoorRoute]:
    """`weights`: model id → where the operator's own are, as configured."""
    models = [
        model
        for model in house.catalog.models.values()
        if (choice := house.roster.choose(model.id)) is not None and choice.stand_in is None
    ]
    texts = {model.id: licence_files(weights.get(model.id, "")) for model in models}
    body = {
        "models": [_model(model, bool(texts[model.id])) for model in models],
        "software": SOFTWARE,
    }
    page = _page(body).encode()

    async def legal(request: Request) -> Response:
        if not prefers_html(request.headers.get("accept", "")):
            return answer(body, headers={"Vary": "Accept"})
        return Response(page, media_type="text/html", headers={"Vary": "Accept"} | SEALED)

    async def text(request: Request) -> Response:
        files = texts.get(request.path_params["model_id"])
        if not files:
            raise NotFound("There is no licence text of that model here")
        content = await asyncio.to_thread(_read, files)
        return Response(content, media_type="text/plain", headers=SEALED)

    return [
        DoorRoute("/legal", legal, methods=["GET"]),
        DoorRoute("/legal/{model_id}", text, methods=["GET"]),
    ]


def licence_files(source: str) -> tuple[Path, ...]:
    """The licence and the notice in a folder of weights, the licence first. Empty for a hub id."""
    folder = Path(source)
    if not source or not folder.is_dir():
        return ()
    found = [path for path in folder.iterdir() if path.name.lower() in TEXT_NAMES]
    return tuple(sorted(path for path in found if path.is_file()))


def prefers_html(accept: str) -> bool:
    """Whether HTML is named, and with a greater weight than JSON. RFC 9110, section 12.5.1."""
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, *options = (word.strip().lower() for word in part.split(";"))
        given = next((o[2:] for o in options if o.startswith("q=")), "1")
        weights[kind] = float(given) if given.replace(".", "", 1).isdecimal() else 0.0
    html = weights.get("text/html", weights.get("application/xhtml+xml", 0.0))
    return html > 0 and html >= weights.get("application/json", 0.0)


def _model(model: Model, has_text: bool) -> dict[str, Any]:
    licence = model.licence
    found: dict[str, Any] = {
        "id": model.id,
        "name": model.title,
        "licence": {"name": licence.name, "url": licence.url},
        "obligations": duties(licence),
    }
    if licence.notice:
        found["notice"] = licence.notice
    if has_text:
        found["text"] = f"/legal/{model.id}"
    return found


def _read(files: tuple[Path, ...]) -> bytes:
    parts = []
    for path in files:
        try:
            with path.open("rb") as file:
                parts.append(file.read(TEXT_BYTES_MAX).decode("utf-8", "replace"))
        except OSError:
            continue  # removed since the start; the others still count
    if not parts:
        raise NotFound("There is no licence text of that model here")
    return "\n\n".join(parts).encode()


def _page(body: Mapping[str, Any]) -> str:
    models = "".join(map(_section, body["models"])) or f"<p>{NO_MODELS}</p>"
    software = "".join(map(_section, body["software"]))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Licences</title>'
        f"<style>{STYLE}</style><h1>Licences</h1><h2>Models</h2>{models}"
        f"<h2>Software</h2>{software}</html>\n"
    )


def _section(entry: Mapping[str, Any]) -> str:
    lines = [
        f"<h3>{escape(entry['name'])}</h3>",
        f"<p>{_link(entry['licence']['url'], entry['licence']['name'])}</p>",
    ]
    if "notice" in entry:
        lines.append(f"<p>{escape(entry['notice'])}</p>")
    if entry.get("obligations"):
        items = "".join(f"<li>{escape(words)}</li>" for words in entry["obligations"])
        lines.append(f"<ul>{items}</ul>")
    if "text" in entry:
        lines.append(f"<p>{_link(entry['text'], 'The text as it came with the weights')}</p>")
    return "".join(lines)


def _link(url: str, text: str) -> str:
    return f'<a href="{escape(url, quote=True)}">{escape(text)}</a>'
