"""Round trips by the dozen: percentiles, jitter and loss. Pure arithmetic on what a cell has measured.

Rule: no percentile is told that the number of samples cannot bear: one of p per cent needs at least
100 / (100 - p) of them (nearest rank). The first reply of a cell waited for ARP, so it stands apart.
Jitter is the mean difference between successive round trips (RFC 3393 compares successive packets).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LEAST = 10
"""Requests from which on a cell has a spread."""

PERCENTS = (50, 90, 99)


@dataclass(frozen=True, slots=True)
class Spread:
    """How the round trips of one cell spread. Times in milliseconds.

    ``percentiles`` maps "p50", "p90" and "p99" to a time, as far as there are samples for them.
    """

    samples: int
    first_ms: float
    least_ms: float
    mean_ms: float
    most_ms: float
    percentiles: dict[str, float]
    jitter_ms: float
    loss_percent: float


def spread(rtts_ms: Sequence[float], sent: int) -> Spread | None:
    """The spread of these round trips, in the order of their requests; None where they are few."""
    warm = rtts_ms[1:]
    if sent < LEAST or not warm:
        return None
    ordered = sorted(warm)
    steps = [abs(after - before) for before, after in pairwise(warm)]
    return Spread(
        samples=len(warm),
        first_ms=rtts_ms[0],
        least_ms=ordered[0],
        mean_ms=round(sum(warm) / len(warm), 4),
        most_ms=ordered[-1],
        percentiles={
            f"p{percent}": ordered[math.ceil(percent / 100 * len(ordered)) - 1]
            for percent in PERCENTS
            if len(ordered) * (100 - percent) >= 100  # noqa: PLR2004  per cent
        },
        jitter_ms=round(sum(steps) / len(steps), 4) if steps else 0.0,
        loss_percent=round(100 * (1 - len(rtts_ms) / sent), 2),
    )
