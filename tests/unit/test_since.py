"""What changed since an earlier run: which run that is, what is said, and that it stays said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from matrix.errors import ConfigError
from matrix.record import Run, dump
from reports.__main__ import main
from reports.baseline import since_of
from reports.files import write_reports
from reports.html import html
from reports.since import Change, Since, Turn, compare, dump_since, load_since
from tests.unit.sample_run import HOSTILE, SCRIPT, healthy, spoiled

GOOD, OTHER, BAD = "20260101T000000Z-aaaa", "20260102T000000Z-bbbb", "20260103T000000Z-cccc"
CELL, SECOND = "bridge:c1:c3:address", "bridge:c2:c4:address"


def _run(name: str, run: Run | None = None) -> Run:
    day = name[6:8]
    return replace(run or healthy(), id=name, started_at=f"2026-01-{day}T00:00:00+00:00")


def _bad(name: str) -> Run:
    return _run(name, spoiled(spoiled(healthy(), CELL, "FAIL"), SECOND, "FLAPPING"))


def _kept(archive: Path, run: Run) -> Path:
    folder = archive / run.id
    folder.mkdir()
    (folder / "run.json").write_bytes(dump(run))
    return folder / "run.json"


def _since(run: Run, path: Path, given: str = "") -> Since:
    return since_of(run, dump(run), path, given)


def test_it_names_exactly_what_turned() -> None:
    """Cells that held and no longer do, and the same the other way round; the rest is counted."""
    found = compare(_bad(BAD), "now", _run(GOOD), "then", how="")
    assert found.worse == (Turn("PASS", "FAIL", (CELL,)), Turn("PASS", "FLAPPING", (SECOND,)))
    assert (found.better, found.other, found.compared, found.turned) == ((), (), 112, 2)
    assert found.earlier is not None
    assert found.earlier.good
    back = compare(_run(BAD), "now", _bad(GOOD), "then", how="")
    assert (back.worse, back.other) == ((), ())
    assert [turn.cells for turn in back.better] == [(CELL,), (SECOND,)]
    other = compare(_run(BAD, spoiled(healthy(), CELL, "BLOCKED")), "now", _run(GOOD), "x", how="")
    assert other.other == (Turn("PASS", "BLOCKED", (CELL,)),)


def test_cells_that_only_one_asked_are_no_change_of_verdict() -> None:
    """They came or went."""
    whole = healthy()
    part = replace(whole, cells=whole.cells[5:])
    found = compare(part, "", whole, "", how="")
    assert (found.turned, found.compared, found.came) == (0, 107, ())
    assert found.went == tuple(cell.id for cell in whole.cells[:5])
    assert compare(whole, "", part, "", how="").came == found.went


def test_what_is_around_the_matrix_is_compared() -> None:
    """Versions, limits, links, the site file; each by what it was and is."""
    before = healthy()
    host = before.hosts[0]
    assert host.before is not None
    link = host.before.links[0]
    links = (replace(link, mtu=9000), replace(link, name="docker0", kind="bridge"))
    facts = replace(host.before, kernel="6.1.1", links=links)
    now = replace(
        before,
        tool={**before.tool, "docker": "7.2.0"},
        site=replace(before.site, sha256="cd" * 32),
        hosts=(replace(host, before=facts), *before.hosts[1:]),
    )
    assert compare(now, "", before, "", how="").changes == (
        Change("", "site file lab.toml", "ab" * 6, "cd" * 6),
        Change("", "docker", "", "7.2.0"),
        Change("dev-master-01", "kernel", "6.1.0", "6.1.1"),
        Change("dev-master-01", "link enp0s5 MTU", "1500", "9000"),
        Change("dev-master-01", "link docker0", "", "bridge"),
    )
    assert compare(before, "", before, "", how="").changes == ()


def test_what_was_not_measured_is_not_called_the_same() -> None:
    """A host without facts in either run is named."""
    before = healthy()
    lost = replace(before.hosts[0], before=None)
    now = replace(before, hosts=(lost, *before.hosts[1:]))
    for pair in ((now, before), (before, now), (now, now)):
        found = compare(pair[0], "", pair[1], "", how="")
        assert (found.changes, found.unmeasured) == ((), ("dev-master-01",))
        page = html(pair[0], found).decode()
        assert "links and routes are the same" not in page
        assert "Not measured both times: dev-master-01." in page
    assert compare(before, "", before, "", how="").unmeasured == ()


def test_round_trips_are_compared_where_both_were_answered() -> None:
    """A slow cell that fails now must not make the rest look faster."""
    before, slow = healthy(), 80.0
    cells = []
    for cell in before.cells:
        assert cell.observed is not None
        rtts = (slow,) if cell.target == "c3" else cell.observed.rtts_ms
        cells.append(replace(cell, observed=replace(cell.observed, rtts_ms=rtts)))
    before = replace(before, cells=tuple(cells))
    gone = [
        replace(c, observed=replace(c.observed, rtts_ms=()))
        if c.observed and c.target == "c3"
        else c
        for c in before.cells
    ]
    then, now = compare(replace(before, cells=tuple(gone)), "", before, "", how="").rtt_ms
    assert then == now == 0.4
    silent = [replace(c, observed=None) for c in before.cells]
    none = compare(replace(before, cells=tuple(silent)), "", before, "", how="")
    assert none.rtt_ms == (None, None)


def test_the_newest_earlier_good_run_of_the_site_is_taken(tmp_path: Path) -> None:
    """Not a bad one, not a later one, not one of another site, not one that is no run."""
    _kept(tmp_path, _run(GOOD))
    _kept(tmp_path, _bad(OTHER))
    elsewhere = replace(healthy().site, path="elsewhere.toml")
    _kept(tmp_path, _run("20260102T000001Z-bbbb", replace(healthy(), site=elsewhere)))
    _kept(tmp_path, _run("20260109T000000Z-dddd"))
    (tmp_path / "20260102T000002Z-bbbb").mkdir()
    (tmp_path / "20260102T000002Z-bbbb/run.json").write_text("{")
    path = _kept(tmp_path, _bad(BAD))
    (tmp_path / "latest").symlink_to(BAD)
    for place in (path, tmp_path / "latest/run.json"):
        earlier = _since(_bad(BAD), place).earlier
        assert earlier is not None
        assert earlier.id == GOOD


def test_a_run_that_asked_little_does_not_hide_one_that_asked_all(tmp_path: Path) -> None:
    """A good run of ten cells is the newest, but says nothing of the other hundred."""
    _kept(tmp_path, _run(GOOD))
    little = _run(OTHER, replace(healthy(), cells=healthy().cells[:10]))
    path = _kept(tmp_path, little)
    bad = _kept(tmp_path, _bad(BAD))
    found = _since(_bad(BAD), bad)
    assert found.earlier is not None
    assert (found.earlier.id, found.compared) == (GOOD, 112)
    (tmp_path / GOOD / "run.json").unlink()
    found = _since(_bad(BAD), bad)
    assert found.earlier is not None
    assert (found.earlier.id, found.compared) == (OTHER, 10)
    path.unlink()
    assert _since(_bad(BAD), bad).earlier is None


def test_a_report_stays_what_it_was_when_the_archive_changes(tmp_path: Path) -> None:
    """since.json holds the comparison: rendering again gives equal bytes without the earlier run."""
    earlier = _kept(tmp_path, _run(GOOD))
    path = _kept(tmp_path, _bad(BAD))
    write_reports(path.read_bytes(), path)
    first = {p.name: p.read_bytes() for p in path.parent.iterdir()}
    assert GOOD.encode() in first["report.html"]
    earlier.unlink()
    _kept(tmp_path, _run(OTHER))
    write_reports(path.read_bytes(), path)
    assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == first


def test_a_comparison_belongs_to_one_record(tmp_path: Path) -> None:
    """Beside a run.json with other bytes it is made anew; what cannot be read is, too."""
    _kept(tmp_path, _run(GOOD))
    path = _kept(tmp_path, _bad(BAD))
    write_reports(path.read_bytes(), path)
    path.write_bytes(dump(_run(BAD)))
    assert _since(_run(BAD), path).turned == 0
    for text in ("", "[]", "{}", '{"schema": "l2matrix-since/2"}'):
        path.with_name("since.json").write_text(text)
        assert _since(_run(BAD), path).earlier is not None
    since = _since(_run(BAD), path)
    assert load_since(dump_since(since), since.run_sha256) == since
    assert load_since(dump_since(since), "another") is None


def test_the_earlier_run_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--since OLD`` takes any run and is kept; ``none`` takes none; what is no run is refused."""
    _kept(tmp_path, _run(GOOD))
    _kept(tmp_path, _bad(OTHER))
    path = _kept(tmp_path, _bad(BAD))
    assert main(["render", str(path), "--since", str(tmp_path / OTHER)]) == 0
    report = path.with_name("report.html")
    assert "Since an earlier run, not a good one" in report.read_text()
    assert main(["render", str(path)]) == 0
    assert OTHER in report.read_text()
    assert main(["render", str(path), "--since", "none"]) == 0
    assert "Nothing to compare with: not compared with an earlier run, as asked." in (
        report.read_text()
    )
    capsys.readouterr()
    assert main(["render", str(path), "--since", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == f"{tmp_path / 'nowhere'}: No such file or directory\n"
    (tmp_path / "odd.json").write_text("{}")
    with pytest.raises(ConfigError, match="schema is None"):
        _since(_bad(BAD), path, str(tmp_path / "odd.json"))


def test_hostile_words_of_the_earlier_run_stay_words() -> None:
    """Its names and versions are as little to be trusted as this one's."""
    before = replace(_run(GOOD), tool={"python": HOSTILE}, started_at=HOSTILE)
    found = compare(_bad(BAD), "", before, "", how="")
    page = html(_bad(BAD), found).decode()
    assert SCRIPT not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
