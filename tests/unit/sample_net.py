"""A network in code: hosts on one switch that can be told what to drop, and what a run sees of it.

Each cell asks cold: ARP request, ARP reply, three echo requests, three replies, each frame on the way
that ``matrix.way`` prescribes. Judged by the real judge and traced by the real tracer, so that a
test of a cause says nothing but what is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from matrix.cause import Inner, Scene
from matrix.judge import judge
from matrix.packet import Kind, Place, Saying, Sighting
from matrix.plan import plan
from matrix.probes import (
    By,
    Cell,
    Expected,
    Identity,
    Neighbour,
    NotRun,
    Observation,
    Outcome,
    Relation,
    Resolution,
    Seen,
)
from matrix.record import LinkFact
from matrix.second_pass import representatives, traceable
from matrix.site import read_site
from matrix.topology import EndpointKind, Topology
from matrix.trace import trace
from matrix.way import IN, OUT, Station, Trace, back, way

SITE = (Path(__file__).parents[2] / "sites" / "lab.toml").read_text()
LAB = read_site(SITE, name="lab.toml")

THREE = read_site(
    "\n".join(
        [
            *(
                f'[[host]]\nname = "{h}"\nparent = "eth0"\naddress = "10.0.0.{n}/24"'
                for n, h in enumerate(("ape", "bee", "cat"), 11)
            ),
            '[[scenario]]\nname = "tagged"\nnetwork = "net7"\nvlan = 7\nsubnet = "10.7.0.0/24"',
            'gateway = "10.7.0.1"\ngateway_present = false\n[scenario.host_addresses]',
            *(f'{h} = "10.7.0.{n}"' for n, h in enumerate(("ape", "bee", "cat"), 11)),
            *(
                f'[scenario.containers.{h}]\n{h[0]}1 = "10.7.0.{n}"\n{h[0]}2 = "10.7.0.{n + 1}"'
                for n, h in zip((100, 110, 120), ("ape", "bee", "cat"), strict=True)
            ),
        ]
    ),
    name="three.toml",
)
"""Three hosts on one VLAN, two containers each."""

GATEWAY_MAC = "02:00:00:00:ff:01"
STRANGER = "02:00:00:00:ff:99"
EVERYBODY = "ff:ff:ff:ff:ff:ff"
ECHOES = 3


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame as it comes to the switch. ``into`` is the host that it should leave for, "" the router."""

    kind: Kind
    out_of: str
    into: str
    mac_from: str
    mac_to: str
    vlan: int | None
    attempt: int
    cell: str


def nothing(_sent: Sent) -> bool:
    """A switch that drops nothing."""
    return False


@dataclass(frozen=True)
class Net:
    """A network and what is broken in it.

    ``drops`` and ``tags`` are the switch's (the tag a frame leaves with). ``dead`` hosts have no
    carrier; ``hairpin`` ones get their own frames back; ``deaf`` endpoints have a firewall against
    echo requests, ``mute`` ones see them and do not answer, ``gone`` ones do not exist any more. What
    answers echoes of ``robbed`` endpoints is addressed to a stranger.
    """

    topology: Topology = LAB
    drops: Callable[[Sent], bool] = nothing
    tags: Callable[[Sent], int | None] = lambda sent: sent.vlan
    dead: frozenset[str] = frozenset()
    hairpin: frozenset[str] = frozenset()
    deaf: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    robbed: frozenset[str] = frozenset()
    macs: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        names = {
            e.name: None
            for scenario in self.topology.scenarios
            for e in scenario.endpoints()
            if e.host
        }
        found = {name: f"02:00:00:00:00:{n:02x}" for n, name in enumerate(names, 1)}
        object.__setattr__(self, "macs", found)

    def mac(self, name: str) -> str:
        """The MAC address of an endpoint."""
        return self.macs.get(name, GATEWAY_MAC)

    def own_macs(self, host: str) -> set[str]:
        """Those of the containers on a host."""
        return {
            self.macs[c.name]
            for s in self.topology.scenarios
            for c in s.containers
            if c.host == host
        }


def scene(net: Net, outcomes: dict[str, Outcome] | None = None, **facts: Any) -> Scene:
    """What a run sees of the network. ``outcomes`` replace those of cells, ``facts`` the scene's."""
    cells = plan(net.topology)
    seen = {cell.id: _ask(net, cell, number) for number, cell in enumerate(cells)}
    found = {cell_id: outcome for cell_id, (outcome, _) in seen.items()} | (outcomes or {})
    who = tuple(Identity(name, (mac,)) for name, mac in net.macs.items())
    judgements = judge(cells, found, who, facts.get("claims"))
    chosen = representatives(traceable(cells, found, judgements), judgements)
    return Scene(
        topology=net.topology,
        cells=cells,
        outcomes=found,
        judgements=judgements,
        identities=who,
        **{
            "traces": {c.id: t for c in chosen if (t := seen[c.id][1]) is not None},
            "links": {h.name: (_link(net, h.name),) for h in net.topology.hosts},
            "inner": {
                (s.name, c.name): Inner(s.mode, str(s.segment.gateway))
                for s in net.topology.scenarios
                for c in s.containers
            },
            **facts,
        },
    )


def _link(net: Net, host: str) -> LinkFact:
    declared = net.topology.host(host)
    return LinkFact(
        declared.parent,
        "",
        net.mac(host),
        1500,
        "NO-CARRIER" if host in net.dead else "UP",
        0,
        addresses=(str(declared.address),),
    )


