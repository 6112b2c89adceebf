"""Cells by host and kind: what a large matrix is told by, where one test a cell would be too many.

Rule: a group hides nothing. Its verdict is its worst cell's, every cell keeps its own in the
record, and what a message leaves out it counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matrix.probes import Cell, Judgement, Verdict

WORST_FIRST = (
    Verdict.IMPOSTOR,
    Verdict.LEAK,
    Verdict.FAIL,
    Verdict.FLAPPING,
    Verdict.INCONCLUSIVE,
    Verdict.PASS,
    Verdict.BLOCKED,
)
"""A reply that lies makes every other cell doubtful; a cell that did not run says nothing."""

MOST_TOLD = 10
"""Cells that a group's message names."""


@dataclass(frozen=True, slots=True)
class Group:
    """The cells of one scenario from one host to another, of one relation, by address or name.

    ``id`` is ``scenario:host:host:relation:by``, stable from night to night and safe to paste into
    a shell; a gateway lives on no host and stands in its place.
    """

    id: str
    scenario: str
    cells: tuple[Cell, ...]

    @property
    def names(self) -> frozenset[str]:
        """Everybody who asks or is asked in it."""
        return frozenset(e.name for cell in self.cells for e in (cell.source, cell.target))


def grouped(cells: Iterable[Cell]) -> tuple[Group, ...]:
    """The cells in groups, both in the order of the plan."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        relation = cell.relation.replace(" ", "-")
        there = cell.target.host or cell.target.name
        key = f"{cell.scenario}:{cell.source.host}:{there}:{relation}:{cell.asked_by}"
        found.setdefault((key, cell.scenario), []).append(cell)
    return tuple(Group(key, name, tuple(some)) for (key, name), some in found.items())


def worst(judgements: Iterable[Judgement]) -> Verdict:
    """The verdict of the group as a whole. ValueError where there is no judgement."""
    return min((j.verdict for j in judgements), key=WORST_FIRST.index)


def tally(judgements: Iterable[Judgement]) -> str:
    """``231 FAIL, 10 PASS``, the worst first."""
    found = Counter(judgement.verdict for judgement in judgements)
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in WORST_FIRST if found[verdict])


def judgements_of(group: Group, judgements: Mapping[str, Judgement]) -> tuple[Judgement, ...]:
    """The judgements of the group's cells, in its order. KeyError for a cell that has none."""
    return tuple(judgements[cell.id] for cell in group.cells)


def told(judgements: Sequence[Judgement]) -> str:
    """What is not as it should be, in words: the count, then the worst cells with their reasons."""
    bad = sorted(
        (j for j in judgements if not j.verdict.holds), key=lambda j: WORST_FIRST.index(j.verdict)
    )
    lines = [f"{len(bad)} of {len(judgements)} cells are not as expected ({tally(judgements)})"]
    lines += [f"{j.verdict} {j.cell}: {j.reason}" for j in bad[:MOST_TOLD]]
    if len(bad) > MOST_TOLD:
        lines.append(f"and {len(bad) - MOST_TOLD} more: see the report")
    return "\n".join(lines)
