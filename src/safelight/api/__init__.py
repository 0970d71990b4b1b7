"""The doors: how the world reaches us."""
