"""A run on a terminal: a matrix for each scenario, then the causes, then what has none.

Rule: no text of the record reaches a terminal except by ``plain``, and every cell that is not
PASS or BLOCKED is counted under the cause that explains it or, where no fault is named, said with
its reason; only equal stories that prove nothing are told once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from matrix.condensed import MOST_ROWS, kind_lines
from matrix.coverage import coverage_line
from matrix.driver import Driver
from matrix.grid import NO_CELL, Heading, Mark, columns_of, draw, legend, paint, plain
from matrix.grouping import WORST_FIRST
from matrix.probes import Verdict
from matrix.record import CellRecord, Run, ScenarioRecord
from reports.axes import host_by_host, matrix_of
from reports.causes import CauseSeen, causes_of, warnings_of
from reports.contrast import network_words
from reports.evidence import override_words
from reports.findings import Finding, OverrideSeen, findings, overrides, troubles
from reports.headline import headline
from reports.lifecycle import event_lines
from reports.marks import NOT_JUDGED, VERDICT_MARKS, counts, mark_of, question, tally

MOST_LINES = 400
"""Most lines that the list of cells may take; what is left out is counted and is in the HTML."""

_MOST_WORDS = 400
_IDS_SHOWN = 4
_SEEN_LINES = 2
_MOST_CELLS = 100
"""So many of one cause are listed, that the next cause has a place as well."""

_WAY_LINES = 2
_TOLD_ONCE = 3


def matrix_lines(run: Run, scenario: str, *, width: int = 100, colour: bool = False) -> list[str]:
    """One scenario's matrix with its title and legend, no line wider than ``width``."""
    title = next((_title(s) for s in run.site.scenarios if s.name == scenario), plain(scenario))
    lines = [paint(plain(title, width), "1", colour=colour)]
    matrix = matrix_of(run, scenario)
    if not matrix.rows:
        return [*lines, "  no cell of this scenario was asked"]
    if len(matrix.rows) > MOST_ROWS:
        cells = matrix.cells.values()
        matrix = host_by_host(matrix)
        lines += [
            f"  {len(cells):,} cells in {len(matrix.cells):,} groups; each mark is the worst of its group"
        ]
        lines += kind_lines(
            ((c.relation, c.asked_by, c.verdict or NOT_JUDGED.meaning) for c in cells),
            (*WORST_FIRST, NOT_JUDGED.meaning),
        )
    if len(matrix.rows) > MOST_ROWS:
        return [*lines, f"  {len(matrix.rows):,} rows are too many for a screen: see report.html"]
    many = matrix.many
    marks = {place: mark_of(cell, many.get(place, ())) for place, cell in matrix.cells.items()}

    def mark(row: Heading, column: Heading) -> Mark | None:
        return marks.get((row.key, column.key, column.section))

    lines += draw(matrix.rows, matrix.columns, mark, width=width, colour=colour)
    used = {m.meaning for m in marks.values()}
    shown = [m for m in (*VERDICT_MARKS.values(), NOT_JUDGED) if m.meaning in used]
    if any(not cell.selected for cell in matrix.cells.values()):
        shown.append(Mark("*", "ran only as a control"))
    if any(m.symbol.endswith("^") for m in marks.values()):
        some = " (some of the group)" if many else ""
        shown.append(Mark("^", f"judged by an override of the site{some}"))
    return [*lines, *legend([*shown, NO_CELL], width=width, colour=colour)]


def _title(scenario: ScenarioRecord) -> str:
    vlan = f", VLAN {scenario.vlan}" if scenario.vlan is not None else ""
    if scenario.driver != Driver.MACVLAN:
        return f"{scenario.name}: {scenario.network}, {network_words(scenario)}"
    parents = ", ".join(sorted(set(scenario.parents.values())))
    gateway = f"gateway {scenario.gateway}" if scenario.gateway_present else "no gateway"
    return (
        f"{scenario.name}: {scenario.network} on {parents}, {scenario.mode} mode{vlan}, "
        f"{scenario.subnet}, {gateway}"
    )


