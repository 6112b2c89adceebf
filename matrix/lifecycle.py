"""Which pairs an event touches, what must become of each, and the verdict on what did.

Rule 1: a pair is a cell of the matrix that expects a reply; what is silent by design has nothing to
lose. Rule 2: ``must`` is one table, first match wins, each row with its mechanism and its source.
Rule 3: what was not lost cannot have come back: an event that left no trace is INCONCLUSIVE, and an
answer from somebody who did not exist at that moment is an IMPOSTOR's.

Sources: Linux net/core/neighbour.c (neigh_timer_handler, neigh_max_probes; a reachable time is drawn
between half and one and a half of base_reachable_time), net/ipv4/arp.c (arp_process takes the sender
of a question to us as news, at once), net/core/link_watch.c (at most one round of carrier changes a
second), RFC 826, arp(7).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from matrix.events import Event, LifecycleEvent, Speaks
from matrix.outage import Moment, Outage, first_outage_words, outages, seconds
from matrix.probes import By, Cell, Expected, Relation, Verdict
from matrix.topology import EndpointKind, Probe, Topology

SETTLE_S = 3.0
"""An ARP question is repeated each second, three times, and a carrier's change takes up to one."""

ADVERTISES = (28, 0)
"""The first Docker engine that tells a container's MAC by itself: 3 gratuitous ARPs, a second apart
(moby 522016a; issue #47176)."""

WARM_S, BEFORE_LEAST = 1.0, 5
"""The last second before the event counts: until then ARP may have had its turn."""


class Role(StrEnum):
    """What a pair has to do with the event."""

    TO = "to it"
    FROM = "from it"
    WITHIN = "within it"
    BYSTANDER = "untouched"


class Must(StrEnum):
    """What must become of a pair."""

    BACK = "back"
    UNTOUCHED = "untouched"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class LifecyclePair:
    """A cell that is watched through an event. ``id`` names both."""

    event: LifecycleEvent
    cell: Cell
    role: Role

    @property
    def id(self) -> str:
        """Such as ``recreate:c1:others:bridge:c3:c1``."""
        c = self.cell
        return f"{self.event.id}:{c.scenario}:{c.source.name}:{c.target.name}"


@dataclass(frozen=True, slots=True)
class ArpTiming:
    """How a source's link keeps its neighbour entries, in seconds and questions.

    ``reachable_s`` is what the kernel drew last, for the record; the bound is made of the base.
    """

    base_reachable_s: float = 30.0
    delay_s: float = 5.0
    probes: int = 3
    retrans_s: float = 1.0
    reachable_s: float = 0.0

    @property
    def stale_s(self) -> float:
        """So long a wrong entry may last that nobody corrects."""
        return 1.5 * self.base_reachable_s + self.delay_s + (self.probes + 1) * self.retrans_s


@dataclass(frozen=True, slots=True)
class Facts:
    """What was measured around an event. Seconds since its first step.

    ``gone`` is the time in which the target certainly did not exist or had no link, None where no
    such time is known; ``ended_s`` is when it stood again, None where it never did. ``macs`` are
    those of a target or source by name, before and after. ``dropped`` counts packets that this
    machine's own kernel threw away for want of time. ``trouble``: why it could not be done.
    """

    ended_s: float | None
    until_s: float
    gone: tuple[float, float] | None = None
    macs_before: tuple[tuple[str, tuple[str, ...]], ...] = ()
    macs_after: tuple[tuple[str, tuple[str, ...]], ...] = ()
    engine: tuple[int, ...] = ()
    live_restore: bool = False
    dropped: int = 0
    trouble: str = ""

    def before(self, name: str) -> tuple[str, ...]:
        """The MACs that an endpoint had before."""
        return dict(self.macs_before).get(name, ())

    def after(self, name: str) -> tuple[str, ...]:
        """The MACs that it had afterwards."""
        return dict(self.macs_after).get(name, ())


@dataclass(frozen=True, slots=True)
class Expect:
    """What must become of a pair, within which time of the target's standing again, and why."""

    must: Must
    because: str
    within_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a pair: each probe, and each change of the source's neighbour entry."""

    moments: tuple[Moment, ...]
    entries: tuple[tuple[float, str, str], ...] = ()
    arp: ArpTiming = ArpTiming()
    interval_s: float = 0.1


def pairs(
    topology: Topology, cells: Iterable[Cell], event: LifecycleEvent
) -> tuple[LifecyclePair, ...]:
    """The cells to watch: all that the event touches, and of those that it does not one a source."""
    hit = _touched(topology, event)
    both_ways = event.event is Event.BOUNCE or event.speaks is Speaks.TARGET
    found: list[LifecyclePair] = []
    bystanders: set[tuple[str, str]] = set()
    for cell in cells:
        if cell.by is not By.ADDRESS or cell.physics.expected is not Expected.REPLY:
            continue
        if cell.probe is not Probe.ICMP or cell.target_scenario:
            continue
        if cell.relation is Relation.ITSELF or cell.source.kind is EndpointKind.GATEWAY:
            continue
        source, target = cell.source.name in hit, cell.target.name in hit
        if not source and not target:
            if (key := (cell.scenario, cell.source.name)) not in bystanders:
                bystanders.add(key)
                found.append(LifecyclePair(event, cell, Role.BYSTANDER))
        elif not source:
            found.append(LifecyclePair(event, cell, Role.TO))
        elif both_ways:
            found.append(LifecyclePair(event, cell, Role.WITHIN if target else Role.FROM))
    return tuple(found)


