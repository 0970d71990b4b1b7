"""Leaves out what needs torch where the torch extra is not installed (`make test-core`)."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") and find_spec("diffusers") else ["test_*.py"]
