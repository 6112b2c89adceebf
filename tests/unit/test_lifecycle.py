"""Events without a world: timelines to outages, what must follow from an event, verdicts, the report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matrix.errors import ConfigError
from matrix.events import Event, LifecycleEvent, Speaks
from matrix.lifecycle import (
    ArpTiming,
    Facts,
    LifecyclePair,
    Must,
    Role,
    Seen,
    judge_pair,
    must,
    pairs,
)
from matrix.lifecycle_record import EventRecord, EventStep, judgements_of, pair_record
from matrix.outage import Moment, outages, seconds, spans
from matrix.plan import plan
from matrix.probes import Verdict
from matrix.record import Run, dump, load
from matrix.site import read_site
from reports.grid import summary_lines
from reports.headline import headline
from reports.html import html
from reports.junit import junit
from tests.unit.sample_run import SITE, healthy

OLD, NEW, STRANGER = "02:42:c0:a8:02:dc", "02:6c:32:00:00:01", "0e:00:00:00:00:01"
EVENTS = SITE.with_name("lab-lifecycle.toml")


def timeline(text: str, *, start_s: float = -1.0) -> tuple[Moment, ...]:
    """A probe each 0.1 s: ``o`` answered by the old MAC, ``n`` by the new, ``s`` by a stranger.

    ``x`` lost, ``l`` late, ``u`` could not leave, ``-`` nobody asked.
    """
    macs = {"o": OLD, "n": NEW, "s": STRANGER}
    found = []
    for place, one in enumerate(text):
        at_s = round(start_s + place / 10, 3)
        if one in macs:
            found.append(Moment(at_s, 0.001, macs[one]))
        elif one == "l":
            found.append(Moment(at_s, 0.8, NEW, late=True))
        else:
            found.append(Moment(at_s, sent=one == "x", asked=one != "-"))
    return tuple(found)


def pair_of(event: LifecycleEvent, source: str, target: str) -> LifecyclePair:
    """That pair of the site of events, as it is watched through an event."""
    topology = read_site(EVENTS.read_text(), name="lab-lifecycle.toml")
    found = pairs(topology, plan(topology), event)
    return next(p for p in found if (p.cell.source.name, p.cell.target.name) == (source, target))


RECREATE = LifecycleEvent(Event.RECREATE, "c1")
ENGINE = LifecycleEvent(Event.ENGINE, "dev-master-01")
FACTS = Facts(
    ended_s=0.5,
    until_s=60.0,
    macs_before=(("c1", (OLD,)),),
    macs_after=(("c1", (NEW,)),),
    engine=(20, 10, 24),
)


def verdict(
    moments: str, event: LifecycleEvent = RECREATE, facts: Facts = FACTS, source: str = "c3"
) -> tuple[Verdict, str]:
    """What becomes of that source's pair with c1 (or c2, which nothing befalls)."""
    target = "c1" if source == "c3" else "c2"
    pair = pair_of(event, source, target)
    return judge_pair(pair, Seen(timeline(moments)), facts)[:2]


def test_an_outage_has_two_figures() -> None:
    """Lost from 0.2 to 0.4, answered at 0.1 and 0.5: it lasted between 0.2 and 0.4 s."""
    found = timeline("oooxxxnn", start_s=-0.1)
    (one,) = outages(found[1:], found[0])
    assert (one.from_s, one.to_s, one.probes) == (0.2, 0.5, 3)
    assert one.least_s == pytest.approx(0.2)
    assert one.most_s == pytest.approx(0.4)
    assert seconds([one]) == "lost for 0.3 s (0.2 to 0.4)"
    assert [(s.what, s.probes, s.mac) for s in spans(found)] == [
        ("answered", 3, OLD),
        ("lost", 3, ""),
        ("answered", 2, NEW),
    ]


def test_what_nobody_asked_counts_for_the_most_only() -> None:
    """Where its source was about to go, nothing is known of that time."""
    found = timeline("oo----------x-n", start_s=-0.1)
    (one,) = outages(found[1:], found[0])
    assert (one.least_s, one.probes) == (0.0, 1)
    assert one.most_s == pytest.approx(1.3)
    assert seconds([one]).startswith("lost for at most 1.3 s")


def test_one_that_never_came_back_has_no_end() -> None:
    """And no most."""
    found = timeline("oxxu", start_s=-0.1)
    (one,) = outages(found[1:], found[0])
    assert (one.to_s, one.most_s, one.probes) == (None, None, 3)


