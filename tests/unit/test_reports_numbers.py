"""The numbers of a report: round trips, phases, hosts side by side, what was sent, every sign."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markupsafe import escape

from matrix.record import CauseRecord, PhaseRecord, Run, Step, dump, load
from reports.axes import matrix_of
from reports.course import course_of, moment
from reports.hosts import after_words, host_table
from reports.html import html
from reports.method import proofs_of, sent_of
from reports.pace import SLOW, milliseconds, pace_of, spread
from reports.view import views
from tests.unit.sample_run import big_site, every_verdict, healthy, spoiled


def _timed(run: Run, rtts: dict[str, tuple[float, ...]]) -> Run:
    cells = []
    for cell in run.cells:
        assert cell.observed is not None
        cells.append(replace(cell, observed=replace(cell.observed, rtts_ms=rtts.get(cell.id, ()))))
    return replace(run, cells=tuple(cells))


def test_percentiles_are_times_that_were_measured() -> None:
    """Nearest rank: of a hundred the 50th, 90th and 99th; of one, that one."""
    found = spread("x", [float(n) for n in range(1, 101)])
    assert (found.least, found.at, found.most) == (1, (50, 90, 99), 100)
    assert spread("x", [7.0]).at == (7.0, 7.0, 7.0)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.00034, "0.0003"),
        (0.041, "0.041"),
        (0.41, "0.41"),
        (4.14, "4.1"),
        (250.4, "250"),
    ],
)
def test_times_are_short(value: float, words: str) -> None:
    """Two digits that count, and no power of ten."""
    assert milliseconds(value) == words


def test_what_stays_inside_a_kernel_is_counted_apart() -> None:
    """A sibling's microseconds are in the table, not in the median or the histogram."""
    run = _timed(
        healthy(),
        {
            "bridge:c1:c2:address": (0.01,) * 50,
            "bridge:c1:c3:address": (1.0, 1.0),
            "bridge:c2:c3:address": (1.0, 9.0),
            "bridge:c1:gateway:address": (30.0,),
        },
    )
    cells = [cell for cell in run.cells if cell.scenario == "bridge"]
    pace = pace_of("bridge", matrix_of(run, "bridge"), cells)
    assert pace is not None
    assert pace.median_ms == 1.0
    counts = {one.kind: one.count for one in pace.spreads}
    assert counts == {"sibling": 50, "remote container": 4, "gateway": 1, "all over the wire": 5}
    assert sum(bar.count for bar in pace.histogram.bars) == 5
    assert all(bar.from_ms <= 30.0 for bar in pace.histogram.bars)
    assert all(0 <= mark.x <= pace.histogram.width for mark in pace.histogram.marks)
    assert pace.warm["c1", "gateway"].level == SLOW
    assert pace.warm["c1", "c3"].level < SLOW
    assert ("c3", "c1") not in pace.warm
    assert [words for _, words in pace.levels()][-1] == "6.0 ms and more"
    assert pace_of("bridge", matrix_of(run, "bridge"), []) is None


def test_a_page_without_replies_says_so() -> None:
    """No numbers are made up."""
    page = html(_timed(healthy(), {})).decode()
    assert "No reply crossed the wire." in page
    assert '<svg class="histogram"' not in page


def test_a_step_belongs_to_the_phase_that_it_began_in() -> None:
    """Also one at the very end; one of an older record, which has no phases, to none."""
    phases = (PhaseRecord("connect", 0.0, 1.0), PhaseRecord("put back", 1.0, 4.0))
    steps = (Step(0.5, "", "a"), Step(1.0, "h", "b"), Step(4.0, "h", "c"))
    run = replace(healthy(), phases=phases, timeline=steps, finished_at="2026-01-02T03:04:09Z")
    course = course_of(run)
    assert [[s.what for s in p.steps] for p in course.stretches] == [["a"], ["b", "c"]]
    assert [(p.took_s, p.left, p.wide) for p in course.stretches] == [
        (1.0, 0, 250),
        (3.0, 250, 750),
    ]
    assert course.whole_s == 4.0
    assert not course.other
    older = course_of(replace(run, phases=(), finished_at=None))
    assert (older.stretches, older.other, older.whole_s) == ((), steps, None)


def test_a_record_without_phases_still_loads() -> None:
    """Runs of versions that did not time their phases are reported as before."""
    text = dump(healthy()).decode()
    older = re.sub(r' "phases": \[\],\n', "", text)
    assert older != text
    assert html(load(older.encode())) == html(healthy())


def test_moments_are_for_people() -> None:
    """To the second, in UTC; what is none stands as it is."""
    assert moment("2026-01-02T03:04:05.678+00:00") == "2026-01-02 03:04:05 UTC"
    for text in ("2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05", "yesterday"):
        assert moment(text) == text


