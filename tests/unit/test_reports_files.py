"""junit.xml, the files beside run.json, the command line and the pytest plugin."""

from __future__ import annotations

import errno
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn, cast
from xml.etree import ElementTree as ET

import pytest

from matrix.record import Run, dump
from reports.__main__ import main
from reports.files import write_reports
from reports.html import html
from reports.junit import junit
from reports.plugin import pytest_run_recorded, pytest_terminal_summary
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


def test_junit_survives_hostile_text() -> None:
    """What XML forbids is not written; the file parses and the words are there."""
    run = spoiled(healthy(), "bridge:c1:c3:address", "FAIL", reason=HOSTILE, cause=HOSTILE)
    run = replace(run, id=HOSTILE, started_at=HOSTILE, trouble=(HOSTILE,))
    problem = next(_parse(run).iter("failure"))
    assert str(problem.get("message")).startswith("<script>alert(1)</script>\\x1b[2J\\x00")


def _folder(path: Path, run: Run) -> Path:
    (path / "run.json").write_bytes(dump(run))
    return path


def test_render_writes_equal_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder or its run.json; report.html and junit.xml beside it; twice gives equal bytes."""
    run = every_verdict()
    folder = _folder(tmp_path, run)
    assert main(["render", str(folder)]) == 0
    first = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert main(["render", str(folder / "run.json")]) == 0
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == first
    assert set(first) == {"run.json", "report.html", "junit.xml"}
    assert first["report.html"] == html(run)
    assert first["junit.xml"] == junit(run)
    assert main(["render", str(folder), "--out", str(folder / "x.html")]) == 0
    assert (folder / "x.html").read_bytes() == html(run)
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


def _said(path: Path, run: Run) -> list[str]:
    config = cast("pytest.Config", SimpleNamespace(stash=pytest.Stash()))
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
    assert (tmp_path / "report.html").read_bytes() == html(every_verdict())


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
