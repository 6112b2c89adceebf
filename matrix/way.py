"""The way of a probe, station by station: which links its frames pass, from source to target.

Rule: nouns and the way that physics prescribes; what was really seen there is ``matrix.trace``.

    c5 eth0 -> enp0s5.200 -> enp0s5 (tagged) -> the wire -> enp0s5 (tagged) -> enp0s5.200 -> c7 eth0

A macvlan child's frame leaves by its parent; siblings are served inside the parent, and the wire
never sees it (Linux drivers/net/macvlan.c, macvlan_queue_xmit). A host's own frame for its own
container leaves on the wire too: it arrives only where something sends it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matrix.packet import Place
from matrix.probes import Cell, Relation
from matrix.topology import Endpoint, EndpointKind, Topology

OUT, IN = "out", "in"


@dataclass(frozen=True, slots=True)
class Station:
    """A link that a frame passes in one direction. ``place`` is None where it is not ours to watch.

    ``who`` is the endpoint or host that the link belongs to; ``vlan`` the tag it should have there.
    """

    who: str
    place: Place | None
    direction: str
    vlan: int | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """What was seen at one station of one passage.

    ``seen`` counts the distinct requests or replies (for ARP: the frames), and is None where nobody
    watched; ``frames`` counts all, copies too. ``tags`` are the VLAN ids it had there (None:
    untagged), ``vlan`` the one it should have, ``macs`` the Ethernet addresses, each "from > to".
    """

    who: str
    host: str
    link: str
    direction: str
    seen: int | None
    frames: int = 0
    tags: tuple[int | None, ...] = ()
    macs: tuple[str, ...] = ()
    vlan: int | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """One kind of frame on its way, there or ``back``: legs in the order in which it passes them."""

    kind: str
    back: bool
    legs: tuple[Leg, ...]

    @property
    def first(self) -> int:
        """The first leg that saw it; -1 where none did."""
        return next((i for i, leg in enumerate(self.legs) if leg.seen), -1)

    @property
    def last(self) -> int:
        """The last leg that saw it; -1 where none did."""
        return max((i for i, leg in enumerate(self.legs) if leg.seen), default=-1)

    @property
    def most(self) -> int:
        """How many were seen where most were."""
        return max((leg.seen or 0 for leg in self.legs), default=0)

    @property
    def lost_at(self) -> int:
        """The watched leg that it should have come to next; -1 where it was lost at none."""
        if self.last < 0:
            return -1
        behind = range(self.last + 1, len(self.legs))
        return next((i for i in behind if self.legs[i].seen is not None), -1)

    @property
    def arrived(self) -> bool:
        """Was it seen as far as anybody watched?"""
        return self.last >= 0 and self.lost_at < 0


@dataclass(frozen=True, slots=True)
class Trace:
    """How far the frames of one cell came, when it was asked again with witnesses on its way.

    ``words``: what that shows, the main thing first. ``reply_macs`` are the Ethernet sources of the
    echo replies, as the source's own namespace saw them.
    """

    words: tuple[str, ...]
    passages: tuple[Passage, ...]
    sent: int
    answered: int
    reply_macs: tuple[str, ...] = ()


def way(cell: Cell, topology: Topology, links: Mapping[str, Place]) -> tuple[Station, ...]:
    """The stations of a request, in order; of a reply, see ``back``. Empty: it passes no link.

    Args:
        cell: the question.
        topology: the site.
        links: the link of each container that stands, by its name.
    """
    source, target = cell.source, cell.target
    if cell.relation is Relation.ITSELF:
        return ()
    if cell.relation is Relation.SIBLING:
        return (_own(source, links, OUT), _own(target, links, IN))
    leaving = _parents(cell, source, topology, OUT)
    if source.kind is EndpointKind.CONTAINER:
        leaving = (_own(source, links, OUT), *leaving)
    if target.kind is EndpointKind.GATEWAY:
        return (*leaving, Station(target.name, None, IN))
    arriving = tuple(reversed(_parents(cell, target, topology, IN)))
    if target.kind is EndpointKind.CONTAINER:
        arriving = (*arriving, _own(target, links, IN))
    return (*leaving, *arriving)


def back(stations: tuple[Station, ...]) -> tuple[Station, ...]:
    """The same way from its end to its beginning: that of a reply."""
    turned = {OUT: IN, IN: OUT}
    return tuple(Station(s.who, s.place, turned[s.direction], s.vlan) for s in reversed(stations))


def _own(endpoint: Endpoint, links: Mapping[str, Place], direction: str) -> Station:
    return Station(endpoint.name, links.get(endpoint.name), direction)


def _parents(
    cell: Cell, endpoint: Endpoint, topology: Topology, direction: str
) -> tuple[Station, ...]:
    """The links of the endpoint's host that carry the network, the wire's own last."""
    host = topology.host(endpoint.host)
    scenario = topology.scenario(cell.scenario)
    vlan = scenario.segment.vlan
    nic = Station(host.name, Place(host.name, 0, host.parent), direction, vlan)
    if vlan is None:
        return (nic,)
    parent = Place(host.name, 0, scenario.parent_on(host))
    return (Station(host.name, parent, direction), nic)
