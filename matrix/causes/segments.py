"""Causes of leaks between segments: two that are one somewhere, and a router that nobody declared.

Sources: IEEE 802.1Q (a frame stays in its VLAN; the port's own VLAN, PVID, is sent untagged), RFC 1812
section 5.3.1 (each router takes one off the TTL).
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.across import segment_words
from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.probes import Cell, Relation, Verdict


def joined(scene: Scene) -> Iterator[Cause]:
    """Frames of one segment were seen on another one: certain, for nothing else can carry them."""
    for (here, there), cells in _leaks(scene).items():
        crossed = _crossed(scene, cells)
        if not crossed:
            continue
        one, two = (scene.topology.scenario(name) for name in (here, there))
        first, parent = crossed[0], scene.parent(crossed[0].there, crossed[0].target.host)
        tagged = any("tagged" in kind for c in crossed for kind in scene.crossings[c.id].seen)
        yield Cause(
            "segments-joined",
            f"{here}, {there}",
            f"{segment_words(one)} ({here}) and {segment_words(two)} ({there}) are not apart: frames "
            "that are sent on the one are seen on the other, below IP"
            + (", some with the tag that they had" if tagged else ""),
            Confidence.CERTAIN,
            tuple(f"{c.id}: {', '.join(scene.crossings[c.id].seen)}" for c in crossed[:3]),
            _consequences(scene, here, there),
            f"ssh {first.target.host} tcpdump -p -e -n -i {parent} broadcast or multicast",
            "find where the two meet: a port that is in both (a trunk's native VLAN, an access port in "
            "the wrong one), a cable between two ports, or a bridge over two sub-interfaces",
        )


def routed(scene: Scene) -> Iterator[Cause]:
    """Nothing crosses below IP, and yet packets arrive: somebody forwards them."""
    met = {name for pair, cells in _leaks(scene).items() if _crossed(scene, cells) for name in pair}
    for (here, there), cells in _leaks(scene).items():
        if {here, there} & met:
            continue  # one of them is another segment as well, whose router this may be
        one, two = (scene.topology.scenario(name) for name in (here, there))
        ttls = sorted({t for c in cells if (o := scene.observed(c)) for t in o.ttls})
        yield Cause(
            "router-not-declared",
            f"{here}, {there}",
            f"a router forwards between {segment_words(one)} ({here}) and {segment_words(two)} "
            f"({there}), and the site declares none",
            Confidence.LIKELY,
            (
                *([f"replies with TTL {', '.join(map(str, ttls))}"] if ttls else []),
                *(f"{c.id}: {scene.judgements[c.id].reason}" for c in cells[:2]),
            ),
            tuple(c.id for c in cells),
            f"ssh {cells[0].source.host} docker exec {cells[0].source.name} "
            f"traceroute -n {cells[0].target.address}",
            f"have the gateways {one.segment.gateway} and {two.segment.gateway} drop what goes from the "
            "one segment to the other; or, if it is meant, declare it: routed under [isolation]",
        )


def _crossed(scene: Scene, cells: list[Cell]) -> list[Cell]:
    return [c for c in cells if (f := scene.crossings.get(c.id)) and f.seen]


def _consequences(scene: Scene, here: str, there: str) -> tuple[str, ...]:
    """What of the two comes of their being one: leaks, and hosts and gateways that answer on both.

    A host that stands on both answers ARP for its address on either link (ip-sysctl.rst, arp_ignore),
    so by two MAC addresses; and a router of the one passes on what comes from the other.
    """
    return tuple(
        c.id
        for c in scene.bad()
        if {c.scenario, c.there} & {here, there}
        and scene.verdict(c) in (Verdict.LEAK, Verdict.IMPOSTOR)
    )


def _leaks(scene: Scene) -> dict[tuple[str, str], list[Cell]]:
    """Leaks between segments, by the two scenarios, whichever way they went."""
    order = {s.name: place for place, s in enumerate(scene.topology.scenarios)}
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in scene.bad():
        if cell.relation is Relation.OTHER_SEGMENT and scene.verdict(cell) is Verdict.LEAK:
            here, there = sorted((cell.scenario, cell.there), key=order.__getitem__)
            found.setdefault((here, there), []).append(cell)
    return found


RULES = (
    Rule(
        "segments-joined",
        "Two segments are one somewhere",
        "ARP, broadcast, multicast or unicast frames that an endpoint sent on its own segment are seen "
        "at the link of one on another segment.",
        "Find the port, cable or bridge where the two meet.",
        ("IEEE 802.1Q",),
        joined,
    ),
    Rule(
        "router-not-declared",
        "A router that the site does not declare",
        "Packets pass from one segment to the other, and nothing crosses below IP.",
        "Filter on the gateway, or declare the router.",
        ("RFC 1812, section 5.3.1",),
        routed,
    ),
)
