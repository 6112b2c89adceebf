"""The terminal: a grid that fits, marks that can be told apart, no cell left unsaid."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from matrix.expected import expected_lines
from matrix.grid import EXPECTED_MARKS, Heading, Mark, columns_of, draw, legend, plain, shorten
from matrix.plan import plan
from matrix.probes import Expected
from matrix.record import CoverageRecord, Run, dump, load
from matrix.site import read_site
from reports.axes import matrix_of
from reports.findings import blocked, findings
from reports.grid import matrix_lines, scenarios_of, summary_lines
from reports.headline import answer, headline
from reports.marks import NOT_JUDGED, VERDICT_MARKS, holds
from tests.unit.sample_run import HOSTILE, big_site, every_verdict, healthy, spoiled

_SGR = re.compile(r"\x1b\[[0-9;]*m")


def _row(lines: list[str], group: str, name: str) -> list[str]:
    """The marks of one row: what stands behind its name and address."""
    start = lines.index(group)
    found = next(line for line in lines[start:] if line.split()[:1] == [name])
    return found.split()[2:]


def test_every_mark_differs() -> None:
    """No two verdicts share a symbol or a colour: either alone tells them apart."""
    marks = [*VERDICT_MARKS.values(), NOT_JUDGED]
    assert len({mark.symbol for mark in marks}) == len(marks)
    assert len({mark.sgr for mark in VERDICT_MARKS.values()}) == len(VERDICT_MARKS)


@pytest.mark.parametrize("scenario", ["bridge", "vlan"])
def test_a_matrix_fits_100_columns(scenario: str) -> None:
    """Both scenarios of the article, with names and addresses, in one block of 100 columns."""
    lines = matrix_lines(healthy(), scenario)
    assert max(map(columns_of, lines)) <= 100
    assert sum("host" in line.split()[:1] for line in lines) == 2
    assert len([line for line in lines if re.search(r"by address .* by name", line)]) == 1


def test_a_row_says_what_each_target_did() -> None:
    """The marks of c1's row, in the order of the columns."""
    lines = matrix_lines(every_verdict(), "bridge")
    assert _row(lines, "dev-master-01", "c1") == list("+++!X++++--")
    assert _row(lines, "dev-master-01", "c2")[4:6] == ["@", "~"]
    assert _row(lines, "dev-node-01", "host")[6:] == list(".....")


def test_colour_adds_only_codes() -> None:
    """With colour the same text stands there; without, there is no escape at all."""
    run = every_verdict()
    bare, coloured = matrix_lines(run, "bridge"), matrix_lines(run, "bridge", colour=True)
    assert "\x1b" not in "".join(bare)
    assert "\x1b[1;37;41mX\x1b[0m" in "".join(coloured)
    assert [_SGR.sub("", line) for line in coloured] == bare


@pytest.mark.parametrize("containers", [7, 30, 46])
def test_many_endpoints_fit_too(containers: int) -> None:
    """Up to 50 endpoints and beyond, with long names, stay within 100 columns."""
    run = healthy(big_site(containers))
    lines = matrix_lines(run, "bridge")
    assert max(map(columns_of, lines)) <= 100
    if containers == 46:
        assert any(line.lstrip().startswith("2 production-web-frontend-000") for line in lines)
        assert any(line.split() == ["1", "gateway"] for line in lines)
        marks = sum(len(re.findall(r"[+-](?=[ +.-]|$)", line[40:])) for line in lines)
        assert marks >= len(run.cells)


def test_a_hidden_failure_shows_when_hosts_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a host's containers are drawn as one, the worst of their cells is what is drawn."""
    monkeypatch.setattr("reports.grid.MOST_ROWS", 20)
    run = healthy(big_site(30))
    assert len(matrix_lines(run, "bridge")) < 50
    assert "X" not in "".join(matrix_lines(run, "bridge")[2:])
    name = "production-web-frontend-0"
    broken = spoiled(run, f"bridge:{name}05:{name}06:address", "FAIL")
    assert "X" in "".join(matrix_lines(broken, "bridge")[2:])


