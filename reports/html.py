"""report.html: one file that a tired person and an auditor can both read.

Rule 1: a pure function of the run. No clock, no path of this machine, no set order: rendering
twice gives equal bytes.
Rule 2: nothing is loaded and nothing runs. Style is inline, there is no script, and the page's own
Content-Security-Policy forbids both (W3C CSP 3).
Rule 3: every text goes through ``plain`` and then through Jinja's autoescape, by the environment
and not by the template's author, so that no line of the template can forget it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from matrix.condensed import MOST_ROWS
from matrix.grid import Heading, plain
from matrix.probes import Verdict
from matrix.record import CellRecord, Run, Step
from reports.axes import Matrix, host_by_host, matrix_of
from reports.causes import CONFIDENCES, CauseSeen, causes_of, sections_for, warnings_of
from reports.evidence import MANY_CELLS, MOST_EVIDENCE, evidence, override_words, with_evidence
from reports.findings import ORIGINS, OVERRIDE, Blocked, blocked, findings, overrides, troubles
from reports.grid import covered, scenarios_of
from reports.headline import answer, headline
from reports.marks import (
    MEANINGS,
    NOT_JUDGED,
    VERDICT_MARKS,
    counts,
    holds,
    overridden,
    question,
    tally,
)
from reports.remedies import remedies_for, remedies_of
from reports.way import LEGEND, picture

NARROW_FROM = 20
"""A matrix of more columns shows only symbols in its cells, and its names stand upright."""

_SAFE_ANCHOR = re.compile(r"(?=[^:]+:)[A-Za-z0-9:._-]{1,200}")
"""With a colon in it, so that it is none of the page's own anchors and no short number."""

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbours in a matrix that share a heading."""

    name: str
    members: tuple[Heading, ...]


@dataclass(frozen=True, slots=True)
class ScenarioView:
    """Everything that the template shows of one scenario."""

    name: str
    matrix: Matrix
    sections: tuple[Group, ...]
    column_groups: tuple[Group, ...]
    row_groups: tuple[Group, ...]
    sources: tuple[tuple[str, tuple[CellRecord, ...]], ...]
    narrow: bool
    pace: str

    def words(self, row: Heading, column: Heading) -> str:
        """What stands at that place in words: a verdict, or how many of which."""
        many = self.matrix.many.get((row.key, column.key, column.section))
        cell = self.matrix.at(row, column)
        return tally(many) if many else (cell and cell.verdict) or NOT_JUDGED.meaning

    def overridden(self, row: Heading, column: Heading) -> bool:
        """Is a counted cell at that place judged by an override of the site?"""
        many = self.matrix.many.get((row.key, column.key, column.section))
        cell = self.matrix.at(row, column)
        return any(c.selected and overridden(c) for c in many or (cell,) if c)


def html(run: Run) -> bytes:
    """The whole report, UTF-8."""
    found = findings(run)
    seen = overrides(run)
    causes = causes_of(run)
    shown = with_evidence(run.cells, [*(c.cells for c in causes), *(f.cells for f in found)])
    anchors = _anchors(shown)
    many = len(run.cells) >= MANY_CELLS
    by_origin: dict[str, list[Blocked]] = {origin: [] for origin in ORIGINS}
    for group in blocked(run):
        by_origin[group.origin].append(group)
    text = _template().render(
        run=run,
        head=headline(run),
        troubles=troubles(run),
        counts=counts(run.cells),
        meanings=MEANINGS,
        named=[c for c in causes if c.known],
        unknown=tuple(c for c in causes if not c.known),
        warnings=warnings_of(run),
        sections=sections_for((*causes, *warnings_of(run))),
        confidences=CONFIDENCES,
        numbers=_numbers(causes),
        findings=found,
        scenarios=[_scenario(run, name, shown) for name in scenarios_of(run)],
        answer=answer(run),
        blocked=[
            (origin, groups) for origin, groups in by_origin.items() if origin != OVERRIDE or seen
        ],
        remedies=remedies_for(run.cells),
        remedies_of=remedies_of,
        remedies_for=remedies_for,
        overrides=seen,
        override_words=override_words,
        kinds=[
            (title, nothing, _under(causes, verdicts), [f for f in found if f.verdict in verdicts])
            for title, nothing, verdicts in _KINDS
        ],
        steps=_steps(run.timeline),
        controls=sum(not cell.selected for cell in run.cells),
        selected=sum(cell.selected for cell in run.cells),
        covered=covered(run),
        anchor=lambda cell: anchors.get(cell.id, ""),
        anchor_of=anchors.get,
        linked=lambda cells: [cell for cell in cells if cell.id in anchors],
        left_out=len(run.cells) - len(shown),
        most_evidence=MOST_EVIDENCE,
        many=many,
        evidence=lambda cell: evidence(cell, many=many),
        css=_css,
        symbol=_symbol,
        tally=tally,
        question=question,
        picture=picture,
        way_legend=LEGEND,
        holds=holds,
        words=_words,
        by_scenario=_by_scenario,
    )
    return text.encode()


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_visible,
    )
    return environment.get_template("report.html.j2")


_KINDS = (
    (
        "Not getting through because of this network or these hosts",
        "None.",
        (Verdict.FAIL, Verdict.FLAPPING),
    ),
    ("Answered, although nothing should answer", "", (Verdict.LEAK, Verdict.IMPOSTOR)),
    ("Cannot be told from this run", "", (Verdict.INCONCLUSIVE, NOT_JUDGED.meaning)),
)
"""What is not as expected, by kind: title, what to say where there is none, verdicts."""


def _under(
    causes: Sequence[CauseSeen], verdicts: Sequence[str]
) -> list[tuple[CauseSeen, list[CellRecord]]]:
    """The faults that are named, each with its cells of these verdicts."""
    found = [(c, [cell for cell in c.cells if cell.verdict in verdicts]) for c in causes if c.known]
    return [(cause, cells) for cause, cells in found if cells]


def _numbers(causes: Sequence[CauseSeen]) -> dict[str, list[int]]:
    """By cell the numbers of the causes that explain it."""
    numbers: dict[str, list[int]] = {}
    for cause in causes:
        for cell in cause.cells if cause.known else ():
            numbers.setdefault(cell.id, []).append(cause.number)
    return numbers


def _visible(value: object) -> object:
    """What Jinja calls on every value before it is escaped and written."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return plain(value, keep="\n")
    return value


