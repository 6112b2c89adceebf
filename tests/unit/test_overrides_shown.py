"""An override of the site is shown as one, with the physics beside it, in every report."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from xml.etree.ElementTree import fromstring

import pytest

from matrix.expected import expected_lines
from matrix.plan import plan
from matrix.record import OverrideRecord, Run, dump, load
from matrix.site import read_site
from reports.findings import blocked
from reports.grid import matrix_lines, summary_lines
from reports.headline import answer, headline
from reports.html import html
from reports.junit import junit
from tests.unit.sample_run import SITE, big_site, healthy, spoiled

OPENED = "bridge:c1:dev-master-01:address"
CLOSED = "bridge:c1:c3:address"


def override(*, expect: str, physics: str, line: int, in_force: bool = True) -> OverrideRecord:
    """One, as it stands in a record."""
    return OverrideRecord(
        f"NET-{line}", expect, "2026-12-31", "the switch reflects", line, in_force, physics, "why"
    )


@pytest.fixture(scope="module")
def run() -> Run:
    """A healthy run with one cell opened and one closed by overrides."""
    found = spoiled(
        healthy(),
        OPENED,
        "PASS",
        expected="reply",
        override=override(expect="reply", physics="silence", line=60),
    )
    return spoiled(
        found,
        CLOSED,
        "BLOCKED",
        expected="silence",
        override=override(expect="silence", physics="reply", line=66),
    )


def test_the_record_keeps_it_and_older_records_load(run: Run) -> None:
    """It goes through the file, and a file from before there were overrides still reads."""
    assert load(dump(run)) == run
    old = json.loads(dump(healthy()))
    for cell in old["cells"]:
        del cell["override"]
    assert load(json.dumps(old).encode()) == healthy()


def test_the_terminal_shows_ticket_date_and_physics(run: Run) -> None:
    """A caret in the matrix, and a line for each override."""
    assert any("+^" in line for line in matrix_lines(run, "bridge"))
    assert any("^ judged by an override" in line for line in matrix_lines(run, "bridge"))
    assert not any("^" in line for line in matrix_lines(run, "vlan"))
    lines = [line for line in summary_lines(run) if line.startswith("override ")]
    held = "in force until 2026-12-31 (line {} of the site file): the switch reflects"
    assert lines == [
        f"override NET-60 expects reply, {held.format(60)}; the physics says silence: {OPENED}",
        f"override NET-66 expects silence, {held.format(66)}; the physics says reply: {CLOSED}",
    ]
    assert "2 of them by the site's overrides, against the physics" in headline(run).sentence


def test_what_is_blocked_by_override_is_not_by_design(run: Run) -> None:
    """The article's question is not answered with what a ticket says."""
    groups = {group.origin: group for group in blocked(run)}
    assert [cell.id for cell in groups["by an override of the site"].cells] == [CLOSED]
    assert CLOSED not in {c.id for c in groups["by design"].cells}
    said = " ".join(answer(run))
    assert "1 because of a fault that the site knows of and overrides (in bridge)" in said
    assert "1 got through although the physics says no" in said
    assert "overrides" not in " ".join(answer(healthy()))


def test_the_page_shows_it_at_the_cell_and_in_a_section(run: Run) -> None:
    """Ticket, date and physics; and none of it in a run without overrides."""
    page = html(run).decode()
    assert page.count("NET-60 expects reply, in force until 2026-12-31") == 2
    assert "<dt>Physics<dd>silence, because why" in page
    assert "Blocked by an override of the site" in page
    other = html(healthy()).decode()
    assert 'id="overrides"' not in other
    assert "Blocked by an override" not in other


def test_an_expired_one_is_loud(run: Run) -> None:
    """It is said to have expired, and its cell carries no caret: the physics decided."""
    late = override(expect="reply", physics="silence", line=60, in_force=False)
    found = spoiled(run, OPENED, "LEAK", expected="silence", override=late)
    page = html(replace(found, trouble=("override NET-60 expired",))).decode()
    assert "NET-60 expects reply, EXPIRED on 2026-12-31" in page
    assert "!^" not in "".join(matrix_lines(found, "bridge"))


