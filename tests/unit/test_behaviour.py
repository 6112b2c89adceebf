"""The truth table of macvlan: made from runs alone, and the page in docs/ is what today's rules say."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import cache

import pytest

from matrix.engine_versions import CHANGES
from matrix.errors import ConfigError
from matrix.parent_rule import Said, compare, questions
from matrix.plan import plan
from matrix.probes import Expected, Judgement, Verdict
from matrix.record import SCHEMA, EngineRecord, Run
from matrix.record_of import cell_records, engine_record, host_records, site_record
from matrix.site import read_site
from reports.__main__ import main
from reports.behaviour import markdown
from reports.commands.behaviour import MOST, act
from tests.behaviour_words import EVIDENCE, PAGE, said, tables
from tests.unit.test_remedy_cells import PATH

SITES = ("modes", "isolation", "remedies", "probes", "vlan-gateway")
MADE = ("The four modes", "Other probes", "Between segments, and --internal", "Remedies")


@cache
def as_planned(name: str) -> Run:
    """A run of that site in which every cell was judged to be as the rules expect it."""
    path = PATH.parent / f"lab-{name}.toml"
    site = read_site(path.read_text(), name=path.name)
    cells = plan(site)
    judged = {
        cell.id: Judgement(
            cell.id,
            Verdict.PASS if cell.expectation.expected is Expected.REPLY else Verdict.BLOCKED,
            "as planned",
        )
        for cell in cells
    }
    chosen = frozenset(cell.id for cell in cells)
    return Run(
        schema=SCHEMA,
        id=f"planned-{name}",
        phase="judged",
        started_at="2026-01-01T00:00:00.000+00:00",
        finished_at="2026-01-01T00:00:01.000+00:00",
        tool={},
        site=site_record(site, path=str(path), sha256=""),
        prober={},
        cells_in_plan=len(cells),
        hosts=host_records(site),
        cells=cell_records(cells, chosen, {}, judged, {}),
        notes=(),
        trouble=(),
        timeline=(),
    )


@cache
def planned_page() -> str:
    """The page that these runs make."""
    return markdown([as_planned(name) for name in SITES])


@pytest.mark.parametrize("title", MADE)
def test_the_page_in_docs_says_what_the_rules_say(title: str) -> None:
    """Row by row. Where this fails, run the sites again, and make the page from their run.json."""
    page = PAGE.read_text()
    assert said(page, title) == said(planned_page(), title)
    for key, entry in tables(page)[title].items():
        assert entry == "-" or EVIDENCE.search(entry), key
        assert entry.partition(" (")[0] in ("yes", "no", "no such name", "-"), key


def test_the_page_in_docs_names_the_version_that_ran_and_marks_the_others() -> None:
    """An answer with a letter is a run's; every other one says that it was not run."""
    found = tables(PAGE.read_text())
    rule = next(table for title, table in found.items() if title.startswith("The parent rule"))
    assert {column for _, column in rule} == {"20.10", "23", "24", "25", "26", "27", "28", "29"}
    ran = {key for key, entry in rule.items() if EVIDENCE.search(entry)}
    assert {column for _, column in ran} == {"20.10"}
    assert all(("not run" in entry) != (key in ran) for key, entry in rule.items())
    assert sum(
        column == "run" for _, column in found["What else differs between Docker's versions"]
    )
    assert all(change.source for change in CHANGES)


def test_an_entry_says_what_was_judged_and_nothing_better() -> None:
    """A leak stands there as one, beside those that hold; what did not run, too."""
    run = as_planned("modes")
    cells = [
        replace(cell, verdict="LEAK")
        if cell.id == "private:p1:p2:address"
        else replace(cell, verdict="INCONCLUSIVE", not_run="its container is gone")
        if cell.id == "vepa:v1:v2:address"
        else cell
        for cell in run.cells
    ]
    table = tables(markdown([replace(run, cells=tuple(cells))]))["The four modes"]
    row = "container → sibling on the same host"
    assert table[row, "private"] == "**LEAK** (A: 1) and no (A: 1)"
    assert table[row, "vepa"] == "no (A: 1) and not run (A: 1)"
    assert table[row, "bridge"] == "yes (A: 2)"
    assert table[row, "passthru"] == "-"


def test_an_engine_that_answers_otherwise_stands_in_the_table() -> None:
    """And one of another version fills its own column alone."""
    path = PATH.parent / "lab-parent.toml"
    (question, *_) = questions(read_site(path.read_text(), name=path.name))

    def answered(version: str, words: str) -> EngineRecord:
        kind = question.kind.rows[-1].answer if not words else question.kind.rows[0].answer
        return engine_record(question, compare(question, version, Said(kind, words)))

    old = "network dm-1 is already using parent interface enp0s5"
    run = replace(as_planned("modes"), engines=(answered("27.3.1", ""), answered("28.0.4", old)))
    text = markdown([run])
    rule = next(t for title, t in tables(text).items() if title.startswith("The parent rule"))
    row = question.kind.asks
    assert rule[row, "27"] == "accepted (A)"
    assert rule[row, "28"] == "**differs** from accepted (A)"
    assert rule[row, "29"] == "accepted, *not run*"
    assert markdown([run]) == text


def test_the_command_refuses_what_it_cannot_read(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line; and more runs than there are letters."""
    assert main(["behaviour", "/nowhere/run"]) == 2
    assert capsys.readouterr().err.count("\n") == 1

    with pytest.raises(ConfigError, match="name fewer"):
        act(argparse.Namespace(runs=["run"] * (MOST + 1)))
