"""Causes on the wire: links without carrier, and what switches and hypervisors drop.

Sources: Linux net/sched/sch_generic.c (a link without carrier sends nothing); VMware vSphere
security policies (promiscuous mode, forged transmits, MAC address changes); VirtualBox manual,
network_bridged (promiscuous mode policy); Hyper-V "MAC address spoofing"; Junos mac-limit (port
security); IEEE 802.1Q (a port carries the VLANs it is a member of).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.causes.frames import (
    ALL,
    ARP,
    FOREIGN,
    OWN,
    REPLY,
    REQUEST,
    Crossing,
    crossings,
)
from matrix.probes import Cell, Relation, Verdict
from matrix.topology import EndpointKind, Host

NO_CARRIER, DOWN = "NO-CARRIER", "DOWN"


def _ids(cells: Iterable[Cell]) -> tuple[str, ...]:
    return tuple(cell.id for cell in cells)


def _hosts(scene: Scene) -> Iterator[Host]:
    return iter(scene.topology.hosts)


def _is_dead(scene: Scene, host: Host) -> bool:
    """Has the host's parent no carrier, or is it set down?"""
    return any(
        link.state in (NO_CARRIER, DOWN)
        for link in scene.links.get(host.name, ())
        if link.name == host.parent
    )


def dead_links(scene: Scene) -> Iterator[Cause]:
    """Parents without a carrier, or set down: whatever sits on them reaches nobody."""
    for host in _hosts(scene):
        state = next((k.state for k in scene.links.get(host.name, ()) if k.name == host.parent), "")
        if state not in (NO_CARRIER, DOWN):
            continue
        cells = _ids(
            c
            for c in scene.bad()
            if scene.touches(c, host.name)
            and (scene.not_run(c) or c.relation is not Relation.ITSELF)
            and scene.verdict(c) in (Verdict.FAIL, Verdict.INCONCLUSIVE)
        )
        if state == DOWN:
            yield Cause(
                "parent-down",
                f"{host.name} {host.parent}",
                f"{host.parent} on {host.name} is set down; what sits on it reaches nobody, and the "
                "harness does not start other people's links",
                Confidence.CERTAIN,
                (f"netlink on {host.name}: {host.parent} is {DOWN}",),
                cells,
                f"ssh {host.name} ip link show {host.parent}",
                f"on {host.name}: ip link set {host.parent} up",
            )
            continue
        yield Cause(
            "no-carrier",
            f"{host.name} {host.parent}",
            f"{host.parent} on {host.name} has no carrier: its cable is out, or its switch port is "
            "down",
            Confidence.CERTAIN,
            (f"netlink on {host.name}: {host.parent} is up and has {NO_CARRIER}",),
            cells,
            f"ssh {host.name} cat /sys/class/net/{host.parent}/carrier",
            f"plug {host.name}'s {host.parent} in, or enable its switch port",
        )


def _evidence(seen: Iterable[Crossing]) -> tuple[str, ...]:
    """A few crossings in words, lost ones first."""
    lines: dict[str, None] = {}
    for c in sorted(seen, key=lambda c: c.passed):
        where = "untagged" if c.vlan is None else f"VLAN {c.vlan}"
        what = f"{c.kind} of {c.mac or c.source}" + (" to everybody" if c.target == ALL else "")
        fate = "arrived" if c.passed else "never arrived"
        lines[f"{what}, {where}: left {c.out_of}, {fate} at {c.into} ({c.cell})"] = None
    return tuple(lines)[:4]


def refused_macs(scene: Scene) -> Iterator[Cause]:
    """Ports that drop frames to, or from, MAC addresses that are not their host's own."""
    seen = crossings(scene)
    for host in _hosts(scene):
        into = [c for c in seen if c.into == host.name]
        lost = [c for c in into if not c.passed]
        good = [c for c in into if c.passed]
        behind = [c for c in scene.bad() if _wire_or_negative(c) and _container_on(c, host.name)]
        alive = any(c.target != FOREIGN for c in good)
        foreign_passed = any(c.target == FOREIGN for c in good)
        if lost and alive and not foreign_passed and all(c.target == FOREIGN for c in lost):
            yield Cause(
                "promiscuous-refused",
                f"{host.name} {host.parent}",
                f"{host.name}'s switch port does not deliver frames for its containers' MAC "
                f"addresses, while broadcasts or frames for {host.parent}'s own MAC arrive: "
                "promiscuous mode is refused there",
                Confidence.LIKELY,
                _evidence([*lost, *good]),
                _ids(behind),
                f"ssh {host.name} tcpdump -p -e -n -i {host.parent} icmp or arp",
                "allow promiscuous mode for that port (ESXi: Promiscuous mode = Accept; "
                "VirtualBox: Allow All; Hyper-V: MAC address spoofing), or use ipvlan",
            )
        yield from _refused_senders(scene, host, [c for c in seen if c.out_of == host.name], behind)


