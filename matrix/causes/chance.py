"""How much is lost at random, and whether that much may be lost by chance alone.

A rule that goes by what is *always* lost must not speak of a few frames where most frames are lost.
"""

from __future__ import annotations

from collections.abc import Iterable

from matrix.cause import Scene
from matrix.causes.frames import REPLY, REQUEST, Crossing
from matrix.probes import Cell, Verdict

SURE = 0.01
"""What would happen by chance less often than this is not put down to chance."""

Way = tuple[str, str, str]


def way_of(cell: Cell) -> Way:
    """What the wire can tell cells by: the segment and the two hosts, in their order."""
    return cell.scenario, cell.source.host, cell.target.host


def uneven(scene: Scene) -> frozenset[Way]:
    """The ways on which some replies came: what is lost there may be lost at random."""
    some = (Verdict.PASS, Verdict.FLAPPING)
    return frozenset(way_of(c) for c in scene.wire() if scene.verdict(c) in some)


def rate(scene: Scene, host: str) -> float:
    """The share of a host's echoes over the wire that was not answered; 0 where none flapped."""
    cells = [c for c in scene.wire() if scene.touches(c, host)]
    if not any(scene.verdict(c) is Verdict.FLAPPING for c in cells):
        return 0.0
    ways = uneven(scene)
    seen = [o for c in cells if way_of(c) in ways and (o := scene.observed(c))]
    sent = sum(o.sent for o in seen)
    return 1 - sum(o.received for o in seen) / sent if sent else 0.0


def thinned(seen: Iterable[Crossing], host: str) -> float:
    """The share of a host's frames that was lost on the wire; 0 where none was lost in part."""
    mine = [c for c in seen if host in (c.out_of, c.into)]
    # Where none of a kind ever passes in a direction it is not chance that is at work.
    ways = {(c.out_of, c.kind) for c in mine if c.passed}
    mixed = [c for c in mine if (c.out_of, c.kind) in ways]
    if not {_like(c) for c in mixed if not c.passed} & {_like(c) for c in mixed if c.passed}:
        return 0.0
    return sum(not c.passed for c in mixed) / len(mixed)


def _like(c: Crossing) -> tuple[str, ...]:
    """Frames of which a switch takes all or none: the echoes of a cell, the broadcasts of a sender."""
    return (c.kind, c.cell) if c.kind in (REQUEST, REPLY) else (c.kind, c.out_of, c.mac, c.target)


def in_part(seen: Iterable[Crossing]) -> set[str]:
    """The cells of whose echoes some passed the wire and others did not."""
    echoes = [c for c in seen if c.kind in (REQUEST, REPLY)]
    lost = {_like(c) for c in echoes if not c.passed}
    return {c.cell for c in echoes if c.passed and _like(c) in lost}


def by_chance(share: float, echoes: int) -> bool:
    """May so many echoes in a row be lost at random, where that share of them is lost?"""
    return share ** max(echoes, 1) > SURE