def test_controls_are_marked() -> None:
    """A cell that ran only as a control carries an asterisk, and the legend says why."""
    run = healthy()
    cells = (replace(cell, selected=cell.source == "c1") for cell in run.cells)
    run = replace(run, cells=tuple(cells))
    lines = matrix_lines(run, "bridge")
    assert "+*" in _row(lines, "dev-master-01", "c2")
    assert "+*" not in _row(lines, "dev-master-01", "c1")
    assert "only as a control" in lines[-1]
    assert summary_lines(run)[0].startswith("11 of 112 cells (and 101 controls):")
    assert headline(run).good


def test_every_cell_that_is_not_good_has_a_line() -> None:
    """Each verdict but PASS and BLOCKED: a line with verdict, id and reason; cause, next command."""
    run = every_verdict()
    text = summary_lines(run)
    wrong = [cell for cell in run.cells if not holds(cell)]
    assert len(wrong) == 5
    for cell in wrong:
        line = next(line for line in text if cell.id in line)
        assert cell.verdict in line
        assert cell.reason in line
    assert any(line.strip() == "cause: the cable" for line in text)
    assert any(line.strip() == "next:  ping -c 3 192.0.2.1" for line in text)
    assert "5 of 112 cells are not as expected." in text


def test_equal_stories_are_told_once() -> None:
    """Many INCONCLUSIVE cells with equal words but for names are one line with their number."""
    run = healthy()
    silent = [cell.id for cell in run.cells if cell.source == "c4"]
    for cell_id in silent:
        why = f"the probe did not run: {cell_id} in 12.5 s"
        run = spoiled(run, cell_id, "INCONCLUSIVE", reason=why)
    lines = [line for line in summary_lines(run) if "INCONCLUSIVE" in line]
    assert len(lines) == 2, "the counts and one line"
    assert f"{len(silent)} cells: {silent[0]}, " in lines[1]
    assert f"and {len(silent) - 4} more" in lines[1]


def test_different_failures_stay_apart() -> None:
    """Cells with different causes are different findings; the cause of most cells comes first."""
    run = healthy()
    run = spoiled(run, "bridge:c1:c3:address", "FAIL", cause="one cable")
    for source in ("c5", "c6"):
        run = spoiled(run, f"vlan:{source}:c7:address", "FAIL", cause="the trunk")
    assert [(f.cause, len(f.cells)) for f in findings(run)] == [("the trunk", 2), ("one cable", 1)]
    assert headline(run).look == "the trunk"


def test_trouble_comes_before_cells() -> None:
    """What went wrong outside of any cell is said, and such a run is not called good."""
    run = replace(healthy(), trouble=("the disk is full\n  -> make room",))
    lines = summary_lines(run)
    assert lines[1:3] == ["trouble: the disk is full", "  -> make room"]
    assert not headline(run).good
    early = replace(healthy(), phase="planned", cells=())
    assert "phase 'planned'" in headline(early).sentence


def test_the_answer_counts_by_origin() -> None:
    """The article's question: how many by design, by declaration, by this network."""
    assert [(g.origin, len(g.cells)) for g in blocked(healthy())] == [
        ("by design", 16),
        ("by design", 16),
        ("by declaration of the site", 6),
    ]
    good = " ".join(answer(healthy()))
    assert "38 do not get through" in good
    assert "32 by design (in bridge and vlan)" in good
    assert "None because of this network" in good
    bad = " ".join(answer(every_verdict()))
    assert "2 because of this network" in bad
    assert "2 got an answer that should not be there" in bad


def test_hostile_text_reaches_no_terminal() -> None:
    """Escapes, NUL and direction overrides of a record are shown, not obeyed."""
    run = spoiled(healthy(), "bridge:c1:c3:address", "FAIL", reason=HOSTILE, cause=HOSTILE)
    run = replace(
        run,
        trouble=(HOSTILE,),
        notes=(HOSTILE,),
        hosts=(replace(run.hosts[0], trouble=HOSTILE), *run.hosts[1:]),
        cells=(
            *run.cells,
            replace(run.cells[0], id=HOSTILE, source=HOSTILE, source_host=HOSTILE, verdict=HOSTILE),
            replace(run.cells[0], scenario=HOSTILE, target=HOSTILE),
        ),
    )
    lines = summary_lines(run)
    for scenario in scenarios_of(run):
        drawn = matrix_lines(run, scenario)
        assert max(map(columns_of, drawn)) <= 100
        lines += drawn
    text = "".join(lines)
    assert text.isprintable()
    assert "\\x1b[2J\\x00\\u202e\\ud800" in text


