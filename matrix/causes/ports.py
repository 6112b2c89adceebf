"""Causes at one host's switch port: what it drops by MAC address, or by what a frame carries.

Sources: VMware vSphere security policies (promiscuous mode, forged transmits, MAC address changes);
VirtualBox manual, network_bridged (promiscuous mode policy); Hyper-V "MAC address spoofing"; Junos
mac-limit (port security); RFC 792, RFC 826.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.causes.frames import (
    FOREIGN,
    OWN,
    REPLY,
    REQUEST,
    Crossing,
    crossings,
    evidence,
    ids,
    not_inside,
)
from matrix.probes import Cell, Relation
from matrix.topology import EndpointKind, Host


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What one host's port may refuse: the crossings that were lost by it, and some that passed."""

    host: Host
    what: str
    lost: tuple[Crossing, ...]
    good: tuple[Crossing, ...]

    def others(self, seen: Iterable[Crossing]) -> Iterator[Crossing]:
        """What else was lost at that port, in that direction, on the same segments."""
        where = {c.scenario for c in self.lost}
        mine = set(self.lost)
        for c in seen:
            end = c.into if self.what == PROMISCUOUS else c.out_of
            if not c.passed and end == self.host.name and c.scenario in where and c not in mine:
                yield c


def refused_macs(scene: Scene) -> Iterator[Cause]:
    """Ports that drop frames to, or from, MAC addresses that are not their host's own."""
    seen = crossings(scene)
    found = [r for host in scene.topology.hosts for r in _refusals(host, seen)]
    told = {c for r in found for c in r.lost}
    for refusal in found:
        # Frames that are lost there and have other MAC addresses: it is not by MAC address then.
        if not set(refusal.others(seen)) - told:
            yield _CAUSES[refusal.what](scene, refusal)


def _refusals(host: Host, seen: Iterable[Crossing]) -> Iterator[_Refusal]:
    """What is lost, always, of what the port would refuse, while other frames pass there.

    They must pass on the same segment: where nothing passes it is not by MAC address.
    """
    into = [c for c in seen if c.into == host.name]
    good = tuple(c for c in into if c.passed)
    alive = {c.scenario for c in good if c.target != FOREIGN}
    lost = tuple(c for c in into if not c.passed and c.target == FOREIGN and c.scenario in alive)
    if lost and not any(c.target == FOREIGN for c in good):
        yield _Refusal(host, PROMISCUOUS, lost, good)
    out_of = [c for c in seen if c.out_of == host.name]
    good = tuple(c for c in out_of if c.passed)
    alive = {c.scenario for c in good if c.source == OWN}
    lost = tuple(c for c in out_of if not c.passed and c.source == FOREIGN and c.scenario in alive)
    passed = {c.mac for c in good if c.source == FOREIGN}
    if lost and not passed:
        yield _Refusal(host, FORGED, lost, good)
    elif lost and not any(c.mac in passed for c in lost):
        yield _Refusal(host, LIMIT, lost, good)


def _behind(scene: Scene, host: Host) -> list[Cell]:
    """The cells about its containers that need the wire."""
    return [c for c in scene.bad() if not_inside(c) and scene.touches(c, host.name, container=True)]


def _promiscuous_refused(scene: Scene, refusal: _Refusal) -> Cause:
    host = refusal.host
    return Cause(
        PROMISCUOUS,
        f"{host.name} {host.parent}",
        f"{host.name}'s switch port does not deliver frames for its containers' MAC addresses, "
        f"while broadcasts or frames for {host.parent}'s own MAC arrive: promiscuous mode is "
        "refused there",
        Confidence.LIKELY,
        evidence([*refusal.lost, *refusal.good]),
        ids(_behind(scene, host)),
        f"ssh {host.name} tcpdump -p -e -n -i {host.parent} icmp or arp",
        "allow promiscuous mode for that port (ESXi: Promiscuous mode = Accept; VirtualBox: Allow "
        "All; Hyper-V: MAC address spoofing), or use ipvlan",
    )


def _forged_refused(scene: Scene, refusal: _Refusal) -> Cause:
    host = refusal.host
    return Cause(
        FORGED,
        f"{host.name} {host.parent}",
        f"what {host.name}'s containers send under their own MAC addresses vanishes behind "
        f"{host.parent}, while {host.parent}'s own frames pass: forged transmits (MAC spoofing) "
        "are refused at its switch port",
        Confidence.LIKELY,
        evidence([*refusal.lost, *refusal.good]),
        ids(_behind(scene, host)),
        f"ssh {host.name} tcpdump -p -e -n -i {host.parent} icmp or arp",
        "allow forged transmits for that port (ESXi: Forged transmits = Accept; Hyper-V: MAC "
        "address spoofing; a cloud's network: source checks off), or use ipvlan",
    )


def _mac_limit(scene: Scene, refusal: _Refusal) -> Cause:
    host, owners = refusal.host, scene.owners()
    dropped = {owners.get(c.mac, c.mac) for c in refusal.lost}
    passed = {owners.get(c.mac, c.mac) for c in refusal.good if c.source == FOREIGN}
    return Cause(
        LIMIT,
        f"{host.name} {host.parent}",
        f"{host.name}'s switch port takes frames of some of its MAC addresses only: those of "
        f"{', '.join(sorted(passed))} pass, those of {', '.join(sorted(dropped))} do not: a MAC "
        "limit (port security), first come first served",
        Confidence.LIKELY,
        evidence([*refusal.lost, *refusal.good]),
        ids(c for c in _behind(scene, host) if {c.source.name, c.target.name} & dropped),
        f"ssh {host.name} tcpdump -p -e -n -i {host.parent} icmp or arp",
        "raise the port's limit of MAC addresses, or use ipvlan (one MAC address for all)",
    )


PROMISCUOUS, FORGED, LIMIT = "promiscuous-refused", "forged-transmits-refused", "mac-limit"
_CAUSES = {PROMISCUOUS: _promiscuous_refused, FORGED: _forged_refused, LIMIT: _mac_limit}


def one_way(scene: Scene) -> Iterator[Cause]:
    """Echo requests, or replies, that are dropped on the wire while ARP passes."""
    seen = crossings(scene)
    for host in scene.topology.hosts:
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
                evidence([*lost, *(c for c in out_of if c.passed)]),
                ids(c for c in scene.bad() if mine(c) and not scene.not_run(c)),
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
        one_way,
    ),
)
