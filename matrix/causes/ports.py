"""Causes at one host's switch port: what it drops by MAC address, or by what a frame carries.

Sources: VMware vSphere security policies (promiscuous mode, forged transmits, MAC address changes);
VirtualBox manual, network_bridged (promiscuous mode policy); Hyper-V "MAC address spoofing"; Junos
mac-limit (port security); RFC 792, RFC 826.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.causes.drops import FORGED, LIMIT, PROMISCUOUS, REPLIES, REQUESTS, Drop, Drops
from matrix.causes.frames import FOREIGN, evidence, ids, not_inside
from matrix.probes import Cell


def refused_macs(scene: Scene) -> Iterator[Cause]:
    """Ports that drop frames to, or from, MAC addresses that are not their host's own."""
    of_what = {PROMISCUOUS: _promiscuous_refused, FORGED: _forged_refused, LIMIT: _mac_limit}
    for drop in Drops.of(scene).clear(*of_what):
        yield of_what[drop.what](scene, drop)


def _behind(scene: Scene, host: str) -> list[Cell]:
    """The cells about its containers that need the wire."""
    return [c for c in scene.bad() if not_inside(c) and scene.touches(c, host, container=True)]


def _at_the_port(scene: Scene, drop: Drop, line: str, cells: Iterable[Cell], fix: str) -> Cause:
    host = scene.topology.host(drop.host)
    what = "icmp" if drop.what in (REQUESTS, REPLIES) else "icmp or arp"
    return Cause(
        drop.what,
        f"{host.name} {host.parent}",
        line,
        Confidence.LIKELY,
        evidence([*drop.lost, *drop.good]),
        ids(cells),
        f"ssh {host.name} tcpdump -p -e -n -i {host.parent} {what}",
        fix,
    )


def _promiscuous_refused(scene: Scene, drop: Drop) -> Cause:
    host = scene.topology.host(drop.host)
    return _at_the_port(
        scene,
        drop,
        f"{host.name}'s switch port does not deliver frames for its containers' MAC addresses, "
        f"while broadcasts or frames for {host.parent}'s own MAC arrive: promiscuous mode is "
        "refused there",
        _behind(scene, host.name),
        "allow promiscuous mode for that port (ESXi: Promiscuous mode = Accept; VirtualBox: Allow "
        "All; Hyper-V: MAC address spoofing), or use ipvlan",
    )


def _forged_refused(scene: Scene, drop: Drop) -> Cause:
    host = scene.topology.host(drop.host)
    return _at_the_port(
        scene,
        drop,
        f"what {host.name}'s containers send under their own MAC addresses vanishes behind "
        f"{host.parent}, while {host.parent}'s own frames pass: forged transmits (MAC spoofing) "
        "are refused at its switch port",
        _behind(scene, host.name),
        "allow forged transmits for that port (ESXi: Forged transmits = Accept; Hyper-V: MAC "
        "address spoofing; a cloud's network: source checks off), or use ipvlan",
    )


def _mac_limit(scene: Scene, drop: Drop) -> Cause:
    owners = scene.owners()
    dropped = {owners.get(c.mac, c.mac) for c in drop.lost}
    passed = {owners.get(c.mac, c.mac) for c in drop.good if c.source == FOREIGN}
    return _at_the_port(
        scene,
        drop,
        f"{drop.host}'s switch port takes frames of some of its MAC addresses only: those of "
        f"{', '.join(sorted(passed))} pass, those of {', '.join(sorted(dropped))} do not: a MAC "
        "limit (port security; first come, first served), or a filter for these addresses",
        (c for c in _behind(scene, drop.host) if {c.source.name, c.target.name} & dropped),
        "raise the port's limit of MAC addresses, look for an ACL that names them, or use ipvlan "
        "(one MAC address for all)",
    )


def echoes(scene: Scene) -> Iterator[Cause]:
    """Echo requests, or replies, that are dropped on the wire while ARP passes."""
    for drop in Drops.of(scene).found:
        if drop.what not in (REQUESTS, REPLIES):
            continue
        many = "echo requests" if drop.what == REQUESTS else "echo replies"
        if any(scene.passed(c) for c in scene.wire() if _end(c, drop.what) == drop.host):
            continue
        yield _at_the_port(
            scene,
            drop,
            f"ICMP {many} that leave {drop.host} are dropped on the wire, while ARP passes: a filter "
            "at its switch port, or between the hosts, drops them",
            (
                c
                for c in scene.bad()
                if not_inside(c) and _end(c, drop.what) == drop.host and not scene.not_run(c)
            ),
            "look for an ICMP filter (ACL, port isolation, client isolation) on the switch port of "
            f"{drop.host} and on the way",
        )


def _end(cell: Cell, what: str) -> str:
    """The host that sends the cell's requests, or its replies."""
    return (cell.source if what == REQUESTS else cell.target).host


RULES = (
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
        "echo-dropped",
        "Echo requests or replies are dropped on the wire",
        "ARP passes from the very senders whose echoes are lost, in one direction.",
        "Look for an ICMP filter or port isolation on the way.",
        ("RFC 792", "RFC 826"),
        echoes,
    ),
)
