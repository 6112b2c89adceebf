"""What run.json holds of events: their steps, and the timeline of each pair that was watched.

Times are seconds since the first step of the event, by the controller's clock; negative ones lie
before it. A file of a version that knew no events has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from matrix.lifecycle import Expect, Facts, LifecyclePair, Seen
from matrix.outage import Outage, Span, outages, spans, total
from matrix.probes import Judgement, Verdict


@dataclass(frozen=True, slots=True)
class EventStep:
    """One step of an event: when, on which host, what."""

    at_s: float
    host: str
    what: str


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """A change of the source's neighbour entry for the target, MAC "" while there is none."""

    at_s: float
    mac: str
    state: str


@dataclass(frozen=True, slots=True)
class PairRecord:
    """One pair through one event.

    ``least_s`` and ``most_s`` bound how long it was lost; ``most_s`` is None where it never came
    back. ``back_s`` is when the first probe was sent that was answered for good, None likewise.
    ``bound_s`` is how long after the end of the event it may take, 0 where nothing may be lost.
    """

    id: str
    scenario: str
    source: str
    source_host: str
    target: str
    target_host: str
    relation: str
    role: str
    must: str
    because: str
    bound_s: float
    verdict: str
    reason: str
    probes: int
    lost: int
    least_s: float
    most_s: float | None
    back_s: float | None
    macs_before: tuple[str, ...]
    macs_after: tuple[str, ...]
    spans: tuple[Span, ...]
    outages: tuple[Outage, ...]
    entries: tuple[EntryRecord, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event of the run. ``interval_s`` is how often each pair was asked: the resolution."""

    id: str
    event: str
    target: str
    speaks: str
    down_s: float
    restart_policy: str
    interval_s: float
    deadline_s: float
    ended_s: float | None
    from_s: float
    until_s: float
    steps: tuple[EventStep, ...]
    pairs: tuple[PairRecord, ...]
    trouble: str = ""


def pair_record(
    pair: LifecyclePair, seen: Seen, facts: Facts, verdict: Verdict, reason: str, expect: Expect
) -> PairRecord:
    """What is kept of a pair."""
    cell = pair.cell
    before = [m for m in seen.moments if m.at_s < 0 and m.answered]
    after = [m for m in seen.moments if m.at_s >= 0]
    found = outages(after, before[-1]) if before else ()
    least, most = total(found)
    del facts
    return PairRecord(
        id=pair.id,
        scenario=cell.scenario,
        source=cell.source.name,
        source_host=cell.source.host,
        target=cell.target.name,
        target_host=cell.target.host,
        relation=str(cell.relation),
        role=str(pair.role),
        must=str(expect.must),
        because=expect.because,
        bound_s=round(expect.within_s, 3),
        verdict=str(verdict),
        reason=reason,
        probes=sum(m.asked for m in seen.moments),
        lost=sum(m.asked and m.rtt_s is None for m in seen.moments),
        least_s=round(least, 3),
        most_s=None if most is None else round(most, 3),
        back_s=_rounded(found[-1].to_s) if found else None,
        macs_before=tuple(sorted({m.mac for m in before if m.mac})),
        macs_after=tuple(sorted({m.mac for m in after if m.mac and _late(m.at_s, found)})),
        spans=tuple(
            Span(round(s.from_s, 3), round(s.to_s, 3), s.what, s.probes, s.mac)
            for s in spans(seen.moments)
        ),
        outages=tuple(
            Outage(
                round(o.from_s, 3),
                _rounded(o.to_s),
                round(o.least_s, 3),
                _rounded(o.most_s),
                o.probes,
            )
            for o in found
        ),
        entries=tuple(EntryRecord(round(at, 3), mac, state) for at, mac, state in seen.entries),
        error=next((m.error for m in seen.moments if m.error), ""),
    )


def judgements_of(
    asked: Iterable[LifecyclePair], events: Iterable[EventRecord]
) -> dict[str, Judgement]:
    """By id the judgement of each pair; one whose event did not happen did not run."""
    found = {
        pair.id: Judgement(
            pair.id, Verdict.INCONCLUSIVE, "its event did not happen: the run ended early"
        )
        for pair in asked
    }
    for event in events:
        for one in event.pairs:
            found[one.id] = Judgement(one.id, Verdict(one.verdict), one.reason)
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _late(at_s: float, found: tuple[Outage, ...]) -> bool:
    """Does that moment lie after the last outage?"""
    return not found or (found[-1].to_s is not None and at_s >= found[-1].to_s)
