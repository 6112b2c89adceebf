"""The archive of runs as one page: nights, flaky cells, and a sparkline for each cell.

Rule: a sparkline tells by height as well as by colour: as expected is a low bar, not as expected a full
one, nothing known a middle one, not asked none. Nights that are alike are one stroke, so that a cell
that always held costs a few bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from urllib.parse import quote

from markupsafe import Markup

from reports.history import BAD, GOOD, NOT_ASKED, ODD, CellStory, SiteStory, spelled
from reports.page import render

MOST_NIGHTS = 400
"""Nights that a sparkline and the table of nights show: a year and a month."""

MOST_CELLS = 5_000
"""Cells that have a line; beyond, those that always held are counted only."""

_STEP, _HEIGHT = 4, 14
_TOPS = {GOOD: 10, ODD: 5, BAD: 0}


def history_html(stories: Iterable[SiteStory]) -> bytes:
    """The page. It links to ``ID/report.html`` of each run, so it belongs into their folder."""
    return render(
        "history.html.j2",
        stories=[_recent(story) for story in stories],
        shown=_shown,
        spark=spark,
        href=_href,
    )


def _recent(story: SiteStory) -> SiteStory:
    cells = (CellStory(cell.id, cell.verdicts[-MOST_NIGHTS:]) for cell in story.cells)
    return SiteStory(story.site, story.nights[-MOST_NIGHTS:], tuple(c for c in cells if c.asked))


def _shown(story: SiteStory) -> tuple[CellStory, ...]:
    """The cells that have a line: all of them, or of very many those that ever did not hold."""
    if len(story.cells) <= MOST_CELLS:
        return story.cells
    return tuple(cell for cell in story.cells if cell.wrong)[:MOST_CELLS]


def _href(run_id: str) -> str:
    return f"{quote(run_id, safe='', errors='replace')}/report.html"


def spark(story: CellStory) -> Markup:
    """The cell's nights as SVG, newest at the right."""
    bars = "".join(
        f'<path class="s-{state}" d="{"".join(_strokes(story, state))}"/>'
        for state in (GOOD, ODD, BAD)
        if state in story.states
    )
    width = len(story.verdicts) * _STEP
    label = Markup.escape(spelled(story))
    return Markup(  # noqa: S704  numbers and our own words, the rest escaped
        f'<svg class="spark" role="img" aria-label="{label}" width="{width}" height="{_HEIGHT}">'
        f"{bars}</svg>"
    )


def _strokes(story: CellStory, wanted: str) -> Iterator[str]:
    at = 0
    for state, some in groupby(story.states):
        length = len(list(some)) * _STEP
        if state == wanted != NOT_ASKED:
            top = _TOPS[state]
            yield f"M{at} {top}h{length}V{_HEIGHT}h-{length}z"
        at += length