def _touched(topology: Topology, event: LifecycleEvent) -> set[str]:
    """The endpoints that the event befalls, by name."""
    if not event.event.of_host:
        return {event.target}
    found = {c.name for s in topology.scenarios for c in s.containers if c.host == event.target}
    if event.event is Event.BOUNCE:
        found.add(event.target)
    return found


def must(pair: LifecyclePair, facts: Facts, arp: ArpTiming) -> Expect:
    """What must become of a pair, by what is known of the event."""
    event = pair.event
    found = _must(pair, facts, arp)
    if event.within_s is not None and found.must is Must.BACK:
        because = f"the site's own bound, within_s; {found.because}"
        return Expect(Must.BACK, because, event.within_s)
    return found


def _must(pair: LifecyclePair, facts: Facts, arp: ArpTiming) -> Expect:
    event, target = pair.event, pair.cell.target.name
    if pair.role is Role.BYSTANDER:
        return Expect(
            Must.UNTOUCHED, "it happens elsewhere: nothing on the way of its frames changes"
        )
    if event.event is Event.ENGINE and facts.live_restore:
        return Expect(
            Must.UNTOUCHED, "the engine has live-restore: its containers live on without it"
        )
    if event.event is Event.ENGINE and event.restart_policy == "no":
        return Expect(
            Must.DOWN,
            "an engine that stops ends its containers, and with the restart policy 'no' nobody "
            "starts them again (Docker: live-restore, restart policies)",
        )
    if event.event is Event.BOUNCE:
        return Expect(
            Must.BACK,
            "with its parent a macvlan link loses its carrier, towards siblings too (macvlan.c, "
            "netif_stacked_transfer_operstate); the change is handed on within a second, and ARP "
            "asks anew each second",
            SETTLE_S,
        )
    if pair.role is Role.FROM:
        return Expect(
            Must.BACK,
            "it asks by ARP itself, and whoever is asked takes its MAC from the question (RFC 826; "
            "arp.c, arp_process)",
            SETTLE_S,
        )
    if facts.before(target) and facts.before(target) == facts.after(target):
        return Expect(
            Must.BACK,
            "it has the same MAC again, so the entries of the others are right; one that was given "
            "up meanwhile is asked for anew each second",
            SETTLE_S,
        )
    if facts.engine[:2] >= ADVERTISES:
        return Expect(
            Must.BACK,
            "it has a new MAC, and Docker from 28.0 tells everybody by gratuitous ARP, three times",
            SETTLE_S,
        )
    if event.speaks is Speaks.TARGET and pair.role in (Role.TO, Role.WITHIN):
        return Expect(
            Must.BACK,
            "it has a new MAC, and asks this one by ARP itself: the question tells the MAC (RFC 826; "
            "arp.c, arp_process)",
            SETTLE_S,
        )
    return Expect(
        Must.BACK,
        "it has a new MAC and nobody says so: an entry counts as confirmed for up to 1.5 x "
        f"{arp.base_reachable_s:g} s, then {arp.delay_s:g} s later {arp.probes} questions go to the old "
        f"MAC, {arp.retrans_s:g} s apart, and only then everybody is asked anew (arp(7); neighbour.c, "
        "neigh_timer_handler)",
        arp.stale_s,
    )


def judge_pair(pair: LifecyclePair, seen: Seen, facts: Facts) -> tuple[Verdict, str, Expect]:
    """The verdict on one pair, why, and what it was judged by."""
    expect = must(pair, facts, seen.arp)
    verdict, reason = _judged(pair, seen, facts, expect)
    return verdict, reason, expect


def _judged(pair: LifecyclePair, seen: Seen, facts: Facts, expect: Expect) -> tuple[Verdict, str]:
    if facts.trouble:
        return Verdict.INCONCLUSIVE, facts.trouble
    before = [m for m in seen.moments if -WARM_S <= m.at_s < 0]
    if len(before) < BEFORE_LEAST or not before[-1].answered:
        error = next((m.error for m in before if m.error), "")
        return (
            Verdict.INCONCLUSIVE,
            f"it did not answer before the event{': ' if error else ''}{error}",
        )
    if any(not m.answered for m in before):
        return Verdict.INCONCLUSIVE, "it lost probes before the event already"
    gone = facts.gone if expect.must is not Must.UNTOUCHED else None
    if gone and (early := [m for m in seen.moments if _within(m, gone) and m.answered]):
        return (
            Verdict.IMPOSTOR,
            f"{len(early)} probes were answered while it was down, by {_macs(early)}",
        )
    after = [m for m in seen.moments if m.at_s >= 0]
    found = outages(after, before[-1])
    if expect.must is Must.UNTOUCHED:
        patient = [replace(m, late=False) for m in after]
        return _untouched(patient, outages(patient, before[-1]), facts)
    if expect.must is Must.DOWN:
        return _down(after, facts)
    return _back(pair, seen, facts, expect, found)


