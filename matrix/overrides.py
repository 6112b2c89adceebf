"""A site's overrides: where its owner says that the world does otherwise than the physics, until when.

Rule 1: an override changes what a cell is judged by, never what is said of the physics: both stand
in the cell, and every report shows both.
Rule 2: it ends. On the day after ``until`` the physics counts again, and a run that has a cell of
an expired override is not a good run, however its cells come out: either the cell is not as the
physics says, or the override is to be removed.
Rule 3: an override is somebody's word, not evidence. A reply that the physics does not expect as
well proves nothing about other cells (``proves``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase

from matrix.probes import Cell, Expectation, Expected, Judgement, Overridden
from matrix.rule import LINUX_TTL
from matrix.topology import EndpointKind, Override


def overridden(cell: Cell, overrides: Iterable[Override], today: date) -> Cell:
    """The cell as the site's overrides leave it on that day (UTC); at most one names it.

    Where an override expects what the physics expects anyway, it changes nothing and is not noted.
    """
    for override in overrides:
        if names(override.cells, cell.id) and override.expect != cell.expectation.expected:
            in_force = today <= override.until
            found = Overridden(override, cell.expectation, in_force)
            expectation = _expectation(cell, override) if in_force else cell.expectation
            return replace(cell, expectation=expectation, overridden=found)
    return cell


def names(pattern: str, cell_id: str) -> bool:
    """Does an override's ``cells`` name this cell?"""
    return fnmatchcase(cell_id, pattern)


def _expectation(cell: Cell, override: Override) -> Expectation:
    expected = Expected(override.expect)
    words = f"override {override.ticket} says so until {override.until}"
    if override.because:
        words += f": {override.because}"
    if expected is Expected.REPLY:
        ours = cell.target.kind is not EndpointKind.GATEWAY
        return Expectation(expected, words, LINUX_TTL if ours else None)
    remedy = f"mend what {override.ticket} is about, then remove the override from the site file"
    return Expectation(expected, words, remedy=remedy)


def proves(cell: Cell) -> bool:
    """May a good reply in this cell support another cell's silence?"""
    return cell.expectation.expected is Expected.REPLY and cell.physics.expected is Expected.REPLY


def with_override(cell: Cell, judgement: Judgement) -> Judgement:
    """The judgement with what the override has to do with it, in words."""
    found = cell.overridden
    if found is None:
        return judgement
    one = found.override
    if not found.in_force:
        words = f"override {one.ticket} expired on {one.until}: judged by the physics again"
    else:
        words = (
            f"{cell.expectation.expected} is expected by override {one.ticket} until {one.until}; "
            f"the physics says {found.physics.expected}"
        )
    return replace(judgement, reason=f"{judgement.reason}; {words}")


def expired(cells: Iterable[Cell], site: str) -> tuple[str, ...]:
    """A line of trouble for each expired override that names one of the cells.

    Args:
        cells: those of the run.
        site: the site file's path, for the message.
    """
    found: dict[Override, int] = {}
    for cell in cells:
        if cell.overridden is not None and not cell.overridden.in_force:
            found[cell.overridden.override] = found.get(cell.overridden.override, 0) + 1
    return tuple(
        f"override {one.ticket} ({site}:{one.line}) expired on {one.until}: its "
        f"{'cell is' if count == 1 else f'{count} cells are'} judged by the physics again; remove "
        "the override, or give it a new date if the ticket is still open"
        for one, count in sorted(found.items(), key=lambda pair: pair[0].line)
    )
