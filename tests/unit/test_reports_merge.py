"""Runs of parts joined: nothing missing, nothing twice, or refused with the cells by name."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from matrix.errors import ConfigError
from matrix.plan import controls, plan
from matrix.probes import Verdict
from matrix.record import CauseRecord, CoverageRecord, Run, dump, load
from matrix.shard import Shard, share
from matrix.site import read_site
from reports.__main__ import main
from reports.compare import compare
from reports.html import html
from reports.merge import merged
from tests.unit.sample_run import SITE, healthy, spoiled

PLAN = plan(read_site(SITE.read_text(), name="lab.toml"))


@cache
def whole() -> Run:
    """The run that the parts are of."""
    run = healthy()
    return replace(run, site=replace(run.site, text=SITE.read_text()))


def part(number: int, of: int = 3, run: Run | None = None) -> Run:
    """The run of one part, with its controls."""
    chosen = {cell.id for cell in share(PLAN, PLAN, Shard(number, of))}
    wanted = chosen | controls(PLAN, chosen)
    run = run or whole()
    return replace(
        run,
        id=f"20260102T03040{number}Z-beef",
        started_at=f"2026-01-02T03:04:0{number}+00:00",
        cells=tuple(replace(c, selected=c.id in chosen) for c in run.cells if c.id in wanted),
        coverage=CoverageRecord("full", "", len(chosen), len(PLAN), f"{number}/{of}"),
        evidence={},
    )


def named(*runs: Run) -> list[tuple[str, Run]]:
    """Runs with names for messages."""
    return [(f"run-{number}", run) for number, run in enumerate(runs)]


@pytest.mark.parametrize("of", [1, 2, 3])
def test_all_parts_make_the_whole(of: int) -> None:
    """The same cells in the same order with the same verdicts, none of them a control."""
    runs = [part(number, of) for number in range(1, of + 1)]
    found = merged(named(*reversed(runs)))
    assert found.cells == whole().cells
    assert found.phase == "judged"
    assert not compare(whole(), found).cells
    assert found.evidence is None
    assert dump(found) == dump(merged(named(*runs))), "whatever the order they are named in"
    assert load(dump(found)) == found
    assert b"All 112 cells" in html(found)


def test_what_a_part_found_stays() -> None:
    """Its verdict, its causes, its trouble; a control that was otherwise elsewhere is told."""
    cell = "bridge:c1:c3:address"
    cause = CauseRecord("loss", "dev-node-01", "line", "likely", ("e",), (cell,), "", "")
    broken = replace(spoiled(whole(), cell, Verdict.FAIL), causes=(cause,), trouble=("odd",))
    runs = [part(n, run=broken) for n in (1, 2, 3)]
    mine = next(n for n, run in enumerate(runs) for c in run.cells if c.id == cell and c.selected)
    runs = [run if n == mine else part(n + 1) for n, run in enumerate(runs)]
    found = merged(named(*runs))
    assert {c.id for c in found.cells if c.verdict == Verdict.FAIL} == {cell}
    assert found.causes == (cause,)
    assert found.trouble == (f"part {mine + 1}/3: odd",)
    elsewhere = [
        n for n, run in enumerate(runs) if n != mine and any(c.id == cell for c in run.cells)
    ]
    assert any(note.startswith(f"{cell} was not the same") for note in found.notes) is bool(
        elsewhere
    )


def test_what_is_no_whole_is_refused_with_its_cells() -> None:
    """A part that is missing, given twice, narrowed, of another site, or of no part at all."""
    one, two, three = (part(number) for number in (1, 2, 3))
    gone = next(cell.id for cell in two.cells if cell.selected)
    narrowed = replace(two, cells=tuple(c for c in two.cells if c.id != gone))
    foreign = next(cell for cell in one.cells if cell.selected and cell not in two.cells)
    fat = replace(two, cells=(*two.cells, foreign))
    twice = replace(two, cells=(*two.cells, two.cells[0]))
    site = replace(two, site=replace(two.site, sha256="cd" * 32))
    day = replace(
        two, coverage=replace(two.coverage or CoverageRecord("", "", 0, 0), day="2026-01-01")
    )
    for runs, said in (
        ((one, three), "missing: 2"),
        ((one, two, two, three), "2/3 is there twice"),
        ((one, narrowed, three), gone),
        ((one, fat, three), foreign.id),
        ((one, twice, three), "a cell twice"),
        ((one, site, three), "differ in the site file"),
        ((one, day, three), "differ in the day"),
        ((one, part(2, 2), three), "differ in the number of parts"),
        ((one, whole(), three), "without --shard"),
        ((), "no run"),
    ):
        with pytest.raises(ConfigError, match=said):
            merged(named(*runs))


def test_a_part_that_ended_early_makes_an_unfinished_whole() -> None:
    """Its cells have no verdict, and nobody takes the whole for a good run."""
    early = part(2)
    early = replace(
        early, phase="planned", finished_at=None,
        cells=tuple(replace(c, verdict="", reason="", observed=None) for c in early.cells),
    )  # fmt: skip
    found = merged(named(part(1), early, part(3)))
    assert found.phase == "planned"
    assert found.finished_at is None
    assert any(not cell.verdict for cell in found.cells)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It writes a whole run with its reports and packets, or nothing."""
    for number in (1, 2, 3):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "run.json").write_bytes(dump(part(number)))
    (tmp_path / "2" / "packets.pcapng").write_bytes(b"packets")
    names = [str(tmp_path / str(number)) for number in (1, 2, 3)]
    into = tmp_path / "whole"
    assert main(["merge", *names[:2], "--into", str(into)]) == 2
    assert "missing: 3" in capsys.readouterr().err
    assert not into.exists()
    assert main(["merge", *names, "--into", str(into)]) == 0
    assert "All 112 cells are as they should be" in capsys.readouterr().out
    assert {p.name for p in into.iterdir()} == {
        "run.json", "since.json", "report.html", "junit.xml", "packets-part-2.pcapng",
    }  # fmt: skip
    assert main(["merge", *names, "--into", str(into)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["merge", names[0], *names, "--into", str(tmp_path / "x")]) == 2
