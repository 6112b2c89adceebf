"""From a topology to the cells of its matrix, each with its expectation. Needs no host.

Cell ids are ``scenario:source:target:by``: the same every night, safe to paste into a shell, and
made so that ``pytest -k c1`` finds what a person means. Order: scenario, source, by, target.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from matrix.overrides import overridden, proves
from matrix.probes import By, Cell, Expected, Relation
from matrix.rules import Situation, expectation
from matrix.topology import Endpoint, EndpointKind, Scenario, Topology

_BY_NAME = (Relation.ITSELF, Relation.SIBLING, Relation.REMOTE)
_OVER_THE_WIRE = (Relation.REMOTE, Relation.OTHER_HOST, Relation.GATEWAY)


def plan(topology: Topology, today: date | None = None) -> tuple[Cell, ...]:
    """Every cell of the site's matrix.

    Args:
        topology: the site.
        today: the day of the run (UTC), which decides what overrides are in force.

    Raises:
        ValueError: the site has overrides, and no day was given.
    """
    cells = (cell for scenario in topology.scenarios for cell in _cells(topology, scenario))
    if not topology.overrides:
        return tuple(cells)
    if today is None:
        raise ValueError("whether an override is in force depends on the day of the run: give it")
    return tuple(overridden(cell, topology.overrides, today) for cell in cells)


def controls(cells: Iterable[Cell], selected: Iterable[str]) -> frozenset[str]:
    """Ids of the cells that must run beside the selected ones to prove their silence.

    Silence counts only when in the same window its source reached somebody else and its target
    answered somebody else; "no such name" only when the same source's resolver answered. For each
    selected negative cell these are all the cells that expect a reply from that source, or from
    that target. Selected cells themselves are not in the answer.
    """
    everything = tuple(cells)
    chosen = frozenset(selected)
    wanted: set[str] = set()
    for cell in everything:
        if cell.id in chosen and cell.expectation.expected is not Expected.REPLY:
            wanted.update(c.id for c in everything if is_control(c, cell))
    return frozenset(wanted - chosen)


def is_control(candidate: Cell, negative: Cell) -> bool:
    """Would a good reply in ``candidate`` support the silence of ``negative``?"""
    if candidate.scenario != negative.scenario or candidate.id == negative.id:
        return False
    if not proves(candidate):
        return False
    if negative.expectation.expected is Expected.NO_SUCH_NAME:
        return candidate.by is By.NAME and candidate.source == negative.source
    return proves_source(candidate, negative) or proves_target(candidate, negative)


def proves_source(candidate: Cell, negative: Cell) -> bool:
    """Does a reply in ``candidate`` prove that the source of ``negative`` reaches the wire?

    A container's ping to itself never leaves its namespace, and one to a sibling never leaves the
    kernel: with the cable pulled both still answer, so neither proves anything here.
    """
    return (
        candidate.by is By.ADDRESS
        and candidate.source == negative.source
        and candidate.target != negative.target
        and candidate.relation in _OVER_THE_WIRE
    )


def proves_target(candidate: Cell, negative: Cell) -> bool:
    """Does a reply in ``candidate`` prove that the target of ``negative`` answers somebody?"""
    return (
        candidate.by is By.ADDRESS
        and candidate.target == negative.target
        and candidate.source != negative.source
        and candidate.relation in _OVER_THE_WIRE
    )


def _cells(topology: Topology, scenario: Scenario) -> Iterator[Cell]:
    endpoints = scenario.endpoints()
    parents = {host.name: scenario.parent_on(host) for host in topology.hosts}
    for source in endpoints:
        if source.kind is EndpointKind.GATEWAY:
            continue
        for by in By:
            for target in endpoints:
                relation = _relation(source, target)
                if relation is None or (by is By.NAME and not _has_name(source, relation)):
                    continue
                parent = parents[source.host]
                situation = Situation(scenario, source, target, by, relation, parent)
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
