"""Through a real server: a picture of either door is signed, and reads back as what it is."""

import hashlib
import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
import requests
from PIL import Image

from running import Customer, Server, command
from safelight import provenance
from safelight.provenance import Integrity
from signed import assert_all_are_signed

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def fetch(url: str) -> bytes:
    reply = requests.get(url, timeout=10)
    assert reply.status_code == 200
    return reply.content


@pytest.fixture
def pictures(customer: Customer) -> dict[str, bytes]:
    """One made through each door."""
    task = customer.finished(customer.ordered())
    job = customer.job(customer.order_krea().json()["job_id"], wait=30)
    return {
        "evolink": fetch(task["results"][0]),
        "krea": fetch(job["result"]["urls"][0]),
    }


def test_both_doors_serve_signed_pictures(server: Server, pictures: dict[str, bytes]) -> None:
    anchors = provenance.trust_of(server.home, None).anchors
    for picture in pictures.values():
        report = provenance.read(picture, anchors)
        assert (report.integrity, report.trusted, report.problems) == (Integrity.INTACT, True, ())
        assert (report.engine, report.software) == ("fake", "Safelight 0.1.0")


def test_simple_readers_find_iptcs_word_for_it(pictures: dict[str, bytes]) -> None:
    for content in pictures.values():
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
            packet = picture.info["xmp"].decode()
        [description] = ElementTree.fromstring(packet).iter(f"{RDF}Description")
        assert description.attrib[f"{IPTC}DigitalSourceType"] == SOURCE_TYPE
        assert description.attrib[f"{IPTC}AISystemUsed"].startswith("Safelight: ")


def test_the_registry_has_the_bytes_that_were_served(
    server: Server, pictures: dict[str, bytes]
) -> None:
    for content in pictures.values():
        sha256 = hashlib.sha256(content).hexdigest()
        assert server.count(f"provenance where hex(sha256) = '{sha256.upper()}'") == 1
    assert assert_all_are_signed(server.home) >= len(pictures)


def test_private_keys_are_private(server: Server) -> None:
    folder = server.home / "provenance"
    assert folder.stat().st_mode & 0o777 == 0o700
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == ["authority.pem", "signer.pem"]
    assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]


def test_a_server_that_cannot_sign_says_so_and_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "provenance").mkdir()
    (tmp_path / "provenance" / "authority.pem").write_text("no certificate")
    for verb in ("serve", "work"):
        done = command(tmp_path, verb, PORT=0)
        assert done.returncode == 1
        assert "authority.pem holds no certificate in PEM form" in done.stderr