def _anchors(cells: Sequence[CellRecord]) -> dict[str, str]:
    """An anchor for each cell that has evidence: its own id, so that a link still fits tomorrow.

    Ids that are no anchors, and all ids of a very big run, make way for short numbers.
    """
    many = len(cells) >= MANY_CELLS
    return {
        cell.id: f"c{number}" if many or not _SAFE_ANCHOR.fullmatch(cell.id) else cell.id
        for number, cell in enumerate(cells)
    }


def _scenario(run: Run, name: str, shown: Sequence[CellRecord]) -> ScenarioView:
    matrix = matrix_of(run, name)
    cells = [cell for cell in run.cells if cell.scenario == name]
    sources: dict[str, list[CellRecord]] = {row.key: [] for row in matrix.rows}
    for cell in shown:
        if cell.scenario == name:
            sources[cell.source].append(cell)
    if len(matrix.rows) > MOST_ROWS:
        matrix = host_by_host(matrix)
    return ScenarioView(
        name,
        matrix,
        tuple(
            Group(section, tuple(members))
            for section, members in groupby(matrix.columns, key=lambda c: c.section)
        ),
        tuple(
            Group(group, tuple(members))
            for (_, group), members in groupby(matrix.columns, key=lambda c: (c.section, c.group))
        ),
        tuple(
            Group(group, tuple(members))
            for group, members in groupby(matrix.rows, key=lambda r: r.group)
        ),
        tuple((source, tuple(some)) for source, some in sources.items() if some),
        len(matrix.columns) > NARROW_FROM,
        _pace(cells),
    )


def _pace(cells: Sequence[CellRecord]) -> str:
    """How fast the wire answered: only cells whose reply crossed it are counted."""
    rtts = sorted(
        rtt
        for cell in cells
        if cell.observed is not None and cell.relation not in ("itself", "sibling")
        for rtt in cell.observed.rtts_ms
    )
    if not rtts:
        return ""
    return (
        f"Round trips over the wire: {rtts[0]:g} to {rtts[-1]:g} ms, median {median(rtts):.3g} ms, "
        f"{len(rtts)} replies."
    )


def _css(verdict: str) -> str:
    """The verdict's class; one letter in a matrix of thousands of cells."""
    return _CLASSES.get(verdict, "vN")


_CLASSES: dict[str, str] = {
    Verdict.PASS: "vP",
    Verdict.BLOCKED: "vB",
    Verdict.FAIL: "vX",
    Verdict.LEAK: "vL",
    Verdict.IMPOSTOR: "vI",
    Verdict.FLAPPING: "vF",
    Verdict.INCONCLUSIVE: "vU",
}


def _symbol(verdict: str) -> str:
    return VERDICT_MARKS.get(verdict, NOT_JUDGED).symbol


def _by_scenario(cells: Sequence[CellRecord]) -> dict[str, list[CellRecord]]:
    found: dict[str, list[CellRecord]] = {}
    for cell in cells:
        found.setdefault(cell.scenario, []).append(cell)
    return found


def _steps(timeline: Sequence[Step]) -> list[tuple[Step, float]]:
    """Each step with its place in the run, in percent."""
    whole = max((step.at_s for step in timeline), default=0.0)
    return [(step, 100 * step.at_s / whole if whole > 0 else 0.0) for step in timeline]


def _words(value: Any) -> str:
    """A value of a free-form part of the record, as text."""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
