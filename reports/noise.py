"""Which round trips changed more than chance does, from one run to another.

Rule 1: a run measures its own noise. What is compared is each cell's median, as a ratio; the median
of all ratios is what the whole run did (a busy machine, a slower one), and the MAD around it is how
far cells stray by chance. (MAD: the median of absolute deviations; times 1.4826 it estimates a
standard deviation and is not moved by outliers: Rousseeuw and Croux 1993.)
Rule 2: a cell stands out only where all of this holds: it strays from the run's own shift by
``SPREADS`` such deviations, and by ``FACTOR`` and ``LEAST_MS``, and its slowest round trip of the
faster run is faster than its fastest of the slower run.
Rule 3: from fewer than ``ENOUGH`` cells no noise can be measured, so nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, log
from statistics import median

from matrix.record import CellRecord

SPREADS = 5.0
FACTOR = 2.0
LEAST_MS = 1.0
ENOUGH = 8
_TO_DEVIATION = 1.4826
_LEAST_RTT_MS = 0.001


@dataclass(frozen=True, slots=True)
class Outlier:
    """A cell whose round trip stands out: medians of both runs, in milliseconds."""

    cell: str
    before_ms: float
    after_ms: float


@dataclass(frozen=True, slots=True)
class Pace:
    """What round trips did from one run to the other.

    ``factor`` is what the whole run's grew by (1.0: nothing), ``spread`` the factor within which
    cells stray from it by chance, ``cells`` how many could be compared. Where these are fewer than
    ``ENOUGH``, the rest is (1.0, 1.0, ()).
    """

    cells: int
    factor: float
    spread: float
    outliers: tuple[Outlier, ...]


def pace(pairs: Iterable[tuple[CellRecord, CellRecord]]) -> Pace:
    """Compare the round trips of cells that both runs asked, each as (before, after)."""
    measured = [
        (after.id, before.observed.rtts_ms, after.observed.rtts_ms)
        for before, after in pairs
        if before.observed and after.observed and before.observed.rtts_ms and after.observed.rtts_ms
    ]
    if len(measured) < ENOUGH:
        return Pace(len(measured), 1.0, 1.0, ())
    ratios = [log(_middle(new) / _middle(old)) for _, old, new in measured]
    shift = median(ratios)
    deviation = _TO_DEVIATION * median(abs(ratio - shift) for ratio in ratios)
    limit = max(SPREADS * deviation, log(FACTOR))
    outliers = tuple(
        Outlier(cell, _middle(old), _middle(new))
        for (cell, old, new), ratio in zip(measured, ratios, strict=True)
        if abs(ratio - shift) >= limit
        and abs(_middle(new) - _middle(old) * exp(shift)) >= LEAST_MS
        and (max(old) < min(new) or max(new) < min(old))
    )
    return Pace(len(measured), exp(shift), exp(limit), outliers)


def _middle(rtts_ms: tuple[float, ...]) -> float:
    return max(median(rtts_ms), _LEAST_RTT_MS)
