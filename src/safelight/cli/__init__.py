"""The command line: `safelight serve`, `image`, `keys`, `credits`, `models`, `doctor` …"""

import sys

from safelight.errors import ConfigurationError, SafelightError

# What an operator can mend. Bytes that are no text reach us as halves of surrogate pairs.
OPERATORS = (ConfigurationError, SafelightError, OSError, UnicodeEncodeError)
NOT_TEXT = "an argument is not valid UTF-8"


def main() -> None:
    """Run a command; what an operator can mend is one line on stderr and exit code 1."""
    from safelight.cli.commands import app  # worker processes have no use for it

    try:
        app()
    except OPERATORS as error:
        message = NOT_TEXT if isinstance(error, UnicodeEncodeError) else str(error)
        sys.stderr.write(f"safelight: {message}\n")
        sys.exit(1)
