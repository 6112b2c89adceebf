"""Causes of answers where silence should be: frames that are sent back, and unused addresses that answer.

Sources: IEEE 802.1Qbg (reflective relay), bridge(8) (hairpin), RFC 826.
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.causes.identity import answerers
from matrix.probes import Cell, Expected, Relation, Verdict

_REFLECTED = "on the wire, and something out there sent them back"
_INSIDE = "something inside it passes them on"


def reflections(scene: Scene) -> Iterator[Cause]:
    """A host and its own containers reach each other: something sends their frames back."""
    for host in scene.topology.hosts:
        cells = [
            c
            for c in scene.bad()
            if scene.verdict(c) is Verdict.LEAK
            and c.relation in (Relation.OWN_HOST, Relation.OWN_CONTAINER)
            and c.source.host == host.name
        ]
        out_there = [c for c in cells if _says(scene, c, _REFLECTED)]
        inside = [c for c in cells if _says(scene, c, _INSIDE)]
        if out_there and not inside:
            yield Cause(
                "hairpin",
                f"{host.name} {host.parent}",
                f"{host.name}'s switch port sends frames back out of the port they came in by "
                f"(hairpin, reflective relay): so {host.name} and its own containers reach each other",
                Confidence.LIKELY,
                tuple(f"{c.id}: left on the wire and came back" for c in out_there[:3]),
                tuple(c.id for c in cells),
                f"ssh {host.name} tcpdump -p -e -n -i {host.parent} icmp",
                f"turn hairpin off on the port of {host.name} (bridge link set dev PORT hairpin "
                "off), or declare what is wanted: [[override]] in the site file",
            )
        elif inside:
            yield Cause(
                "host-shim",
                f"{host.name} {host.parent}",
                f"{host.name} passes frames on to its own containers without the wire: it has a "
                f"macvlan link of its own on {host.parent} (a shim), or bridges or routes to them",
                Confidence.LIKELY,
                tuple(f"{c.id}: never left {host.name}" for c in inside[:3]),
                tuple(c.id for c in cells),
                f"ssh {host.name} ip -d link show type macvlan",
                "if it is wanted, declare it: [[override]] in the site file",
            )


def not_reflected(scene: Scene) -> Iterator[Cause]:
    """A port that is declared to reflect, and by which nothing came back: not one cell of them all."""
    for host in scene.topology.hosts:
        if not host.hairpin or scene.is_dead(host.name):
            continue
        asked = [c for c in scene.cells if _by_the_port(scene, c) and c.source.host == host.name]
        lost = [c for c in asked if scene.lost(c)]
        if not lost or any(
            (o := scene.observed(c)) and (o.received or o.requests_seen) for c in asked
        ):
            continue
        yield Cause(
            "hairpin-missing",
            f"{host.name} {host.parent}",
            f"{host.name}'s switch port sends nothing back out of the port it came in by (hairpin, "
            "reflective relay), and the site declares that it does",
            Confidence.LIKELY,
            tuple(f"{c.id}: {scene.judgements[c.id].reason}" for c in lost[:2]),
            tuple(c.id for c in lost),
            f"ssh {host.name} tcpdump -p -e -n -i {host.parent} arp",
            f"turn hairpin on at the port of {host.name} (bridge link set dev PORT hairpin on), or take "
            "hairpin = true out of the site file",
        )


def _by_the_port(scene: Scene, cell: Cell) -> bool:
    """Does the cell's reply take the way out of the host's port and back in?"""
    own = cell.relation in (Relation.OWN_HOST, Relation.OWN_CONTAINER)
    sibling = cell.relation is Relation.SIBLING and scene.scenario(cell).mode == "vepa"
    return cell.physics.expected is Expected.REPLY and (own or sibling)


def _says(scene: Scene, cell: Cell, words: str) -> bool:
    trace = scene.trace(cell)
    return trace is not None and any(words in line for line in trace.words)


def canaries(scene: Scene) -> Iterator[Cause]:
    """An address that nobody should have is answered, by one who answered no cell."""
    known = set(answerers(scene))
    for (scenario, host), answers in sorted(scene.canaries.items()):
        for address, macs in sorted(answers.items()):
            strange = [m for m in macs if m not in known]
            if not strange:
                continue
            yield Cause(
                "canary-answered",
                f"{address} {scenario}",
                f"{address}, an address of {scenario}'s subnet that the site gives to nobody, is "
                f"answered by MAC {', '.join(strange)} (asked from {host}): it is somebody's, or "
                "somebody answers for addresses that are not his",
                Confidence.POSSIBLE,
                (f"ARP on {host}: {address} is at {', '.join(strange)}",),
                (),
                f"ssh {host} arping -c 3 -I "
                f"{scene.topology.scenario(scenario).parent_on(scene.topology.host(host))} {address}",
                "find out whose it is; take the address into account when you choose addresses",
            )


RULES = (
    Rule(
        "hairpin",
        "Frames are sent back to where they came from",
        "A host and its own containers reach each other; frames leave the NIC and come back in.",
        "Turn hairpin (reflective relay) off, or declare an override.",
        ("IEEE 802.1Qbg", "bridge(8): hairpin"),
        reflections,
    ),
    Rule(
        "hairpin-missing",
        "Frames are not sent back, as is declared",
        "The site declares a switch port that reflects, and nothing that should come back by it does.",
        "Turn hairpin (reflective relay) on, or take it out of the site file.",
        ("IEEE 802.1Qbg", "bridge(8): hairpin"),
        not_reflected,
    ),
    Rule(
        "canary-answered",
        "An address that nobody should have is answered",
        "ARP requests for an address that the site gives to nobody are answered.",
        "Find out whose it is.",
        ("RFC 826",),
        canaries,
    ),
)
