"""A difference between two runs, for the terminal and as JSON. What is compared: ``reports.compare``.

Rule: what is worse stands first, what is better last; what is left out of the terminal is counted.
JSON leaves nothing out, and its keys are sorted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from matrix.grid import paint, plain
from matrix.record import CauseRecord, Run
from reports.compare import Change, Difference, Kind, MacChange
from reports.headline import headline
from reports.marks import NOT_JUDGED, VERDICT_MARKS
from reports.surroundings_of import FactChange

SCHEMA = "l2matrix-diff/1"
MOST_CELLS = 60
"""Cells of one kind that the terminal names."""

_MOST_WORDS = 400
_MOST_REASON = 160
_LOUD = {Kind.NEW_RED: "1;31", Kind.VERDICT: "1;33", Kind.FIXED: "1;32"}


def diff_lines(found: Difference, also: Iterable[Kind] = (), *, colour: bool = False) -> list[str]:
    """The difference as lines; ``also`` are the kinds that count as worse besides."""
    lines = [*_run("from", found.before), *_run("to", found.after)]
    lines += change_lines(found, colour=colour)
    worse = found.worse(also)
    lines.append(verdict_of(found, worse))
    return lines


def change_lines(found: Difference, *, colour: bool = False) -> list[str]:
    """All that changed, as lines; none where nothing did."""
    loud = paint("new cause", "1;31", colour=colour)
    lines = [f"{loud}: {_cause(cause)}" for cause in found.new_causes]
    lines += [f"new trouble: {_short(text)}" for text in found.new_trouble]
    for kind in Kind:
        if kind is not Kind.FIXED:
            lines += _changes(kind, found.of(kind), colour=colour)
    lines += [_mac(change) for change in found.macs]
    lines += _pace(found)
    lines += _facts("site and plan", found.site)
    lines += _facts("environment", found.environment)
    lines += [f"trouble gone: {_short(text)}" for text in found.gone_trouble]
    lines += [f"cause gone: {_cause(cause)}" for cause in found.gone_causes]
    lines += _changes(Kind.FIXED, found.of(Kind.FIXED), colour=colour)
    return lines


def verdict_of(found: Difference, worse: Sequence[str]) -> str:
    """The difference in one sentence."""
    if worse:
        return f"Worse: {', '.join(worse)}."
    if better := len(found.of(Kind.FIXED)):
        return f"Nothing is worse; {better} fixed."
    return "Nothing is worse."


def diff_json(found: Difference, also: Iterable[Kind] = ()) -> bytes:
    """The whole difference as canonical JSON; in ASCII, so that a terminal obeys none of it."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "before": _about(found.before),
        "after": _about(found.after),
        "worse": list(found.worse(also)),
        "cells": [
            {
                "id": change.cell.id,
                "kind": str(change.kind),
                "before": change.before,
                "after": change.after,
                "worse": change.worse,
                "reason": change.cell.reason,
                "cause": change.cell.cause,
            }
            for change in found.cells
        ],
        "mac_addresses": [
            {
                "scenario": change.scenario,
                "endpoint": change.endpoint,
                "before": list(change.before),
                "after": list(change.after),
                "cells": list(change.cells),
            }
            for change in found.macs
        ],
        "round_trips": {
            "cells_compared": found.pace.cells,
            "factor": round(found.pace.factor, 3),
            "noise_factor": round(found.pace.spread, 3),
        },
        "new_causes": [_cause_json(cause) for cause in found.new_causes],
        "gone_causes": [_cause_json(cause) for cause in found.gone_causes],
        "new_trouble": list(found.new_trouble),
        "gone_trouble": list(found.gone_trouble),
        "environment": [_fact_json(fact) for fact in found.environment],
        "site": [_fact_json(fact) for fact in found.site],
    }
    return json.dumps(document, sort_keys=True, indent=1).encode() + b"\n"


def _about(run: Run) -> dict[str, Any]:
    return {"id": run.id, "started_at": run.started_at, "phase": run.phase, "site": run.site.path}


def _cause_json(cause: CauseRecord) -> dict[str, Any]:
    return {
        "rule": cause.rule,
        "where": cause.where,
        "line": cause.line,
        "confidence": cause.confidence,
        "cells": list(cause.cells),
    }


def _fact_json(fact: FactChange) -> dict[str, str]:
    return {
        "where": fact.where, "what": fact.what, "before": fact.before, "after": fact.after
    }  # fmt: skip


def _run(label: str, run: Run) -> Iterator[str]:
    yield f"{label:<4} {plain(run.id, 60)}, {plain(run.started_at, 40)}: " + _short(
        headline(run).sentence
    )


def _cause(cause: CauseRecord) -> str:
    many = f"{len(cause.cells)} cell{'s' * (len(cause.cells) != 1)}"
    return f"{_short(cause.line)} [{plain(cause.rule, 60)}, {plain(cause.confidence, 20)}, {many}]"


def _changes(kind: Kind, some: Sequence[Change], *, colour: bool) -> Iterator[str]:
    if not some:
        return
    yield paint(f"{kind}: {len(some)}", _LOUD.get(kind, "1"), colour=colour)
    for change in some[:MOST_CELLS]:
        yield f"  {_change(change, colour=colour)}"
    if len(some) > MOST_CELLS:
        yield f"  and {len(some) - MOST_CELLS} more: see --json or --html"


def _change(change: Change, *, colour: bool) -> str:
    mark = VERDICT_MARKS.get(change.cell.verdict, NOT_JUDGED)
    symbol = paint(mark.symbol, mark.sgr, colour=colour)
    was = plain(change.before, 200) or "not there"
    now = plain(change.after, 200) or "not there"
    line = f"{symbol} {plain(change.cell.id, 120)}: {was} \N{RIGHTWARDS ARROW} {now}"
    if change.kind in (Kind.NEW_RED, Kind.VERDICT) or (change.kind is Kind.CAME and change.worse):
        line += f": {plain(change.cell.reason or change.cell.not_run, _MOST_REASON)}"
    return line


def _mac(change: MacChange) -> str:
    was, now = (plain(", ".join(some), 200) for some in (change.before, change.after))
    return (
        f"MAC of {plain(change.endpoint, 60)} in {plain(change.scenario, 60)}: {was} "
        f"\N{RIGHTWARDS ARROW} {now} (as {len(change.cells)} cells saw it)"
    )


def _pace(found: Difference) -> Iterator[str]:
    if found.pace.outliers or found.pace.factor > found.pace.spread:
        yield pace_words(found)


def pace_words(found: Difference) -> str:
    """What round trips did as a whole, in a sentence."""
    if not found.pace.cells:
        return "round trips: no cell has them in both runs"
    return (
        f"round trips: {found.pace.factor:.2f} times those before, over {found.pace.cells} cells; "
        f"a cell stands out beyond a factor of {found.pace.spread:.1f} from that, and 1 ms"
    )


def _facts(title: str, facts: Sequence[FactChange]) -> Iterator[str]:
    if not facts:
        return
    yield f"{title}: {len(facts)} changed"
    for fact in facts[:MOST_CELLS]:
        was, now = (plain(text, 120) or "nothing" for text in (fact.before, fact.after))
        yield f"  {plain(fact.where, 60)}: {plain(fact.what, 120)}: {was} \N{RIGHTWARDS ARROW} {now}"
    if len(facts) > MOST_CELLS:
        yield f"  and {len(facts) - MOST_CELLS} more: see --json or --html"


def _short(text: str) -> str:
    return plain(text.partition("\n")[0], _MOST_WORDS)
