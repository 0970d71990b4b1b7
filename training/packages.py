"""The sources of the manifest, and the packages they come in."""

import subprocess
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

MANIFEST = Path(__file__).parent / "data" / "manifest.toml"
# What may be learnt from and shipped. CC-PDDC is Creative Commons' public domain dedication.
LICENCES = {"MIT", "Apache-2.0", "CC-BY-4.0", "CC-BY-3.0", "CC0-1.0", "CC-PDDC"}


@dataclass(frozen=True)
class Source:
    """A set of drawings, or of names. Of a picked set only what concepts.toml lists is taken."""

    name: str
    registry: str
    package: str
    version: str
    licence: str
    style: str
    picked: bool


def sources(manifest: Path = MANIFEST) -> list[Source]:
    """The manifest's sources; a licence that may not be shipped is an error."""
    rows = tomllib.loads(manifest.read_text())["source"]
    found = [
        Source(
            *(row[key] for key in ("name", "registry", "package", "version", "licence")),
            row.get("style", ""),
            row.get("picked", False),
        )
        for row in rows
    ]
    for source in found:
        if source.licence not in LICENCES:
            raise ValueError(f"{source.name}: {source.licence} may not be used")
    return found


def fetch(source: Source, cache: Path) -> Path:
    """Gets the package by name and version, unpacks it once, and returns its folder."""
    name = f"{source.package.strip('@').replace('/', '-')}-{source.version.replace(':', '_')}"
    folder = cache / name
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        print(f"fetching {source.package} {source.version}", flush=True)
        (_fetch_debian if source.registry == "debian" else _fetch_npm)(source, cache, folder)
    return folder / ("usr/share" if source.registry == "debian" else "package")


def _fetch_npm(source: Source, cache: Path, folder: Path) -> None:
    subprocess.run(
        ["npm", "pack", "--silent", f"{source.package}@{source.version}"], cwd=cache, check=True
    )
    with tarfile.open(cache / f"{folder.name}.tgz") as archive:
        archive.extractall(folder, filter="data")


def _fetch_debian(source: Source, cache: Path, folder: Path) -> None:
    wanted = f"{source.package}={source.version}"
    subprocess.run(["apt-get", "download", "-q", wanted], cwd=cache, check=True)
    (file,) = cache.glob(f"{source.package}_*.deb")
    subprocess.run(["dpkg-deb", "-x", file, folder], check=True)