def _refused_senders(
    scene: Scene, host: Host, out_of: list[Crossing], behind: list[Cell]
) -> Iterator[Cause]:
    lost = [c for c in out_of if not c.passed]
    good = [c for c in out_of if c.passed]
    alive = any(c.source == OWN for c in good)
    if not lost or not alive or any(c.source != FOREIGN for c in lost):
        return
    passed = {c.mac for c in good if c.source == FOREIGN}
    dropped = {c.mac for c in lost} - passed
    owners = scene.owners()
    look = f"ssh {host.name} tcpdump -p -e -n -i {host.parent} icmp or arp"
    if not passed:
        yield Cause(
            "forged-transmits-refused",
            f"{host.name} {host.parent}",
            f"what {host.name}'s containers send under their own MAC addresses vanishes behind "
            f"{host.parent}, while {host.parent}'s own frames pass: forged transmits (MAC spoofing) "
            "are refused at its switch port",
            Confidence.LIKELY,
            _evidence([*lost, *good]),
            _ids(behind),
            look,
            "allow forged transmits for that port (ESXi: Forged transmits = Accept; Hyper-V: MAC "
            "address spoofing; a cloud's network: source checks off), or use ipvlan",
        )
    elif dropped and not any(c.mac in passed for c in lost):
        names = ", ".join(sorted(owners.get(mac, mac) for mac in dropped))
        others = ", ".join(sorted(owners.get(mac, mac) for mac in passed))
        mine = [c for c in behind if _has_end(c, {owners.get(m, "") for m in dropped})]
        yield Cause(
            "mac-limit",
            f"{host.name} {host.parent}",
            f"{host.name}'s switch port takes frames of some of its MAC addresses only: those of "
            f"{others} pass, those of {names} do not: a MAC limit (port security), first come first "
            "served",
            Confidence.LIKELY,
            _evidence([*lost, *good]),
            _ids(mine),
            look,
            "raise the port's limit of MAC addresses, or use ipvlan (one MAC address for all)",
        )


def _has_end(cell: Cell, names: set[str]) -> bool:
    return cell.source.name in names or cell.target.name in names


def _container_on(cell: Cell, host: str) -> bool:
    return any(
        e.host == host and e.kind is EndpointKind.CONTAINER for e in (cell.source, cell.target)
    )


def _wire_or_negative(cell: Cell) -> bool:
    return cell.relation not in (Relation.ITSELF, Relation.SIBLING)


def vlans(scene: Scene) -> Iterator[Cause]:
    """VLANs that a port does not carry, or that change their id on the way."""
    seen = crossings(scene)
    for scenario in scene.topology.scenarios:
        vlan = scenario.segment.vlan
        mine = [c for c in scene.wire() if c.scenario == scenario.name]
        bad = _ids(c for c in scene.bad() if c.scenario == scenario.name and _wire_or_negative(c))
        if vlan is None or not mine:
            continue
        dead = {h.name for h in _hosts(scene) if _is_dead(scene, h)}
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
        here = [c for c in seen if c.scenario == scenario.name]
        here = [c for c in here if not dead & {c.out_of, c.into}]
        lost = [c for c in here if not c.passed]
        if not lost or any(c.passed for c in here) or any(scene.passed(c) for c in mine):
            yield from _one_without_the_vlan(scene, scenario.name, vlan, here, mine)
            continue
        if not any(c.kind == ARP and c.target == ALL for c in lost):
            continue
        ends = sorted({c.out_of for c in lost} | {c.into for c in lost})
        yield Cause(
            "vlan-missing",
            f"{' and '.join(ends)} {scenario.name}",
            f"VLAN {vlan} does not get from {' to '.join(ends)}: frames leave tagged and none "
            "arrives, in no direction; a switch port or uplink between them does not carry it "
            f"({', or '.join(f'that of {end}' for end in ends)})",
            Confidence.LIKELY,
            _evidence(lost),
            bad,
            f"on the switch: which VLANs do the ports of {' and '.join(ends)} carry? (bridge vlan "
            "show; show vlan)",
            f"make VLAN {vlan} a tagged member of every port between {' and '.join(ends)} (ESXi: "
            "port group VLAN 4095; Hyper-V: trunk)",
        )


