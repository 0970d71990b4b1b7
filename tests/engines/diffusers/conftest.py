"""Leaves out what needs torch where the torch extra is not installed (`make test-core`)."""

import os
from importlib.util import find_spec

# Tiny matrices gain nothing from threads, and those of several processes wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nor may a library that is imported early ask the network for what is not there.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

collect_ignore_glob = [] if find_spec("torch") and find_spec("diffusers") else ["test_*.py"]
