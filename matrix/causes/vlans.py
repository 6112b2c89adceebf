"""Causes that are about a VLAN: not carried somewhere, or under another id.

Source: IEEE 802.1Q (a port carries the VLANs that it is a member of).
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.causes.drops import VLAN, Drop, Drops
from matrix.causes.frames import ALL, ARP, evidence, ids, not_inside
from matrix.causes.wire import cut


def vlans(scene: Scene) -> Iterator[Cause]:
    """VLANs that a port does not carry, or that change their id on the way."""
    drops = Drops.of(scene)
    for scenario in scene.topology.scenarios:
        vlan = scenario.segment.vlan
        mine = [c for c in scene.wire() if c.scenario == scenario.name]
        bad = ids(c for c in scene.bad() if c.scenario == scenario.name and not_inside(c))
        if vlan is None or not mine:
            continue
        dead = {h.name for h in scene.topology.hosts if scene.is_dead(h.name)}
        changed = _other_tags(scene, scenario.name)
        if changed:
            hosts = " and ".join(sorted({host for host, _, _ in changed}))
            tags = " and ".join(sorted({str(tag) for _, tag, _ in changed}))
            way = "untagged" if tags == "None" else f"as VLAN {tags}"
            yield Cause(
                "vlan-other-id" if tags != "None" else "vlan-untagged",
                f"{hosts} {scenario.name}",
                f"frames of VLAN {vlan} arrive {way} at {hosts}: the two ends of this segment use "
                "different VLAN ids, or a port between them changes the tag",
                Confidence.LIKELY,
                tuple(f"{cell}: at {host} with tag {tag}" for host, tag, cell in changed[:4]),
                bad,
                f"ssh {changed[0][0]} tcpdump -p -e -n -i "
                f"{scene.topology.host(changed[0][0]).parent} vlan",
                f"use VLAN {vlan} on every switch port and uplink between the hosts, or the same "
                "other id in the site and on the hosts",
            )
            continue
        here = [c for c in drops.seen if c.scenario == scenario.name]
        here = [c for c in here if not dead & {c.out_of, c.into}]
        lost = [c for c in here if not c.passed]
        if not lost or any(c.passed for c in here) or any(scene.passed(c) for c in mine):
            for drop in drops.found:
                if drop.what == VLAN and drop.scenario == scenario.name:
                    yield _one_without(scene, drop, vlan)
            continue
        if not any(c.kind == ARP and c.target == ALL for c in lost):
            continue
        ends = sorted({c.out_of for c in lost} | {c.into for c in lost})
        if " and ".join(ends) in {c.where for c in cut(scene)}:
            continue  # nothing passes between them untagged either
        yield Cause(
            VLAN,
            f"{' and '.join(ends)} {scenario.name}",
            f"VLAN {vlan} does not get from {' to '.join(ends)}: frames leave tagged and none "
            "arrives, in no direction; a switch port or uplink between them does not carry it "
            f"({', or '.join(f'that of {end}' for end in ends)})",
            Confidence.LIKELY,
            evidence(lost),
            bad,
            f"on the switch: which VLANs do the ports of {' and '.join(ends)} carry? (bridge vlan "
            "show; show vlan)",
            f"make VLAN {vlan} a tagged member of every port between {' and '.join(ends)} (ESXi: "
            "port group VLAN 4095; Hyper-V: trunk)",
        )


def _one_without(scene: Scene, drop: Drop, vlan: int) -> Cause:
    """With three parties or more: the one that nobody reaches on this VLAN, though others do."""
    return Cause(
        VLAN,
        f"{drop.host} {drop.scenario}",
        f"VLAN {vlan} does not get to {drop.host} and back, while the others reach each other on it: "
        f"the switch port of {drop.host} does not carry it",
        Confidence.LIKELY,
        evidence(drop.lost),
        ids(
            c
            for c in scene.bad()
            if c.scenario == drop.scenario and scene.touches(c, drop.host) and not_inside(c)
        ),
        f"on the switch: which VLANs does the port of {drop.host} carry? (bridge vlan show)",
        f"make VLAN {vlan} a tagged member of the port of {drop.host}",
    )


def _other_tags(scene: Scene, scenario: str) -> list[tuple[str, int | None, str]]:
    """Where frames came in with another tag than the segment's: host, tag, cell."""
    found: dict[tuple[str, int | None, str], None] = {}
    for cell in scene.cells:
        trace = scene.traces.get(cell.id)
        if cell.scenario != scenario or trace is None:
            continue
        for passage in trace.passages:
            for leg in passage.legs:
                if leg.direction == "in" and leg.seen and leg.vlan is not None:
                    for tag in leg.tags:
                        if tag != leg.vlan:
                            found[leg.host, tag, cell.id] = None
    return list(found)


RULES = (
    Rule(
        "vlan-missing",
        "A VLAN is not carried, or has another id",
        "Tagged frames leave one host and never arrive at the other, or arrive with another tag.",
        "Make the VLAN a tagged member of every port between the hosts, under one id.",
        ("IEEE 802.1Q", "VMware, 'VLAN configuration': virtual guest tagging is VLAN 4095"),
        vlans,
    ),
)
