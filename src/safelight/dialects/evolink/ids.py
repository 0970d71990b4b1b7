"""How tasks are numbered: task-unified-1751280000-k2t9x8a3."""

import re
from random import Random
from string import ascii_lowercase, digits

from safelight.errors import InvalidIdentifier, NotFound

PREFIX = "task-unified-"
RANDOM_CHARACTERS = 8
ALPHABET = ascii_lowercase + digits
ID = re.compile(r"task-unified-[0-9]{1,12}-[a-z0-9]{1,32}")


def new_id(now_ms: int, random: Random) -> str:
    """The second of the submission and eight characters, 41 bits, from the random source."""
    number, suffix = random.randrange(len(ALPHABET) ** RANDOM_CHARACTERS), ""
    for _ in range(RANDOM_CHARACTERS):  # one draw: the system's random source is a system call
        number, index = divmod(number, len(ALPHABET))
        suffix += ALPHABET[index]
    return f"{PREFIX}{now_ms // 1000}-{suffix}"


def check_id(text: str) -> None:
    """Raise unless we could have given this id out: InvalidIdentifier, or NotFound if it only
    begins like one.
    """
    if not text.startswith(PREFIX):
        raise InvalidIdentifier(
            f"Invalid task ID format, must start with '{PREFIX}'", parameter="task_id"
        )
    if not ID.fullmatch(text):
        raise NotFound
