"""What the page shows of each scenario: the drawn matrix, its groups, its cells by source.

Rule: a place of the drawn matrix that stands for many cells says so, and a filter finds it by each
verdict and each kind of question among them, not by the worst alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from matrix.condensed import MOST_ROWS
from matrix.grid import Heading
from matrix.probes import Verdict
from matrix.record import CellRecord, Run
from reports.axes import Matrix, host_by_host, matrix_of
from reports.grid import scenarios_of
from reports.marks import NOT_JUDGED, VERDICT_MARKS, overridden, tally
from reports.pace import Pace, pace_of

NARROW_FROM = 20
"""A matrix of more columns shows only symbols in its cells, and its names stand upright."""

LETTERS: dict[str, str] = {
    Verdict.PASS: "P",
    Verdict.BLOCKED: "B",
    Verdict.FAIL: "X",
    Verdict.LEAK: "L",
    Verdict.IMPOSTOR: "I",
    Verdict.FLAPPING: "F",
    Verdict.INCONCLUSIVE: "U",
}
"""A verdict's class is ``v`` and its letter: short, in a matrix of thousands of cells."""

NO_LETTER = "N"


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbours in a matrix that share a heading."""

    name: str
    members: tuple[Heading, ...]


@dataclass(frozen=True, slots=True)
class Signs:
    """A row of the matrix of single cells, as text: its name, then (class, signs) of each group."""

    row: Heading
    groups: tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True, slots=True)
class ScenarioView:
    """Everything that the template shows of one scenario. ``kinds`` are the numbers of all kinds.

    ``whole`` is the matrix of single cells where ``matrix`` is drawn host by host, else None.
    """

    name: str
    number: int
    matrix: Matrix
    sections: tuple[Group, ...]
    column_groups: tuple[Group, ...]
    row_groups: tuple[Group, ...]
    sources: tuple[tuple[str, tuple[CellRecord, ...]], ...]
    narrow: bool
    kinds: dict[tuple[str, str], int]
    pace: Pace | None
    whole: Matrix | None

    def _many(self, row: Heading, column: Heading) -> tuple[CellRecord, ...]:
        return self.matrix.many.get((row.key, column.key, column.section), ())

    def words(self, row: Heading, column: Heading) -> str:
        """What stands at that place in words: a verdict, or how many of which."""
        many = self._many(row, column)
        cell = self.matrix.at(row, column)
        return tally(many) if many else (cell and cell.verdict) or NOT_JUDGED.meaning

    def overridden(self, row: Heading, column: Heading) -> bool:
        """Is a counted cell at that place judged by an override of the site?"""
        cell = self.matrix.at(row, column)
        many = self._many(row, column) or (cell,)
        return any(c.selected and overridden(c) for c in many if c)

    def classes(self, row: Heading, column: Heading, cell: CellRecord) -> str:
        """What a filter finds the place by: verdicts and kinds of question."""
        many = self._many(row, column)
        if not many:
            return f"{css(cell.verdict)} k{self.kinds[cell.relation, cell.by]}"
        letters = dict.fromkeys(LETTERS.get(c.verdict, NO_LETTER) for c in many)
        kinds = dict.fromkeys(self.kinds[c.relation, c.by] for c in many)
        found = [*(f"q{letter}" for letter in letters), *(f"k{number}" for number in kinds)]
        return " ".join([css(cell.verdict), *found])

    def column_list(self) -> tuple[Group, ...]:
        """The columns of the matrix of single cells, by section and host."""
        return _grouped(self.whole.columns) if self.whole else ()

    def signs(self) -> Iterator[Signs]:
        """The matrix of single cells, a sign each; nothing where it is drawn anyway."""
        if self.whole is None:
            return
        groups = self.column_list()
        for row in self.whole.rows:
            yield Signs(row, tuple(_signs(self.whole, row, group.members) for group in groups))


def css(verdict: str) -> str:
    """The verdict's class."""
    return f"v{LETTERS.get(verdict, NO_LETTER)}"


def symbol(verdict: str) -> str:
    """The verdict's symbol."""
    return VERDICT_MARKS.get(verdict, NOT_JUDGED).symbol


def kinds_of(run: Run) -> dict[tuple[str, str], int]:
    """A number for each kind of question: (relation, by)."""
    kinds = dict.fromkeys((cell.relation, cell.by) for cell in run.cells)
    return {kind: number for number, kind in enumerate(kinds)}


def views(run: Run, shown: Sequence[CellRecord]) -> list[ScenarioView]:
    """A view of each scenario; ``shown`` are the cells that have evidence on the page."""
    kinds = kinds_of(run)
    names = scenarios_of(run)
    return [_view(run, name, number, shown, kinds) for number, name in enumerate(names, 1)]


def _view(
    run: Run,
    name: str,
    number: int,
    shown: Sequence[CellRecord],
    kinds: dict[tuple[str, str], int],
) -> ScenarioView:
    whole = matrix = matrix_of(run, name)
    cells = [cell for cell in run.cells if cell.scenario == name]
    sources: dict[str, list[CellRecord]] = {row.key: [] for row in matrix.rows}
    for cell in shown:
        if cell.scenario == name:
            sources[cell.source].append(cell)
    by_host = len(matrix.rows) > MOST_ROWS
    if by_host:
        matrix = host_by_host(matrix)
    return ScenarioView(
        name,
        number,
        matrix,
        tuple(
            Group(section, tuple(members))
            for section, members in groupby(matrix.columns, key=lambda c: c.section)
        ),
        _grouped(matrix.columns),
        tuple(
            Group(group, tuple(members))
            for group, members in groupby(matrix.rows, key=lambda r: r.group)
        ),
        tuple((source, tuple(some)) for source, some in sources.items() if some),
        len(matrix.columns) > NARROW_FROM,
        kinds,
        pace_of(name, whole, cells),
        whole if by_host else None,
    )


def _grouped(columns: Sequence[Heading]) -> tuple[Group, ...]:
    return tuple(
        Group(group, tuple(members))
        for (_, group), members in groupby(columns, key=lambda c: (c.section, c.group))
    )


def _signs(matrix: Matrix, row: Heading, columns: Sequence[Heading]) -> tuple[tuple[str, str], ...]:
    """Neighbours with the same verdict as one piece of text, so that 40,000 fit on a page."""
    cells = [matrix.at(row, column) for column in columns]
    marks = [(css(c.verdict), symbol(c.verdict)) if c else ("", "\N{MIDDLE DOT}") for c in cells]
    return tuple((kind, "".join(sign for _, sign in some)) for kind, some in _runs(marks))


def _runs(marks: Sequence[tuple[str, str]]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for kind, some in groupby(marks, key=lambda mark: mark[0]):
        yield kind, list(some)
