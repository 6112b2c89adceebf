"""junit.xml, the files beside run.json, the command line and the pytest plugin."""

from __future__ import annotations

import errno
import io
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn, cast
from xml.etree import ElementTree as ET

import pytest

from matrix.errors import ConfigError
from matrix.record import CoverageRecord, Run, dump, load
from reports.__main__ import main
from reports.baseline import since_of
from reports.files import write_reports
from reports.html import html
from reports.junit import junit
from reports.plugin import pytest_run_recorded, pytest_terminal_summary
from reports.since import Since
from tests.unit.sample_run import HOSTILE, every_verdict, healthy, spoiled


def _parse(run: Run) -> ET.Element:
    return ET.fromstring(junit(run))  # noqa: S314  our own bytes


def test_junit_counts() -> None:
    """A case for each cell; four verdicts are failures, one an error, none is skipped."""
    root = _parse(every_verdict())
    assert {k: root.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "112", "failures": "4", "errors": "1", "skipped": "0",
    }  # fmt: skip
    assert [s.get("name") for s in root] == ["bridge", "vlan"]
    assert len(root.findall(".//testcase")) == 112
    assert not root.findall(".//skipped")
    assert {f.get("type") for f in root.iter("failure")} == {
        "FAIL", "LEAK", "IMPOSTOR", "FLAPPING",
    }  # fmt: skip


def test_junit_tells_the_story() -> None:
    """Class, name, properties; a failure has reason, cause and what to type; BLOCKED passes."""
    root = _parse(every_verdict())
    cases = {case.get("name"): case for case in root.iter("testcase")}
    failed = cases["bridge:c1:c3:address"]
    assert failed.get("classname") == "bridge"
    problem = failed.find("failure")
    assert problem is not None
    assert problem.get("message") == "reason of bridge:c1:c3:address"
    assert "cause: the cable" in (problem.text or "")
    assert "next: ping -c 3 192.0.2.1" in (problem.text or "")
    blocked = cases["bridge:c3:c1:name"]
    assert blocked.find("failure") is None
    properties = {p.get("name"): p.get("value") for p in blocked.iter("property")}
    assert properties["verdict"] == "BLOCKED"
    assert properties["expected"] == "no-such-name"
    assert properties["observed"] == "no address: 127.0.0.11 said NXDOMAIN"
    assert properties["relation"] == "remote container"


def test_junit_is_never_green_by_absence() -> None:
    """Trouble, no cells, or cells without a verdict: errors, not an empty green file."""
    dead = replace(healthy(), phase="planned", cells=(), trouble=("no SSH",))
    root = _parse(dead)
    assert (root.get("tests"), root.get("errors")) == ("1", "1")
    assert _parse(replace(dead, trouble=())).get("errors") == "1"
    unjudged = tuple(replace(cell, verdict="", reason="") for cell in healthy().cells)
    assert _parse(replace(healthy(), phase="observed", cells=unjudged)).get("errors") == "112"
    assert _parse(replace(healthy(), trouble=("not undone",))).get("errors") == "1"


def test_junit_leaves_controls_out() -> None:
    """Only selected cells are cases."""
    cells = tuple(replace(c, selected=c.source == "c1") for c in healthy().cells)
    assert _parse(replace(healthy(), cells=cells)).get("tests") == "11"


def test_junit_says_how_much_was_asked() -> None:
    """Part of a site is told as a part in each suite; all of it needs no word."""
    covered = CoverageRecord("sample=3", "2026-11-25", 112, 9_900)
    suites = _suites(replace(healthy(), coverage=covered))
    for suite in suites:
        found = {p.get("name"): p.get("value") for p in suite.findall("./properties/property")}
        assert found == {
            "coverage": "sample=3 (day 2026-11-25): 112 of 9,900 cells; the rest was not asked"
        }
    assert len(suites) == 2
    assert not any(suite.findall("./properties") for suite in _suites(healthy()))


