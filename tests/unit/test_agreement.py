"""Two runs of one matrix in different worlds: what they say of each cell is held to one another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from matrix.record import dump
from reports.agreement import compare, lines, main
from tests.unit.sample_run import healthy


def test_a_run_agrees_with_itself_whatever_its_round_trips(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0, and how many cells were compared."""
    run = healthy()
    file = tmp_path / "run.json"
    file.write_bytes(dump(run))
    assert main([str(file), str(tmp_path)]) == 0
    assert f"{sum(c.selected for c in run.cells)} cells in both" in capsys.readouterr().out


def test_another_verdict_is_named(tmp_path: Path) -> None:
    """The cell, and what either says of it; a cell that one alone asked is no difference."""
    run = healthy()
    (first, second, *rest) = (cell for cell in run.cells if cell.selected)
    verdict = "FAIL" if first.verdict != "FAIL" else "PASS"
    other = replace(run, cells=(replace(first, verdict=verdict), *rest))
    found = compare(run, other)
    assert [(a.id, b.verdict) for a, b in found.apart] == [(first.id, verdict)]
    assert found.only_a == (second.id,)
    assert found.only_b == ()
    said = "\n".join(lines(found))
    assert f"{first.id}:" in said
    assert f"{verdict}:" in said
    paths = []
    for name, one in (("a", run), ("b", other)):
        paths.append(tmp_path / name)
        paths[-1].write_bytes(dump(one))
    assert main([str(path) for path in paths]) == 1


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one sentence, with exit code 2."""
    assert main([str(tmp_path), str(tmp_path)]) == 2
    assert "cannot read this run" in capsys.readouterr().err