def _untouched(
    after: Sequence[Moment], found: Sequence[Outage], facts: Facts
) -> tuple[Verdict, str]:
    if not found:
        return Verdict.PASS, f"lost none of {len(after)} probes"
    lost = sum(not m.answered for m in after)
    words = f"lost {lost} of {len(after)} probes and should lose none; {first_outage_words(found)}"
    if facts.dropped:
        return (
            Verdict.INCONCLUSIVE,
            f"{words}; this machine's own kernel dropped {facts.dropped} packets meanwhile",
        )
    return Verdict.FAIL, words


def _down(after: Sequence[Moment], facts: Facts) -> tuple[Verdict, str]:
    since = facts.gone[0] if facts.gone else facts.ended_s
    if since is None:
        return Verdict.INCONCLUSIVE, "it is not known when it went down"
    late = [m for m in after if m.at_s > since]
    if answered := [m for m in late if m.answered]:
        return (
            Verdict.LEAK,
            f"answered {len(answered)} of {len(late)} probes although nobody started it",
        )
    if not late:
        return Verdict.INCONCLUSIVE, "nobody asked after the event"
    return Verdict.BLOCKED, f"stays down: none of {len(late)} probes was answered"


def _back(
    pair: LifecyclePair, seen: Seen, facts: Facts, expect: Expect, found: Sequence[Outage]
) -> tuple[Verdict, str]:
    if facts.ended_s is None:
        return Verdict.FAIL, "what went down did not come to stand again"
    if not found:
        return (
            Verdict.INCONCLUSIVE,
            "not one probe was lost: the event left no trace on this pair, so nothing is shown",
        )
    last = found[-1]
    bound = facts.ended_s + expect.within_s
    if last.to_s is None:
        if facts.until_s < bound:
            return (
                Verdict.INCONCLUSIVE,
                f"watched for {facts.until_s - facts.ended_s:.1f} s of the {expect.within_s:g} allowed",
            )
        return (
            Verdict.FAIL,
            f"not back within {expect.within_s:g} s of standing again; {first_outage_words(found)}",
        )
    if last.from_s > bound:
        return Verdict.FLAPPING, f"was back, and lost again; {first_outage_words(found[-1:])}"
    late_s = last.to_s - facts.ended_s
    words = f"{seconds(found)}; back {max(late_s, 0.0):.1f} s after it stood again"
    wrong = _strangers(pair, seen, facts, last.to_s)
    if wrong:
        return Verdict.IMPOSTOR, f"answered by {wrong}, which is none of its MACs"
    if late_s > expect.within_s + seen.interval_s:
        return Verdict.FAIL, f"{words}, later than {expect.within_s:g} s"
    return Verdict.PASS, f"{words}{arp_words(seen, facts, pair)}"


def _strangers(pair: LifecyclePair, seen: Seen, facts: Facts, since_s: float) -> str:
    """The MACs that answered and are none of the target's; nothing where the target is not ours.

    Until it is back for good its old MAC may answer as well as its new one.
    """
    name = pair.cell.target.name
    own, old = set(facts.after(name)), set(facts.before(name))
    if not own:
        return ""
    answered = [m for m in seen.moments if m.at_s >= 0 and m.answered and m.mac]
    wrong = {m.mac for m in answered if m.mac not in (own if m.at_s >= since_s else own | old)}
    return ", ".join(sorted(wrong))


def arp_words(seen: Seen, facts: Facts, pair: LifecyclePair) -> str:
    """What the source's own neighbour table did about a new MAC, as far as it was seen."""
    old, new = facts.before(pair.cell.target.name), facts.after(pair.cell.target.name)
    if not old or old == new:
        return ""
    held = [at for at, mac, _ in seen.entries if mac in old]
    probing = [at for at, mac, state in seen.entries if mac in old and state == "PROBE" and at > 0]
    right = [at for at, mac, _ in seen.entries if mac in new]
    if not right:
        return ""
    asked = f", asked the old MAC itself from {probing[-1]:+.1f} s on" if held and probing else ""
    return f"; its ARP entry named the old MAC{asked}, and the new one from {right[0]:+.1f} s on"


def _within(moment: Moment, span: tuple[float, float]) -> bool:
    """Was it sent and answered in that time? What waited for ARP may be answered after it."""
    return span[0] <= moment.at_s and moment.at_s + (moment.rtt_s or 0.0) < span[1]


def _macs(moments: Iterable[Moment]) -> str:
    return ", ".join(sorted({m.mac for m in moments if m.mac})) or "somebody"
