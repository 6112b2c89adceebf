"""From a topology to the cells of its matrix, each with its expectation. Needs no host.

Cell ids are ``scenario:source:target:by``, and where the probe is no ICMP echo
``scenario:source:target:probe`` (see ``matrix.protocol_rules``): the same every night, safe to
paste into a shell, and made so that ``pytest -k c1`` finds what a person means. Order: scenario,
source, by, target; then the same for each other probe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from itertools import zip_longest

from matrix.across import across
from matrix.overrides import overridden, proves
from matrix.probes import By, Cell, Expected, Path, Relation
from matrix.protocol_rules import with_protocols
from matrix.rule import Situation
from matrix.rules import expectation, is_undecided
from matrix.topology import (
    HOST_SHIM,
    SECOND_NETWORK,
    Endpoint,
    EndpointKind,
    Probe,
    Scenario,
    Topology,
)

_BY_NAME = (Relation.ITSELF, Relation.SIBLING, Relation.REMOTE)
_OVER_THE_WIRE = (Relation.REMOTE, Relation.OTHER_HOST, Relation.GATEWAY)

ENOUGH = 4
"""Controls for one proof. One good one proves it; the others are there in case the first is dead."""


class Proves(StrEnum):
    """What a control shows of an endpoint, in the same window."""

    REACHES = "reached somebody over the wire"
    ANSWERS = "answered somebody over the wire"
    CARRIES = "its NIC carried frames of its passthru endpoint, both ways"
    HEARS = "answered ARP over the wire"
    RESOLVES = "resolved a name"
    STANDS = "answered its own host"


Proof = tuple[str, str, Proves]
"""Scenario (and probe, where it is no echo), endpoint, and what is shown of it."""


def plan(topology: Topology, today: date | None = None) -> tuple[Cell, ...]:
    """Every cell of the site's matrix.

    Args:
        topology: the site.
        today: the day of the run (UTC), which decides what overrides are in force.

    Raises:
        ValueError: the site has overrides, and no day was given.
    """
    cells = (cell for scenario in topology.scenarios for cell in _cells_from(topology, scenario))
    if not topology.overrides:
        return tuple(cells)
    if today is None:
        raise ValueError("whether an override is in force depends on the day of the run: give it")
    return tuple(overridden(cell, topology.overrides, today) for cell in cells)


def controls(cells: Iterable[Cell], selected: Iterable[str]) -> frozenset[str]:
    """Ids of the cells that must run beside the selected ones to prove their silence.

    Up to ``ENOUGH`` cells for each proof that a selected negative cell needs, selected cells
    counted; taken from as many other hosts as there are, so that one dead host takes no more of
    them than it must. Selected cells themselves are not in the answer.
    """
    everything = tuple(cells)
    chosen = frozenset(selected)
    missing = {proof: ENOUGH for cell in everything if cell.id in chosen for proof in needs(cell)}
    candidates: dict[Proof, list[Cell]] = {proof: [] for proof in missing}
    for cell in everything:
        for proof in proofs(cell):
            if proof not in missing:
                continue
            if cell.id in chosen:
                missing[proof] -= 1
            else:
                candidates[proof].append(cell)
    wanted: set[str] = set()
    for proof, some in candidates.items():
        for cell in _from_all_hosts(some) if missing[proof] > 0 else ():
            if missing[proof] <= 0:
                break
            if cell.id not in wanted:
                wanted.add(cell.id)
                for other in proofs(cell):
                    if other in missing:
                        missing[other] -= 1
    return frozenset(wanted)


def _from_all_hosts(cells: Iterable[Cell]) -> Iterator[Cell]:
    """The cells, one from each pair of hosts in turn."""
    by_hosts: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        by_hosts.setdefault((cell.source.host, cell.target.host), []).append(cell)
    for turn in zip_longest(*by_hosts.values()):
        yield from (cell for cell in turn if cell is not None)


def proofs(cell: Cell) -> tuple[Proof, ...]:
    """What a good reply in this cell proves, for the silence of others.

    A container's ping to itself never leaves its namespace, and one to a sibling never leaves the
    kernel: with the cable pulled both still answer, so neither proves anything about the wire. Nor
    does a reply that only an override of the site expects.
    """
    if hears(cell):
        return ((cell.scenario, cell.target.name, Proves.HEARS),)
    if not proves(cell):
        return ()
    if cell.by is By.NAME:
        return ((_window(cell), cell.source.name, Proves.RESOLVES),)
    if cell.relation in _OVER_THE_WIRE:
        return (
            (_window(cell), cell.source.name, Proves.REACHES),
            (_window(cell, cell.there), cell.target.name, Proves.ANSWERS),
            *((_window(cell), host, Proves.CARRIES) for host in cell.physics.deaf),
        )
    if cell.relation is Relation.OWN_CONTAINER and cell.physics.path is Path.HOST:
        return ((_window(cell), cell.target.name, Proves.STANDS),)
    return ()


def hears(cell: Cell) -> bool:
    """Is this cell silent by passthru at its target, so that ARP, and ARP alone, must be answered?

    Broadcasts reach the deaf host's own stack as well as the endpoint, and what it sends leaves.
    """
    return (
        cell.target.name in cell.physics.deaf
        and cell.source.name not in cell.physics.deaf
        and cell.source.host != cell.target.host
        and cell.by is By.ADDRESS
        and cell.probe is Probe.ICMP
    )


def _window(cell: Cell, scenario: str = "") -> str:
    """Where and by what a proof holds: one by echo vouches for no connection."""
    there = scenario or cell.scenario
    return there if cell.probe is Probe.ICMP else f"{there} by {cell.probe}"


def needs(cell: Cell) -> tuple[Proof, ...]:
    """What must be proven before a negative in this cell counts; nothing where a reply is expected.

    Silence counts only when in the same window its source reached somebody else over the wire and
    its target answered somebody else; "no such name" only when the same source's resolver answered.
    A host that is deaf by passthru reaches nobody, and answers nobody but ARP: its NIC must have
    carried the endpoint's frames then, and somebody's ARP request for it must have been answered.
    Who is behind its host answers nobody over the wire: there it must have answered that host.
    The same pair is never the proof of its own silence: a cell that expects silence proves nothing,
    and where an override silences a name, the judge leaves out the same pair by address.
    """
    if cell.expectation.expected is Expected.REPLY:
        return ()
    if cell.expectation.expected is Expected.NO_SUCH_NAME:
        return ((_window(cell), cell.source.name, Proves.RESOLVES),)
    deaf = cell.physics.deaf
    reaches = Proves.CARRIES if cell.source.name in deaf else Proves.REACHES
    answers = Proves.HEARS if cell.target.name in deaf else Proves.ANSWERS
    if cell.physics.path is Path.NOWHERE:
        answers = Proves.STANDS
    source = _window(cell), cell.source.name, reaches
    # A cell whose own ARP must be answered needs nobody else's.
    if hears(cell):
        return (source,)
    return (source, (_window(cell, cell.there), cell.target.name, answers))


def _cells_from(topology: Topology, scenario: Scenario) -> Iterator[Cell]:
    """The cells whose source stands in this scenario."""
    yield from with_protocols(_cells(topology, scenario), scenario, topology.probes)
    if topology.isolation is not None:
        yield from across(topology, scenario)


def _cells(topology: Topology, scenario: Scenario) -> Iterator[Cell]:
    endpoints = scenario.endpoints()
    parents = {host.name: scenario.parent_on(host) for host in topology.hosts}
    reflecting = {host.name for host in topology.hosts if host.hairpin}
    for source in endpoints:
        if source.kind is EndpointKind.GATEWAY:
            continue
        for by in By:
            for target in endpoints:
                relation = _relation(source, target)
                if relation is None or (by is By.NAME and not _has_name(source, relation)):
                    continue
                parent = parents[source.host]
                reflected = source.host in reflecting and source.host == target.host
                situation = Situation(scenario, source, target, by, relation, parent, reflected)
                if is_undecided(situation):
                    continue
                yield Cell(
                    f"{scenario.name}:{source.name}:{target.name}:{by}",
                    scenario.name,
                    source,
                    target,
                    by,
                    relation,
                    expectation(situation),
                )


def _has_name(source: Endpoint, relation: Relation) -> bool:
    return source.kind is EndpointKind.CONTAINER and relation in _BY_NAME


def _relation(source: Endpoint, target: Endpoint) -> Relation | None:
    """Where the target is, seen from the source; None for a pair that asks nothing."""
    same_host = source.host == target.host
    if (source.of or target.of) and not _meet(source, target):
        return None
    match source.kind, target.kind:
        case _, EndpointKind.GATEWAY:
            return Relation.GATEWAY
        case EndpointKind.CONTAINER, EndpointKind.CONTAINER if source == target:
            return Relation.ITSELF
        case EndpointKind.CONTAINER, EndpointKind.CONTAINER:
            return Relation.SIBLING if same_host else Relation.REMOTE
        case EndpointKind.CONTAINER, EndpointKind.HOST:
            return Relation.OWN_HOST if same_host else Relation.OTHER_HOST
        case EndpointKind.HOST, EndpointKind.CONTAINER:
            return Relation.OWN_CONTAINER if same_host else Relation.REMOTE
        case EndpointKind.HOST, EndpointKind.HOST if not same_host:
            return Relation.OTHER_HOST
    return None


def _meet(source: Endpoint, target: Endpoint) -> bool:
    """Is this the pair that a remedy's addresses are for: a host and a container of its own?

    A host asks by its shim whatever it is called, so there the container asks alone.
    """
    if source.host != target.host or source.kind == target.kind:
        return False
    if target.opened_by == HOST_SHIM:
        return not source.of
    return source.opened_by == target.opened_by == SECOND_NETWORK