def summary_lines(run: Run, *, colour: bool = False, verbose: bool = False) -> list[str]:
    """Counts, trouble, causes, what has none, warnings, notes, and the run's verdict.

    A block for each cause: how sure, how many cells, what shows it, the way of the frames of one of
    them, what to type and what to do; ``verbose`` lists all of its cells and all that shows it.
    Then, for what no cause explains, a line for each cell: verdict, id, reason. Many INCONCLUSIVE
    cells with the same story become one line.
    """
    lines = ["  ".join(_counts(run, colour=colour))] if run.cells or not run.lifecycle else []
    lines += [line] if (line := covered(run)) else []
    for trouble in troubles(run):
        first, *rest = trouble.splitlines() or [""]
        lines.append(f"trouble: {plain(first, _MOST_WORDS)}")
        lines += [f"  {plain(line.strip(), _MOST_WORDS)}" for line in rest]
    lines += [_override(seen) for seen in overrides(run)]
    told: list[str] = []
    for cause in causes_of(run):
        told += _cause(cause, colour=colour, verbose=verbose)
    for finding in findings(run):
        told += _told(finding, colour=colour)
    if len(told) > MOST_LINES:
        told = [*told[:MOST_LINES], f"... and {len(told) - MOST_LINES} more lines: see report.html"]
    lines += told
    for warning in warnings_of(run):
        lines += _cause(warning, colour=colour, verbose=verbose)
    lines += event_lines(run, colour=colour, verbose=verbose)
    lines += [f"note: {plain(text, _MOST_WORDS)}" for text in run.notes]
    head = headline(run)
    sgr = ("1;33" if head.warned else "1;32") if head.good else "1;31"
    lines.append(paint(plain(head.sentence, _MOST_WORDS), sgr, colour=colour))
    if head.look:
        lines.append(f"look first at: {plain(head.look, _MOST_WORDS)}")
    return lines


def covered(run: Run) -> str:
    """How much of the plan this run asked, in a line; "" where it was to ask everything."""
    selected = sum(cell.selected for cell in run.cells)
    return plain(coverage_line(run.coverage, selected, len(run.cells) - selected), _MOST_WORDS)


def _override(seen: OverrideSeen) -> str:
    one = seen.record
    kinds = sorted(each.physics for each in seen.physics)
    words = f"override {override_words(one)}; the physics says {', '.join(kinds)}"
    return plain(f"{words}: {_ids(seen.cells)}", _MOST_WORDS)


def _counts(run: Run, *, colour: bool) -> Iterator[str]:
    selected = sum(cell.selected for cell in run.cells)
    controls = len(run.cells) - selected
    left = run.cells_not_run
    of = f" of {run.cells_in_plan}" if selected + left != run.cells_in_plan else ""
    yield f"{selected}{of} cells" + (f" (and {controls} controls)" if controls else "") + ":"
    for verdict, count in counts(run.cells).items():
        mark = VERDICT_MARKS.get(verdict, NOT_JUDGED)
        yield f"{paint(mark.symbol, mark.sgr, colour=colour)} {count} {verdict}"
    if left:
        yield f"n {left} not run"


