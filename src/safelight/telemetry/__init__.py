"""What the house tells about itself: events, how they are counted, carried, logged, traced."""

from safelight.telemetry.events import Event, Tell, both, silent

__all__ = ["Event", "Tell", "both", "silent"]
