"""The report in a real browser: rendered, filtered, by keyboard, on paper, on a phone, by axe."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from matrix.record import CauseRecord, PhaseRecord, Run
from reports.html import html
from reports.since import compare
from tests.browser.chromium import Chromium, chromium
from tests.unit.sample_run import HOSTILE, big_site, every_verdict, healthy, spoiled

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"

VISIBLE = "e => e.checkVisibility({visibilityProperty: true})"
SHOWN = f"""[...document.querySelectorAll('.mx:not(.heat) td:not(.z) a')].filter({VISIBLE})
    .map(a => decodeURIComponent(a.hash.slice(1)))"""
EVIDENCE = f"""[...document.querySelectorAll('details.source')].map(e => e.open = true)
    && [...document.querySelectorAll('details.ev')].filter({VISIBLE}).map(e => e.lastChild.id)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """One browser for all tests here."""
    with chromium() as made:
        yield made


def _with_causes() -> Run:
    """All seven verdicts, a likely cause, cells that nothing explains, a warning, slow replies."""
    ids = {v: next(c.id for c in every_verdict().cells if c.verdict == v) for v in ("FAIL", "LEAK")}
    port = CauseRecord(
        "promiscuous-refused", "dev-node-01 enp0s5", "promiscuous mode is refused there", "likely",
        ("one frame was lost",), (ids["FAIL"],), "ssh dev-node-01 tcpdump", "allow it",
    )  # fmt: skip
    unknown = replace(
        port, rule="unknown", line="unknown: seen", confidence="unknown", cells=(ids["LEAK"],)
    )
    mtu = replace(port, rule="mtu-small", line="full-size frames are lost", cells=())
    cells = [
        replace(cell, observed=replace(cell.observed, rtts_ms=(50.0,)))
        if cell.observed and cell.target == "dev-node-01"
        else cell
        for cell in every_verdict().cells
    ]
    phases = (PhaseRecord("connect", 0.0, 0.5), PhaseRecord("ask", 0.5, 2.0))
    return replace(every_verdict(), cells=tuple(cells), causes=(port, unknown, mtu), phases=phases)


def _file(path: Path, run: Run) -> Path:
    page = path / "report.html"
    page.write_bytes(html(run, compare(run, "", healthy(), "", how="the run before")))
    return page


@pytest.fixture
def page(browser: Chromium, tmp_path: Path) -> Chromium:
    """All seven verdicts in a page, on a desk."""
    browser.look(width=1280, height=800)
    browser.open(_file(tmp_path, every_verdict()))
    return browser


def _ids(verdict: str) -> list[str]:
    return [cell.id for cell in every_verdict().cells if cell.verdict == verdict]


def _choose(page: Chromium, **wanted: str) -> None:
    """Choose in the filter, and let the page know as a hand does."""
    script = """for (const [name, value] of Object.entries(%s)) {
        const field = document.getElementById('filter').elements[name];
        field.value = value;
        if (field.value !== value) throw new Error(`${name} has no ${value}`);
        field.dispatchEvent(new Event('input', {bubbles: true}));
    }"""
    page.run(script % json.dumps(wanted))


def test_it_is_shown_and_asks_for_nothing(page: Chromium) -> None:
    """Styled and alive under its own policy; no complaint, no request but the file itself."""
    assert page.complaints() == []
    assert len(page.requests()) == 1
    assert page.run("getComputedStyle(document.querySelector('header')).backgroundColor") == (
        "rgb(143, 29, 23)"
    )
    assert page.run("document.getElementById('filter').hidden") is False
    assert page.run(SHOWN) == [a for a in page.run(SHOWN) if a]
    assert sorted(page.run(SHOWN)) == sorted(cell.id for cell in every_verdict().cells)


