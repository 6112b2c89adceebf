"""A difference between two runs as a page of one file."""

from __future__ import annotations

from collections.abc import Iterable

from reports.compare import Difference, Kind
from reports.diff import pace_words, verdict_of
from reports.headline import headline
from reports.marks import NOT_JUDGED, VERDICT_MARKS
from reports.page import render

MOST_ROWS = 2_000
"""Cells of one kind that a page names; a page of a hundred thousand opens nowhere."""


def diff_html(found: Difference, also: Iterable[Kind] = ()) -> bytes:
    """The page; ``also`` are the kinds that count as worse besides."""
    worse = found.worse(also)
    return render(
        "diff.html.j2",
        d=found,
        before=found.before,
        after=found.after,
        heads=(headline(found.before), headline(found.after)),
        worse=worse,
        sentence=verdict_of(found, worse),
        groups=[(kind.capitalize(), some) for kind in Kind if (some := found.of(kind))],
        pace=pace_words(found),
        symbol=_symbol,
        most=MOST_ROWS,
    )


def _symbol(verdict: str) -> str:
    return VERDICT_MARKS.get(verdict, NOT_JUDGED).symbol
