"""The expected matrix as text: the dry run. Drawn from the plan alone, no host is touched."""

from __future__ import annotations

from collections.abc import Iterable

from matrix.grid import EXPECTED_MARKS, MOST_ROWS, Heading, Mark, draw, host_wide, legend
from matrix.probes import By, Cell
from matrix.topology import Endpoint, EndpointKind, Scenario, Topology

DIFFERS = Mark("*", "differs from cell to cell")
"""Where a host's containers stand as one, and not all the same is expected of them."""


def expected_lines(topology: Topology, cells: Iterable[Cell], *, width: int = 100) -> list[str]:
    """What should come back in these cells, a grid for each scenario."""
    chosen = tuple(cells)
    lines: list[str] = []
    for scenario in topology.scenarios:
        mine = tuple(cell for cell in chosen if cell.scenario == scenario.name)
        if mine:
            lines += ["", f"expected, {_title(scenario)}", *_grid(topology, mine, width)]
    if lines:
        lines += ["", *legend(EXPECTED_MARKS.values(), width=width)]
    return lines


def _title(scenario: Scenario) -> str:
    segment = scenario.segment
    where = "on the NIC" if segment.vlan is None else f"on VLAN {segment.vlan}"
    return f"scenario {scenario.name}: {scenario.network}, {segment.subnet}, {where}"


def _grid(topology: Topology, cells: tuple[Cell, ...], width: int) -> list[str]:
    hosts = {host.name: number for number, host in enumerate(topology.hosts)}
    marks: dict[tuple[str, str, str], Mark] = {}
    rows: dict[Endpoint, Heading] = {}
    columns: dict[tuple[By, Endpoint], Heading] = {}
    # By host, its containers before itself, the gateway last: as in the report.
    for source in sorted({c.source: None for c in cells}, key=lambda e: _place(hosts, e)):
        rows[source] = _heading(source)
    for by, target in sorted(
        {(c.by, c.target): None for c in cells}, key=lambda c: (c[0], *_place(hosts, c[1]))
    ):
        columns[by, target] = _heading(target, f"by {by}")
    many = len(rows) > MOST_ROWS
    if many:
        rows = {source: host_wide(heading) for source, heading in rows.items()}
        columns = {target: host_wide(heading) for target, heading in columns.items()}
    for cell in cells:
        column = columns[cell.by, cell.target]
        place = rows[cell.source].key, column.key, column.section
        mark = EXPECTED_MARKS[cell.expectation.expected]
        marks[place] = mark if marks.get(place, mark) == mark else DIFFERS
    lines = [f"  {len(marks)} groups of {len(cells)} cells, host by host"] if many else []
    lines += draw(
        tuple(dict.fromkeys(rows.values())),
        tuple(dict.fromkeys(columns.values())),
        lambda row, column: marks.get((row.key, column.key, column.section)),
        width=width,
    )
    return lines + (legend([DIFFERS], width=width) if DIFFERS in marks.values() else [])


def _heading(endpoint: Endpoint, section: str = "") -> Heading:
    name = "host" if endpoint.kind is EndpointKind.HOST else endpoint.name
    return Heading(endpoint.name, name, endpoint.host, section)


def _place(hosts: dict[str, int], endpoint: Endpoint) -> tuple[int, bool]:
    return hosts.get(endpoint.host, len(hosts)), endpoint.kind is EndpointKind.HOST