def _cause(cause: CauseSeen, *, colour: bool, verbose: bool) -> Iterator[str]:
    record = cause.record
    if not cause.known:
        head = paint("no cause known", "1;7", colour=colour)
        yield f"{head}: {plain(cause.line, _MOST_WORDS)}"
        return
    what, sgr = (f"cause {cause.number}", "1;31") if cause.cells else ("warning", "1;33")
    head = paint(f"{what}, {plain(record.confidence, 20)}", sgr, colour=colour)
    yield f"{head}: {plain(cause.line, _MOST_WORDS)}"
    indent = "  "
    if cause.cells:
        which = "" if verbose else f": {_ids(cause.cells)}"
        how = tally(cause.cells)
        many = f"{len(cause.cells)} ({how})" if ", " in how else how
        yield f"{indent}cells: {many}{which}"
    else:
        yield f"{indent}cells: none, the matrix cannot show it"
    if verbose:
        for cell in cause.cells[:_MOST_CELLS]:
            yield f"{indent}  {_line(cell, cell.verdict, '', colour=colour)}"
        if (more := len(cause.cells) - _MOST_CELLS) > 0:
            yield f"{indent}  and {more} more: see junit.xml"
    for number, shared in cause.also:
        yield f"{indent}or:    cause {number} explains {shared} of these cells as well"
    for label, words in _labelled("seen:", record.evidence, None if verbose else _SEEN_LINES):
        yield f"{indent}{label} {words}"
    yield from _way(cause.traced, len(cause.cells), indent)
    for label, words in (("look: ", record.look), ("fix:  ", record.fix)):
        if words:
            yield f"{indent}{label} {plain(words, _MOST_WORDS)}"


def _labelled(label: str, texts: Iterable[str], most: int | None) -> Iterator[tuple[str, str]]:
    for text in tuple(texts)[:most]:
        yield f"{label:<6}", plain(text, _MOST_WORDS)
        label = ""


def _told(finding: Finding, *, colour: bool) -> Iterator[str]:
    mark = VERDICT_MARKS.get(finding.verdict, NOT_JUDGED)
    indent = " " * (columns_of(mark.symbol) + 1)
    cells = finding.cells
    proves_nothing = finding.verdict not in VERDICT_MARKS or finding.verdict == Verdict.INCONCLUSIVE
    if proves_nothing and len(cells) >= _TOLD_ONCE:
        reason = plain(finding.reason, _MOST_WORDS)
        head = _head(finding.verdict, colour=colour)
        yield f"{head} {len(cells)} cells: {_ids(cells)}: {reason}"
    else:
        for cell in cells:
            yield _line(cell, finding.verdict, finding.reason, colour=colour)
    if finding.cause:
        yield f"{indent}cause: {plain(finding.cause, _MOST_WORDS)}"
    yield from _way(finding.traced, len(cells), indent)
    if finding.next_command:
        yield f"{indent}next:  {plain(finding.next_command, _MOST_WORDS)}"


def _head(verdict: str, *, colour: bool) -> str:
    mark = VERDICT_MARKS.get(verdict, NOT_JUDGED)
    return f"{paint(mark.symbol, mark.sgr, colour=colour)} {plain(verdict, 20):<12}"


def _line(cell: CellRecord, verdict: str, otherwise: str, *, colour: bool) -> str:
    role = " (control)" if not cell.selected else ""
    reason = plain(cell.reason or cell.not_run or otherwise, _MOST_WORDS)
    return f"{_head(verdict, colour=colour)} {plain(cell.id, 120)}{role}: {reason}"


def _way(traced: CellRecord | None, of: int, indent: str) -> Iterator[str]:
    """The words of one cell's way, with its name where it stands for several."""
    if traced is None or traced.trace is None:
        return
    whose = f"{question(traced)}: " if of > 1 else ""
    for label, words in _labelled("way:", traced.trace.words, _WAY_LINES):
        yield f"{indent}{label} {whose}{words}"
        whose = ""


def _ids(cells: tuple[CellRecord, ...]) -> str:
    shown = ", ".join(plain(cell.id, 60) for cell in cells[:_IDS_SHOWN])
    more = len(cells) - _IDS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def scenarios_of(run: Run) -> tuple[str, ...]:
    """Names of the scenarios: the declared ones that have cells, then any that only cells name."""
    asked = dict.fromkeys(cell.scenario for cell in run.cells)
    declared = [s.name for s in run.site.scenarios if s.name in asked]
    return tuple(dict.fromkeys((*declared, *asked)))
