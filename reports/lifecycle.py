"""The events of a run: a table and a timeline for each, in words, on a terminal, on the page.

Rule: the seconds are the record's own, and stand with how exact they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from matrix.grid import paint, plain
from matrix.lifecycle_record import EventRecord, PairRecord
from matrix.probes import Verdict
from matrix.record import Run
from reports.marks import NOT_JUDGED, VERDICT_MARKS

_MOST_WORDS = 400
_WIDE = 1000
_SLOWEST = 3

TITLES = {
    "recreate": "{target} made anew, same address, new MAC",
    "restart": "{target} restarted",
    "engine-restart": "dockerd of {target} stopped and started, restart policy {policy}",
    "parent-bounce": "parent of {target} set down and up",
}


@dataclass(frozen=True, slots=True)
class EventsTold:
    """All events in a sentence; ``look`` is the first pair that is not as it must be."""

    pairs: int
    bad: int
    sentence: str
    look: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a pair's timeline, in thousandths of the time that was watched."""

    left: int
    wide: int
    what: str


@dataclass(frozen=True, slots=True)
class PairView:
    """A pair for the page. ``spans`` and ``entries`` are its timeline in words."""

    record: PairRecord
    lost: str
    back: str
    macs: str
    bars: tuple[Bar, ...]
    spans: tuple[str, ...]
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventView:
    """An event for the page; ``begun`` is where its first step lies, in thousandths."""

    record: EventRecord
    title: str
    pairs: tuple[PairView, ...]
    begun: int
    becauses: tuple[str, ...]


def events_told(run: Run) -> EventsTold:
    """All events of a run in a sentence."""
    pairs = [pair for event in run.lifecycle for pair in event.pairs]
    bad = [pair for pair in pairs if not _holds(pair)]
    many = len(run.lifecycle)
    events = f"{many} event{'s' * (many != 1)}"
    if bad:
        be = "is" if len(bad) == 1 else "are"
        sentence = f"{len(bad)} of {len(pairs)} pairs {be} not as expected through {events}."
    else:
        sentence = f"All {len(pairs)} pairs are as they should be through {events}."
    look = f"{bad[0].id}: {bad[0].reason}" if bad else ""
    return EventsTold(len(pairs), len(bad), sentence, look)


def event_lines(run: Run, *, colour: bool = False, verbose: bool = False) -> Iterator[str]:
    """For a terminal: each event, who lost most, and every pair that is not as it must be."""
    for event in run.lifecycle:
        counts = Counter(pair.verdict for pair in event.pairs)
        tally = ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))
        yield f"event: {plain(title(event), 120)}, {_first_words(event)}: {tally}"
        if event.trouble:
            yield f"  {plain(event.trouble, _MOST_WORDS)}"
            continue
        touched = [pair for pair in event.pairs if pair.must == "back"]
        slowest = sorted(touched, key=lambda pair: -(pair.most_s or float("inf")))
        shown = [p for p in event.pairs if not _holds(p) or verbose]
        shown += [p for p in slowest[:_SLOWEST] if p not in shown]
        for pair in shown:
            mark = VERDICT_MARKS.get(pair.verdict, NOT_JUDGED)
            sign = paint(mark.symbol, mark.sgr, colour=colour)
            ends = plain(f"{pair.source} -> {pair.target}", 80)
            yield f"  {sign} {ends}: {plain(pair.reason, _MOST_WORDS)}"


def event_views(run: Run) -> tuple[EventView, ...]:
    """The events for the page."""
    return tuple(
        EventView(
            record=event,
            title=title(event),
            pairs=tuple(_pair(event, pair) for pair in event.pairs),
            begun=_place(event, 0.0),
            becauses=tuple(dict.fromkeys(pair.because for pair in event.pairs)),
        )
        for event in run.lifecycle
    )


def title(event: EventRecord) -> str:
    """What happened, in a line."""
    words = TITLES.get(event.event, "{event} of {target}")
    return words.format(event=event.event, target=event.target, policy=event.restart_policy)


def _first_words(event: EventRecord) -> str:
    return "which asks the others as well" if event.speaks == "target" else "only the others ask"


def _holds(pair: PairRecord) -> bool:
    return pair.verdict in (Verdict.PASS, Verdict.BLOCKED)


def _pair(event: EventRecord, pair: PairRecord) -> PairView:
    back = "" if pair.back_s is None else f"{pair.back_s:+.1f}"
    before, after = ", ".join(pair.macs_before), ", ".join(pair.macs_after)
    return PairView(
        record=pair,
        lost=_lost(pair),
        back=back,
        macs=before if before == after else f"{before or 'nobody'} → {after or 'nobody'}",
        bars=tuple(_bars(event, pair)),
        spans=tuple(
            f"{s.from_s:+.1f} to {s.to_s:+.1f} s: {s.what}"
            + (f", {s.probes} probes" if s.what != "unasked" else "")
            + (f", by {s.mac}" if s.mac else "")
            for s in pair.spans
        ),
        entries=tuple(f"{e.at_s:+.1f} s: {e.mac or '-'} {e.state}".rstrip() for e in pair.entries),
    )


def _lost(pair: PairRecord) -> str:
    if not pair.outages:
        return "0"
    if pair.most_s is None:
        return f"{pair.least_s:.1f} and more"
    return f"{pair.least_s:.1f} to {pair.most_s:.1f}"


def _bars(event: EventRecord, pair: PairRecord) -> Iterator[Bar]:
    """From each span's first probe to the next span's: a probe stands for the time until the next."""
    ends = [span.from_s for span in pair.spans[1:]] + [event.until_s]
    for span, end_s in zip(pair.spans, ends, strict=True):
        left, right = _place(event, span.from_s), _place(event, end_s)
        yield Bar(left, max(1, right - left), span.what)


def _place(event: EventRecord, at_s: float) -> int:
    whole = event.until_s - event.from_s
    if whole <= 0:
        return 0
    return max(0, min(_WIDE, round(_WIDE * (at_s - event.from_s) / whole)))
