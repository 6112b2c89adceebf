"""A run as CSV, Prometheus metrics and Markdown: read back by parsers of others, and never obeyed."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from prometheus_client.parser import text_string_to_metric_families as families

from matrix.grid import plain
from matrix.probes import Verdict
from matrix.record import CauseRecord, CellRecord, Run, dump
from reports.__main__ import main
from reports.compare import compare
from reports.csv_table import COLUMNS, csv_table, safe
from reports.markdown import LIMIT, code, fitted, markdown, words
from reports.prometheus import prometheus
from tests.unit.sample_run import HOSTILE, SCRIPT, every_verdict, healthy, spoiled

REACHED = "bridge:c1:c3:address"
ANY = st.text(max_size=60)
EVIL = st.sampled_from(
    ["=cmd|' /C calc'!A0", "@team", "#12", "| a | b |", "<img src=x onerror=alert(1)>", "](javascript:x)",
     "`x`", "**x**", "~~x~~", "\n# x", "http://evil.example", "www.evil.example", "&lt;", "$x$", "_x_",
     "\\", '"', "{", "}", "\t=1", " =1", "\uff1d1", "GH-1", HOSTILE]
)  # fmt: skip
TEXT = st.lists(st.one_of(ANY, EVIL), min_size=1, max_size=3).map("".join)


def hostile(text: str, target_host: str = "") -> Run:
    """A run in which everything that comes from elsewhere is that text."""
    run = spoiled(every_verdict(), REACHED, Verdict.FAIL)

    def evil(cell: CellRecord) -> CellRecord:
        if cell.id != REACHED:
            return cell
        return replace(
            cell, id=text, scenario=text, source=text, source_host=text, target=text,
            target_host=target_host or text, reason=text, cause=text, because=text,
        )  # fmt: skip

    cause = CauseRecord(text, text, text, text, (text,), (text,), text, text)
    return replace(
        run, id=text, trouble=(text,), notes=(text,), causes=(cause,), tool={"version": text},
        site=replace(run.site, path=text), cells=tuple(map(evil, run.cells)), started_at=text,
    )  # fmt: skip


def rows(run: Run) -> list[dict[str, str]]:
    """The table as a program reads it."""
    return list(csv.DictReader(io.StringIO(csv_table(run).decode(), newline="")))


def test_csv_has_every_cell() -> None:
    """A line each, with verdict and round trips."""
    found = rows(every_verdict())
    assert [row["cell"] for row in found] == [cell.id for cell in every_verdict().cells]
    assert [row["verdict"] for row in found] == [cell.verdict for cell in every_verdict().cells]
    assert tuple(found[0]) == COLUMNS
    assert found[0]["rtt_median_ms"] == "0.4"
    assert csv_table(healthy()) == csv_table(healthy())


@given(TEXT)
@settings(max_examples=10, deadline=None)
def test_csv_holds_no_formula(text: str) -> None:
    """Whatever a container is called: the table keeps its shape, and no field begins a formula."""
    found = rows(hostile(text))
    assert len(found) == len(healthy().cells)
    for row in found:
        assert None not in row
        for field in row.values():
            assert not field.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))
            assert not {unicodedata.category(char) for char in field} & {"Cc", "Cf", "Cs"}
    assert safe("c1") == "c1"


def metrics(run: Run, *, cells: bool = False) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by name, as Prometheus' own parser reads them; each name and label set once."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in families(prometheus(run, cells=cells).decode()):
        assert family.documentation
        assert family.type == "gauge"
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    for samples in found.values():
        keys = [tuple(sorted(labels.items())) for labels, _ in samples]
        assert len(set(keys)) == len(keys)
    return found


def test_metrics_count_what_is_there() -> None:
    """Cells by verdict, and whether the run is good."""
    found = metrics(every_verdict())
    by_verdict: dict[str, float] = {}
    for labels, value in found["l2matrix_cells"]:
        by_verdict[labels["verdict"]] = by_verdict.get(labels["verdict"], 0) + value
    cells = [cell.verdict for cell in every_verdict().cells]
    assert by_verdict == {v: cells.count(v) for v in [*Verdict, "not judged"]}
    assert sum(v for _, v in found["l2matrix_cells_not_as_expected"]) == 5
    assert found["l2matrix_run_good"] == [({}, 0.0)]
    assert metrics(healthy())["l2matrix_run_good"] == [({}, 1.0)]
    started = metrics(healthy())["l2matrix_run_started_timestamp_seconds"]
    assert started == [({}, 1767323045.0)]
    assert len(metrics(healthy(), cells=True)["l2matrix_cell_as_expected"]) == 112
    assert metrics(replace(healthy(), cells=()))["l2matrix_run_good"] == [({}, 0.0)]


@given(TEXT)
@settings(max_examples=10, deadline=None)
def test_metrics_are_valid_whatever_the_names_are(text: str) -> None:
    """Label values are escaped, and no line is added."""
    found = metrics(hostile(text), cells=True)
    assert plain(text, 200) in {labels["run"] for labels, _ in found["l2matrix_run_info"]}


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it; none of ours has an attribute but the alignment of a table's cells."""
        self.tags.add(tag)
        assert all(name == "style" and tag in ("td", "th") for name, _ in attrs), (tag, attrs)

    def handle_data(self, data: str) -> None:
        """Note it."""
        self.text += data


