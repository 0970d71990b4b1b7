"""`python -m safelight`."""

from safelight.cli import main

main()
