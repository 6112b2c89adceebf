"""Matrices too large to draw cell by cell: what stands for many.

Rule: what stands for many shows the worst of them, and says how many they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from matrix.grid import Heading, plain

MOST_ROWS = 64
"""More rows than this are drawn host by host: a grid that scrolls away shows nothing."""


def host_wide(heading: Heading) -> Heading:
    """The heading under which all containers of one host stand as one; others stay themselves."""
    if not heading.group or heading.name == "host" or heading.key == heading.group:
        return Heading(heading.key, heading.name, heading.group, heading.section)
    return Heading(f"{heading.group} containers", "containers", heading.group, heading.section)


def kind_lines(cells: Iterable[tuple[str, str, str]], order: Sequence[str]) -> list[str]:
    """A line for each kind of question: how many of its cells came out how.

    Args:
        cells: relation, by, and outcome (a verdict, or what is expected) of each.
        order: the outcomes, in the order in which they are to be counted.
    """
    found: dict[tuple[str, str], Counter[str]] = {}
    for relation, by, outcome in cells:
        found.setdefault((relation, by), Counter())[outcome] += 1
    labels = {kind: plain(f"{kind[0]} by {kind[1]}", 40) for kind in found}
    wide = max(map(len, labels.values()), default=0)
    lines = []
    for kind, counted in found.items():
        known = [f"{counted[o]:,} {o}" for o in order if counted[o]]
        others = [f"{n:,} {plain(o, 20)}" for o, n in sorted(counted.items()) if o not in order]
        lines.append(f"  {labels[kind]:<{wide}}  {', '.join(known + others)}")
    return lines
