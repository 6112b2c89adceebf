"""The expected matrix as text: the dry run. Drawn from the plan alone, no host is touched."""

from __future__ import annotations

from collections.abc import Iterable

from matrix.grid import EXPECTED_MARKS, Heading, Mark, draw, legend, plain
from matrix.probes import Cell
from matrix.topology import Endpoint, EndpointKind, Scenario, Topology


def expected_lines(topology: Topology, cells: Iterable[Cell], *, width: int = 100) -> list[str]:
    """What should come back in these cells, a grid for each scenario."""
    chosen = tuple(cells)
    lines: list[str] = []
    for scenario in topology.scenarios:
        mine = tuple(cell for cell in chosen if cell.scenario == scenario.name)
        if mine:
            lines += ["", f"expected, {_title(scenario)}", *_grid(topology, mine, width)]
    lines += _overrides(chosen)
    if lines:
        lines += ["", *legend(EXPECTED_MARKS.values(), width=width)]
    return lines


def _overrides(cells: tuple[Cell, ...]) -> list[str]:
    """A line for each cell that the site overrides, in force or expired."""
    lines = []
    for cell in cells:
        if (found := cell.overridden) is not None:
            one = found.override
            held = "until" if found.in_force else "EXPIRED on"
            lines.append(
                f"override {one.ticket} (line {one.line}), {held} {one.until}: {cell.id} expects "
                f"{one.expect}; the physics says {found.physics.expected}"
            )
    return ["", *(plain(line) for line in lines)] if lines else []


def _title(scenario: Scenario) -> str:
    segment = scenario.segment
    where = "on the NIC" if segment.vlan is None else f"on VLAN {segment.vlan}"
    return f"scenario {scenario.name}: {scenario.network}, {segment.subnet}, {where}"


def _grid(topology: Topology, cells: tuple[Cell, ...], width: int) -> list[str]:
    hosts = {host.name: number for number, host in enumerate(topology.hosts)}
    marks: dict[tuple[str, str], Mark] = {}
    rows: dict[str, Heading] = {}
    columns: dict[str, Heading] = {}
    # By host, its containers before itself, the gateway last: as in the report.
    for cell in sorted(cells, key=lambda c: _place(hosts, c.source)):
        rows.setdefault(cell.source.name, Heading(cell.source.name, *_name(cell.source)))
    for cell in sorted(cells, key=lambda c: (c.by, *_place(hosts, c.target))):
        key = f"{cell.by}:{cell.target.name}"
        columns.setdefault(key, Heading(key, *_name(cell.target), f"by {cell.by}"))
        marks[cell.source.name, key] = EXPECTED_MARKS[cell.expectation.expected]
    return draw(
        tuple(rows.values()),
        tuple(columns.values()),
        lambda row, column: marks.get((row.key, column.key)),
        width=width,
    )


def _name(endpoint: Endpoint) -> tuple[str, str]:
    """The endpoint's name, and the host under which it stands."""
    return ("host" if endpoint.kind is EndpointKind.HOST else endpoint.name), endpoint.host


def _place(hosts: dict[str, int], endpoint: Endpoint) -> tuple[int, bool]:
    return hosts.get(endpoint.host, len(hosts)), endpoint.kind is EndpointKind.HOST
