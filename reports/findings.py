"""What a run found, said once instead of once a cell: groups of cells with the same story.

Rule: two cells tell the same story when their words are equal but for the names, addresses and
numbers in them. The words shown are those of the group's first cell, never made up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from matrix.probes import Relation, Verdict
from matrix.record import CellRecord, OverrideRecord, Run
from reports.causes import explained, unexplained
from reports.marks import NOT_JUDGED, VERDICT_MARKS, holds

_CELL_ID = re.compile(r"(?<![^\s:])[^\s:]+:[^\s:]+:[^\s:]+:(?:address|name)")
"""Begins at a word's begin only: a megabyte without a space must not take an hour."""

_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_URGENCY = (
    Verdict.IMPOSTOR,
    Verdict.LEAK,
    Verdict.FAIL,
    Verdict.FLAPPING,
    Verdict.INCONCLUSIVE,
)
"""What to look at first: a reply that lies makes every other cell doubtful."""

DESIGN, DECLARATION, OVERRIDE = (
    "by design",
    "by declaration of the site",
    "by an override of the site",
)
ORIGINS = (DESIGN, DECLARATION, OVERRIDE)


@dataclass(frozen=True, slots=True)
class Finding:
    """Cells that are not as expected in the same way. ``verdict`` may be "not judged"."""

    verdict: str
    reason: str
    cause: str
    next_command: str
    cells: tuple[CellRecord, ...]

    @property
    def traced(self) -> CellRecord | None:
        """The first of the cells that was asked again with witnesses on its way."""
        return next((cell for cell in self.cells if cell.trace is not None), None)


@dataclass(frozen=True, slots=True)
class Blocked:
    """Cells that are blocked for the same reason, as they should be.

    ``examples`` has a (cell, because) for each wording; ``remedies`` the distinct ones.
    """

    title: str
    origin: str
    examples: tuple[tuple[CellRecord, str], ...]
    remedies: tuple[str, ...]
    cells: tuple[CellRecord, ...]


def findings(run: Run) -> tuple[Finding, ...]:
    """Everything that is not as expected, what to fix first at the top.

    A known cause that explains many cells comes before one that explains few, and both before
    cells without a cause, by the urgency of their verdict. Controls that failed are among them;
    cells for which the run names a fault are not: see ``reports.causes``.
    """
    parents = _parents(run)
    told, unknown = explained(run), unexplained(run)
    groups: dict[tuple[str, str], list[CellRecord]] = {}
    for cell in run.cells:
        if holds(cell) or cell.id in told or (not cell.verdict and not cell.selected):
            continue
        verdict = cell.verdict if cell.verdict in VERDICT_MARKS else NOT_JUDGED.meaning
        cause = "" if cell.id in unknown else cell.cause
        words = cause or cell.reason or cell.not_run
        groups.setdefault((verdict, _shape(words, cell, parents)), []).append(cell)
    found = [
        Finding(
            verdict,
            cells[0].reason or cells[0].not_run or f"the run ended in phase {run.phase!r}",
            "" if cells[0].id in unknown else cells[0].cause,
            cells[0].next_command,
            tuple(cells),
        )
        for (verdict, _), cells in groups.items()
    ]
    return tuple(sorted(found, key=_fix_first))


def _fix_first(finding: Finding) -> tuple[bool, int, int, str]:
    urgency = (
        _URGENCY.index(Verdict(finding.verdict)) if finding.verdict in _URGENCY else len(_URGENCY)
    )
    many = -len(finding.cells)
    if finding.cause:
        return False, many, urgency, finding.cells[0].id
    return True, urgency, many, finding.cells[0].id


def blocked(run: Run) -> tuple[Blocked, ...]:
    """Everything that is blocked as it should be: by design, by declaration, by override."""
    parents = _parents(run)
    groups: dict[tuple[str, str], list[CellRecord]] = {}
    for cell in run.cells:
        if cell.verdict == Verdict.BLOCKED:
            groups.setdefault(_why(cell), []).append(cell)
    found = []
    for (origin, title), cells in groups.items():
        because = _distinct(cells, lambda c: c.because, parents)
        remedies = _distinct(cells, lambda c: c.remedy, parents)
        found.append(
            Blocked(
                title,
                origin,
                tuple((cell, cell.because) for cell in because),
                tuple(cell.remedy for cell in remedies if cell.remedy),
                tuple(cells),
            )
        )
    return tuple(sorted(found, key=lambda g: (ORIGINS.index(g.origin), -len(g.cells), g.title)))


