"""Docker's network drivers side by side: the same questions of each scenario, in one table.

Rule 1: an entry is what was judged in this run; the words are those of its verdicts. What no cell of the
run asked is *not asked*.
Rule 2: a scenario whose driver a host lacks is NOT RUN in every row of its column, and the feature is
named below. That is no verdict, and counts as neither good nor bad.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from matrix.driver import Driver
from matrix.grid import columns_of, paint, plain
from matrix.grouping import WORST_FIRST
from matrix.probes import By, Expected, Relation, Verdict
from matrix.record import CellRecord, NotRunRecord, Run, ScenarioRecord
from matrix.rule import LINUX_TTL
from matrix.topology import EndpointKind, Probe
from reports.marks import NOT_JUDGED, VERDICT_MARKS, tally

NOT_RUN, NOT_ASKED = "NOT RUN", "not asked"
_MOST_WORDS = 300
_ORDER = {str(driver): place for place, driver in enumerate(Driver)}


def _asks(
    relation: Relation, source: EndpointKind | None = None, by: By = By.ADDRESS
) -> Callable[[CellRecord], bool]:
    def fits(cell: CellRecord) -> bool:
        return (
            cell.relation == relation
            and (source is None or cell.source_kind == source)
            and cell.asked_by == by
        )

    return fits


QUESTIONS: tuple[tuple[str, Callable[[CellRecord], bool]], ...] = (
    ("own host → container", _asks(Relation.OWN_CONTAINER)),
    ("container → own host", _asks(Relation.OWN_HOST)),
    ("container → sibling, by address", _asks(Relation.SIBLING)),
    ("container → sibling, by name", _asks(Relation.SIBLING, by=By.NAME)),
    ("container → remote container, by address", _asks(Relation.REMOTE, EndpointKind.CONTAINER)),
    ("container → remote container, by name", _asks(Relation.REMOTE, by=By.NAME)),
    ("container → another host", _asks(Relation.OTHER_HOST, EndpointKind.CONTAINER)),
    ("another host → container", _asks(Relation.REMOTE, EndpointKind.HOST)),
    ("container → gateway of the LAN", _asks(Relation.GATEWAY, EndpointKind.CONTAINER)),
)
"""What is held side by side, in a person's words, and the cells that ask it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A scenario: its name, its driver and mode in words, and why it was not run, if it was not."""

    name: str
    driver: str
    missing: NotRunRecord | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What came of one question in one scenario. ``verdict`` is the worst of its cells', "" for none."""

    words: str
    verdict: str = ""
    cells: tuple[CellRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One question, with a place for each column."""

    question: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """All of it."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def missing(self) -> tuple[NotRunRecord, ...]:
        """The scenarios that were not run."""
        return tuple(c.missing for c in self.columns if c.missing is not None)


def contrast(run: Run) -> Table | None:
    """The table of a run; None where all of its scenarios are of driver macvlan."""
    if all(s.driver == Driver.MACVLAN for s in run.site.scenarios):
        return None
    missing = {one.scenario: one for one in run.not_run}
    # As they are told of, not by rounds.
    scenarios = sorted(run.site.scenarios, key=lambda s: _ORDER.get(s.driver, len(_ORDER)))
    columns = tuple(Column(s.name, driver_words(s), missing.get(s.name)) for s in scenarios)
    return Table(
        columns,
        tuple(
            Row(question, tuple(_place(run, column, fits) for column in columns))
            for question, fits in QUESTIONS
        ),
    )


def driver_words(scenario: ScenarioRecord) -> str:
    """Driver and mode, as a person says it."""
    if scenario.driver == Driver.BRIDGE:
        return "bridge (NAT)"
    return f"{scenario.driver}, {scenario.mode} mode"


def network_words(scenario: ScenarioRecord) -> str:
    """What the scenario is, in a line: driver, mode, subnets."""
    vlan = f", VLAN {scenario.vlan}" if scenario.vlan is not None else ""
    if scenario.driver != Driver.BRIDGE:
        return f"{driver_words(scenario)}, on {scenario.subnet}{vlan}"
    behind = ", ".join(f"{s} on {h}" for h, s in sorted(scenario.subnets.items()))
    lan = f"the LAN is {scenario.subnet}"
    return f"Docker's bridge driver, each host's network behind it ({behind}), {lan}"


def missing_words(one: NotRunRecord) -> str:
    """What a scenario lacks, who says so, and what to do."""
    who = " and ".join(one.hosts)
    has = "have" if len(one.hosts) > 1 else "has"
    what = f"scenario {one.scenario} is not run: {who} {has} no {one.feature} ({one.said})"
    return f"{what}. To do: {one.fix}"


def _place(run: Run, column: Column, fits: Callable[[CellRecord], bool]) -> Place:
    if column.missing is not None:
        return Place(NOT_RUN)
    cells = tuple(
        c for c in run.cells if c.scenario == column.name and c.probe == Probe.ICMP and fits(c)
    )
    if not cells:
        return Place(NOT_ASKED)
    verdicts = {cell.verdict for cell in cells}
    worst = next((str(v) for v in WORST_FIRST if v in verdicts), "")
    if "" in verdicts:
        return Place(NOT_JUDGED.meaning, "", cells)
    if verdicts == {Verdict.PASS}:
        return Place(_reached(cells), worst, cells)
    if verdicts == {Verdict.BLOCKED}:
        return Place(_blocked(cells), worst, cells)
    return Place(tally(cells), worst, cells)


def _reached(cells: Sequence[CellRecord]) -> str:
    ttls = {ttl for c in cells if c.observed is not None for ttl in c.observed.ttls}
    odd = sorted(ttls - {LINUX_TTL})
    nat = any(c.observed is not None and c.observed.through_macs for c in cells)
    words = "reached, masqueraded" if nat else "reached"
    return f"{words}, TTL {', '.join(map(str, odd))}" if odd else words


def _blocked(cells: Sequence[CellRecord]) -> str:
    if all(c.expected == Expected.NO_SUCH_NAME for c in cells):
        return "no such name"
    if all(c.observed is not None and c.observed.no_route for c in cells):
        return "not reached: no route"
    return "not reached"


def contrast_lines(run: Run, *, colour: bool = False) -> list[str]:
    """The table for a terminal; no line where there is none."""
    table = contrast(run)
    if table is None:
        return []
    heads = [("", *(f"{c.name}: {c.driver}" for c in table.columns))]
    body = [
        (row.question, *(f"{_sign(place)} {place.words}" for place in row.places))
        for row in table.rows
    ]
    widths = [max(columns_of(line[n]) for line in [*heads, *body]) for n in range(len(heads[0]))]
    lines = ["", paint("side by side: the same questions of each driver", "1", colour=colour)]
    for line in [*heads, *body]:
        padded = (
            plain(text) + " " * (w - columns_of(text)) for text, w in zip(line, widths, strict=True)
        )
        lines.append(f"  {'  '.join(padded)}".rstrip())
    return [*lines, *(f"  {words}" for words in _told(table))]


def _sign(place: Place) -> str:
    if place.words == NOT_RUN:
        return "n"
    return VERDICT_MARKS[place.verdict].symbol if place.verdict in VERDICT_MARKS else "."


def _told(table: Table) -> Iterator[str]:
    for one in table.missing:
        yield plain(f"n {missing_words(one)}", _MOST_WORDS)
