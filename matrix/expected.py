"""The expected matrix as text: the dry run. Drawn from the plan alone, no host is touched."""

from __future__ import annotations

from collections.abc import Iterable

from matrix.condensed import MOST_ROWS, host_wide, kind_lines
from matrix.driver import Driver
from matrix.grid import EXPECTED_MARKS, Heading, Mark, draw, legend, plain
from matrix.probes import By, Cell, Expected
from matrix.rounds import rounds
from matrix.topology import Endpoint, EndpointKind, Override, Probe, Scenario, Topology

DIFFERS = Mark("*", "differs from cell to cell")
"""Where a host's containers stand as one, and not all the same is expected of them."""

ELSEWHERE = "on other segments"
_IDS_SHOWN = 4


def expected_lines(topology: Topology, cells: Iterable[Cell], *, width: int = 100) -> list[str]:
    """What should come back in these cells, a grid for each scenario."""
    chosen = tuple(cells)
    lines: list[str] = []
    for scenario in topology.scenarios:
        mine = tuple(cell for cell in chosen if cell.scenario == scenario.name)
        if mine:
            lines += [
                "",
                f"expected, {_title(topology, scenario)}",
                *_grid(topology, scenario, mine, width),
            ]
    lines += _overrides(chosen)
    if lines:
        lines += ["", *legend(EXPECTED_MARKS.values(), width=width)]
    return lines


def _overrides(cells: tuple[Cell, ...]) -> list[str]:
    """A line for each override, in force or expired, and what the physics says of its cells."""
    seen: dict[tuple[Override, bool, Expected], list[str]] = {}
    for cell in cells:
        if (found := cell.overridden) is not None:
            key = found.override, found.in_force, found.physics.expected
            seen.setdefault(key, []).append(cell.id)
    lines = []
    for (one, in_force, physics), ids in sorted(seen.items(), key=lambda pair: pair[0][0].line):
        held = "until" if in_force else "EXPIRED on"
        more = f" and {len(ids) - _IDS_SHOWN:,} more" if len(ids) > _IDS_SHOWN else ""
        lines.append(
            f"override {one.ticket} (line {one.line}), {held} {one.until}: "
            f"{', '.join(ids[:_IDS_SHOWN])}{more} expect{'s' if len(ids) == 1 else ''} "
            f"{one.expect}; the physics says {physics}"
        )
    return ["", *(plain(line) for line in lines)] if lines else []


def _title(topology: Topology, scenario: Scenario) -> str:
    together = rounds(topology.scenarios)
    turn = next(n for n, some in enumerate(together, 1) if scenario in some)
    when = f", round {turn} of {len(together)}" if len(together) > 1 else ""
    mode = f", mode {scenario.mode}" if scenario.mode != "bridge" else ""
    if scenario.driver is not Driver.MACVLAN:
        mode = f", driver {scenario.driver}" + (mode if scenario.driver.on_the_lan else "")
    segment = scenario.segment
    where = "on the NIC" if segment.vlan is None else f"on VLAN {segment.vlan}"
    where = where if scenario.driver.on_the_lan else "behind each host"
    return f"scenario {scenario.name}: {scenario.network}, {segment.subnet}, {where}{mode}{when}"


def _grid(topology: Topology, scenario: Scenario, cells: tuple[Cell, ...], width: int) -> list[str]:
    hosts = {host.name: number for number, host in enumerate(topology.hosts)}
    # By host, its containers before itself, the gateway last: as in the report.
    everybody = sorted(scenario.endpoints(), key=lambda endpoint: _place(hosts, endpoint))
    asking, asked = {c.source for c in cells}, {(_section(c), c.target) for c in cells}
    # Targets on other segments have no place among this one's.
    elsewhere = list(dict.fromkeys(c.target for c in cells if c.target_scenario))
    rows = {e: _heading(e) for e in everybody if e in asking}
    kinds = (*By, *(probe for probe in Probe if probe is not Probe.ICMP))
    places = [(f"by {by}", e) for by in kinds for e in everybody]
    places += [(ELSEWHERE, e) for e in elsewhere]
    columns = {place: _heading(place[1], place[0]) for place in places if place in asked}
    many = len(rows) > MOST_ROWS
    if many:
        rows = {endpoint: host_wide(heading) for endpoint, heading in rows.items()}
        columns = {place: host_wide(heading) for place, heading in columns.items()}
    marks: dict[tuple[str, str, str], Mark] = {}
    for cell in cells:
        column = columns[_section(cell), cell.target]
        place = rows[cell.source].key, column.key, column.section
        mark = EXPECTED_MARKS[cell.expectation.expected]
        marks[place] = mark if marks.get(place, mark) == mark else DIFFERS
    lines = []
    if many:
        lines = [f"  {len(cells):,} cells"]
        lines += kind_lines(
            ((c.relation, c.asked_by, c.expectation.expected) for c in cells), (*Expected,)
        )
    down = tuple(dict.fromkeys(rows.values()))
    if len(down) > MOST_ROWS:
        return lines
    lines += draw(
        down,
        tuple(dict.fromkeys(columns.values())),
        lambda row, column: marks.get((row.key, column.key, column.section)),
        width=width,
    )
    return lines + (legend([DIFFERS], width=width) if DIFFERS in marks.values() else [])


def _section(cell: Cell) -> str:
    return ELSEWHERE if cell.target_scenario else f"by {cell.asked_by}"


def _heading(endpoint: Endpoint, section: str = "") -> Heading:
    # A host is called so; an address that a remedy gives it by what follows its name.
    name = endpoint.name
    if endpoint.kind is EndpointKind.HOST:
        name = endpoint.name.removeprefix(endpoint.of).lstrip(".") if endpoint.of else "host"
    return Heading(endpoint.name, name, endpoint.host, section)


def _place(hosts: dict[str, int], endpoint: Endpoint) -> tuple[int, bool]:
    return hosts.get(endpoint.host, len(hosts)), endpoint.kind is EndpointKind.HOST
