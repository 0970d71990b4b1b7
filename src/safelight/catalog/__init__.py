"""The models on offer as data: parameters, sizes, prices and licences, one TOML file each."""

from safelight.catalog.model import Catalog, Licence, Model, Offer, Sunset
from safelight.catalog.reading import load
from safelight.catalog.request import ImageRequest

__all__ = ["Catalog", "ImageRequest", "Licence", "Model", "Offer", "Sunset", "load"]