def test_the_first_screen_has_what_matters(page: Chromium) -> None:
    """Verdict, what changed, and the order in which to fix it, without scrolling."""
    script = """['h1', '#since', '#order', '.order li:last-child'].map(s => {
        const at = document.querySelector(s).getBoundingClientRect();
        return at.top >= 0 && at.bottom <= innerHeight && at.width > 0;})"""
    assert page.run(script) == [True, True, True, True]


def test_another_script_does_not_run(browser: Chromium, tmp_path: Path) -> None:
    """Should markup ever get in, the policy stops it."""
    path = _file(tmp_path, every_verdict())
    text = path.read_text().replace(
        "<h1>", "<script>document.title = 'owned'</script><h1 onclick='x()' style='color:red'>"
    )
    path.write_text(text)
    browser.open(path)
    assert browser.run("document.title") != "owned"
    assert browser.run("getComputedStyle(document.querySelector('h1')).color") != "rgb(255, 0, 0)"
    assert any("Content Security Policy" in text for text in browser.complaints())


def test_hostile_names_do_nothing(browser: Chromium, tmp_path: Path) -> None:
    """Names and outputs with markup stay text, and the filter finds them."""
    run = healthy()
    evil = f'{HOSTILE}"><img src=x onerror="document.title=\'owned\'">'
    cells = tuple(
        replace(c, source=evil if c.source == "c1" else c.source, reason=evil) for c in run.cells
    )
    browser.open(_file(tmp_path, replace(run, cells=cells)))
    _choose(browser, name="onerror")
    mine = sum(cell.source == "c1" for cell in run.cells)
    assert len(browser.run(SHOWN)) == mine > 0
    assert browser.run("document.title") != "owned"
    assert browser.run("document.images.length") == 0
    assert browser.complaints() == []


def test_it_shows_everything_without_a_script(browser: Chromium, tmp_path: Path) -> None:
    """No script allowed: no filter, but three switches, and every cell."""
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    browser.events.clear()
    try:
        browser.ask("Page.navigate", url=_file(tmp_path, every_verdict()).as_uri())
        browser.wait_for("Page.loadEventFired")
        assert browser.run("document.getElementById('filter').hidden") is True
        assert len(browser.run(SHOWN)) == 112
        browser.run("document.getElementById('show-bad').checked = true")
        assert set(browser.run(SHOWN)) == {
            c.id for c in every_verdict().cells if c.verdict not in ("PASS", "BLOCKED")
        }
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)
        browser.events.clear()


def test_filter_by_verdict(page: Chromium) -> None:
    """Matrix and evidence show the same cells; rows without any go; how many is said."""
    _choose(page, verdict="X")
    assert page.run(SHOWN) == page.run(EVIDENCE) == _ids("FAIL") == ["bridge:c1:c3:address"]
    rows = f"[...document.querySelectorAll('.mx:not(.heat) tbody th[scope=row]')].filter({VISIBLE})"
    assert page.run(f"{rows}.length") == 1
    assert page.run("document.querySelector('#filter output').textContent") == "1 of 112 cells"
    _choose(page, verdict="bad")
    assert len(page.run(SHOWN)) == 5
    page.run("document.querySelector('#filter button').click()")
    page.run("new Promise(done => setTimeout(done))")
    assert len(page.run(SHOWN)) == len(page.run(EVIDENCE)) == 112
    assert page.run("document.querySelector('#filter output').textContent") == ""


def test_filter_by_host_kind_and_name(page: Chromium) -> None:
    """Each alone and all together, from the record's own words."""
    cells = every_verdict().cells
    _choose(page, **{"from": "dev-master-01"})
    assert set(page.run(SHOWN)) == {c.id for c in cells if c.source_host == "dev-master-01"}
    _choose(page, to="dev-node-01")
    both = {
        c.id for c in cells if (c.source_host, c.target_host) == ("dev-master-01", "dev-node-01")
    }
    assert set(page.run(SHOWN)) == both
    kinds = page.run(
        "[...document.querySelectorAll('[name=kind] option')].map(o => [o.value, o.text])"
    )
    by_name = next(value for value, text in kinds if text == "remote container by name")
    _choose(page, kind=by_name)
    named = {c.id for c in cells if c.id in both and c.by == "name"}
    assert set(page.run(SHOWN)) == named
    _choose(page, name="C1")
    assert set(page.run(SHOWN)) == {i for i in named if ":c1:" in i} != set()