def _suites(run: Run) -> list[ET.Element]:
    return _parse(run).findall("testsuite")


def test_junit_survives_hostile_text() -> None:
    """What XML forbids is not written; the file parses and the words are there."""
    run = spoiled(healthy(), "bridge:c1:c3:address", "FAIL", reason=HOSTILE, cause=HOSTILE)
    run = replace(run, id=HOSTILE, started_at=HOSTILE, trouble=(HOSTILE,))
    problem = next(_parse(run).iter("failure"))
    assert str(problem.get("message")).startswith("<script>alert(1)</script>\\x1b[2J\\x00")


def _folder(path: Path, run: Run) -> Path:
    (path / "run.json").write_bytes(dump(run))
    return path


def _alone(run: Run, folder: Path) -> Since:
    return since_of(run, dump(run), folder / "run.json")


def test_render_writes_equal_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder or its run.json; report.html and junit.xml beside it; twice gives equal bytes."""
    run = every_verdict()
    folder = _folder(tmp_path, run)
    assert main(["render", str(folder)]) == 0
    first = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert main(["render", str(folder / "run.json")]) == 0
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == first
    assert set(first) == {"run.json", "since.json", "report.html", "junit.xml"}
    page = html(run, _alone(run, folder))
    assert first["report.html"] == page
    assert first["junit.xml"] == junit(run)
    assert main(["render", str(folder), "--out", str(folder / "x.html")]) == 0
    assert (folder / "x.html").read_bytes() == page
    assert str(folder / "report.html") in capsys.readouterr().out


def test_show_prints_matrix_and_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both matrices and what is wrong, without colour where nobody looks at a terminal."""
    assert main(["show", str(_folder(tmp_path, every_verdict()))]) == 0
    out = capsys.readouterr().out
    assert "bridge: macnet" in out
    assert "vlan: macvlan200" in out
    assert "5 of 112 cells are not as expected." in out
    assert "\x1b" not in out


def test_show_prints_on_any_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the terminal is not UTF-8, what it cannot print becomes an escape, not a traceback."""
    run = spoiled(healthy(), "bridge:c1:c3:address", "FAIL", reason="größer \N{RIGHTWARDS ARROW}")
    screen = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr("sys.stdout", screen)
    assert main(["show", str(_folder(tmp_path, run))]) == 0
    screen.seek(0)
    assert "größer \\u2192" in screen.read()


@pytest.mark.parametrize("content", [None, b"{", b"\xff\x00", b"[]", b'{"schema": "other/9"}'])
def test_a_bad_record_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    """Missing, no JSON, not UTF-8, another schema: exit code 2, one line, no traceback."""
    path = tmp_path / "run.json"
    if content is not None:
        path.write_bytes(content)
    assert main(["show", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert str(path) in said.err
    assert len(said.err.splitlines()) == 1


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old report stays as it was, no part of the new one stays behind."""
    folder = _folder(tmp_path, healthy())
    (folder / "report.html").write_text("old")
    monkeypatch.setattr("os.fsync", _no_space)
    with pytest.raises(OSError, match="No space"):
        write_reports(dump(healthy()), folder / "run.json")
    assert (folder / "report.html").read_text() == "old"
    assert {p.name for p in folder.iterdir()} == {"run.json", "report.html"}


def _no_space(_: int) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


class _Terminal:
    """As much of pytest's terminal as the plugin needs."""

    hasmarkup = False

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write_line(self, line: str) -> None:
        """Keep it."""
        self.lines.append(line)


def _said(path: Path, run: Run, verbosity: int = 0) -> list[str]:
    given = SimpleNamespace(stash=pytest.Stash(), get_verbosity=lambda: verbosity)
    config = cast("pytest.Config", given)
    terminal = _Terminal()
    pytest_run_recorded(config, path, dump(run))
    pytest_terminal_summary(cast("pytest.TerminalReporter", terminal), config)
    return terminal.lines