def test_what_an_event_touches() -> None:
    """Of a recreated c1: who asks it, one bystander a source; its own questions where it speaks."""
    topology = read_site(EVENTS.read_text(), name="lab-lifecycle.toml")
    cells = plan(topology)
    quiet = pairs(topology, cells, RECREATE)
    assert {p.cell.source.name for p in quiet if p.role is Role.TO} == {
        "c2",
        "c3",
        "c4",
        "dev-node-01",
    }
    assert not [p for p in quiet if p.role in (Role.FROM, Role.WITHIN)]
    beyond = {p.cell.source.name for p in quiet if p.role is Role.BYSTANDER}
    assert beyond == {"c2", "c3", "c4", "c5", "c7", "dev-master-01", "dev-node-01"}
    spoken = pairs(topology, cells, replace(RECREATE, speaks=Speaks.TARGET))
    asked = {p.cell.target.name for p in spoken if p.role is Role.FROM}
    assert asked == {"c2", "c3", "c4", "dev-node-01", "gateway"}
    bounced = pairs(topology, cells, LifecycleEvent(Event.BOUNCE, "dev-master-01"))
    assert {(p.cell.source.name, p.cell.target.name) for p in bounced if p.role is Role.WITHIN} == {
        ("c1", "c2"),
        ("c2", "c1"),
    }
    assert len({p.id for p in quiet + spoken + bounced}) == len(quiet + spoken + bounced)


@pytest.mark.parametrize(
    ("event", "facts", "wanted", "within_s", "words"),
    [
        (RECREATE, FACTS, Must.BACK, 54.0, "nobody says so"),
        (RECREATE, replace(FACTS, engine=(28, 0, 1)), Must.BACK, 3.0, "gratuitous"),
        (RECREATE, replace(FACTS, macs_after=FACTS.macs_before), Must.BACK, 3.0, "same MAC"),
        (replace(RECREATE, speaks=Speaks.TARGET), FACTS, Must.BACK, 3.0, "asks this one"),
        (replace(RECREATE, within_s=7.0), FACTS, Must.BACK, 7.0, "the site's own bound"),
        (ENGINE, FACTS, Must.DOWN, 0.0, "restart policy 'no'"),
        (ENGINE, replace(FACTS, live_restore=True), Must.UNTOUCHED, 0.0, "live-restore"),
        (replace(ENGINE, restart_policy="always"), FACTS, Must.BACK, 54.0, "nobody says so"),
        (LifecycleEvent(Event.BOUNCE, "dev-master-01"), FACTS, Must.BACK, 3.0, "carrier"),
    ],
)
def test_what_must_follow(
    event: LifecycleEvent, facts: Facts, wanted: Must, within_s: float, words: str
) -> None:
    """The mechanism decides: MAC, engine, live-restore, who speaks."""
    found = must(pair_of(event, "c3", "c1"), facts, ArpTiming())
    assert (found.must, found.within_s) == (wanted, within_s)
    assert words in found.because


def test_the_bound_is_made_of_the_links_own_settings() -> None:
    """A source whose entries live shorter must be back sooner."""
    short = ArpTiming(base_reachable_s=4.0, delay_s=1.0, probes=1, retrans_s=1.0)
    assert must(pair_of(RECREATE, "c3", "c1"), FACTS, short).within_s == pytest.approx(9.0)


WARM = "o" * 10
SOON = replace(FACTS, macs_after=FACTS.macs_before)


@pytest.mark.parametrize(
    ("moments", "facts", "wanted", "words"),
    [
        (WARM + "x" * 20 + "n" * 20, FACTS, Verdict.PASS, "lost for 2.0 s"),
        (WARM + "x" * 500 + "n" * 20, FACTS, Verdict.PASS, "lost for 50.0 s"),
        (WARM + "x" * 590, FACTS, Verdict.FAIL, "not back within 54 s"),
        (WARM + "x" * 560 + "n" * 20, FACTS, Verdict.FAIL, "later than 54 s"),
        (WARM + "x" * 20, replace(FACTS, until_s=2.0), Verdict.INCONCLUSIVE, "watched for 1.5 s"),
        (WARM + "x" * 50 + "o" * 20, SOON, Verdict.FAIL, "later than 3 s"),
        (WARM + "x" * 5 + "o" * 40 + "xxx" + "o" * 20, SOON, Verdict.FLAPPING, "lost again"),
        (WARM + "x" * 5 + "s" * 20, FACTS, Verdict.IMPOSTOR, STRANGER),
        (WARM + "x" * 5 + "o" * 20, FACTS, Verdict.IMPOSTOR, OLD),
        (WARM + "o" * 50, FACTS, Verdict.INCONCLUSIVE, "left no trace"),
        ("x" * 10 + "n" * 20, FACTS, Verdict.INCONCLUSIVE, "did not answer before"),
        ("ooooxooooo" + "x" * 5 + "n" * 20, FACTS, Verdict.INCONCLUSIVE, "lost probes before"),
        (WARM + "x" * 5, replace(FACTS, ended_s=None), Verdict.FAIL, "did not come to stand"),
        (WARM, replace(FACTS, trouble="no agent"), Verdict.INCONCLUSIVE, "no agent"),
        (WARM + "xxooxx" + "n" * 9, replace(FACTS, gone=(0.1, 0.5)), Verdict.IMPOSTOR, "was down"),
    ],
)
def test_the_verdict_on_who_must_be_back(
    moments: str, facts: Facts, wanted: Verdict, words: str
) -> None:
    """Back in time, too late, never, again and again, or as somebody else."""
    found, reason = verdict(moments, facts=facts)
    assert (found, words in reason) == (wanted, True), reason


