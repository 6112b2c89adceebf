"""A row of probes as a timeline: spans that were answered or lost, outages, and how exact they are.

Rule: an outage has two figures. Between the last probe that was answered before it and the first one
after it lies the most that it can have lasted; between its first lost probe and its last one the
least. A probe that could not be sent (no link, no route) counts as lost. Where nobody asked for a
while, because the source was about to go, nothing is known of that time: it counts for the most only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

EXACT_S = 0.5
"""Where the two figures of an outage lie further apart, the middle of them would say too much."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One probe: when it was sent, in seconds since the event began (negative: before it).

    ``rtt_s`` is None where no answer came in time. ``sent`` is False where it could not leave, and
    ``error`` then says why. ``mac`` is the sender of the answer's frame. ``late``: it was answered so
    late that it must have waited somewhere, such as for ARP; that is no connectivity. ``asked`` is
    False at the two ends of a time in which nobody asked.
    """

    at_s: float
    rtt_s: float | None = None
    mac: str = ""
    sent: bool = True
    error: str = ""
    asked: bool = True
    late: bool = False

    @property
    def answered(self) -> bool:
        """Did an answer come in time?"""
        return self.rtt_s is not None and not self.late

    @property
    def what(self) -> str:
        """``answered``, ``late``, ``lost``, ``unsent`` or ``unasked``."""
        if not self.asked:
            return "unasked"
        if self.late:
            return "late"
        return "answered" if self.answered else "lost" if self.sent else "unsent"


@dataclass(frozen=True, slots=True)
class Span:
    """Probes in a row with the same fate and, where answered, the same MAC."""

    from_s: float
    to_s: float
    what: str
    probes: int
    mac: str = ""


@dataclass(frozen=True, slots=True)
class Outage:
    """Probes in a row that were not answered. ``to_s`` is when the first one was that was again.

    ``to_s`` and ``most_s`` are None where none was. ``from_s`` is the first lost probe.
    """

    from_s: float
    to_s: float | None
    least_s: float
    most_s: float | None
    probes: int


def spans(moments: Iterable[Moment]) -> tuple[Span, ...]:
    """The timeline as runs of equal fate."""
    found: list[Span] = []
    for one in moments:
        last = found[-1] if found else None
        if last and last.what == one.what and last.mac == one.mac:
            found[-1] = Span(last.from_s, one.at_s, last.what, last.probes + 1, last.mac)
        else:
            found.append(Span(one.at_s, one.at_s, one.what, 1, one.mac))
    return tuple(found)


def outages(moments: Sequence[Moment], before: Moment) -> tuple[Outage, ...]:
    """Every outage of these moments; ``before`` is the answered probe that went before them."""
    found: list[Outage] = []
    lost: list[Moment] = []
    answered_s = before.at_s
    for one in moments:
        if not one.answered:
            lost.append(one)
            continue
        if lost:
            found.append(_outage(answered_s, lost, one))
            lost = []
        answered_s = one.at_s
    if lost:
        found.append(_outage(answered_s, lost, None))
    return tuple(found)


def _outage(answered_s: float, lost: Sequence[Moment], back: Moment | None) -> Outage:
    known = [one.at_s for one in lost if one.asked]
    least = known[-1] - known[0] if known else 0.0
    most = None if back is None else back.at_s - answered_s
    return Outage(lost[0].at_s, back.at_s if back else None, least, most, len(known))


def total(found: Sequence[Outage]) -> tuple[float, float | None]:
    """The least and the most that outages took together; None where one has not ended."""
    least = sum(one.least_s for one in found)
    most = [one.most_s for one in found]
    return least, None if None in most else sum(m for m in most if m is not None)


def seconds(found: Sequence[Outage]) -> str:
    """How long the outages were, as far as the probes tell."""
    least, most = total(found)
    if most is None:
        return f"lost for {least:.1f} s and more"
    times = f" in {len(found)} outages" if len(found) > 1 else ""
    if most - least > EXACT_S * len(found):
        return (
            f"lost for at most {most:.1f} s{times} (its source was not there to ask all the time)"
        )
    return f"lost for {(least + most) / 2:.1f} s{times} ({least:.1f} to {most:.1f})"


def first_outage_words(found: Sequence[Outage]) -> str:
    """From when to when the first outage was, and how many there were."""
    if not found:
        return ""
    one = found[0]
    end = "the end" if one.to_s is None else f"{one.to_s:+.1f} s"
    more = f", and {len(found) - 1} more times" if len(found) > 1 else ""
    return f"{one.probes} in a row from {one.from_s:+.1f} s to {end}{more}"
