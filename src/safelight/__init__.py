"""Safelight: a self-hosted text-to-image service that speaks the EvoLink and Krea wires."""

__version__ = "0.1.0"