def test_an_answer_that_waited_is_no_connectivity_and_no_impostor() -> None:
    """It was sent while the target was down, and answered when it stood again."""
    facts = replace(FACTS, gone=(0.0, 0.9), ended_s=1.0)
    found, reason = verdict(WARM + "xxxxxlllll" + "n" * 20, facts=facts)
    assert (found, "lost for 1.0 s" in reason) == (Verdict.PASS, True), reason


def test_the_verdict_on_a_bystander() -> None:
    """It may lose nothing, unless our own kernel threw packets away; a late answer is no loss."""
    assert verdict(WARM + "o" * 20, source="c4")[0] is Verdict.PASS
    assert verdict(WARM + "oooloooo", source="c4")[0] is Verdict.PASS
    found, reason = verdict(WARM + "ooxooo", source="c4")
    assert (found, "1 of 6" in reason) == (Verdict.FAIL, True)
    dropped = replace(FACTS, dropped=7)
    assert verdict(WARM + "ooxooo", facts=dropped, source="c4")[0] is Verdict.INCONCLUSIVE


def test_the_verdict_on_who_must_stay_down() -> None:
    """Silence is by design; an answer is a leak."""
    down = replace(FACTS, gone=(0.2, 0.4))
    assert verdict(WARM + "oo" + "x" * 20, ENGINE, down)[0] is Verdict.BLOCKED
    assert verdict(WARM + "oo" + "x" * 10 + "o" * 9, ENGINE, down)[0] is Verdict.LEAK


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('event = "recreate"\ntarget = "dev-node-01"', "is no container of this site"),
        ('event = "parent-bounce"\ntarget = "c1"', "is no host of this site"),
        ('event = "explode"\ntarget = "c1"', 'write event = "recreate"'),
        ('event = "restart"', "is missing; write a container"),
        ('event = "restart"\ntarget = "c1"\nspeaks = "me"', 'write speaks = "others"'),
        ('event = "restart"\ntarget = "c1"\nspeak = "others"', "did you mean 'speaks'?"),
        (
            'event = "restart"\ntarget = "c1"\n[[lifecycle]]\nevent = "restart"\ntarget = "c1"',
            "is there already",
        ),
    ],
)
def test_what_is_wrong_with_a_table(table: str, words: str) -> None:
    """One clear line, with what to write."""
    with pytest.raises(ConfigError, match=r"site\.toml:") as raised:
        read_site(f"{SITE.read_text()}\n[[lifecycle]]\n{table}\n", name="site.toml")
    assert words in str(raised.value)


def run_with(moments: str, *, cells: bool = True) -> Run:
    """A run with one event and one pair of it."""
    pair = pair_of(RECREATE, "c3", "c1")
    seen = Seen(
        timeline(moments), ((-0.5, OLD, "REACHABLE"), (1.9, "", "FAILED"), (2.0, NEW, "STALE"))
    )
    record = pair_record(pair, seen, FACTS, *judge_pair(pair, seen, FACTS))
    event = EventRecord(
        RECREATE.id, "recreate", "c1", "others", 2.0, "no", 0.1, 1.0, 0.5, -1.0, 4.0,
        (EventStep(0.0, "dev-master-01", "docker rm --force c1"),), (record,),
    )  # fmt: skip
    run = healthy()
    return replace(run, lifecycle=(event,), cells=run.cells if cells else ())


def test_the_record_keeps_it_and_an_old_one_has_none() -> None:
    """Written and read it is the same; without the key it is a run without events."""
    run = run_with(WARM + "x" * 20 + "n" * 20)
    assert load(dump(run)) == run
    assert load(dump(healthy())).lifecycle == ()
    (one,) = run.lifecycle[0].pairs
    assert (one.lost, one.macs_before, one.macs_after) == (20, (OLD,), (NEW,))
    assert judgements_of((), run.lifecycle)[one.id].verdict is Verdict.PASS


@pytest.mark.parametrize("cells", [True, False], ids=["with cells", "events alone"])
def test_a_bad_pair_makes_a_bad_run(*, cells: bool) -> None:
    """In the headline, on the terminal, in junit.xml and on the page; and a good one makes none."""
    good = run_with(WARM + "x" * 20 + "n" * 20, cells=cells)
    bad = run_with(WARM + "x" * 590, cells=cells)
    assert headline(good).good
    assert "All 1 pairs are as they should be through 1 event." in headline(good).sentence
    assert not headline(bad).good
    assert "1 of 1 pairs is not as expected" in headline(bad).sentence
    assert "not back within 54 s" in headline(bad).look
    assert any("c3 -> c1: not back within" in line for line in summary_lines(bad))
    assert b'type="FAIL"' in junit(bad)
    assert b'type="FAIL"' not in junit(good)
    page = html(good)
    assert page == html(load(dump(good)))
    assert b"1.9 to 2.1" in page
    assert NEW.encode() in page
