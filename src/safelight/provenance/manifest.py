"""What is written into a picture: its C2PA claim, and the IPTC words that simpler readers know."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import quoteattr

from safelight import __version__

SOFTWARE = "Safelight"
# https://cv.iptc.org/newscodes/digitalsourcetype/ — made by a model that was trained on samples.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
GENERATION = "safelight.generation"  # the label of our own assertion


@dataclass(frozen=True, slots=True)
class Origin:
    """What a picture says of how it was made. Neither prompt nor account, unless asked."""

    model: str  # the one that really made it
    asked_for: str  # another one, where `model` stands in
    engine: str
    prompt: str | None = None
    account: str | None = None


def definition(origin: Origin, now_seconds: float) -> str:
    """The C2PA manifest as the library takes it."""
    agent = {"name": SOFTWARE, "version": __version__}
    created = {
        "action": "c2pa.created",
        "when": datetime.fromtimestamp(int(now_seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "digitalSourceType": SOURCE_TYPE,
        "softwareAgent": agent,
        "description": _sentence(origin),
    }
    return json.dumps(
        {
            "claim_generator_info": [agent],
            "assertions": [
                {"label": "c2pa.actions.v2", "data": {"actions": [created]}},
                {"label": GENERATION, "data": _generation(origin)},
            ],
        }
    )


@lru_cache(256)
def xmp(model: str) -> bytes:
    """An XMP packet: IPTC's DigitalSourceType and the system that was used (IPTC 2025.1)."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about=""'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f" Iptc4xmpExt:DigitalSourceType={quoteattr(SOURCE_TYPE)}"
        f" Iptc4xmpExt:AISystemUsed={quoteattr(f'{SOFTWARE}: {model}')}"
        f" Iptc4xmpExt:AISystemVersionUsed={quoteattr(__version__)}/>"
        '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def _generation(origin: Origin) -> dict[str, Any]:
    found = {"model": origin.model, "engine": origin.engine}
    if origin.asked_for != origin.model:
        found["asked_for"] = origin.asked_for
    if origin.prompt is not None:
        found["prompt"] = origin.prompt
    if origin.account is not None:
        found["account"] = origin.account
    return found


def _sentence(origin: Origin) -> str:
    if origin.asked_for == origin.model:
        return f"Made by the model {origin.model}."
    return f"Made by the model {origin.model}, which stood in for {origin.asked_for}."
