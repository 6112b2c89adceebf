"""What a run really sent, and how each kind of silence in it was proven: in numbers.

Rule: counted from the cells of the record. What an auditor wants to know of the method is not what
the harness can do but what it did in this run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from matrix.probes import Verdict
from matrix.record import CellRecord, Run
from reports.findings import blocked


@dataclass(frozen=True, slots=True)
class Sent:
    """All that was asked in a run. ``watched`` are requests whose target's end is ours to see."""

    cells: int
    requests: int
    replies: int
    duplicates: int
    watched: int
    arrived: int
    names: int
    not_run: int
    again: int


@dataclass(frozen=True, slots=True)
class Proof:
    """How one kind of blocked cell was proven: by how many controls each, and one to look at."""

    title: str
    origin: str
    cells: int
    fewest: int
    most: int
    example: CellRecord
    silent: int
    """Requests that were sent into that silence; for names, look-ups."""


def sent_of(run: Run) -> Sent:
    """The numbers of the whole run, controls with it."""
    seen = [(cell, cell.observed) for cell in run.cells if cell.observed is not None]
    watched = [(c, o) for c, o in seen if o.request_seen in ("yes", "no")]
    return Sent(
        cells=len(run.cells),
        requests=sum(o.sent for _, o in seen),
        replies=sum(o.received for _, o in seen),
        duplicates=sum(o.duplicates for _, o in seen),
        watched=sum(o.sent for _, o in watched),
        arrived=sum(o.requests_seen for _, o in watched),
        names=sum(bool(o.resolver_code) for _, o in seen),
        not_run=sum(bool(cell.not_run) for cell in run.cells),
        again=sum(cell.trace is not None for cell in run.cells),
    )


def proofs_of(run: Run) -> tuple[Proof, ...]:
    """How each kind of blocked cell was proven, in the order in which they are told."""
    return tuple(
        Proof(
            group.title,
            group.origin,
            len(group.cells),
            min(len(cell.controls) for cell in group.cells),
            max(len(cell.controls) for cell in group.cells),
            max(group.cells, key=lambda cell: len(cell.controls)),
            _silent(group.cells),
        )
        for group in blocked(run)
    )


def _silent(cells: Iterable[CellRecord]) -> int:
    seen = [cell.observed for cell in cells if cell.observed and cell.verdict == Verdict.BLOCKED]
    return sum(o.sent or bool(o.resolver_code) for o in seen)
