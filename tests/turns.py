"""Drives engines' generators as the scheduler does, but in the test's own thread."""

from collections.abc import Generator
from typing import Any

from safelight.engines import Aside, Made, Picture

Making = Generator[Made, Any, None]


def go_on(making: Making, last: Made | None) -> Made | None:
    """The next thing that is made, given what the last Aside came to; None at the end."""
    try:
        if not isinstance(last, Aside):
            return making.send(None)
        try:
            reply = last.work()
        except Exception as error:
            return making.throw(error)
        return making.send(reply)
    except StopIteration:
        return None


def drive(making: Making) -> list[Made]:
    """Everything that is made, in order."""
    made: list[Made] = []
    while (thing := go_on(making, made[-1] if made else None)) is not None:
        made.append(thing)
    return made


def interleave(*makings: Making) -> list[list[Made]]:
    """Everything that each makes, when they take turns."""
    made: list[list[Made]] = [[] for _ in makings]
    going = list(range(len(makings)))
    while going:
        for index in list(going):
            thing = go_on(makings[index], made[index][-1] if made[index] else None)
            if thing is None:
                going.remove(index)
            else:
                made[index].append(thing)
    return made


def pictures(made: list[Made]) -> list[Picture]:
    return [thing for thing in made if isinstance(thing, Picture)]