def rendered(text: str) -> Page:
    """Markdown as GitHub's dialect makes a page of it (tables, strikethrough, bare links)."""
    page = Page()
    page.feed(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text))
    return page


@given(TEXT)
@settings(max_examples=40, deadline=None)
def test_words_show_exactly_themselves(text: str) -> None:
    """No markup, no link, nobody mentioned; in a list, a table and a paragraph."""
    shown = plain(text.strip(), 300)
    told, copied = f"x {words(text)} y", f"x {code(text, 300)} y"
    page = rendered(f"- {told}\n\n| a |\n|--|\n| {told} |\n\n{copied}")
    assert page.tags <= {"ul", "li", "table", "thead", "tbody", "tr", "th", "td", "p", "code"}
    assert page.text.replace("\u200b", "").count(f"x {shown} y") == 3
    first = rendered(f"x {words(text)} y").text
    assert not re.search(r"@\w|#\d|(?i:https?:|www\.|gh-\d)", first)


@given(TEXT)
@settings(max_examples=10, deadline=None)
def test_markdown_of_a_hostile_run(text: str) -> None:
    """The whole page has no tag that is not ours."""
    page = rendered(markdown(hostile(text), compare(healthy(), hostile(text))).decode())
    ours = {"h3", "h4", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "details", "summary",
            "ul", "ol", "li", "br", "code"}  # fmt: skip
    assert page.tags <= ours


def test_markdown_tells_the_verdict_the_causes_and_the_cells() -> None:
    """And what changed since the run that it is held against."""
    run = every_verdict()
    text = rendered(markdown(run, compare(healthy(), run)).decode()).text
    assert "5 of 112 cells are not as expected" in text
    assert REACHED in text
    assert "Since 20260102T030405Z-beef: Worse: 5 new red." in text
    assert "All 112 cells are as they should be" in markdown(healthy()).decode()
    assert SCRIPT not in markdown(hostile(HOSTILE)).decode()


def test_markdown_fits_a_comment() -> None:
    """However much is wrong; what is left out is counted."""
    run = healthy()
    cells = [
        replace(c, id=f"{c.id}{n}", verdict="FAIL", reason="&" * 400)
        for c in run.cells for n in range(30)
    ]  # fmt: skip
    run = replace(run, cells=tuple(cells), trouble=tuple("&" * 400 for _ in range(100)))
    text = markdown(run).decode()
    assert len(text) <= LIMIT + 200
    assert "more are in report.html" in text
    assert "3360 cells" in text or "3360 of" in text
    assert fitted(["a" * 60, "b" * 60, "c"], 100) == "a" * 60 + (
        "\n\nToo long: 2 sections more are in report.html.\n"
    )


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout, or in a file that is the same."""
    (tmp_path / "run.json").write_bytes(dump(every_verdict()))
    for command, option in (("csv", []), ("prometheus", ["--cells"]), ("markdown", [])):
        out = tmp_path / command
        arguments = [command, str(tmp_path), *option]
        assert main(arguments) == 0
        said = capsys.readouterr().out
        assert main([*arguments, "--out", str(out)]) == 0
        capsys.readouterr()
        assert out.read_bytes().decode().replace("\r\n", "\n") == said
    assert main(["markdown", str(tmp_path), "--against", str(tmp_path / "none")]) == 2
