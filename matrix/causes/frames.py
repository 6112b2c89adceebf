"""Which kinds of frames pass from one host's wire to another's, and which are lost there.

A switch, a hypervisor or a filter on the way drops by what a frame is: what it carries, whether its
sender's MAC address is that of the host's own NIC or of a container behind it (*foreign*), and
whether it is sent to the NIC, to a container behind it, or to everybody. So the losses and the
passages that were seen are sorted by that, and a rule asks what all the lost ones have in common
that none of the passed ones has. A frame that was addressed to a stranger is not lost on the wire.

Seen are the traces of the second pass, and every cell that was answered: its request and its reply
passed, whatever else was lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from matrix.cause import Scene
from matrix.packet import Kind
from matrix.probes import Cell, Relation
from matrix.topology import EndpointKind
from matrix.way import IN, OUT, Leg, Passage, Trace

OWN, FOREIGN, ALL = "own", "foreign", "everybody"
ARP, REQUEST, REPLY = "ARP", "echo request", "echo reply"
_BROADCAST = "ff:ff:ff:ff:ff:ff"


@dataclass(frozen=True, slots=True)
class Crossing:
    """A kind of frame between two hosts' wires: did it pass, and which cell shows it?

    ``scenario`` and ``vlan`` say on which segment; ``source`` and ``target`` are ``OWN``,
    ``FOREIGN`` or (target only) ``ALL``; ``mac`` is the sender's.
    """

    out_of: str
    into: str
    scenario: str
    vlan: int | None
    kind: str
    source: str
    target: str
    mac: str
    passed: bool
    cell: str


@lru_cache(maxsize=1)
def crossings(scene: Scene) -> tuple[Crossing, ...]:
    """Every crossing that was seen."""
    found: dict[Crossing, None] = {}
    for cell in scene.wire():
        if scene.passed(cell):
            found.update(dict.fromkeys(_of_a_pass(cell, scene)))
    for cell in scene.cells:
        trace = scene.traces.get(cell.id)
        if trace is not None and scene.verdict(cell) is not None:
            found.update(dict.fromkeys(_of_a_trace(cell, trace, scene)))
    return tuple(found)


def _of_a_pass(cell: Cell, scene: Scene) -> Iterator[Crossing]:
    """What an answered cell proves: the request went there, the reply came back."""
    vlan = scene.scenario(cell).segment.vlan
    here, there = cell.source.host, cell.target.host or cell.target.name
    mine = FOREIGN if cell.source.kind is EndpointKind.CONTAINER else OWN
    theirs = FOREIGN if cell.target.kind is EndpointKind.CONTAINER else OWN
    for kind, a, b, one, two, who in (
        (REQUEST, here, there, mine, theirs, cell.source.name),
        (REPLY, there, here, theirs, mine, cell.target.name),
    ):
        mac = next((i.macs[0] for i in scene.identities if i.endpoint == who and i.macs), "")
        yield Crossing(a, b, cell.scenario, vlan, kind, one, two, mac, passed=True, cell=cell.id)


def _of_a_trace(cell: Cell, trace: Trace, scene: Scene) -> Iterator[Crossing]:
    for passage in trace.passages:
        ends = wire_ends(passage)
        if ends is None or not ends[0].seen:
            continue
        left, came = ends
        # Frames that were seen at the far end passed; if fewer came than left, others did not.
        for leg, passed in ((came, True), (left, False)):
            if passed and not came.seen:
                continue
            if not passed and (came.seen or 0) >= (left.seen or 0):
                continue
            for pair in leg.macs:
                if not passed and not _meant_for(came.host, pair, scene):
                    continue  # the wire has taken it to somebody else, as it was told
                yield _crossing(cell, passage, left, came, pair, scene, passed=passed)


def _meant_for(host: str, pair: str, scene: Scene) -> bool:
    """Was the frame addressed to one of the host's MAC addresses, or to everybody?

    Where somebody else has answered ARP, frames are addressed to him, and that they do not arrive at
    the host says nothing of the wire.
    """
    receiver = pair.partition(" > ")[2]
    return receiver == _BROADCAST or receiver in scene.macs_behind(host)


def wire_ends(passage: Passage) -> tuple[Leg, Leg] | None:
    """The last leg out of one host and the first leg into another; None where it crosses no wire."""
    for left, came in zip(passage.legs, passage.legs[1:], strict=False):
        if left.direction == OUT and came.direction == IN and came.seen is not None:
            return (left, came) if left.host != came.host and left.seen is not None else None
    return None


def _crossing(
    cell: Cell, passage: Passage, left: Leg, came: Leg, pair: str, scene: Scene, *, passed: bool
) -> Crossing:
    sender, _, receiver = pair.partition(" > ")
    kinds = {Kind.ECHO_REQUEST: REQUEST, Kind.ECHO_REPLY: REPLY}
    behind = scene.macs_of_containers(came.host)
    target = ALL if receiver == _BROADCAST else FOREIGN if receiver in behind else OWN
    source = FOREIGN if sender in scene.macs_of_containers(left.host) else OWN
    return Crossing(
        out_of=left.host,
        into=came.host,
        scenario=cell.scenario,
        vlan=scene.scenario(cell).segment.vlan,
        kind=kinds.get(Kind(passage.kind), ARP) if passage.kind in set(Kind) else ARP,
        source=source,
        target=target,
        mac=sender,
        passed=passed,
        cell=cell.id,
    )


def evidence(seen: Iterable[Crossing]) -> tuple[str, ...]:
    """A few crossings in words, lost ones first."""
    lines: dict[str, None] = {}
    for c in sorted(seen, key=lambda c: c.passed):
        where = "untagged" if c.vlan is None else f"VLAN {c.vlan}"
        what = f"{c.kind} of {c.mac or c.source}" + (" to everybody" if c.target == ALL else "")
        fate = "arrived" if c.passed else "never arrived"
        lines[f"{what}, {where}: left {c.out_of}, {fate} at {c.into} ({c.cell})"] = None
    return tuple(lines)[:4]


def ids(cells: Iterable[Cell]) -> tuple[str, ...]:
    """The ids of cells."""
    return tuple(cell.id for cell in cells)


def not_inside(cell: Cell) -> bool:
    """Is it about the wire, or about the silence of what the wire does not send back?"""
    return cell.relation not in (Relation.ITSELF, Relation.SIBLING)


def touches_end(cell: Cell, scenario: str, name: str) -> bool:
    """Is that endpoint the cell's source or target?"""
    return (scenario, name) in (
        (cell.scenario, cell.source.name),
        (cell.there, cell.target.name),
    )
