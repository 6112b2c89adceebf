"""A run as Markdown, for a comment on a pull request or ``$GITHUB_STEP_SUMMARY``.

Rule 1: no text of a run is markup, mentions somebody, names an issue or becomes a link. Punctuation
that Markdown obeys is written as a character reference (CommonMark 0.31.2, section 2.5), and what
GitHub looks for after rendering (``@name``, ``#1``, ``www.``) is parted by a zero-width space.
Rule 2: it fits a comment: 65,536 characters at most, GitHub's limit. What is left out is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from matrix.grid import plain
from matrix.record import CellRecord, Run
from reports.causes import CauseSeen, causes_of, warnings_of
from reports.compare import Difference, Kind
from reports.diff import verdict_of
from reports.findings import troubles
from reports.grid import covered, scenarios_of
from reports.headline import headline
from reports.marks import NOT_JUDGED, VERDICT_MARKS, counts, holds

LIMIT = 65_000
"""Characters; what is beyond is left out, and said."""

MOST_CELLS, MOST_CAUSES = 100, 20
_MOST_WORDS = 300
_PUNCTUATION = re.compile(r"[\\`*_{}\[\]<>()#+!|~&$\"'=^]")
_LOOKED_FOR = re.compile(r"(?i)(@|#|www(?=\.)|gh(?=-)|https?(?=:))")
_ZERO_WIDTH = "&#8203;"
_SYMBOLS = {"PASS": "✅", "BLOCKED": "🔒"}


def markdown(run: Run, difference: Difference | None = None) -> bytes:
    """The run, UTF-8; with what changed, where it was compared with an earlier one."""
    return fitted(_blocks(run, difference)).encode()


def fitted(blocks: Iterable[str], limit: int = LIMIT) -> str:
    """As many of the blocks as fit, each followed by an empty line, and how many do not."""
    text, left_out = "", 0
    for block in blocks:
        if left_out or len(text) + len(block) > limit:
            left_out += 1
        else:
            text += f"{block}\n\n"
    return f"{text}Too long: {left_out} sections more are in report.html.\n" if left_out else text


def words(text: str, limit: int = _MOST_WORDS) -> str:
    """Text of a run as Markdown that shows exactly that text, in one line."""
    shown = plain(text.strip(), limit)
    parted = _LOOKED_FOR.sub("\\1\ufeff", shown)
    referenced = _PUNCTUATION.sub(lambda found: f"&#{ord(found[0])};", parted)
    return referenced.replace("\ufeff", _ZERO_WIDTH).replace("@", "&#64;")


def code(text: str, limit: int = 120) -> str:
    """Text of a run as code, to be copied: GitHub looks for nothing in there."""
    shown = _PUNCTUATION.sub(lambda found: f"&#{ord(found[0])};", plain(text.strip(), limit))
    return f"<code>{shown.replace('@', '&#64;')}</code>"


def _blocks(run: Run, difference: Difference | None) -> Iterator[str]:
    head = headline(run)
    yield f"### {'✅' if head.good else '❌'} {words(head.sentence)}"
    if head.look:
        yield f"**Look first at:** {words(head.look)}"
    if difference is not None:
        yield from _changed(difference)
    yield "\n".join(_table(run))
    if line := covered(run):
        yield words(line)
    for text in troubles(run):
        yield f"**Trouble:** {words(text)}"
    causes = [cause for cause in causes_of(run) if cause.known]
    if causes:
        yield "#### What to mend, in this order"
        yield "\n".join(_cause(cause) for cause in causes[:MOST_CAUSES]) + _more(
            len(causes) - MOST_CAUSES, "causes"
        )
    for warning in warnings_of(run):
        yield f"**Warning:** {words(warning.line)}"
    yield from _folded("Cells that are not as expected", _bad(run))
    began = f"began {run.started_at}" + (f", ended {run.finished_at}" if run.finished_at else "")
    yield f"Run {code(run.id)}, site {code(run.site.path)}, {words(began)}"


def _table(run: Run) -> Iterator[str]:
    names = [*VERDICT_MARKS, NOT_JUDGED.meaning]
    by_scenario = {
        scenario: counts(tuple(c for c in run.cells if c.scenario == scenario))
        for scenario in scenarios_of(run)
    }
    shown = [name for name in names if any(found.get(name) for found in by_scenario.values())]
    titles = [f" {_SYMBOLS.get(name, '')} {name} |" for name in shown]
    yield f"| scenario |{''.join(titles)}"
    yield f"|:--|{'--:|' * len(shown)}"
    for scenario, found in by_scenario.items():
        row = "".join(f" {found.get(name, 0) or ''} |" for name in shown)
        yield f"| {words(scenario, 60)} |{row}"


def _cause(cause: CauseSeen) -> str:
    many = f"{len(cause.cells)} cell{'s' * (len(cause.cells) != 1)}"
    line = f"{cause.number}. **{words(cause.record.confidence, 20)}**, {many}: {words(cause.line)}"
    return f"{line}<br>To mend it: {words(cause.record.fix)}" if cause.record.fix else line


def _bad(run: Run) -> list[str]:
    return [_line(cell) for cell in run.cells if cell.selected and not holds(cell)]


def _line(cell: CellRecord) -> str:
    verdict = cell.verdict or NOT_JUDGED.meaning
    return f"- **{words(verdict, 20)}** {code(cell.id)}: {words(cell.reason or cell.not_run)}"


def _folded(title: str, lines: list[str]) -> Iterator[str]:
    """A list that opens on a click; in blocks, so that a long one is cut and not dropped."""
    if not lines:
        return
    some = "\n".join(lines[:MOST_CELLS]) + _more(len(lines) - MOST_CELLS, "cells")
    yield f"<details><summary>{title}: {len(lines)}</summary>\n\n{some}\n\n</details>"


def _more(count: int, what: str) -> str:
    return f"\n\nand {count} {what} more: see report.html" if count > 0 else ""


def _changed(found: Difference) -> Iterator[str]:
    worse = found.worse()
    yield f"**Since {code(found.before.id)}:** {words(verdict_of(found, worse))}"
    for kind in (Kind.NEW_RED, Kind.VERDICT, Kind.FIXED):
        lines = [
            f"- {code(c.cell.id)}: {words(c.before, 20)} → {words(c.after, 20)}"
            for c in found.of(kind)
        ]
        yield from _folded(kind.capitalize(), lines)
    facts = [
        f"- {words(f.where, 60)}, {words(f.what, 60)}: {code(f.before or 'nothing')} → "
        f"{code(f.after or 'nothing')}"
        for f in (*found.site, *found.environment)
    ]
    yield from _folded("Changed around it", facts)
