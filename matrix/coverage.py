"""Which cells a run asks where a site is too large to ask all of them every night.

Rule 1: a choice is a function of the site, the coverage and the day alone. The day is a number that
is passed in (``date.toordinal``); the order that is walked through comes from the cells' own ids.
Rule 2: nights add up. A choice of K out of N is a window over that order, and it moves by K each
day: any ceil(N/K) days in a row ask all N.
Rule 3: every source keeps asking, and every negative keeps its meaning: the controls of what was
chosen are brought along by ``matrix.plan.controls``.

| coverage | what is asked                                                                        |
|----------|--------------------------------------------------------------------------------------|
| full     | everything                                                                           |
| pairs    | for each scenario, ordered pair of hosts and kind of question one cell, which        |
|          | changes with the day. A kind is relation, by address or name, and whether a          |
|          | container or the host itself asks: these take different ways through the kernel      |
| sample=K | for each scenario, source and by: K of its peers, which change with the day. Peers   |
|          | are siblings, remote containers and other hosts: what grows with the square of the   |
|          | site. The rest grows with the site only, and is asked every night: itself, the       |
|          | gateway, a container's own host, a host's own containers                             |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from matrix.errors import ConfigError
from matrix.probes import Cell, Relation
from matrix.record import CoverageRecord

_PEERS = (Relation.SIBLING, Relation.REMOTE, Relation.OTHER_HOST, Relation.OTHER_SEGMENT)
_SAMPLE = re.compile(r"sample=0*([1-9][0-9]{0,5})", re.ASCII)


class Mode(StrEnum):
    """The ways to choose; see the table of this file."""

    FULL = "full"
    PAIRS = "pairs"
    SAMPLE = "sample"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the plan is asked. ``peers`` is the K of sample=K, and 0 otherwise."""

    mode: Mode = Mode.FULL
    peers: int = 0

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.mode}={self.peers}" if self.mode is Mode.SAMPLE else str(self.mode)


def read_coverage(text: str) -> Coverage:
    """The coverage that ``text`` names: ``full``, ``pairs`` or ``sample=K``.

    Raises:
        ConfigError: it names none.
    """
    if text in (Mode.FULL, Mode.PAIRS):
        return Coverage(Mode(text))
    if found := _SAMPLE.fullmatch(text):
        return Coverage(Mode.SAMPLE, int(found[1]))
    raise ConfigError(
        f"--coverage {text!r} is no coverage; write full, pairs, or sample=K with a whole number "
        "of peers for each source from 1 to 999999, such as sample=3"
    )


def choose(cells: Iterable[Cell], coverage: Coverage, day: int) -> tuple[Cell, ...]:
    """The cells to ask on that day, in the order of the plan.

    Args:
        cells: the whole plan.
        coverage: how much of it.
        day: a number that grows by one each day.
    """
    everything = tuple(cells)
    if coverage.mode is Mode.FULL:
        return everything
    chosen: set[str] = set()
    rivals: dict[tuple[str, ...], list[Cell]] = {}
    for cell in everything:
        if coverage.mode is Mode.PAIRS:
            rivals.setdefault(_kind_between_hosts(cell), []).append(cell)
        elif cell.relation in _PEERS:
            rivals.setdefault((cell.scenario, cell.source.name, cell.asked_by), []).append(cell)
        else:
            chosen.add(cell.id)
    for some in rivals.values():
        chosen.update(cell.id for cell in _window(some, max(coverage.peers, 1), day))
    return tuple(cell for cell in everything if cell.id in chosen)


def coverage_line(
    found: CoverageRecord | None,
    selected: int,
    controls: int,
    *,
    asked: str = "was not asked",
) -> str:
    """How much was asked of how much, in a line; "" where it was all of it.

    Args:
        found: what the record says.
        selected: how many cells ``-k`` and ``-m`` left.
        controls: how many ran beside them, as their controls only.
        asked: the verb for what was left out.
    """
    if found is None or (found.mode == Mode.FULL and not found.shard):
        return ""
    whole = found.cells_chosen == found.cells_in_plan
    part = f", part {found.shard}" if found.shard else ""
    day = f" (day {found.day})" if found.day else ""
    line = f"coverage: {found.mode}{part}{day}: "
    line += "all " if whole else f"{found.cells_chosen:,} of "
    line += f"{found.cells_in_plan:,} cells"
    if selected != found.cells_chosen:
        line += f", {selected:,} of them selected"
    if whole and selected == found.cells_chosen:
        return line
    but = f", but for {controls:,} controls" if controls else ""
    return f"{line}; the rest {asked}{but}"


def _kind_between_hosts(cell: Cell) -> tuple[str, ...]:
    source, target = cell.source, cell.target
    return cell.scenario, source.host, target.host, source.kind, cell.relation, cell.asked_by


def _window(cells: Sequence[Cell], size: int, day: int) -> list[Cell]:
    """``size`` of the cells: the day's place in an order that is the same every day."""
    if size >= len(cells):
        return list(cells)
    order = sorted(cells, key=lambda cell: sha256(cell.id.encode()).digest())
    return [order[(day * size + place) % len(order)] for place in range(size)]