def _why(cell: CellRecord) -> tuple[str, str]:
    """Origin and title of a blocked cell's group."""
    if cell.override is not None and cell.override.in_force:
        words = f"{cell.override.ticket}, until {cell.override.until}"
        return (
            OVERRIDE,
            f"The site overrides the physics, which says {cell.override.physics}: {words}",
        )
    if cell.expected == "no-such-name":
        return DESIGN, "Docker's name server knows the containers of its own engine only"
    if cell.because.startswith("passthru:"):
        return (
            DESIGN,
            "A passthru endpoint gets every unicast frame of its NIC: the host is deaf there",
        )
    if cell.relation == Relation.OTHER_SEGMENT:
        return DESIGN, "Segments are apart: no frame of one is seen on another"
    if cell.relation == Relation.GATEWAY:
        return DECLARATION, "The site says that this segment has no gateway"
    if cell.relation in (Relation.OWN_HOST, Relation.OWN_CONTAINER):
        return DESIGN, "A macvlan parent and its own containers do not reach each other"
    return DESIGN, f"Silence between a source and its {cell.relation}"


@dataclass(frozen=True, slots=True)
class OverrideSeen:
    """An override of the site file, with the cells of this run that it changes."""

    record: OverrideRecord
    cells: tuple[CellRecord, ...]

    @property
    def physics(self) -> tuple[OverrideRecord, ...]:
        """The first of each thing that the physics says of these cells."""
        found: dict[str, OverrideRecord] = {}
        for cell in self.cells:
            if cell.override is not None:
                found.setdefault(cell.override.physics, cell.override)
        return tuple(found.values())


def overrides(run: Run) -> tuple[OverrideSeen, ...]:
    """The overrides that lie on cells of this run, in the order of the site file."""
    found: dict[int, list[CellRecord]] = {}
    first: dict[int, OverrideRecord] = {}
    for cell in run.cells:
        if cell.override is not None:
            found.setdefault(cell.override.line, []).append(cell)
            first.setdefault(cell.override.line, cell.override)
    return tuple(OverrideSeen(first[line], tuple(cells)) for line, cells in sorted(found.items()))


def troubles(run: Run) -> tuple[str, ...]:
    """What went wrong outside of any cell: the run's own trouble, then each host's."""
    return (*run.trouble, *(f"{h.name}: {h.trouble}" for h in run.hosts if h.trouble))


def _parents(run: Run) -> frozenset[str]:
    return frozenset(p for s in run.site.scenarios for p in s.parents.values() if p)


def _distinct(
    cells: Iterable[CellRecord], words: Callable[[CellRecord], str], parents: frozenset[str]
) -> list[CellRecord]:
    """The first cell of each wording."""
    first: dict[str, CellRecord] = {}
    for cell in cells:
        first.setdefault(_shape(words(cell), cell, parents), cell)
    return list(first.values())


def _shape(words: str, cell: CellRecord, parents: frozenset[str]) -> str:
    """The words without what differs from cell to cell: ids, names, addresses, numbers."""
    words = _CELL_ID.sub("<cell>", words)
    names = {cell.source, cell.target, cell.source_host, cell.target_host, *parents} - {
        "",
        "gateway",
    }
    for name in sorted(names, key=lambda name: (-len(name), name)):
        words = _without(words, name)
    return _NUMBER.sub("<n>", words)


def _without(words: str, name: str) -> str:
    """The words with a control character where the name stands as a word of its own.

    By hand, as a pattern would have to be made anew for every cell: 0.3 ms each.
    """
    kept: list[str] = []
    begin = at = 0
    while (found := words.find(name, at)) >= 0:
        end = found + len(name)
        if _is_edge(words[found - 1 : found]) and _is_edge(words[end : end + 1]):
            kept.append(words[begin:found])
            begin = at = end
        else:
            at = found + 1
    return "\x00".join([*kept, words[begin:]]) if kept else words


def _is_edge(char: str) -> bool:
    return not (char.isalnum() or char in ("_", "-"))
