"""Networks with one fault each, and the cause that must be named for it; to be put together, too."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from matrix.cause import Cause, Confidence
from matrix.diagnose import diagnose
from matrix.packet import Kind
from matrix.topology import Topology
from tests.unit.sample_net import Net, Sent, scene


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: what it does to a ``Net``, what a run knows besides, and what names it, and where."""

    name: str
    rule: str
    where: str
    drops: Callable[[Sent], bool] | None = None
    tags: Callable[[Sent], int | None] | None = None
    ends: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def names(self, cause: Cause) -> bool:
        """Does that cause name it?"""
        return cause.rule == self.rule and fnmatchcase(cause.where, self.where)


def network(topology: Topology, faults: Iterable[Fault]) -> tuple[Net, dict[str, Any]]:
    """A network with all of these faults, and the facts of its scene."""
    all_of = tuple(faults)
    drops = [f.drops for f in all_of if f.drops]
    tags = [f.tags for f in all_of if f.tags]
    ends: dict[str, frozenset[str]] = {}
    facts: dict[str, Any] = {}
    for fault in all_of:
        for what, name in fault.ends.items():
            ends[what] = ends.get(what, frozenset()) | {name}
        facts |= fault.facts

    def tag(sent: Sent) -> int | None:
        return next((new for one in tags if (new := one(sent)) != sent.vlan), sent.vlan)

    net = Net(topology, drops=lambda sent: any(d(sent) for d in drops), tags=tag, **ends)
    return net, facts


def told(topology: Topology, *faults: Fault) -> tuple[Cause, ...]:
    """The causes that are named for a network with these faults."""
    net, facts = network(topology, faults)
    return diagnose(scene(net, **facts))[0]


def wrong(causes: Iterable[Cause], *faults: Fault) -> list[Cause]:
    """The causes that name a fault which is not there."""
    return [
        cause
        for cause in causes
        if cause.confidence is not Confidence.UNKNOWN and not any(f.names(cause) for f in faults)
    ]


def faults_of(topology: Topology, host: str) -> Iterator[Fault]:
    """Every kind of fault at that host, its containers or its segments."""
    nic = f"{host} {topology.host(host).parent}"
    own = Net(topology).own_macs(host)
    yield Fault(
        "promiscuous", "promiscuous-refused", nic, lambda s: s.into == host and s.mac_to in own
    )
    yield Fault(
        "forged", "forged-transmits-refused", nic, lambda s: s.out_of == host and s.mac_from in own
    )
    late = own - {min(own)}
    yield Fault("limit", "mac-limit", nic, lambda s: s.out_of == host and s.mac_from in late)
    for name, kind in (("requests", Kind.ECHO_REQUEST), ("replies", Kind.ECHO_REPLY)):
        yield Fault(name, f"echo-{name}-dropped", nic, _echoes(host, kind))
    yield Fault("cable", "no-carrier", nic, ends={"dead": host})
    yield Fault("hairpin", "hairpin", nic, ends={"hairpin": host})
    yield Fault("loss", "loss", f"*{host}*", lambda s: s.into == host and _by_chance(s))
    for scenario in topology.scenarios:
        yield from _of_segment(topology, host, scenario.name)
        name = scenario.containers_on(host)[-1].name
        where = f"{name} on {host}"
        yield Fault(f"deaf {name}", "firewall", where, ends={"deaf": name})
        yield Fault(f"mute {name}", "firewall", where, ends={"mute": name})
        state = {"states": {(scenario.name, name): "exited"}}
        yield Fault(f"gone {name}", "container-stopped", where, ends={"gone": name}, facts=state)


def _of_segment(topology: Topology, host: str, name: str) -> Iterator[Fault]:
    segment = topology.scenario(name).segment
    if segment.gateway_present:
        yield Fault(
            "gateway",
            "gateway-gone",
            f"gateway {segment.gateway}",
            lambda s: s.vlan == segment.vlan and "" in (s.out_of, s.into),
        )
    if segment.vlan is not None:

        def on_it(sent: Sent) -> bool:
            return sent.vlan == segment.vlan and host in (sent.out_of, sent.into)

        two = len(topology.hosts) == len(("one", "another"))
        where = " and ".join(h.name for h in topology.hosts) if two else host
        yield Fault("vlan", "vlan-missing", f"{where} {name}", on_it)
        yield Fault(
            "other id", "vlan-other-id", f"* {name}", tags=lambda s: 999 if on_it(s) else s.vlan
        )


def _echoes(host: str, kind: Kind) -> Callable[[Sent], bool]:
    return lambda sent: sent.out_of == host and sent.kind is kind


def _by_chance(sent: Sent) -> bool:
    """Three of ten echoes, always the same ones."""
    mark = f"{sent.kind} {sent.cell} {sent.attempt}"
    echo = sent.kind in (Kind.ECHO_REQUEST, Kind.ECHO_REPLY)
    return echo and zlib.crc32(mark.encode()) % 10 < 3
