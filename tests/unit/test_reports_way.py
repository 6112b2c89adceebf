"""The way of a cell's frames in every report: drawn, told on the terminal, kept in the record."""

from __future__ import annotations

import json

from matrix.record import dump, load
from matrix.way import Leg, Passage, Trace
from reports.evidence import evidence
from reports.grid import summary_lines
from reports.html import html
from reports.junit import junit
from reports.way import DARK, FEWER, GONE, SEEN, UNWATCHED, picture
from tests.unit.sample_run import HOSTILE, SCRIPT, WAY, every_verdict, healthy, spoiled

TRACED = "bridge:c1:c3:address"
SHIM = "02:00:00:00:00:01 > 02:00:00:00:00:02"


def test_a_record_keeps_its_traces_and_an_old_one_has_none() -> None:
    """What is written is read back; a record from before there were witnesses still loads."""
    run = every_verdict()
    assert load(dump(run)) == run
    old = json.loads(dump(run))
    for cell in old["cells"]:
        del cell["trace"]
    assert all(cell.trace is None for cell in load(json.dumps(old).encode()).cells)


def test_the_picture_has_a_cross_where_frames_vanished() -> None:
    """A column for each station, a row for each kind of frame; back is drawn from right to left."""
    cell = next(c for c in every_verdict().cells if c.id == TRACED)
    drawn = picture(cell)
    assert drawn is not None
    assert [who for who, _ in drawn.columns] == ["c1", "dev-master-01", "dev-node-01", "c3"]
    request, reply = drawn.rows
    assert [s.state for s in request.spots] == [SEEN, SEEN, FEWER, FEWER]
    assert [s.state for s in reply.spots] == [DARK, GONE, UNWATCHED, SEEN]
    assert [s.tag for s in request.spots] == ["", "VLAN 7", "", ""]
    assert request.spots[1].wrong_tag
    assert picture(next(c for c in healthy().cells if c.id == TRACED)) is None


def test_every_state_of_a_station_has_a_symbol_of_its_own() -> None:
    """A grey print loses nothing."""
    cell = next(c for c in every_verdict().cells if c.id == TRACED)
    drawn = picture(cell)
    assert drawn is not None
    found = {spot.state: spot.symbol for row in drawn.rows for spot in row.spots}
    assert set(found) == {SEEN, FEWER, GONE, DARK, UNWATCHED}
    assert len(set(found.values())) == 5


def test_the_words_are_in_every_report() -> None:
    """HTML twice (what to fix, evidence), terminal, JUnit, evidence."""
    run = every_verdict()
    page = html(run).decode()
    assert page.count("never arrived at dev-master-01&#39;s enp0s5") >= 2
    assert page.count('<table class="way">') == 2
    assert page.count('class="w-gone"><b>\N{BALLOT X} 0</b>') == 2
    lines = [line for line in summary_lines(run) if line.startswith("  way:")]
    assert lines == [f"  way:   {WAY.words[0]}"]
    assert f"way: {WAY.words[0]}".replace("'", "&#39;") in junit(run).decode().replace("'", "&#39;")
    cell = next(c for c in run.cells if c.id == TRACED)
    assert any(line.value == WAY.words[0] for line in evidence(cell))


def test_no_report_trusts_what_a_trace_says() -> None:
    """Words and names of a trace come from hosts: shown, never obeyed; an empty one draws nothing."""
    leg = Leg(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1, 1, (None,), (SHIM,))
    wild = Trace((HOSTILE,), (Passage(HOSTILE, back=False, legs=(leg,)),), 1, 0)
    page = html(spoiled(healthy(), TRACED, "FAIL", trace=wild)).decode()
    assert SCRIPT not in page
    assert "\x1b" not in page
    run = spoiled(healthy(), TRACED, "FAIL", trace=Trace((), (), 0, 0))
    assert '<table class="way">' not in html(run).decode()
    assert not [line for line in summary_lines(run) if line.startswith("  way:")]
    assert "\x1b" not in "".join(summary_lines(spoiled(healthy(), TRACED, "FAIL", trace=wild)))
