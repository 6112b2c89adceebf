"""How fast replies came: percentiles, a histogram and a heat map of one scenario.

Rule 1: numbers first. A shade of the map has a number in it or a sign, and the histogram stands
beside the percentiles that it draws, so that nobody has to judge a colour.
Rule 2: what did not cross the wire (a container's own address, siblings inside one kernel) is
counted apart: it would hide a slow wire among fast ones.

Percentiles are nearest-rank: a time that was really measured, never one between two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10
from statistics import median

from matrix.grid import Heading
from matrix.record import CellRecord
from reports.axes import SECTIONS, Matrix, host_by_host

BY_ADDRESS = SECTIONS["address"]
LEVELS = (0.5, 1.5, 3.0, 6.0)
"""Times the scenario's median, where a shade of the map ends and the next begins."""

SLOW = len(LEVELS)
"""The last level; it carries a sign besides its shade."""

PERCENTS = (50, 90, 99)
MOST_COLUMNS = 20
"""A map of more columns is drawn host by host."""

INSIDE = ("itself", "sibling")
"""Relations whose packets stay inside one kernel."""

_BINS_A_DECADE = 8
_WIDTH, _HEIGHT = 640, 120


@dataclass(frozen=True, slots=True)
class Spread:
    """Round trips of one kind of cell, in milliseconds; ``at`` are ``PERCENTS``."""

    kind: str
    count: int
    least: float
    at: tuple[float, ...]
    most: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the histogram: place and size in the drawing, what it counts, from and to in ms."""

    x: float
    y: float
    width: float
    height: float
    count: int
    from_ms: float
    to_ms: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the histogram's axis: its place, and what stands there."""

    x: float
    words: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Round trips over the wire by their logarithm, drawn ``width`` by ``height``."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    marks: tuple[Tick, ...]
    width: int = _WIDTH
    height: int = _HEIGHT


@dataclass(frozen=True, slots=True)
class Warm:
    """A place of the map: the median in ms as text, its level, and whether it is slow."""

    words: str
    level: int

    @property
    def slow(self) -> bool:
        """Is it of the last level?"""
        return self.level == SLOW


@dataclass(frozen=True, slots=True)
class Pace:
    """All of one scenario. ``warm`` is by row and column key; ``median_ms`` that of the wire."""

    name: str
    median_ms: float
    spreads: tuple[Spread, ...]
    histogram: Histogram
    rows: tuple[Heading, ...]
    columns: tuple[Heading, ...]
    warm: dict[tuple[str, str], Warm]
    by_host: bool

    def levels(self) -> list[tuple[int, str]]:
        """Each level with its times in words."""
        edges = [milliseconds(times * self.median_ms) for times in LEVELS]
        between = [f"{a} to {b} ms" for a, b in pairwise(edges)]
        words = [f"under {edges[0]} ms", *between, f"{edges[-1]} ms and more"]
        return list(enumerate(words))

    def at(self, row: Heading, column: Heading) -> Warm | None:
        """What stands at that place; None where no reply was timed."""
        return self.warm.get((row.key, column.key))


def pace_of(name: str, matrix: Matrix, cells: Sequence[CellRecord]) -> Pace | None:
    """How fast a scenario's replies came; None where none crossed the wire."""
    times = _by_kind(cells)
    wire = sorted(rtt for kind, found in times.items() if kind not in INSIDE for rtt in found)
    if not wire:
        return None
    middle = median(wire)
    spreads = [spread(kind, sorted(found)) for kind, found in times.items()]
    if len({kind for kind in times if kind not in INSIDE}) > 1:
        spreads.append(spread("all over the wire", wire))
    addressed = [c for c in matrix.columns if c.section == BY_ADDRESS]
    by_host = len(addressed) > MOST_COLUMNS
    drawn = host_by_host(matrix) if by_host else matrix
    warm = {}
    for (row, column, section), cell in drawn.cells.items():
        found = [
            rtt
            for one in drawn.many.get((row, column, section), (cell,))
            if one.observed is not None
            for rtt in one.observed.rtts_ms
        ]
        if found and section == BY_ADDRESS:
            here = median(found)
            level = sum(here >= times_ * middle for times_ in LEVELS)
            warm[row, column] = Warm(milliseconds(here), level)
    return Pace(
        name,
        middle,
        tuple(spreads),
        _histogram(wire),
        drawn.rows,
        tuple(c for c in drawn.columns if c.section == BY_ADDRESS),
        warm,
        by_host,
    )


def milliseconds(value: float) -> str:
    """A time in ms with two significant digits, never in powers of ten."""
    if value <= 0:
        return "0"
    digits = max(0, 1 - floor(log10(value)))
    return f"{value:.{min(digits, 4)}f}"


def spread(kind: str, rtts: Sequence[float]) -> Spread:
    """The percentiles of times that are in order."""
    at = tuple(rtts[max(0, ceil(p * len(rtts) / 100) - 1)] for p in PERCENTS)
    return Spread(kind, len(rtts), rtts[0], at, rtts[-1])


def _by_kind(cells: Iterable[CellRecord]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for cell in cells:
        if cell.observed is not None and cell.observed.rtts_ms:
            found.setdefault(cell.relation, []).extend(cell.observed.rtts_ms)
    return found


def _histogram(wire: Sequence[float]) -> Histogram:
    """Bars of equal width on a logarithmic axis, from the first decade's part to the last's."""
    least = max(wire[0], 0.001)
    first = floor(log10(least) * _BINS_A_DECADE)
    last = max(floor(log10(max(wire[-1], least)) * _BINS_A_DECADE), first + _BINS_A_DECADE - 1)
    bins = last - first + 1
    counts = [0] * bins
    for rtt in wire:
        place = floor(log10(max(rtt, least)) * _BINS_A_DECADE) - first
        counts[min(max(place, 0), bins - 1)] += 1
    tall, wide = max(counts), _WIDTH / bins

    def x_of(value: float) -> float:
        place = (log10(max(value, least)) * _BINS_A_DECADE - first) * wide
        return round(min(max(place, 0.0), float(_WIDTH)), 1)

    bars = tuple(
        Bar(
            round(n * wide, 1),
            round(_HEIGHT * (1 - count / tall), 1),
            round(wide - 1, 1),
            round(_HEIGHT * count / tall, 1),
            count,
            10 ** ((first + n) / _BINS_A_DECADE),
            10 ** ((first + n + 1) / _BINS_A_DECADE),
        )
        for n, count in enumerate(counts)
        if count
    )
    nice = [
        step * 10.0**power
        for power in range(floor(first / _BINS_A_DECADE), ceil((last + 1) / _BINS_A_DECADE) + 1)
        for step in (1, 2, 5)
    ]
    inside = [v for v in nice if first <= log10(v) * _BINS_A_DECADE <= last + 1]
    ticks = tuple(Tick(x_of(value), f"{value:g}") for value in inside)
    whole = spread("", wire)
    marks = tuple(
        Tick(x_of(value), f"p{percent}") for percent, value in zip(PERCENTS, whole.at, strict=True)
    )
    return Histogram(bars, ticks, marks)
