"""Krea 2 on the library's own modules, without the work that changes nothing in the picture."""

from safelight.engines.diffusers.krea2.painting import Krea2Painter
from safelight.engines.diffusers.krea2.text import trim_text_encoder

__all__ = ["Krea2Painter", "trim_text_encoder"]
