"""The course of a run: its phases with their seconds, and what happened in each.

Rule: a phase's seconds are the record's own. A step says when it began, so it belongs to the phase
that it began in; how long it took, nobody wrote down, and it is not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from matrix.record import PhaseRecord, Run, Step

MEANINGS = {
    "connect": "SSH, the agent, leftovers of a killed run, the facts of each host before",
    "build": "links, addresses, networks and containers",
    "ask": "every cell's requests and name look-ups, with both ends watched",
    "judge": "a verdict for each cell",
    "ask again, with witnesses": "cells that are not as expected, with every link of their way watched",
    "name the causes": "what explains the cells that are not as expected",
    "make events happen": "the site's events, with every pair that they touch watched throughout",
    "put back": "everything undone, the facts of each host after",
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """A phase: ``left`` and ``wide`` are thousandths of the run, ``steps`` what began in it."""

    name: str
    meaning: str
    from_s: float
    took_s: float
    left: int
    wide: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """All phases; ``other`` are steps outside of any, which is all of them in an older record.

    ``whole_s`` is from the start to the end, None where the run did not get there.
    """

    stretches: tuple[Stretch, ...]
    other: tuple[Step, ...]
    whole_s: float | None


def course_of(run: Run) -> Course:
    """The course of the run, from what the record has of it."""
    end = max((*(p.to_s for p in run.phases), *(s.at_s for s in run.timeline)), default=0.0)
    left = list(run.timeline)
    stretches = []
    for number, phase in enumerate(run.phases):
        last = number == len(run.phases) - 1
        mine = [s for s in left if _begins_in(s, phase, closed=last)]
        left = [s for s in left if s not in mine]
        stretches.append(_stretch(phase, mine, end))
    return Course(tuple(stretches), tuple(left), _whole_s(run))


def _begins_in(step: Step, phase: PhaseRecord, *, closed: bool) -> bool:
    return phase.from_s <= step.at_s < phase.to_s or (closed and step.at_s == phase.to_s)


def _stretch(phase: PhaseRecord, steps: list[Step], end: float) -> Stretch:
    took = max(phase.to_s - phase.from_s, 0.0)
    return Stretch(
        phase.name,
        MEANINGS.get(phase.name, ""),
        phase.from_s,
        took,
        round(1000 * phase.from_s / end) if end > 0 else 0,
        max(round(1000 * took / end), 2) if end > 0 else 0,
        tuple(steps),
    )


def _whole_s(run: Run) -> float | None:
    try:
        begun = datetime.fromisoformat(run.started_at)
        ended = datetime.fromisoformat(run.finished_at or "")
        return (ended - begun).total_seconds()
    except (ValueError, TypeError):
        return None


def moment(text: str) -> str:
    """A moment of the record to the second, for people; what is no moment in UTC, as it stands."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    if found.utcoffset() != timedelta():
        return text
    return f"{found:%Y-%m-%d %H:%M:%S} UTC"