def test_plain_and_shorten() -> None:
    """What is harmless stays as it is; what is long keeps both ends; wide letters count twice."""
    assert plain("größe 容器 →") == "größe 容器 →"
    assert plain("a\nb\tc", keep="\n") == "a\nb\\tc"
    assert shorten("production-web-01", 9) == "produc…01"
    assert columns_of(shorten("容器容器容器", 5)) <= 5
    assert plain("x" * 1000, 100) == "x" * 99 + "…"


def test_the_grid_draws_expectations_as_well() -> None:
    """Rows, columns and a look-up are all it needs: the dry run draws with it too."""
    rows = [Heading("a", "a", "h1"), Heading("b", "b", "h2")]
    marks = {("a", "b"): EXPECTED_MARKS["reply"], ("b", "a"): EXPECTED_MARKS["silence"]}
    lines = draw(rows, rows, lambda row, column: marks.get((row.key, column.key)))
    assert [line.split() for line in lines] == [
        ["h1", "h2"], ["a", "b"], ["h1"], ["a", ".", "+"], ["h2"], ["b", "-", "."],
    ]  # fmt: skip
    long = [Mark(str(n), "a meaning of some length") for n in range(20)]
    assert max(map(len, legend(long, width=60))) <= 60


def test_a_record_from_before_coverage_is_read() -> None:
    """A run of a version that knew no coverage loads, and claims nothing."""
    found = json.loads(dump(healthy()))
    del found["coverage"]
    assert load(json.dumps(found).encode()) == healthy()
    covered = replace(healthy(), coverage=CoverageRecord("pairs", "2026-11-25", 52, 112))
    assert load(dump(covered)) == covered


def test_the_record_survives_its_file() -> None:
    """A sample run is a run of the schema: what is dumped is what is loaded."""
    run = every_verdict()
    assert load(dump(run)) == run
    again: Run = load(dump(load(dump(run))))
    assert dump(again) == dump(run)


def test_a_matrix_has_a_place_for_every_cell() -> None:
    """No cell of the record falls out of its matrix."""
    run = healthy()
    found = sum(len(matrix_of(run, name).cells) for name in scenarios_of(run))
    assert found == len(run.cells)


def test_a_host_stands_after_its_containers() -> None:
    """Whatever the order of the record, a host's own row and column close its group."""
    run = healthy()
    matrix = matrix_of(replace(run, cells=run.cells[::-1]), "bridge")
    for headings in (matrix.rows, matrix.columns[: len(matrix.rows) + 1]):
        names = [heading.name for heading in headings if heading.group]
        assert names[2::3] == ["host", "host"]


