"""Many runs as one story: every night, every cell over the nights, what is flaky. Pure.

Rule 1: of a run only this is kept: its head, its verdicts and its faults, so that a year of a large site
fits in memory.
Rule 2: *flaky* is a cell that was as expected, was not, was again, and was not again: at least two
spells of not being as expected, with a good night between. One fault that was mended is no flake.
Rule 3: nights of different sites are never in one row, though their cells may have the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from sys import intern

from matrix.probes import Verdict
from matrix.record import Run
from reports.findings import troubles
from reports.headline import headline
from reports.marks import NOT_JUDGED, VERDICT_MARKS, counts

GOOD, BAD, ODD, NOT_ASKED = "good", "bad", "odd", ""
"""What a night says of a cell: as expected, not, nothing (INCONCLUSIVE, not judged), not asked."""

_STATES = {
    Verdict.PASS: GOOD, Verdict.BLOCKED: GOOD, Verdict.INCONCLUSIVE: ODD, "": ODD,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Night:
    """A run, as far as the story needs it. ``at`` is when it began, in seconds since 1970, or None."""

    id: str
    site: str
    started_at: str
    at: float | None
    phase: str
    good: bool
    sentence: str
    look: str
    verdicts: dict[str, str]
    found: tuple[tuple[str, int], ...]
    faults: tuple[str, ...]
    part: str
    trouble: int

    @property
    def asked(self) -> int:
        """How many cells were selected."""
        return sum(count for _, count in self.found)


@dataclass(frozen=True, slots=True)
class CellStory:
    """A cell over the nights of its site: a verdict for each night, None where it was not asked."""

    id: str
    verdicts: tuple[str | None, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """Good, bad, odd or not asked, for each night."""
        return tuple(NOT_ASKED if v is None else _STATES.get(v, BAD) for v in self.verdicts)

    @property
    def asked(self) -> int:
        """On how many nights it was asked."""
        return sum(verdict is not None for verdict in self.verdicts)

    @property
    def wrong(self) -> int:
        """On how many nights it was not as expected."""
        return sum(state in (BAD, ODD) for state in self.states)

    @property
    def spells(self) -> int:
        """How often it stopped being as expected."""
        seen = [state for state in self.states if state != NOT_ASKED]
        return sum(
            state != GOOD and (n == 0 or seen[n - 1] == GOOD) for n, state in enumerate(seen)
        )

    @property
    def flaky(self) -> bool:
        """See rule 2 of this file."""
        return self.spells > 1

    @property
    def rate(self) -> float:
        """The share of nights on which it was not as expected, of those that asked it."""
        return self.wrong / self.asked if self.asked else 0.0

    @property
    def last(self) -> str:
        """Its verdict on the last night that asked it."""
        return next((v for v in reversed(self.verdicts) if v is not None), "")

    @property
    def stands(self) -> bool:
        """Was it as expected then?"""
        return _STATES.get(self.last, BAD) == GOOD


@dataclass(frozen=True, slots=True)
class SiteStory:
    """The nights of one site, oldest first, and its cells, in the order of the newest plan."""

    site: str
    nights: tuple[Night, ...]
    cells: tuple[CellStory, ...]

    @property
    def broken(self) -> tuple[CellStory, ...]:
        """The cells that were not as expected when they were asked last."""
        return tuple(cell for cell in self.cells if not cell.stands)

    @property
    def flaky(self) -> tuple[CellStory, ...]:
        """The flaky cells, those that fail most often first."""
        found = [cell for cell in self.cells if cell.flaky]
        return tuple(sorted(found, key=lambda cell: (-cell.rate, -cell.spells, cell.id)))


def night(run: Run) -> Night:
    """What the story keeps of a run."""
    head = headline(run)
    return Night(
        id=run.id,
        site=run.site.path,
        started_at=run.started_at,
        at=seconds(run.started_at),
        phase=run.phase,
        good=head.good,
        sentence=head.sentence,
        look=head.look,
        verdicts={intern(str(cell.id)): intern(str(cell.verdict)) for cell in run.cells},
        found=tuple(counts(run.cells).items()),
        faults=tuple(f"{c.rule} at {c.where}" for c in run.causes if c.cells and c.where),
        part=run.coverage.shard if run.coverage else "",
        trouble=len(troubles(run)),
    )


def stories(nights: Iterable[Night]) -> tuple[SiteStory, ...]:
    """The nights by site, each with its cells' stories; the site that ran last first."""
    by_site: dict[str, list[Night]] = {}
    for one in sorted(nights, key=age):
        by_site.setdefault(one.site, []).append(one)
    found = [SiteStory(site, tuple(some), tuple(_cells(some))) for site, some in by_site.items()]
    return tuple(sorted(found, key=lambda story: age(story.nights[-1]), reverse=True))


def age(one: Night) -> tuple[float, str]:
    """What nights are ordered by: their begin; one that does not say it comes first."""
    return (one.at if one.at is not None else 0.0, one.id)


def last_good(nights: Iterable[Night]) -> Night | None:
    """The newest good one of those that asked most: a good run of one cell stands for nothing."""
    good = [one for one in nights if one.good]
    most = max((one.asked for one in good), default=0)
    return max((one for one in good if one.asked == most), key=age, default=None)


def _cells(nights: Sequence[Night]) -> list[CellStory]:
    order = dict.fromkeys(cell for one in reversed(nights) for cell in one.verdicts)
    return [CellStory(cell, tuple(one.verdicts.get(cell) for one in nights)) for cell in order]


def spelled(story: CellStory) -> str:
    """The cell's story in words, for those who do not see the picture."""
    found: dict[str, int] = {}
    for verdict in story.verdicts:
        if verdict is not None:
            shown = verdict if verdict in VERDICT_MARKS else NOT_JUDGED.meaning
            found[shown] = found.get(shown, 0) + 1
    return f"{story.asked} nights: " + ", ".join(f"{n} {v}" for v, n in found.items())


def seconds(time: str) -> float | None:
    """The time in seconds since 1970; None where it is none, or has no zone."""
    try:
        found = datetime.fromisoformat(time)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo else None
