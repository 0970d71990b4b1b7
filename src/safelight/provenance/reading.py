"""Reads back what a file says of its origin, and whether it is still what was signed."""

import io
import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from safelight.provenance import boxes, library, png
from safelight.provenance.certificates import Trust
from safelight.provenance.manifest import GENERATION

CREDENTIAL_CODES = "signingCredential."  # of who signed, in contrast to what was signed
LABEL = b"c2pa"  # which every manifest has in the names of its parts
PROBLEMS_MAX = 16  # told of one file
TEXT_MAX = 500  # characters of one value that a stranger's manifest holds


class Integrity(StrEnum):
    """What can be said of a file's bytes by the manifest within it."""

    INTACT = "intact"  # every signed byte is as it was signed
    CHANGED = "changed"  # it has a manifest, and is not what that was made for
    ABSENT = "absent"  # it has none: nothing can be said


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a file says of itself. Only an intact one by a trusted signer deserves belief."""

    integrity: Integrity
    trusted: bool = False  # its signer is certified by one of the anchors
    ours: bool = False  # and that signer is this install's own
    signer: str | None = None  # organisation and name on the certificate
    signed_at: str | None = None  # by a time authority; else nobody vouches for the time
    made_at: str | None = None  # by the signer's word
    software: str | None = None
    source_type: str | None = None  # IPTC's, the last word of its URI
    model: str | None = None
    asked_for: str | None = None
    engine: str | None = None
    prompt: str | None = None
    account: str | None = None
    serial: str | None = None  # of the signer's certificate
    problems: tuple[str, ...] = ()  # codes of C2PA, and what is wrong with the file

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"problems": list(self.problems)}


def read(data: bytes, anchors: str) -> Report:
    """What the file says, as far as the PEM certificates in `anchors` let us believe it.

    Works offline, for every kind of file that C2PA knows.
    """
    is_png = data.startswith(png.SIGNATURE)
    torn = [*png.problems(data), *_unlike_ours(data)] if is_png else []
    try:
        store = _store(data, anchors, "image/png" if is_png else None)
    except library.load().C2paError as error:
        if LABEL not in data or _says_absent(error):
            return Report(integrity=Integrity.ABSENT, problems=tuple(torn))
        return Report(integrity=Integrity.CHANGED, problems=(*torn, _first_line(error)))
    return _report(store, torn)


def _unlike_ours(data: bytes) -> list[str]:
    """In a PNG that says it is ours: what is not signed there and not as we write it."""
    for kind, start, end in png.chunks(data):
        if kind == png.MANIFEST and GENERATION.encode() in data[start:end]:
            return boxes.problems(data[start:end])
    return []


def read_own(data: bytes, trust: Trust) -> Report:
    """The same, and whether it was this install that signed it."""
    report = read(data, trust.authority)
    if report.trusted or not trust.issuers:
        return replace(report, ours=report.trusted)
    report = read(data, trust.anchors)
    return replace(report, ours=report.trusted and report.serial == trust.serial)


def _store(data: bytes, anchors: str, kind: str | None) -> dict[str, Any]:
    c2pa = library.load()
    context = c2pa.Context(library.settings(anchors))
    with c2pa.Reader(kind, io.BytesIO(data), context=context) as reader:
        found: dict[str, Any] = json.loads(reader.json())
    return found


def _says_absent(error: Exception) -> bool:
    c2pa = library.load()
    return isinstance(error, c2pa.C2paError.ManifestNotFound | c2pa.C2paError.NotSupported)


def _report(store: dict[str, Any], torn: list[str]) -> Report:
    results = store.get("validation_results", {})
    failures = [failure["code"] for failure in _failures(results)]
    tampered = [code for code in failures if not code.startswith(CREDENTIAL_CODES)]
    invalid = store.get("validation_state") == "Invalid"
    changed = bool(torn or tampered or (invalid and not failures))
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    return Report(
        integrity=Integrity.CHANGED if changed else Integrity.INTACT,
        trusted=store.get("validation_state") == "Trusted",
        problems=tuple(dict.fromkeys([*torn, *failures]))[:PROBLEMS_MAX],
        **_claims(manifest),
    )


def _failures(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the manifest itself, and of those that it builds on."""
    active = results.get("activeManifest") or {}
    deltas = results.get("ingredientDeltas") or []
    inner = [delta.get("validationDeltas", {}).get("failure", []) for delta in deltas]
    return [*active.get("failure", []), *(failure for part in inner for failure in part)]


def _claims(manifest: dict[str, Any]) -> dict[str, Any]:
    """What the manifest says, as far as it is what we know how to read; strangers write it."""
    assertions = {a.get("label"): a.get("data") for a in manifest.get("assertions", [])}
    signature = manifest.get("signature_info", {})
    names = [_text(signature.get(part)) for part in ("issuer", "common_name")]
    claims: dict[str, Any] = {
        "signer": ", ".join(name for name in names if name) or None,
        "signed_at": _text(signature.get("time")),
        "serial": _text(signature.get("cert_serial_number")),
        "software": _software(manifest.get("claim_generator_info")),
    }
    for label in ("c2pa.actions", "c2pa.actions.v2"):
        claims |= _created(assertions.get(label))
    generation = assertions.get(GENERATION)
    if isinstance(generation, dict):
        for name in ("model", "asked_for", "engine", "prompt", "account"):
            claims[name] = _text(generation.get(name))
    return claims


def _created(actions: Any) -> dict[str, Any]:
    listed = actions.get("actions") if isinstance(actions, dict) else None
    for action in listed if isinstance(listed, list) else []:
        if isinstance(action, dict) and action.get("action") == "c2pa.created":
            source = _text(action.get("digitalSourceType"))
            return {
                "made_at": _text(action.get("when")),
                "source_type": source and source.rpartition("/")[2],
            }
    return {}


def _software(generators: Any) -> str | None:
    first = generators[0] if isinstance(generators, list) and generators else None
    if not isinstance(first, dict):
        return None
    parts = [_text(first.get(part)) for part in ("name", "version")]
    return " ".join(part for part in parts if part) or None


def _text(value: Any) -> str | None:
    return value[:TEXT_MAX] if isinstance(value, str) else None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:TEXT_MAX]