def _ask(net: Net, cell: Cell, number: int) -> tuple[Outcome, Trace | None]:
    if cell.source.name in net.gone:
        return NotRun(cell.id, f"the container {cell.source.name} is exited"), None
    if cell.by is By.NAME and cell.expectation.expected is Expected.NO_SUCH_NAME:
        unknown = Resolution(cell.target.name, (), "NXDOMAIN", "127.0.0.11", 1.0)
        return Observation(cell.id, "", 0, 0, resolution=unknown), None
    exchange = _Exchange(net, cell, number)
    return exchange.outcome(), exchange.trace()


class _Exchange:
    """One cell's frames."""

    def __init__(self, net: Net, cell: Cell, number: int) -> None:
        self.net, self.cell, self.number = net, cell, number
        links = {
            c.name: Place(c.host, 100 + n, "eth0")
            for n, c in enumerate(c for s in net.topology.scenarios for c in s.containers)
        }
        self.there = way(cell, net.topology, links)
        self.sightings: list[Sighting] = []
        segment = net.topology.scenario(cell.scenario).segment
        absent = cell.target.kind is EndpointKind.GATEWAY and not segment.gateway_present
        self.absent = absent or cell.target.name in net.gone
        itself = cell.relation is Relation.ITSELF
        self.known = itself or (
            self._travel(Kind.ARP_REQUEST, 0)
            and not self.absent
            and self._travel(Kind.ARP_REPLY, 0)
        )
        self.arrived = self.received = 0
        for attempt in range(ECHOES if self.known else 0):
            if (not itself and not self._travel(Kind.ECHO_REQUEST, attempt)) or (
                cell.target.name in net.deaf
            ):
                continue
            self.arrived += 1
            answers = cell.target.name not in net.mute
            self.received += answers and (itself or self._travel(Kind.ECHO_REPLY, attempt))

    def outcome(self) -> Observation:
        """As a prober reports it."""
        cell, address = self.cell, str(self.cell.target.address)
        ours = bool(cell.target.host)
        seen = Seen.YES if self.arrived else Seen.NO
        mac = self.net.mac(cell.target.name)
        return Observation(
            cell.id,
            address,
            ECHOES,
            self.received,
            ttls=(64,) if self.received else (),
            repliers=(address,) if self.received else (),
            request_seen=seen if ours else Seen.NOT_OURS,
            requests_seen=self.arrived if ours else 0,
            neighbour=Neighbour(mac, "REACHABLE") if self.known else Neighbour("", "FAILED"),
            resolution=Resolution(cell.target.name, (address,), "NOERROR", "127.0.0.11", 1.0)
            if cell.by is By.NAME
            else None,
        )

    def trace(self) -> Trace | None:
        """As witnesses on the way tell it; None where there is no way."""
        if not self.there:
            return None
        places = {s.place for s in self.there if s.place is not None}
        owners = {mac: name for name, mac in self.net.macs.items()}
        plain = replace(self.cell, by=By.ADDRESS)
        return trace(plain, self.number, self.there, self.sightings, places, owners)

    def _travel(self, kind: Kind, attempt: int) -> bool:
        """Does the frame come to its end? Whoever watches on its way sees it pass."""
        backward = kind in (Kind.ARP_REPLY, Kind.ECHO_REPLY)
        stations = back(self.there) if backward else self.there
        ends = (self.cell.source, self.cell.target)
        sender, receiver = ends[::-1] if backward else ends
        mac_to = EVERYBODY if kind is Kind.ARP_REQUEST else self.net.mac(receiver.name)
        if kind is Kind.ECHO_REPLY and receiver.name in self.net.robbed:
            mac_to = STRANGER
        echo = kind in (Kind.ECHO_REQUEST, Kind.ECHO_REPLY)
        says = Saying(
            kind,
            str(sender.address),
            str(receiver.address),
            claimed="" if echo else self.net.mac(sender.name),
            number=self.number if echo else None,
            attempt=attempt if echo else None,
        )
        sent = Sent(
            kind,
            sender.host,
            receiver.host,
            self.net.mac(sender.name),
            mac_to,
            self.net.topology.scenario(self.cell.scenario).segment.vlan,
            attempt,
            self.cell.id,
        )
        for station, tag, last in self._passed(stations, sent):
            if station.place is not None:
                outgoing = station.direction == OUT
                self.sightings.append(
                    Sighting(station.place, outgoing, tag, sent.mac_from, mac_to, 0, says)
                )
            if last:
                return False
        return self._through

    def _passed(
        self, stations: tuple[Station, ...], sent: Sent
    ) -> Iterator[tuple[Station, int | None, bool]]:
        """The stations that see it, with its tag there, and whether it goes no further."""
        self._through = False
        net, local = self.net, self.cell.relation is Relation.SIBLING
        if {sent.out_of, sent.into} & net.dead:
            return
        for before, station in zip((None, *stations), stations, strict=False):
            tag = station.vlan
            on_wire = before is not None and (before.direction, station.direction) == (OUT, IN)
            if on_wire and not local:
                same = sent.out_of == sent.into
                if (same and sent.out_of not in net.hairpin) or net.drops(sent):
                    return
                if sent.mac_to == STRANGER:
                    return
                if (tag := net.tags(sent)) != sent.vlan:
                    yield station, tag, True
                    return
                tag = station.vlan
            yield station, tag, False
        self._through = True
