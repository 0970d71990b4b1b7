"""Who sits at the command line, as the audit log names them."""

import getpass
import os

from safelight.audit import Origin


def operator() -> Origin:
    """The login this process runs as; behind sudo, whose it was before."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number and no name
        login = str(os.getuid())
    before = os.environ.get("SUDO_USER")
    return Origin(actor=f"operator:{login}" + (f" (sudo by {before})" if before else ""))
