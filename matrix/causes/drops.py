"""What a switch port or a VLAN may drop, by the frames that were lost: kinds of frames, never causes.

A *drop* is admissible where every frame of its kind that was seen to leave was lost, some was, and
others pass at that port on the same segment: so it is not the wire that is dead. Several may be there
at once. What was lost at a port, that no drop and no chance accounts for, are its *strays*: where
there are any, the frames were not chosen by what the drop goes by, and it is not to be named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from matrix.cause import Scene
from matrix.causes.chance import by_chance, rate, thinned
from matrix.causes.frames import ALL, ARP, FOREIGN, OWN, REPLY, REQUEST, Crossing, crossings
from matrix.topology import EndpointKind, Host

PROMISCUOUS, FORGED, LIMIT = "promiscuous-refused", "forged-transmits-refused", "mac-limit"
REQUESTS, REPLIES = "echo-requests-dropped", "echo-replies-dropped"
VLAN = "vlan-missing"

_INCOMING = (PROMISCUOUS,)


@dataclass(frozen=True, slots=True)
class Drop:
    """What is dropped at a host's port: the crossings lost by it, and some that passed there.

    ``what`` is the rule that names it; ``scenario`` says on which segment where it is about one.
    """

    what: str
    host: str
    lost: tuple[Crossing, ...]
    good: tuple[Crossing, ...]
    scenario: str = ""


@dataclass(frozen=True, slots=True)
class Drops:
    """All that a scene admits."""

    seen: tuple[Crossing, ...]
    found: tuple[Drop, ...]

    @classmethod
    @lru_cache(maxsize=1)
    def of(cls, scene: Scene) -> Drops:
        """The drops of a scene."""
        seen = crossings(scene)
        found = [
            drop
            for host in scene.topology.hosts
            for drop in (
                *_by_mac(host, seen),
                *_echoes(scene, host, seen),
                *_tagged(scene, host, seen),
            )
        ]
        share = {
            host.name: max(rate(scene, host.name), thinned(seen, host.name))
            for host in scene.topology.hosts
        }
        return cls(seen, tuple(d for d in found if not by_chance(share[d.host], len(d.lost))))

    def clear(self, *what: str) -> Iterator[Drop]:
        """Those of these kinds that have no strays."""
        return (d for d in self.found if d.what in what and not self._strays(d))

    def _strays(self, drop: Drop) -> set[Crossing]:
        told = {c for d in self.found for c in d.lost}
        passed = {_sort(c) for c in self.seen if c.passed}
        where = {c.scenario for c in drop.lost}
        incoming = drop.what in _INCOMING
        return {
            c
            for c in self.seen
            if not c.passed
            and (c.into if incoming else c.out_of) == drop.host
            and c.scenario in where
            and c not in told
            and _sort(c) not in passed  # else it is lost at random
        }


def _sort(c: Crossing) -> tuple[str, ...]:
    return c.out_of, c.into, c.scenario, c.kind, c.mac, c.target


def _by_mac(host: Host, seen: tuple[Crossing, ...]) -> Iterator[Drop]:
    """By MAC address: of whom a frame is for, or of who has sent it."""
    into = [c for c in seen if c.into == host.name]
    good = tuple(c for c in into if c.passed)
    alive = {c.scenario for c in good if c.target != FOREIGN}
    lost = tuple(c for c in into if not c.passed and c.target == FOREIGN and c.scenario in alive)
    if lost and not any(c.target == FOREIGN for c in good):
        yield Drop(PROMISCUOUS, host.name, lost, good)
    out_of = [c for c in seen if c.out_of == host.name]
    good = tuple(c for c in out_of if c.passed)
    alive = {c.scenario for c in good if c.source == OWN}
    passed = {c.mac for c in good if c.source == FOREIGN}
    lost = tuple(
        c
        for c in out_of
        if not c.passed and c.source == FOREIGN and c.scenario in alive and c.mac not in passed
    )
    if lost:
        yield Drop(LIMIT if passed else FORGED, host.name, lost, good)


def _echoes(scene: Scene, host: Host, seen: tuple[Crossing, ...]) -> Iterator[Drop]:
    """By what they carry: all echo requests, or all replies, while ARP of the same senders passes."""
    out_of = [c for c in seen if c.out_of == host.name]
    good = tuple(c for c in out_of if c.passed)
    for what, kind in ((REQUESTS, REQUEST), (REPLIES, REPLY)):
        lost = tuple(c for c in out_of if not c.passed and c.kind == kind)
        if (
            lost
            and not any(c.kind == kind for c in good)
            and {c.mac for c in lost} <= {c.mac for c in good}
            and not ({c.source for c in lost} == {FOREIGN} and _host_took_part(scene, host, kind))
        ):
            yield Drop(what, host.name, lost, good)


def _host_took_part(scene: Scene, host: Host, kind: str) -> bool:
    """Did the host's own echoes of this kind fare otherwise?"""
    ends = (
        (c.source if kind == REQUEST else c.target, c)
        for c in scene.wire()
        if scene.touches(c, host.name)
    )
    return any(
        e.kind is EndpointKind.HOST and e.host == host.name and scene.passed(c) for e, c in ends
    )


def _tagged(scene: Scene, host: Host, seen: tuple[Crossing, ...]) -> Iterator[Drop]:
    """By their tag: a VLAN that gets to a host from nowhere, while others reach each other on it."""
    for scenario in scene.topology.scenarios:
        here = [c for c in seen if c.scenario == scenario.name]
        mine = [c for c in here if host.name in (c.out_of, c.into)]
        lost = tuple(c for c in mine if not c.passed)
        cells = [c for c in scene.wire() if c.scenario == scenario.name and scene.observed(c)]
        own = [c for c in cells if scene.touches(c, host.name)]
        if (
            scenario.segment.vlan is not None
            and own
            and all(scene.lost(c) for c in own)
            and len(lost) == len(mine)
            and any(c.kind == ARP and c.target == ALL for c in lost)
            and any(scene.passed(c) for c in cells if not scene.touches(c, host.name))
            and not scene.is_dead(host.name)
        ):
            yield Drop(VLAN, host.name, lost, (), scenario.name)