def test_all_that_the_physics_says_of_a_pattern_s_cells_is_said(run: Run) -> None:
    """One override may lie on cells of which the physics says different things."""
    other = override(expect="reply", physics="no-such-name", line=60)
    found = spoiled(run, "bridge:c1:c3:name", "PASS", expected="reply", override=other)
    page = html(found).decode()
    section = page.partition('id="overrides"')[2].partition("</section>")[0]
    assert "The physics says silence: why" in section
    assert "The physics says no-such-name: why" in section


def test_junit_has_it_as_properties(run: Run) -> None:
    """A CI server sees ticket, date and what the physics says."""
    root = fromstring(junit(run))  # noqa: S314  our own bytes
    (case,) = [case for case in root.iter("testcase") if case.get("name") == OPENED]
    found = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert found["override"] == "NET-60"
    assert found["override-until"] == "2026-12-31"
    assert found["override-in-force"] == "yes"
    assert found["physics"] == "silence, because why"


@pytest.mark.parametrize(
    ("today", "said"), [(date(2026, 12, 31), "until"), (date(2027, 1, 1), "EXPIRED on")]
)
def test_the_dry_run_shows_it(today: date, said: str) -> None:
    """The expected matrix names what is overridden, and for how long."""
    text = SITE.read_text() + (
        f'[[override]]\ncells = "{OPENED}"\nexpect = "reply"\nticket = "NET-1"\nuntil = 2026-12-31\n'
    )
    site = read_site(text, name="x")
    lines = expected_lines(site, plan(site, today))
    assert (
        f"override NET-1 (line 55), {said} 2026-12-31: {OPENED} expects reply; the physics says "
        "silence"
    ) in lines


def test_a_mark_for_many_carries_the_caret_of_any_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Host by host, the worst is drawn, and that an override judges one behind it is said."""
    monkeypatch.setattr("reports.grid.MOST_ROWS", 20)
    monkeypatch.setattr("reports.view.MOST_ROWS", 20)
    name = "production-web-frontend-0"
    closed, failed = (f"bridge:{name}05:{name}{other}:address" for other in ("06", "02"))
    found = spoiled(
        healthy(big_site(30)),
        closed,
        "BLOCKED",
        expected="silence",
        override=override(expect="silence", physics="reply", line=60),
    )
    lines = matrix_lines(found, "bridge")
    assert sum("+^" in line for line in lines) == 1
    assert any("^ judged by an override of the site (some of the group)" in line for line in lines)
    assert html(found).count(b">+^<i>") == 1
    bad = spoiled(found, failed, "FAIL")
    assert sum("X^" in line for line in matrix_lines(bad, "bridge")) == 1
    unasked = replace(bad, cells=tuple(replace(c, selected=c.id != closed) for c in bad.cells))
    assert not any("^" in line for line in matrix_lines(unasked, "bridge"))
    assert b">X^<i>" not in html(unasked)


def test_the_dry_run_of_many_names_a_few_and_counts_the_rest() -> None:
    """A line for each override and kind of physics, not one for each of hundreds of cells."""
    text = (
        big_site(30)
        + """[[override]]
cells = "bridge:production-web-frontend-000:*"
expect = "silence"
ticket = "NET-1"
until = 2026-12-31
"""
    )
    cells = plan(read_site(text, name="x"), date(2026, 12, 31))
    lines = [
        line for line in expected_lines(read_site(text, name="x"), cells) if "override" in line
    ]
    kinds: dict[str, int] = {}
    for cell in cells:
        if cell.overridden:
            kinds[cell.physics.expected] = kinds.get(cell.physics.expected, 0) + 1
    assert len(lines) == len(kinds) == 2
    for line in lines:
        count = kinds[line.rpartition(" ")[2]]
        assert f"and {count - 4} more expect silence; the physics says" in line