def test_the_plugin_shows_the_run_and_where_it_is(tmp_path: Path) -> None:
    """Matrices, summary and the paths of what was written."""
    path = _folder(tmp_path, every_verdict()) / "run.json"
    lines = _said(path, every_verdict())
    assert lines[-2:] == [f"report: {tmp_path / 'report.html'}", f"record: {path}"]
    assert "5 of 112 cells are not as expected." in lines
    page = html(every_verdict(), _alone(every_verdict(), tmp_path))
    assert (tmp_path / "report.html").read_bytes() == page


def test_the_plugin_says_what_the_disk_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that refuses the report is a line for the terminal; the matrix still stands there."""
    folder = _folder(tmp_path, healthy())
    monkeypatch.setattr("os.fsync", _no_space)
    *lines, last = _said(folder / "run.json", healthy())
    assert "No space left on device" in last
    assert f"python -m reports render {folder}" in last
    assert any("by address" in line for line in lines)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("l2matrix-run/1", "l2matrix-run/2"), "this version reads 'l2matrix-run/1'"),
        (('"echoes": 3', '"echoes": "many"'), "site.echoes: "),
        (('"cells_in_plan"', '"cells_in_plam"'), "cells_in_plan: "),
        (('"phase"', '"phase" '[:-2]), "not JSON"),
    ],
)
def test_a_changed_record_is_refused(change: tuple[str, str], words: str) -> None:
    """Another schema, a wrong type, a lost field, a lost quote: what and in which file."""
    data = dump(healthy())
    assert change[0].encode() in data
    with pytest.raises(ConfigError) as caught:
        load(data.replace(change[0].encode(), change[1].encode()), name="old.json")
    said = str(caught.value)
    assert said.startswith("old.json: ")
    assert words in said
    assert len(said.splitlines()) == 1


def test_a_record_that_was_cut_short_is_refused() -> None:
    """Half a file is no run."""
    data = dump(healthy())
    with pytest.raises(ConfigError, match="not JSON"):
        load(data[: len(data) // 2])


@pytest.mark.parametrize("out", [".", "", "/", "run.json/report.html", "none/report.html"])
def test_an_impossible_place_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    """A folder, a file taken for a folder, a missing folder: exit code 2, nothing left behind."""
    monkeypatch.chdir(_folder(tmp_path, healthy()))
    assert main(["render", ".", "--out", out]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_a_pipe_is_written_and_not_replaced(tmp_path: Path) -> None:
    """``--out`` may name a pipe or a device: it gets the page and stays what it is."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR)
    try:
        small = replace(healthy(), cells=(), hosts=())
        page = html(small, _alone(small, tmp_path))
        assert len(page) < 60_000, "more than a pipe holds"
        write_reports(dump(small), tmp_path / "run.json", out=pipe)
        assert os.read(reader, 100_000) == page
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_ctrl_c_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted while writing: the half of the report goes, the interrupt goes on."""
    folder = _folder(tmp_path, healthy())
    monkeypatch.setattr("os.fsync", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_reports(dump(healthy()), folder / "run.json")
    assert [p.name for p in folder.iterdir()] == ["run.json"]


def _interrupt(_: int) -> NoReturn:
    raise KeyboardInterrupt


def test_a_full_screen_is_not_blamed_on_the_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where standard output refuses, the line names standard output and not run.json."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(["show", str(_folder(tmp_path, healthy()))]) == 2
    assert capsys.readouterr().err == "standard output: No space left on device\n"


def test_a_full_disk_is_not_blamed_on_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk refuses the report, the line names the folder that is full."""
    folder = _folder(tmp_path, healthy())
    monkeypatch.setattr("os.fsync", _no_space)
    assert main(["render", str(folder)]) == 2
    assert capsys.readouterr().err == f"{folder}: No space left on device\n"
