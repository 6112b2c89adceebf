"""Which cells are asked again with witnesses on their way: those whose frames have something to tell.

Rule: every pattern of what is not as expected is covered before any is covered twice. A pattern is
scenario, relation, the two hosts and the verdict; a hundred cells with one fault need not all be
asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from matrix.probes import By, Cell, Judgement, Observation, Outcome, Relation

MOST = 40
"""Most cells of a second pass: it takes about a second, and few neighbour entries."""


def traceable(
    cells: Iterable[Cell], outcomes: Mapping[str, Outcome], judgements: Mapping[str, Judgement]
) -> tuple[Cell, ...]:
    """The cells that are not as expected and whose probe really left, each pair once.

    A cell by name is asked by the address that it resolved to. One that resolved to a wrong address
    is told by that alone, and one that asks itself passes no link. Between segments the frames that
    are sent below IP tell more.
    """
    found: dict[tuple[str, str, str], Cell] = {}
    for cell in sorted(cells, key=lambda c: c.by is By.NAME):
        seen, judgement = outcomes.get(cell.id), judgements.get(cell.id)
        if (
            isinstance(seen, Observation)
            and seen.sent
            and seen.address == str(cell.target.address)
            and judgement is not None
            and not judgement.verdict.holds
            and cell.relation not in (Relation.ITSELF, Relation.OTHER_SEGMENT)
        ):
            pair = (cell.scenario, cell.source.name, cell.target.name)
            found.setdefault(pair, replace(cell, by=By.ADDRESS))
    return tuple(found.values())


def representatives(
    cells: Iterable[Cell], judgements: Mapping[str, Judgement], most: int = MOST
) -> tuple[Cell, ...]:
    """At most so many of these cells, one of each pattern first."""
    patterns: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        verdict = judgements[cell.id].verdict
        key = (cell.scenario, cell.relation, cell.source.host, cell.target.host, verdict)
        patterns.setdefault(key, []).append(cell)
    chosen: list[Cell] = []
    longest = max(map(len, patterns.values()), default=0)
    for turn in range(longest):
        chosen += [some[turn] for some in patterns.values() if turn < len(some)]
    return tuple(chosen[:most])
