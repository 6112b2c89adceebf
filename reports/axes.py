"""Who stands where in a scenario's matrix: sources down, targets across, grouped by host.

Rule: the order is the record's own (which is the site file's), so that a matrix looks the same
from night to night. A host's own row and column stand after its containers'. Where only some cells
were asked, columns stand in the order of the rows: not every source asks every target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from matrix.condensed import host_wide
from matrix.grid import Heading
from matrix.grouping import WORST_FIRST
from matrix.probes import By, Verdict
from matrix.record import CellRecord, Run
from matrix.topology import EndpointKind, Probe

SECTIONS = {
    By.ADDRESS.value: "by address",
    By.NAME.value: "by name",
    Probe.TCP.value: "TCP",
    Probe.UDP.value: "UDP",
    Probe.MTU.value: "full size",
    Probe.BROADCAST.value: "broadcast",
    Probe.MULTICAST.value: "multicast",
    Probe.IPV6.value: "IPv6",
    Probe.IPV6_NAME.value: "IPv6 by name",
}
ELSEWHERE = "on other segments"
"""The section of targets that do not stand in the source's scenario."""

Place = tuple[str, str, str]
"""Key of a row, key of a column and the column's section: where a cell stands."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """One scenario's cells with their places."""

    rows: tuple[Heading, ...]
    columns: tuple[Heading, ...]
    cells: dict[Place, CellRecord]
    """What is drawn: the cell, or the worst of many."""
    many: dict[Place, tuple[CellRecord, ...]] = field(default_factory=dict)
    """All that stand for one place, where a place stands for many."""

    def at(self, row: Heading, column: Heading) -> CellRecord | None:
        """The cell at that place, None where nothing was asked."""
        return self.cells.get((row.key, column.key, column.section))


def matrix_of(run: Run, scenario: str) -> Matrix:
    """The matrix of one scenario; without rows where the run has no cell of it."""
    cells = [cell for cell in run.cells if cell.scenario == scenario]
    addresses = {c.target: c.address for c in cells if c.by == By.ADDRESS}
    hosts = {host.name: host.address for host in run.hosts}
    rows = _by_host(
        Heading(c.source, _name(c.source, c.source_kind, c.source_host), c.source_host, "", address)
        for c in cells
        for address in [addresses.get(c.source) or hosts.get(c.source, "")]
    )
    order = {row.key: place for place, row in enumerate(rows)}
    columns: list[Heading] = []
    for section in (*SECTIONS.values(), ELSEWHERE):
        columns += _by_host(
            (
                Heading(
                    c.target,
                    _name(c.target, c.target_kind, c.target_host),
                    c.target_host,
                    section,
                    c.address,
                )
                for c in cells
                if _section(c) == section
            ),
            order,
        )
    places = {(cell.source, cell.target, _section(cell)): cell for cell in cells}
    return Matrix(rows, tuple(columns), places)


def _section(cell: CellRecord) -> str:
    return ELSEWHERE if cell.target_scenario else SECTIONS.get(cell.asked_by, cell.asked_by)


def _name(name: str, kind: str, host: str) -> str:
    """A host stands in its own group, so it need not say its name again.

    An address that a remedy gives it is called by what follows its name: shim, second.
    """
    if kind != EndpointKind.HOST:
        return name
    return "host" if name == host else name.removeprefix(host).lstrip(".")


def host_by_host(matrix: Matrix) -> Matrix:
    """The same matrix with the containers of each host made into one row and one column."""
    rows = {row.key: host_wide(row) for row in matrix.rows}
    columns = {(c.key, c.section): host_wide(c) for c in matrix.columns}
    many: dict[Place, list[CellRecord]] = {}
    for (row, column, section), cell in matrix.cells.items():
        place = (rows[row].key, columns[column, section].key, section)
        many.setdefault(place, []).append(cell)
    return Matrix(
        tuple(dict.fromkeys(rows.values())),
        tuple(dict.fromkeys(columns.values())),
        {place: min(cells, key=_loudness) for place, cells in many.items()},
        {place: tuple(cells) for place, cells in many.items()},
    )


def _loudness(cell: CellRecord) -> tuple[int, bool]:
    loud = WORST_FIRST.index(Verdict(cell.verdict)) if cell.verdict in WORST_FIRST else -1
    return loud, not cell.selected


def _by_host(
    headings: Iterable[Heading], order: Mapping[str, int] | None = None
) -> tuple[Heading, ...]:
    """Each heading once, in that order or that of first appearance; those of one host together."""
    places = order or {}
    groups: dict[str, dict[str, Heading]] = {"": {}}
    for heading in headings:
        groups.setdefault(heading.group, {}).setdefault(heading.key, heading)
    return tuple(
        heading
        for group, members in groups.items()
        for heading in sorted(
            members.values(), key=lambda h: (h.key == group, places.get(h.key, len(places)))
        )
    )
