"""Each blocked cell leads to how it is opened, in the report itself and in the docs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from matrix.probes import Expected
from matrix.remedies import BY_ANCHOR, REMEDIES, Remedy
from matrix.rules import RULES
from reports.__main__ import main
from reports.html import html
from reports.remedies import markdown, remedies_of
from tests.unit.sample_run import big_site, every_verdict, healthy

DOCS = Path(__file__).parents[2] / "docs" / "remedies.md"


def test_every_silence_of_the_rules_has_its_steps() -> None:
    """No row that blocks is without a section, no section without a row, none for a reply."""
    for rule in RULES:
        assert bool(rule.how) is (rule.expected is not Expected.REPLY), rule.name
    assert {remedy for rule in RULES for remedy in rule.how} == set(REMEDIES)
    assert len(BY_ANCHOR) == len(REMEDIES)


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda r: r.anchor)
def test_a_remedy_says_all_of_it(remedy: Remedy) -> None:
    """Commands, undo, side effects, what the next run says, what was checked, and the sources."""
    assert any(step.commands for step in remedy.steps)
    assert remedy.undo
    assert remedy.beware
    assert remedy.next_run
    assert remedy.checked
    assert remedy.sources


def test_the_docs_are_the_remedies(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/remedies.md is what the command prints; make it again with it where this fails."""
    assert DOCS.read_text() == markdown()
    assert main(["remedies"]) == 0
    assert capsys.readouterr().out == markdown()


def test_each_blocked_cell_links_to_its_remedy() -> None:
    """And to nothing else; every link leads to a section of the same page."""
    run = every_verdict()
    page = html(run).decode()
    for cell in run.cells:
        evidence = page.partition(f'<dl id="{cell.id}">')[2].partition("</dl>")[0]
        links = re.findall(r'href="#(how-[^"]+)"', evidence)
        assert links == list(cell.how if cell.verdict == "BLOCKED" else ()), cell.id
        assert bool(links) is (cell.verdict == "BLOCKED")
        assert all(f'<h3 id="{link}">' in page for link in links)


def test_only_the_remedies_that_are_asked_for_are_there() -> None:
    """A page without blocked names does not explain name servers."""
    run = healthy()
    silent = tuple(cell for cell in run.cells if cell.expected != "no-such-name")
    page = html(replace(run, cells=silent)).decode()
    assert 'id="how-host-shim"' in page
    assert "how-lan-dns" not in page
    nothing = html(replace(run, cells=tuple(c for c in silent if c.expected == "reply"))).decode()
    assert "How to open what is blocked" not in nothing


def test_in_a_very_big_run_the_links_stay() -> None:
    """The words are left out there, the link is not."""
    run = healthy(big_site(33))
    page = html(run).decode()
    cell = next(c for c in run.cells if c.verdict == "BLOCKED")
    evidence = page.partition(f"<code>{cell.id}</code>")[2].partition("</dl>")[0]
    assert 'href="#how-' in evidence


def test_a_record_from_before_links_nowhere() -> None:
    """Old cells name no section, and one that this version does not know is passed over."""
    cell = next(c for c in healthy().cells if c.verdict == "BLOCKED")
    assert not remedies_of(replace(cell, how=()))
    assert not remedies_of(replace(cell, how=("how-no-more",)))