def _one_without_the_vlan(
    scene: Scene, scenario: str, vlan: int, here: list[Crossing], mine: list[Cell]
) -> Iterator[Cause]:
    """With three parties or more: the one that nobody reaches on this VLAN, though others do."""
    lost = [c for c in here if not c.passed]
    if not lost:
        return
    for host in _hosts(scene):
        own = [c for c in mine if scene.touches(c, host.name)]
        others = [c for c in mine if not scene.touches(c, host.name)]
        mine_lost = [c for c in lost if host.name in (c.out_of, c.into)]
        if not own or not all(scene.lost(c) for c in own) or len(mine_lost) != len(lost):
            continue
        if not any(scene.passed(c) for c in others):
            continue
        if any(c.passed and host.name in (c.out_of, c.into) for c in here):
            continue
        yield Cause(
            "vlan-missing",
            f"{host.name} {scenario}",
            f"VLAN {vlan} does not get to {host.name} and back, while the others reach each other "
            f"on it: the switch port of {host.name} does not carry it",
            Confidence.LIKELY,
            _evidence(mine_lost),
            _ids(
                c
                for c in scene.bad()
                if c.scenario == scenario and scene.touches(c, host.name) and _wire_or_negative(c)
            ),
            f"on the switch: which VLANs does the port of {host.name} carry? (bridge vlan show)",
            f"make VLAN {vlan} a tagged member of the port of {host.name}",
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


def one_way(scene: Scene) -> Iterator[Cause]:
    """Echo requests, or replies, that are dropped on the wire while ARP passes."""
    seen = crossings(scene)
    for host in _hosts(scene):
        for kind in (REQUEST, REPLY):
            out_of = [c for c in seen if c.out_of == host.name]
            lost = [c for c in out_of if not c.passed and c.kind == kind]
            if not lost or any(c.passed and c.kind == kind for c in out_of):
                continue
            # ARP must have passed from the very senders whose echoes were lost.
            if not {c.mac for c in lost} <= {c.mac for c in out_of if c.passed}:
                continue
            if {c.source for c in lost} == {FOREIGN} and _host_took_part(scene, host, kind):
                continue
            mine = _sent(host.name) if kind == REQUEST else _answered(host.name)
            cells = [c for c in scene.wire() if mine(c)]
            if any(scene.passed(c) for c in cells):
                continue
            yield Cause(
                "echo-requests-dropped" if kind == REQUEST else "echo-replies-dropped",
                f"{host.name} {host.parent}",
                f"ICMP {kind if kind == REQUEST else 'echo replies'}s that leave {host.name} are "
                "dropped on the wire, while ARP passes: a filter at its switch port, or between the "
                "hosts, drops them".replace("repliess", "replies"),
                Confidence.LIKELY,
                _evidence([*lost, *(c for c in out_of if c.passed)]),
                _ids(c for c in scene.bad() if mine(c) and not scene.not_run(c)),
                f"ssh {host.name} tcpdump -p -e -n -i {host.parent} icmp",
                "look for an ICMP filter (ACL, port isolation, client isolation) on the switch "
                f"port of {host.name} and on the way",
            )


def _sent(host: str) -> Callable[[Cell], bool]:
    return lambda c: c.source.host == host and c.relation not in (Relation.ITSELF, Relation.SIBLING)


def _answered(host: str) -> Callable[[Cell], bool]:
    return lambda c: c.target.host == host and c.relation not in (Relation.ITSELF, Relation.SIBLING)


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


def losses(scene: Scene) -> Iterator[Cause]:
    """Frames that are lost at random, to or from one host."""
    flapping = [
        c for c in scene.wire() if scene.verdict(c) is Verdict.FLAPPING and not scene.not_run(c)
    ]
    if not flapping:
        return
    suspects = [h for h in _hosts(scene) if all(scene.touches(c, h.name) for c in flapping)]
    calm = [
        h
        for h in suspects
        if any(scene.passed(c) for c in scene.wire() if not scene.touches(c, h.name))
    ]
    ends = sorted({e.host for c in flapping for e in (c.source, c.target) if e.host})
    blamed = [h.name for h in (calm or suspects)][:1] if len(calm or suspects) == 1 else []
    who = blamed or ends
    cells = [
        c
        for c in scene.wire()
        if (blamed and scene.touches(c, blamed[0])) or (not blamed and c in flapping)
    ]
    observed = [o for c in cells if (o := scene.observed(c)) and o.sent]
    sent, received = sum(o.sent for o in observed), sum(o.received for o in observed)
    where = f"to or from {who[0]}" if blamed else f"between {' and '.join(who)}"
    thinned = sorted(
        {
            w
            for c in flapping
            if (t := scene.trace(c))
            for w in t.words
            if " were lost between " in w
        }
    )
    yield Cause(
        "loss",
        " and ".join(who),
        f"frames {where} are lost at random: {sent - received} of {sent} echo requests were not "
        "answered, in some cells but not in all",
        Confidence.LIKELY,
        tuple(thinned[:4])
        or tuple(f"{c.id}: {scene.judgements[c.id].reason}" for c in flapping[:4]),
        _ids(
            c
            for c in scene.bad()
            if scene.verdict(c) in (Verdict.FLAPPING, Verdict.FAIL)
            and not scene.not_run(c)
            and c.relation is not Relation.ITSELF
            and any(e.host in who for e in (c.source, c.target))
        ),
        f"ssh {who[0]} ip -s link show {scene.topology.host(who[0]).parent}",
        "look for errors and drops on the links and switch ports of "
        f"{' and '.join(who)} (cable, duplex, an overloaded hypervisor), and for a rate limit",
    )


def cut(scene: Scene) -> Iterator[Cause]:
    """Two hosts on a plain segment between whose wires nothing passes at all."""
    seen = crossings(scene)
    for scenario in scene.topology.scenarios:
        if scenario.segment.vlan is not None:
            continue
        here = [c for c in seen if c.scenario == scenario.name]
        pairs = {frozenset((c.out_of, c.into)) for c in here if not c.passed}
        for pair in sorted(pairs, key=sorted):
            both = [c for c in here if frozenset((c.out_of, c.into)) == pair]
            ends = sorted(pair)
            dead = any(_is_dead(scene, h) for h in _hosts(scene) if h.name in ends)
            arp = any(not c.passed and c.kind == ARP and c.target == ALL for c in both)
            if dead or any(c.passed for c in both) or not arp or len(ends) != len(("a", "b")):
                continue
            yield Cause(
                "wire-cut",
                " and ".join(ends),
                f"nothing passes between {' and '.join(ends)}: frames leave the one and never "
                "arrive at the other, though both links have a carrier: they are not on one layer 2 "
                "network (another switch, another port group, port isolation, an access point)",
                Confidence.LIKELY,
                _evidence(both),
                _ids(
                    c
                    for c in scene.bad()
                    if c.scenario == scenario.name and {c.source.host, c.target.host} == set(ends)
                ),
                f"ssh {ends[0]} tcpdump -p -e -n -i {scene.topology.host(ends[0]).parent} arp",
                "put the NICs of both hosts on the same network, and turn port isolation off",
            )


RULES = (
    Rule(
        "no-carrier",
        "A parent has no carrier",
        "Netlink says so; everything that sits on the link fails, siblings too.",
        "Plug the cable in, or enable the switch port.",
        ("Linux net/sched/sch_generic.c: a link without carrier sends nothing",),
        dead_links,
    ),
    Rule(
        "promiscuous-refused",
        "The switch port refuses promiscuous mode, forged transmits or more MAC addresses",
        "Frames for (or from) the containers' MAC addresses are lost at one host's port, those for "
        "its NIC's own MAC address pass.",
        "Allow promiscuous mode and forged transmits there, raise the MAC limit, or use ipvlan.",
        (
            "VMware vSphere Security, 'Securing vSphere Standard Switches'",
            "VirtualBox manual, 'Bridged networking'",
            "Junos, 'mac-limit'",
        ),
        refused_macs,
    ),
    Rule(
        "vlan-missing",
        "A VLAN is not carried, or has another id",
        "Tagged frames leave one host and never arrive at the other, or arrive with another tag.",
        "Make the VLAN a tagged member of every port between the hosts, under one id.",
        ("IEEE 802.1Q", "VMware, 'VLAN configuration': virtual guest tagging is VLAN 4095"),
        vlans,
    ),
    Rule(
        "echo-dropped",
        "Echo requests or replies are dropped on the wire",
        "ARP passes from the very senders whose echoes are lost, in one direction.",
        "Look for an ICMP filter or port isolation on the way.",
        ("RFC 792", "RFC 826"),
        one_way,
    ),
    Rule(
        "loss",
        "Frames are lost at random",
        "Some requests of a cell are answered and others are not.",
        "Look at error counters, duplex, the hypervisor's load, rate limits.",
        ("ip-link(8): ip -s link",),
        losses,
    ),
    Rule(
        "wire-cut",
        "Two hosts are not on one layer 2 network",
        "Broadcasts leave the one and never arrive at the other, though both links have a carrier.",
        "Put the NICs on the same network; turn port isolation off.",
        ("IEEE 802.1D",),
        cut,
    ),
)
