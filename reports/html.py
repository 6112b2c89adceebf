"""report.html: one file that a tired person and an auditor can both read.

Rule 1: a pure function of the run. No clock, no path of this machine, no set order: rendering
twice gives equal bytes.
Rule 2: nothing is loaded, and nothing runs but the page's own script (filters, arrow keys, opening
everything for the printer), which the page does not need. See ``reports.policy``.
Rule 3: every text goes through ``plain`` and then through Jinja's autoescape, by the environment
and not by the template's author, so that no line of the template can forget it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from matrix.probes import Verdict
from matrix.record import CellRecord, Run
from reports.causes import CONFIDENCES, CauseSeen, causes_of, sections_for, warnings_of
from reports.contrast import contrast, driver_words, missing_words, network_words
from reports.course import course_of, moment
from reports.evidence import (
    MANY_CELLS,
    MOST_EVIDENCE,
    evidence,
    override_words,
    reasons_of,
    with_evidence,
)
from reports.findings import ORIGINS, OVERRIDE, Blocked, blocked, findings, overrides, troubles
from reports.grid import covered
from reports.headline import answer, headline
from reports.hosts import after_words, host_table
from reports.lifecycle import event_views
from reports.marks import MEANINGS, NOT_JUDGED, VERDICT_MARKS, counts, holds, question, tally
from reports.method import proofs_of, sent_of
from reports.pace import PERCENTS, milliseconds
from reports.page import environment
from reports.policy import asset, policy
from reports.remedies import remedies_for, remedies_of
from reports.since import Since
from reports.view import ScenarioView, css, kinds_of, symbol, views
from reports.way import LEGEND, picture

_SAFE_ANCHOR = re.compile(r"(?=[^:]+:)[A-Za-z0-9:._-]{1,200}")
"""With a colon in it, so that it is none of the page's own anchors and no short number."""


def html(run: Run, since: Since | None = None) -> bytes:
    """The whole report, UTF-8; ``since`` is what changed, None where nobody looked."""
    found = findings(run)
    seen = overrides(run)
    causes = causes_of(run)
    shown = with_evidence(run.cells, [*(c.cells for c in causes), *(f.cells for f in found)])
    anchors = _anchors(shown)
    many = len(run.cells) >= MANY_CELLS
    by_origin: dict[str, list[Blocked]] = {origin: [] for origin in ORIGINS}
    for group in blocked(run):
        by_origin[group.origin].append(group)
    reasons = reasons_of(shown)
    numbers = _numbers(causes)
    scenarios = views(run, shown)
    by_id = {cell.id: cell for cell in run.cells}
    style = asset("report.css") + _print_sizes(scenarios) + asset("print.css")
    script = asset("report.js")
    text = (
        environment()
        .get_template("report.html.j2")
        .render(
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
            numbers=numbers,
            findings=found,
            scenarios=scenarios,
            verdicts=_verdicts(run.cells),
            hosts=list(dict.fromkeys(g.name for s in scenarios for g in s.row_groups if g.name)),
            question_kinds=kinds_of(run),
            contrast=contrast(run),
            missing_words=missing_words,
            network_words=network_words,
            driver_words=driver_words,
            since=since,
            cells_of=lambda ids: [by_id[i] for i in ids if i in by_id],
            course=course_of(run),
            events=event_views(run),
            sent=sent_of(run),
            proofs=proofs_of(run),
            milliseconds=milliseconds,
            moment=moment,
            percents=PERCENTS,
            host_facts=host_table(run),
            after_words=after_words,
            answer=answer(run),
            blocked=[
                (origin, groups)
                for origin, groups in by_origin.items()
                if origin != OVERRIDE or seen
            ],
            remedies=remedies_for(run.cells),
            remedies_of=remedies_of,
            remedies_for=remedies_for,
            overrides=seen,
            override_words=override_words,
            kinds=[
                (
                    title,
                    nothing,
                    _under(causes, verdicts),
                    [f for f in found if f.verdict in verdicts],
                )
                for title, nothing, verdicts in _KINDS
            ],
            controls=sum(not cell.selected for cell in run.cells),
            selected=sum(cell.selected for cell in run.cells) + run.cells_not_run,
            covered=covered(run),
            anchor=lambda cell: anchors.get(cell.id, ""),
            anchor_of=anchors.get,
            linked=lambda cells: [cell for cell in cells if cell.id in anchors],
            left_out=len(run.cells) - len(shown),
            most_evidence=MOST_EVIDENCE,
            many=many,
            reasons=reasons,
            evidence=lambda cell: evidence(cell, many=many, reasons=reasons, explained=numbers),
            css=css,
            symbol=symbol,
            tally=tally,
            question=question,
            picture=picture,
            way_legend=LEGEND,
            holds=holds,
            words=_words,
            by_scenario=_by_scenario,
            style=style,
            script=script,
            policy=policy(style, script),
        )
    )
    return text.encode()


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


def _verdicts(cells: Sequence[CellRecord]) -> list[tuple[str, int]]:
    """Each verdict that occurs, with how many cells have it, controls with them."""
    found = Counter(cell.verdict for cell in cells)
    known = [(str(v), found.pop(v)) for v in VERDICT_MARKS if v in found]
    return [*known, *(((NOT_JUDGED.meaning, sum(found.values())),) if found else ())]


def _print_sizes(scenarios: Sequence[ScenarioView]) -> Markup:
    """How many columns each narrow matrix has: on paper its signs shrink until it fits."""
    rules = "".join(
        f"#table-{s.number}{{--n:{len(s.matrix.columns)}}}\n" for s in scenarios if s.narrow
    )
    return Markup(rules)  # noqa: S704  numbers only


def _anchors(cells: Sequence[CellRecord]) -> dict[str, str]:
    """An anchor for each cell that has evidence: its own id, so that a link still fits tomorrow.

    Ids that are no anchors, and all ids of a very big run, make way for short numbers.
    """
    many = len(cells) >= MANY_CELLS
    return {
        cell.id: f"c{number}" if many or not _SAFE_ANCHOR.fullmatch(cell.id) else cell.id
        for number, cell in enumerate(cells)
    }


def _by_scenario(cells: Sequence[CellRecord]) -> dict[str, list[CellRecord]]:
    found: dict[str, list[CellRecord]] = {}
    for cell in cells:
        found.setdefault(cell.scenario, []).append(cell)
    return found


def _words(value: Any) -> str:
    """A value of a free-form part of the record, as text."""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