def test_by_keyboard_alone(page: Chromium) -> None:
    """Skip link first; a matrix is one stop; arrows move in it; Enter opens the evidence."""
    focus = "(e => e.id || e.className || e.name || e.textContent)(document.activeElement)"
    page.press("Tab")
    assert page.run(focus) == "skip"
    assert page.run("document.activeElement.getBoundingClientRect().left") >= 0
    page.press("Enter")
    assert page.run(focus) == "main"
    reached = []
    for _ in range(120):
        page.press("Tab")
        reached.append(page.run("document.activeElement.name || document.activeElement.hash || ''"))
        if page.run("document.activeElement.closest('.mx a') !== null"):
            break
    assert [n for n in reached if n in ("verdict", "from", "to", "kind", "name")] == [
        "verdict", "from", "to", "kind", "name",
    ]  # fmt: skip
    first = reached[-1]
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.run(outline) == "solid"
    at = "decodeURIComponent(document.activeElement.hash)"
    assert first == "#bridge:c1:gateway:address"
    page.press("ArrowRight")
    page.press("ArrowRight")
    assert page.run(at) == "#bridge:c1:c2:address"
    page.press("ArrowDown")
    assert page.run(at) == "#bridge:c2:c2:address"
    page.press("Home")
    assert page.run(at) == "#bridge:c2:gateway:address"
    page.press("End")
    assert page.run(at) == "#bridge:c2:c4:name"
    page.press("Tab")
    assert not page.run(at).startswith("#bridge:c")
    page.press("Tab", shift=True)
    assert page.run(at) == "#bridge:c2:c4:name"
    page.press("Enter")
    page.run("new Promise(done => setTimeout(done, 50))")
    opened = "document.getElementById('bridge:c2:c4:name')"
    assert page.run(f"({VISIBLE})({opened})") is True
    assert page.run(f"{opened}.getBoundingClientRect().top < innerHeight") is True


def test_a_link_opens_what_is_closed_or_filtered_out(browser: Chromium, tmp_path: Path) -> None:
    """From outside by its fragment, and from within while a filter hides it."""
    browser.look(width=1280, height=800)
    path = _file(tmp_path, every_verdict())
    browser.open(path, "#bridge:c3:c4:address")
    shown = f"({VISIBLE})(document.getElementById('bridge:c3:c4:address'))"
    browser.run("new Promise(done => setTimeout(done, 50))")
    assert browser.run(shown) is True
    browser.open(path)
    assert browser.run(shown) is False
    _choose(browser, verdict="X")
    browser.run("location.hash = '#bridge:c3:c4:address'")
    browser.run("new Promise(done => setTimeout(done, 50))")
    assert browser.run(shown) is True
    assert len(browser.run(SHOWN)) == 112


def test_headers_stay_in_sight(browser: Chromium, tmp_path: Path) -> None:
    """Scrolled to its end, a big matrix still shows its column heads and row names."""
    browser.look(width=1000, height=600)
    browser.open(_file(tmp_path, healthy(big_site(33))))
    script = """(() => { const box = document.querySelector('.scroll:has(> #table-1)');
        box.scrollTo(99999, 99999);
        const outer = box.getBoundingClientRect();
        const head = box.querySelector('thead tr:last-child th:last-child').getBoundingClientRect();
        const name = box.querySelector('tbody:last-child tr:last-child th').getBoundingClientRect();
        return [box.scrollTop > 100, box.scrollLeft > 100, head.top >= outer.top - 1,
            head.bottom < outer.bottom, name.left >= outer.left - 1]; })()"""
    assert browser.run(script) == [True, True, True, True, True]


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_hangs_over_the_edge(browser: Chromium, tmp_path: Path, width: int) -> None:
    """No sideways scrolling of the page on a phone, a tablet or a desk."""
    browser.look(width=width, height=800, phone=width < 700)
    browser.open(_file(tmp_path, _with_causes()))
    browser.run("for (const one of document.querySelectorAll('details')) one.open = true")
    assert browser.run("[document.documentElement.scrollWidth, innerWidth]") == [width, width]


