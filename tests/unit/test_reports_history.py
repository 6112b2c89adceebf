"""The archive: every night, what is flaky, a picture for each cell, and what may be thrown away."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.probes import Verdict
from matrix.record import Run, dump
from reports.__main__ import main
from reports.commands.seal import SEALED_MARK
from reports.history import CellStory, Night, night, stories
from reports.history_html import MOST_CELLS, history_html, spark
from reports.retention import fates
from tests.unit.sample_run import HOSTILE, SCRIPT, healthy, spoiled

CELL = "bridge:c1:c3:address"
VERDICT = st.sampled_from([*map(str, Verdict), "", None])


def run_of(day: int, *, verdict: str = "PASS", site: str = "lab.toml") -> Run:
    """A run of that day of January."""
    run = healthy() if verdict == "PASS" else spoiled(healthy(), CELL, verdict)
    return replace(
        run, id=f"202601{day:02}T030405Z-beef", started_at=f"2026-01-{day:02}T03:04:05+00:00",
        site=replace(run.site, path=site),
    )  # fmt: skip


def nights(*verdicts: str) -> list[Night]:
    """A night for each verdict of one cell."""
    return [night(run_of(day, verdict=verdict)) for day, verdict in enumerate(verdicts, 1)]


def test_flaky_is_what_comes_back() -> None:
    """A fault that was mended is none; one that returns is; doubt counts as not as expected."""
    for verdicts, spells, flaky in (
        (("PASS", "PASS"), 0, False),
        (("PASS", "FAIL", "FAIL", "PASS"), 1, False),
        (("FAIL", "PASS", "FAIL"), 2, True),
        (("PASS", "FAIL", "PASS", "INCONCLUSIVE", "PASS"), 2, True),
    ):
        (story,) = stories(reversed(nights(*verdicts)))
        cell = next(c for c in story.cells if c.id == CELL)
        assert cell.verdicts == verdicts
        assert (cell.spells, cell.flaky) == (spells, flaky)
        assert (cell in story.flaky) is flaky
        assert (cell in story.broken) is (verdicts[-1] != "PASS")
        assert len(story.cells) == 112


@given(st.lists(VERDICT, min_size=1, max_size=60))
@settings(max_examples=30, deadline=None)
def test_a_sparkline_shows_each_night_once(verdicts: list[str | None]) -> None:
    """Strokes of one cell neither overlap nor leave a night out, and are valid SVG."""
    story = CellStory("c", tuple(verdicts))
    picture = ET.fromstring(str(spark(story)))  # noqa: S314  our own
    shown: dict[int, str] = {}
    for path in picture.iter("path"):
        for at, length in re.findall(r"M(\d+) \d+h(\d+)V", path.get("d", "")):
            for place in range(int(at) // 4, (int(at) + int(length)) // 4):
                assert place not in shown
                shown[place] = path.get("class", "").removeprefix("s-")
    assert shown == {n: state for n, state in enumerate(story.states) if state}
    assert int(picture.get("width", "0")) == 4 * len(verdicts)
    assert story.wrong <= story.asked <= len(verdicts)
    assert story.spells <= story.wrong


def test_sites_are_not_mixed() -> None:
    """Cells of the same id on two sites have a story each."""
    runs = [run_of(1), run_of(2, verdict="FAIL", site="b.toml"), run_of(3, verdict="FAIL")]
    first, second = stories(map(night, runs))
    assert (first.site, len(first.nights)) == ("lab.toml", 2)
    assert (second.site, len(second.nights)) == ("b.toml", 1)


def test_a_cell_that_was_not_asked_every_night_is_judged_by_those_that_did() -> None:
    """Coverage moves with the day; what was not asked is no failure."""
    without = replace(run_of(2), cells=tuple(c for c in healthy().cells if c.id != CELL))
    (story,) = stories([night(run_of(1)), night(without), night(run_of(3, verdict="FAIL"))])
    cell = next(c for c in story.cells if c.id == CELL)
    assert cell.verdicts == ("PASS", None, "FAIL")
    assert (cell.asked, cell.wrong, cell.rate) == (2, 1, 0.5)


def test_the_page() -> None:
    """One file without network or script; hostile names are shown; equal runs give equal bytes."""
    evil = replace(run_of(2), id=HOSTILE, site=replace(healthy().site, path=HOSTILE))
    evil = replace(evil, cells=tuple(replace(c, id=f"{HOSTILE}{c.id}") for c in evil.cells))
    page = history_html(stories([night(run_of(1)), night(evil)]))
    assert page == history_html(stories([night(evil), night(run_of(1))]))
    text = page.decode()
    assert SCRIPT not in text
    assert "<script" not in text
    assert not re.search(r"(src|href)=\"?(https?:)?//", text)
    assert '<a href="20260101T030405Z-beef/report.html">' in text
    assert text.count("<svg") >= 224
    assert "No run is here yet" in history_html(()).decode()


def test_a_year_of_a_large_site_stays_small() -> None:
    """Cells that always held cost a few bytes, and beyond a number are counted."""
    cells = tuple(CellStory(f"c{n}", ("PASS",) * 365) for n in range(112))
    assert sum(len(spark(cell)) for cell in cells) < 112 * 250
    one = run_of(1)
    many = replace(
        one, cells=tuple(replace(one.cells[0], id=f"c{n}") for n in range(MOST_CELLS + 1))
    )
    page = history_html(stories([night(many)])).decode()
    assert page.count("<svg") == 0
    assert f"and {MOST_CELLS + 1} more" in page


def test_what_stays() -> None:
    """The newest N, those of D days before the newest; sealed ones and the only good one always."""
    five = nights("PASS", "FAIL", "FAIL", "FAIL", "FAIL")

    def gone(*, keep: int | None = None, days: int | None = None, sealed: str = "") -> list[int]:
        told = fates(five, keep=keep, days=days, sealed=frozenset({sealed}))
        return [n for n, fate in enumerate(told, 1) if fate.goes]

    assert gone() == []
    assert gone(keep=2) == [2, 3]
    assert gone(days=1) == [2, 3]
    assert gone(keep=1, days=2) == [2]
    assert gone(keep=9) == []
    assert gone(keep=1, sealed=five[2].id) == [2, 4]
    told = fates(five, keep=1, days=None, sealed=frozenset())
    assert "the only good run left" in told[0].why
    small = replace(run_of(6), cells=run_of(6).cells[:1])
    told = fates([*five, night(small)], keep=1, days=None, sealed=frozenset())
    assert not told[0].goes, "a good run of one cell does not stand for a whole one"


def test_the_last_good_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the same site, whole, before the run in question; none is one line and exit code 2."""
    one = run_of(3)
    runs = [
        run_of(1), run_of(2), replace(one, cells=one.cells[:1]), run_of(4, site="other.toml"),
        run_of(5, verdict="FAIL"),
    ]  # fmt: skip
    for run in runs:
        (tmp_path / run.id).mkdir()
        (tmp_path / run.id / "run.json").write_bytes(dump(run))
    (tmp_path / "latest").symlink_to(runs[-1].id)
    assert main(["last-good", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / runs[1].id}\n"
    before = ["--before", str(tmp_path / runs[1].id)]
    assert main(["last-good", str(tmp_path), *before]) == 0
    assert capsys.readouterr().out == f"{tmp_path / runs[0].id}\n"
    assert main(["last-good", str(tmp_path), "--before", str(tmp_path / runs[0].id)]) == 2
    assert "nothing to compare with" in capsys.readouterr().err


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Four runs on disk, the second one sealed, the third with notes of somebody's."""
    folder = tmp_path / "runs"
    for day in range(1, 5):
        run = run_of(day)
        (folder / run.id).mkdir(parents=True)
        (folder / run.id / "run.json").write_bytes(dump(run))
        (folder / run.id / "report.html").write_bytes(b"")
    (folder / run_of(1).id / "diff.html").write_bytes(b"")
    (folder / run_of(2).id / SEALED_MARK).write_bytes(b"{}")
    (folder / run_of(3).id / "notes.txt").write_bytes(b"mine")
    (folder / "latest").symlink_to(run_of(4).id)
    (folder / "broken").mkdir()
    (folder / "broken" / "run.json").write_bytes(b"{")
    return folder


def test_retention_deletes_what_is_ours_and_says_what_it_keeps(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run touches nothing; a real one leaves sealed runs, notes, and what it cannot read."""
    before = {p: p.stat().st_mtime_ns for p in archive.rglob("*")}
    assert main(["history", str(archive), "--keep", "1", "--dry-run"]) == 0
    assert {p: p.stat().st_mtime_ns for p in archive.rglob("*")} == before
    assert f"would delete {run_of(1).id}" in capsys.readouterr().out
    assert main(["history", str(archive), "--keep", "1"]) == 0
    said = capsys.readouterr().out
    assert f"deleted {run_of(1).id}" in said
    assert f"kept {run_of(2).id}, although its time is over: it was sealed" in said
    assert f"kept {run_of(3).id}, although its time is over: it holds what is not ours" in said
    assert "skipped: " in said
    left = {p.name for p in archive.iterdir()}
    assert left == {run_of(n).id for n in (2, 3, 4)} | {"latest", "broken", "index.html"}
    assert run_of(1).id not in (archive / "index.html").read_text()


def test_what_history_refuses(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 2, nothing deleted."""
    for arguments in (["--keep", "0"], ["--keep-days", "-1"]):
        assert main(["history", str(archive), *arguments]) == 2
        assert "whole number" in capsys.readouterr().err
    assert (archive / run_of(1).id).exists()
    shutil.rmtree(archive)
    assert main(["history", str(archive)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
