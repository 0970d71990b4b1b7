"""Which things belong together, and in which order they stand."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from safelight.engines.mini.idea import Relation, Subject
from safelight.engines.mini.joints import join
from safelight.engines.mini.parts import Bond, Cluster, Part, Thing
from safelight.engines.mini.upscale import Cutout
from safelight.engines.mini.words import AIRY

ATTACHED = ("wearing", "holding", "riding", "on", "inside", "under", "above", "front", "behind")
CARRIED_BY_WHO = ("wearing", "holding")  # the thing named second hangs on the first


def clusters(things: Sequence[Thing], relations: Sequence[Relation]) -> list[Cluster]:
    """Everything in clusters, in the order in which their anchors were named."""
    bonds = _bonds(things, relations)
    loose = [number for number in range(len(things)) if number not in bonds]
    return [_built(number, things, bonds) for number in loose]


def _bonds(things: Sequence[Thing], relations: Sequence[Relation]) -> dict[int, Bond]:
    """What each thing is set on; nothing is set on itself by way of others."""
    bonds: dict[int, Bond] = {}
    for relation in relations:
        if relation.kind not in ATTACHED:
            continue
        whos, whoms = (
            [n for n, thing in enumerate(things) if thing.subject == subject]
            for subject in (relation.who, relation.whom)
        )
        if not whos or not whoms:
            continue
        reverse = relation.kind in CARRIED_BY_WHO or (
            relation.kind == "under" and things[whoms[0]].label in AIRY
        )
        held, holders = (whoms, whos) if reverse else (whos, whoms)
        kind = "canopy" if reverse and relation.kind == "under" else relation.kind
        paired = kind in ("wearing", "holding", "riding") and len(holders) > 1
        rivals = [r for r in relations if r.kind == relation.kind and r.whom == relation.whom]
        free = [number for number in held if number not in bonds]
        if reverse and len(rivals) > 1:  # a dog and a cat wearing crowns: one each
            free = free[: len(holders)]
        for index, number in enumerate(free):
            anchor = holders[index % len(holders)] if paired else holders[0]
            if not _leads_to(anchor, number, bonds):
                bonds[number] = Bond(number, kind, anchor)
    return {number: _shared(bond, bonds) for number, bond in bonds.items()}


def _shared(bond: Bond, bonds: dict[int, Bond]) -> Bond:
    """With its place among all that are set so on the same thing."""
    held = [b.thing for b in bonds.values() if (b.kind, b.anchor) == (bond.kind, bond.anchor)]
    if bond.kind in ("wearing", "holding"):
        return replace(bond, index=held.index(bond.thing))
    return replace(bond, index=held.index(bond.thing), number=len(held))


def _leads_to(start: int, goal: int, bonds: dict[int, Bond]) -> bool:
    while start != goal and start in bonds:
        start = bonds[start].anchor
    return start == goal


def _built(number: int, things: Sequence[Thing], bonds: dict[int, Bond]) -> Cluster:
    part = _alone(things[number])
    cluster = Cluster((part,), part)
    for bond in bonds.values():
        if bond.anchor == number:
            other = _built(bond.thing, things, bonds)
            cluster = join(cluster, other, bond)
    return cluster


def _alone(thing: Thing) -> Part:
    """Its longer visible side is its size, its foot at 0, its middle at 0."""
    left, top, right, bottom = thing.cutout.box
    side = thing.size / max(right - left, bottom - top)
    return Part(thing, -side * (left + right) / 2, -side * bottom, side)


def ordered(found: Sequence[Cluster], relations: Sequence[Relation]) -> tuple[list[Cluster], bool]:
    """From left to right as the relations want it; and whether they want a single row."""
    row, bound = list(found), False
    for who, kind, whoms in _sides(relations):
        movers = [c for c in row if _shows(c, {who})]
        others = [c for c in row if _shows(c, whoms) and c not in movers]
        if not movers or not others:
            continue
        bound = True
        rest = [c for c in row if c not in movers]
        places = [rest.index(c) for c in others]
        if kind == "between" and len(others) > 1:
            rest.remove(others[-1])
            rest.insert(rest.index(others[0]) + 1, others[-1])
            at = rest.index(others[0]) + 1
        else:
            at = places[0] if kind in ("left", "between") else places[-1] + 1
        row = rest[:at] + movers + rest[at:]
    return row, bound


def _sides(relations: Sequence[Relation]) -> Iterator[tuple[int, str, set[int]]]:
    """ "Between" comes as one relation for each neighbour, and goes last: it moves most."""
    between: dict[int, set[int]] = {}
    for relation in relations:
        if relation.kind in ("left", "right", "beside"):
            yield relation.who, relation.kind, {relation.whom}
        if relation.kind == "between":
            between.setdefault(relation.who, set()).add(relation.whom)
    for who, whoms in between.items():
        yield who, "between", whoms


def _shows(cluster: Cluster, subjects: set[int]) -> bool:
    return any(part.thing.subject in subjects for part in cluster.parts)


def things_of(subjects: Sequence[Subject], cutouts: Sequence[Cutout]) -> list[Thing]:
    """A thing for each time that a subject is seen."""
    wanted = [(n, subject) for n, subject in enumerate(subjects) for _ in range(subject.count)]
    return [
        Thing(number, which, subject.label, subject.scale, cutout)
        for number, ((which, subject), cutout) in enumerate(zip(wanted, cutouts, strict=True))
    ]
