"""The command line: `safelight serve`, `image`, `keys`, `credits`, `models`, `doctor` …"""

import sys

from safelight.cli.commands import app
from safelight.errors import ConfigurationError, SafelightError


def main() -> None:
    """Run a command; what an operator can mend is one line on stderr and exit code 1."""
    try:
        app()
    except (ConfigurationError, SafelightError, OSError) as error:
        sys.stderr.write(f"safelight: {error}\n")
        sys.exit(1)