@pytest.mark.parametrize("piece", ["x", ":a", "容"])
def test_a_megabyte_of_words_takes_no_hour(piece: str) -> None:
    """A text of 1 MB is cut on the screen, in time that grows with its length only."""
    huge = piece * (200_000 // len(piece.encode()) * 5)
    run = spoiled(healthy(), "bridge:c1:c3:address", "FAIL", reason=huge)
    lines = summary_lines(run)
    assert any("bridge:c1:c3:address" in line for line in lines)
    assert max(map(columns_of, lines)) < 500


def test_what_is_cut_off_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list too long for a screen ends in how much more there is."""
    monkeypatch.setattr("reports.grid.MOST_LINES", 3)
    lines = summary_lines(every_verdict())
    told = sum("reason of" in line for line in lines[:4])
    assert told >= 1
    more = next(line for line in lines if "more lines" in line)
    assert re.fullmatch(r"\.\.\. and [1-9]\d* more lines: see report\.html", more)


def sampled(run: Run, *, of: str = "production-web-frontend-00") -> Run:
    """The run with a part of its cells, as a night of a large site leaves it."""
    cells = tuple(c for c in run.cells if c.target.startswith(of) or c.by == "name")
    cells = tuple(replace(c, selected=c.by != "name") for c in cells)
    chosen = sum(c.selected for c in cells)
    coverage = CoverageRecord("sample=9", "2026-11-25", chosen, len(run.cells))
    return replace(run, cells=cells, coverage=coverage)


def test_a_part_is_never_shown_as_the_whole() -> None:
    """Coverage stands in the summary: how many of how many, on which day, and the controls."""
    run = sampled(healthy(big_site(30)))
    chosen, controls = (sum(c.selected is which for c in run.cells) for which in (True, False))
    assert summary_lines(run)[1] == (
        f"coverage: sample=9 (day 2026-11-25): {chosen} of 2,086 cells; the rest was not asked, "
        f"but for {controls} controls"
    )
    again = replace(run, cells=tuple(c for c in run.cells if c.selected)[:7])
    assert "cells, 7 of them selected; the rest was not asked" in summary_lines(again)[1]
    assert not any("coverage" in line for line in summary_lines(healthy(big_site(30))))


def test_a_small_site_may_be_asked_whole_by_a_sample() -> None:
    """Where a sample is everything, nothing is said to be left out."""
    run = replace(healthy(), coverage=CoverageRecord("sample=9", "2026-11-25", 112, 112))
    assert summary_lines(run)[1] == "coverage: sample=9 (day 2026-11-25): all 112 cells"


def test_hostile_coverage_reaches_no_terminal() -> None:
    """A record may come from anywhere: its words are shown, not obeyed."""
    run = replace(healthy(), coverage=CoverageRecord(HOSTILE, HOSTILE, 1, 112))
    assert all(line.isprintable() for line in summary_lines(run))


def test_columns_stand_like_rows_where_only_some_were_asked() -> None:
    """The first source asks only the last target; columns still go by the order of the site."""
    run = healthy()
    some = [c for c in run.cells if c.scenario == "bridge" and c.by == "address"]
    some = [c for c in some if c.source != "c1" or c.target == "c2"]
    matrix = matrix_of(replace(run, cells=tuple(some)), "bridge")
    rows, columns = ([h.key for h in headings] for headings in (matrix.rows, matrix.columns))
    assert rows == ["c1", "c2", "dev-master-01", "c3", "c4", "dev-node-01"]
    assert columns == ["gateway", *rows]


def test_what_is_merged_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Host by host: every cell is in a count by kind, whatever the grid does not show."""
    monkeypatch.setattr("reports.grid.MOST_ROWS", 20)
    run = healthy(big_site(30))
    lines = matrix_lines(spoiled(run, run.cells[1].id, "FAIL"), "bridge")
    assert lines[1] == "  2,086 cells in 84 groups; each mark is the worst of its group"
    counted = [
        int(n.replace(",", "")) for n in re.findall(r"([\d,]+) [A-Z]{4,}", "".join(lines[2:12]))
    ]
    assert sum(counted) == len(run.cells)
    assert sum("1 FAIL" in line for line in lines) == 1


def test_too_many_hosts_for_a_screen_are_counted_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even host by host is too much, what is shown are the counts by kind."""
    monkeypatch.setattr("reports.grid.MOST_ROWS", 7)
    lines = matrix_lines(healthy(big_site(30)), "bridge")
    assert lines[-1] == "  8 rows are too many for a screen: see report.html"
    assert any(line.split() == "own host by address 30 BLOCKED".split() for line in lines)  # noqa: SIM905


def test_a_large_dry_run_is_drawn_host_by_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The expected matrix, too; a mark that stands for different expectations says so."""
    topology = read_site(big_site(30), name="big.toml")
    cells = plan(topology)
    whole = expected_lines(topology, cells)
    monkeypatch.setattr("matrix.expected.MOST_ROWS", 20)
    lines = expected_lines(topology, cells)
    assert len(lines) < 50 < len(whole)
    assert max(map(len, lines)) <= 100
    assert not any("*" in line for line in lines)
    odd = replace(cells[1], expectation=replace(cells[1].expectation, expected=Expected.SILENCE))
    lines = expected_lines(topology, (cells[0], odd, *cells[2:]))
    assert "  * differs from cell to cell" in lines
    assert sum("*" in line for line in lines) == 2