def test_hosts_stand_side_by_side() -> None:
    """What is not the same on all is marked; what is each host's own never is."""
    run = healthy()
    facts = run.hosts[1].before
    assert facts is not None
    other = replace(run.hosts[1], before=replace(facts, kernel="6.1.1", boot_id="b2"))
    table = {f.name: f for f in host_table(replace(run, hosts=(run.hosts[0], other)))}
    assert [name for name, fact in table.items() if fact.differs] == ["Kernel"]
    assert table["Kernel"].values == ("6.1.0", "6.1.1")
    assert table["Boot id"].values == ("boot", "b2")
    assert host_table(replace(run, hosts=())) == ()


def test_a_host_is_as_it_was_only_where_that_was_measured() -> None:
    """Not where nobody looked, and not where it was left standing."""
    run = healthy()
    host = run.hosts[0]
    assert after_words(run, host).startswith("as it was")
    assert after_words(run, replace(host, difference=("x",))) == "not as it was"
    assert after_words(run, replace(host, after=None)) == "not measured"
    kept = replace(run, timeline=(Step(1, host.name, "left standing, as asked (--keep)"),))
    assert after_words(kept, host) == "left standing, as asked"


def test_what_was_sent_is_counted_from_the_cells() -> None:
    """Requests, replies, what was seen to arrive, and what did not run."""
    run = every_verdict()
    sent = sent_of(run)
    seen = [cell.observed for cell in run.cells if cell.observed]
    assert sent.cells == len(run.cells)
    assert sent.requests == sum(o.sent for o in seen) > 0
    assert sent.replies == sum(o.received for o in seen) > 0
    assert (sent.not_run, sent.again) == (1, 1)
    assert f"{sent.requests:,} echo requests in 112 cells" in html(run).decode()


def test_each_kind_of_silence_shows_its_controls() -> None:
    """All blocked cells are in it, each kind with the fewest controls that any of it has."""
    run = healthy()
    blocked = [cell for cell in run.cells if cell.verdict == "BLOCKED"]
    first = replace(blocked[0], controls=())
    run = replace(run, cells=tuple(first if c is blocked[0] else c for c in run.cells))
    proofs = proofs_of(run)
    assert sum(proof.cells for proof in proofs) == len(blocked)
    assert min(proof.fewest for proof in proofs) == 0
    assert all(proof.example.verdict == "BLOCKED" for proof in proofs)


def test_every_cell_of_a_huge_run_has_a_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn host by host, the page still has each cell: as one sign, in rows."""
    monkeypatch.setattr("reports.view.MOST_ROWS", 10)
    run = healthy(big_site(14))
    (view,) = views(run, ())
    signs = "".join(text for line in view.signs() for group in line.groups for _, text in group)
    assert len(re.findall(r"[+-]", signs)) == len(run.cells)
    rows = html(run).decode().partition('<table class="signs">')[2].partition("</table>")[0]
    text = re.sub(r"<th[^>]*>[^<]*|<caption>[^<]*</caption>|<[^>]+>", "", rows)
    assert len(re.findall(r"[+-]", text)) == len(run.cells)
    assert not list(views(healthy(), ())[0].signs())


def test_of_many_cells_reasons_and_causes_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell still leads to its reason and its causes; nothing of them is lost from the page."""
    monkeypatch.setattr("reports.evidence.MANY_CELLS", 100)
    monkeypatch.setattr("reports.html.MANY_CELLS", 100)
    run = healthy()
    failed = [c.id for c in run.cells if c.relation == "remote container" and c.by == "address"]
    for cell in failed:
        run = spoiled(run, cell, "FAIL", cause="the cable of dev-node-01 is out")
    cause = CauseRecord(
        "no-carrier", "x", "the cable of dev-node-01 is out", "certain", (), tuple(failed), "", ""
    )
    run = replace(run, causes=(cause,))
    page = html(run).decode()
    evidence = page.partition('id="evidence"')[2]
    assert evidence.count("the cable of dev-node-01 is out") == 0
    assert evidence.count('href="#cause-1"') == len(failed)
    reasons = re.findall(r'<li id="(w\d+)">([^<]+)', evidence)
    told = [reason for _, reason in reasons]
    assert len(set(told)) == len(told) > 0
    shared = [c for c in run.cells if escape(c.because) in told]
    assert len(re.findall(r'href="#w\d+"', evidence)) == len(shared)
    assert all(evidence.count(f"because {escape(c.because)}") == 0 for c in shared)
    assert all(f"because {escape(c.because)}" in evidence for c in run.cells if c not in shared)