def test_paper_has_all_evidence(browser: Chromium, tmp_path: Path) -> None:
    """Printed while everything is closed and a filter is on: A4, and each cell's id is on it."""
    browser.look(width=1280, height=800)
    run = every_verdict()
    browser.open(_file(tmp_path, run))
    _choose(browser, verdict="X")
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(browser.pdf())
    about = subprocess.run(["pdfinfo", pdf], capture_output=True, text=True, check=True).stdout
    assert "(A4)" in about
    text = subprocess.run(
        ["pdftotext", "-raw", pdf, "-"], capture_output=True, text=True, check=True
    ).stdout
    words = re.sub(r"\s+", "", text)
    missing = [cell.id for cell in run.cells if f"Cell{cell.id}" not in words]
    assert missing == []
    for part in ("NXDOMAIN", "Round trips", "How the silences of this run were proven", "ab" * 32):
        assert part.replace(" ", "") in words
    assert len(browser.run(SHOWN)) == 1, "the filter on the screen stays"


@pytest.mark.parametrize(
    ("kind", "dark"),
    [
        ("every verdict", False),
        ("every verdict", True),
        ("healthy", True),
        ("filtered", False),
        ("huge", False),
        ("phone", False),
    ],
)
def test_axe_finds_nothing(
    browser: Chromium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, *, dark: bool
) -> None:
    """No violation of any of axe's rules, of whatever weight, with everything opened."""
    assert AXE.exists(), "npm ci --prefix tests/browser, or ./toxw run -e report"
    run = healthy() if kind == "healthy" else _with_causes()
    if kind == "huge":
        monkeypatch.setattr("reports.evidence.HUGE", 500)
        monkeypatch.setattr("reports.evidence.MOST_EVIDENCE", 40)
        monkeypatch.setattr("reports.view.MOST_ROWS", 10)
        run = healthy(big_site(14))
        for cell in [c for c in run.cells if c.relation == "sibling"][:30]:
            run = spoiled(run, cell.id, "FAIL", reason="lost on the way")
    phone = kind == "phone"
    browser.look(width=390 if phone else 1280, height=800, dark=dark, phone=phone)
    browser.open(_file(tmp_path, run))
    if kind == "filtered":
        _choose(browser, verdict="bad")
    browser.run("for (const one of document.querySelectorAll('details')) one.open = true")
    browser.run(AXE.read_text("utf-8") + ";0")
    found: list[dict[str, Any]] = browser.run(
        "axe.run({resultTypes: ['violations']}).then(r => r.violations.map(v => "
        "({id: v.id, impact: v.impact, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200)"
        " + ' ' + n.failureSummary)})))"
    )
    assert json.dumps(found, indent=1) == "[]"


def test_2500_and_40000_cells_are_usable(browser: Chromium, tmp_path: Path) -> None:
    """Below 2 MB, everything there, and a filter answers."""
    browser.look(width=1280, height=800)
    for containers, least in ((33, 2_400), (140, 40_000)):
        run = healthy(big_site(containers))
        failed = next(c for c in run.cells if c.relation == "remote container")
        run = spoiled(run, failed.id, "FAIL")
        assert len(run.cells) >= least
        path = _file(tmp_path, run)
        assert path.stat().st_size < 2_000_000
        browser.open(path)
        _choose(browser, verdict="X")
        assert len(browser.run(SHOWN)) == 1
        assert browser.complaints() == []
