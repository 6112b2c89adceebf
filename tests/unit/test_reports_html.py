"""report.html: whole, inert, readable, equal bytes; every cell leads to its evidence."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from matrix.record import CellRecord, CoverageRecord, Run, dump, load
from reports.findings import blocked
from reports.html import html
from tests.unit.sample_run import HOSTILE, SCRIPT, big_site, every_verdict, healthy, spoiled

VOID = {"meta", "input"}
OPTIONAL_END = {"li", "dt", "dd", "tr", "td", "th"}
"""Elements whose end tag HTML lets us leave out."""


class Page(HTMLParser):
    """The page as a browser takes it apart: tags in order, text, ids and where links lead."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.text: list[str] = []
        self.feed(data.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID and tag not in OPTIONAL_END:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It must close what was opened last."""
        if tag in OPTIONAL_END:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        """Style and script are no text."""
        if self.open[-1:] not in (["style"], ["script"]):
            self.text.append(data)

    def words(self) -> str:
        """All of the text, with single spaces."""
        return re.sub(r"\s+", " ", "".join(self.text))

    def values(self, name: str) -> list[str]:
        """All values of an attribute."""
        return [value for _, attrs in self.tags if (value := attrs.get(name)) is not None]


@pytest.fixture(scope="module")
def page() -> Page:
    """All seven verdicts in one page."""
    return Page(html(every_verdict()))


def test_rendering_twice_gives_equal_bytes() -> None:
    """The page is a function of the run, also of one that went through its file."""
    run = every_verdict()
    assert html(run) == html(run) == html(load(dump(run)))
    assert html(run) != html(spoiled(run, "bridge:c1:c2:address", "FAIL"))


def test_tags_are_balanced_and_ids_unique(page: Page) -> None:
    """What is opened is closed, in order; no id stands twice; no link leads nowhere."""
    assert not page.wrong
    assert not page.open
    ids = Counter(page.values("id"))
    assert max(ids.values()) == 1
    assert {link.removeprefix("#") for link in page.values("href")} <= set(ids)
    named = " ".join(page.values("aria-labelledby")).split()
    assert set(named) <= set(ids)


def test_nothing_is_loaded_and_only_its_own_script_runs(page: Page) -> None:
    """One style and one script, both named by their digests; no handler, nothing from outside."""
    tags = Counter(tag for tag, _ in page.tags)
    assert not tags.keys() & {"link", "img", "iframe", "object", "base"}
    assert (tags["script"], tags["style"]) == (1, 1)
    assert all(link.startswith("#") for link in page.values("href"))
    names = {name for _, attrs in page.tags for name in attrs}
    assert not {n for n in names if n.startswith("on")}
    assert not names & {"src", "srcset", "action", "style"}
    policy = next(a for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    text = html(every_verdict()).decode()
    style, script = (
        re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL) for tag in ("style", "script")
    )
    assert str(policy["content"]) == (
        f"default-src 'none'; style-src '{_digest(*style)}'; script-src '{_digest(*script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"url\(|@import|https?:|&(?:lt|gt|amp|quot|#\d+);", *style)
    assert not re.search(r"fetch|XMLHttp|import\(|https?:|innerHTML|eval", *script)


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def test_every_cell_leads_to_its_evidence(page: Page) -> None:
    """Each cell of the record has its own anchor, and the matrix links to it."""
    ids, links = set(page.values("id")), Counter(page.values("href"))
    for cell in every_verdict().cells:
        assert cell.id in ids
        assert links[f"#{cell.id}"] >= 1


def test_it_reads_without_sight_or_mouse(page: Page) -> None:
    """Language, skip link, headings without a gap, scopes, focusable scrolling, verdicts in words."""
    attrs = dict(page.tags)
    assert attrs["html"]["lang"] == "en"
    first = next(a for tag, a in page.tags if tag == "a")
    assert first == {"class": "skip", "href": "#main"}
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert all("scope" in a for tag, a in page.tags if tag == "th")
    regions = [a for _, a in page.tags if a.get("role") == "region"]
    assert regions
    assert all(a.get("tabindex") == "0" and len(a.keys() & _NAMES) == 1 for a in regions)
    text = page.words()
    for verdict in ("PASS", "BLOCKED", "FAIL", "LEAK", "IMPOSTOR", "FLAPPING", "INCONCLUSIVE"):
        assert verdict in text


_NAMES = {"aria-label", "aria-labelledby"}
_ATTRIBUTES = {
    "aria-hidden", "aria-live", "autocomplete", "charset", "checked", "class", "colspan", "content",
    "focusable", "height", "hidden", "href", "http-equiv", "id", "lang", "name", "open",
    "preserveaspectratio", "role", "scope", "spellcheck", "tabindex", "type", "value", "viewbox",
    "width", "x", "x1", "x2", "y", "y1", "y2", *_NAMES,
}  # fmt: skip


def test_sections_stand_in_the_order_of_need(page: Page) -> None:
    """What changed, the order, the faults, matrix, the article's answer, and then the numbers."""
    order = "since order fix matrix why pace timeline hosts declared method evidence".split()  # noqa: SIM905
    assert [i for i in page.values("id") if i in order] == order
    text = page.words()
    assert text.index("5 of 112 cells are not as expected.") < text.index("What to fix")
    assert "Look first at: the cable" in text


def test_evidence_is_all_there() -> None:
    """What was sent, what came back, by whom, what both ends saw, and why silence counts."""
    run = every_verdict()
    text = Page(html(run)).words()
    for part in (
        "3 sent, 3 received, from 192.168.2.222, TTL 64",
        "0.412, 0.391, 0.4 ms",
        "Arrived there" + "yes, 3 of 3",
        "02:42:c0:a8:02:dc, REACHABLE",
        "127.0.0.11 said NXDOMAIN in 1.25 ms: no address",
        "Did not run" + "no namespace",
        "3 x ICMP echo c1 -> 192.168.2.222",
        "64 bytes from 192.168.2.222: seq=0 ttl=64 time=0.412 ms",
        "ping -c 3 192.0.2.1",
        "ab" * 32,
        "l2matrix-run/1",
    ):
        assert part in text, part


def test_the_article_gets_its_answer() -> None:
    """Blocked cells by design and by declaration, each with reason and remedy; then the rest."""
    text = Page(html(healthy())).words()
    assert "Of 112 cells asked, 38 do not get through." in text
    assert "a parent does not reach its own children" in text
    assert "add --add-host c3:192.168.2.222" in text
    assert "then set gateway_present = true" in text
    assert "because of this network or these hosts None." in text
    assert "What to fix" not in text
    spoilt = Page(html(every_verdict())).words()
    assert "Answered, although nothing should answer" in spoilt
    assert "Cannot be told from this run" in spoilt


def test_hostile_text_stays_text() -> None:
    """Markup in any text is escaped; what a terminal or a reader's eye would obey is shown."""
    run = healthy()
    evil = _all_texts(run.cells[0], HOSTILE)
    assert run.cells[0].observed is not None
    seen = replace(run.cells[0].observed, error=HOSTILE, raw=HOSTILE, command=HOSTILE)
    run = replace(
        run,
        id=HOSTILE,
        trouble=(HOSTILE,),
        notes=(HOSTILE,),
        prober={HOSTILE: HOSTILE, "more": {HOSTILE: [HOSTILE]}},
        tool={HOSTILE: HOSTILE},
        hosts=(replace(run.hosts[0], name=HOSTILE, trouble=HOSTILE, difference=(HOSTILE,)),),
        cells=(evil, replace(evil, id="x", scenario="vlan", observed=seen), *run.cells[1:]),
    )
    data = html(run)
    page = Page(data)
    assert not page.wrong
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert {name for _, attrs in page.tags for name in attrs} <= _ATTRIBUTES
    shown = page.words()
    assert shown.count(SCRIPT) > 20
    assert "\\x1b[2J\\x00\\u202e\\ud800" in shown
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", data.decode())


def _all_texts(cell: CellRecord, text: str) -> CellRecord:
    texts: dict[str, Any] = {n: text for n in cell.__slots__ if isinstance(getattr(cell, n), str)}
    return replace(cell, **texts)


@pytest.mark.parametrize("phase", ["planned", "observed"])
def test_a_run_that_died_still_has_a_page(phase: str) -> None:
    """No cells, no facts, no end: the page says so and does not call it good."""
    run: Run = replace(
        healthy(),
        phase=phase,
        finished_at=None,
        cells=(),
        timeline=(),
        trouble=("dev-node-01: the host key has changed\n  -> compare it on the console",),
    )
    run = replace(run, hosts=tuple(replace(h, before=None, after=None) for h in run.hosts))
    text = Page(html(run)).words()
    assert f"The run ended early, in phase '{phase}'" in text
    assert "Look first at: dev-node-01: the host key has changed" in text
    assert "compare it on the console" in text
    assert "not finished" in text


def test_2500_cells_can_be_mailed() -> None:
    """A run of more than 2,500 cells is a page of less than 2 MB; a failure keeps its raw text."""
    run = healthy(big_site(33))
    assert len(run.cells) > 2_400
    failed = run.cells[1].id
    run = spoiled(run, failed, "FAIL")
    data = html(run)
    assert len(data) < 2_000_000
    assert data.count(b"64 bytes from") == 1


@pytest.fixture
def huge(monkeypatch: pytest.MonkeyPatch) -> Run:
    """What counts as huge is made small, so that a page of 500 cells is one."""
    monkeypatch.setattr("reports.evidence.HUGE", 500)
    monkeypatch.setattr("reports.evidence.MOST_EVIDENCE", 40)
    monkeypatch.setattr("reports.view.MOST_ROWS", 10)
    run = healthy(big_site(14))
    for cell in [c for c in run.cells if c.relation == "sibling"][:60]:
        run = spoiled(run, cell.id, "FAIL", reason="lost on the way")
    return spoiled(run, run.cells[0].id, "LEAK", reason="one that is easily missed")


def test_a_huge_page_has_evidence_of_every_finding(huge: Run) -> None:
    """What is wrong is there, up to a number; of each finding something; the rest is counted."""
    page = Page(html(huge))
    assert not page.wrong
    assert not page.open
    ids = Counter(page.values("id"))
    assert max(ids.values()) == 1
    assert {link.removeprefix("#") for link in page.values("href")} <= set(ids)
    text = page.words()
    # 40 cells: the LEAK, and 39 of the 60 FAIL.
    assert sum(tag == "details" and a.get("class") == "ev" for tag, a in page.tags) == 40
    assert "and 21 more in run.json" in text
    assert f"{len(huge.cells) - 40} cells are left out" in text
    assert huge.cells[0].id in text


def test_a_huge_page_draws_host_by_host(huge: Run) -> None:
    """A place of the matrix says how many of which verdict it stands for."""
    text = Page(html(huge)).words()
    assert "Drawn host by host" in text
    one = r"\d+ (?:PASS|BLOCKED|FAIL|LEAK)"
    places = re.findall(rf"([X!+-])({one}(?:, {one})*)", text)
    shown = sum(int(n) for _, words in places for n in re.findall(r"\d+", words))
    assert shown == len(huge.cells)
    loud = {mark for mark, words in places if "FAIL" in words or "LEAK" in words}
    assert loud == {"X", "!"}
    assert not {mark for mark, words in places if re.fullmatch(r"\d+ PASS", words)} - {"+"}
    assert "Drawn host by host" not in Page(html(healthy())).words()


def test_a_page_says_how_much_was_asked() -> None:
    """Part of a site is not shown as all of it."""
    covered = CoverageRecord("pairs", "2026-11-25", 112, 9_900)
    text = Page(html(replace(healthy(), coverage=covered, cells_in_plan=9_900))).words()
    line = "coverage: pairs (day 2026-11-25): 112 of 9,900 cells; the rest was not asked."
    assert line in text


def test_the_answer_names_every_blocked_cell() -> None:
    """In its section each BLOCKED cell is linked, below a reason and a remedy."""
    run = every_verdict()
    section = html(run).decode().partition('<section aria-labelledby="why">')[2]
    cards = section.partition("</section>")[0].split('<article class="card vB">')[1:]
    named: list[str] = []
    for card in cards:
        inside = card.partition("</article>")[0]
        assert re.search(r"<dt>Why</dt><dd><p>.+\w.+</p>", inside)
        assert re.search(r"<dt>To open it</dt><dd><p>.+\w.+</p>", inside)
        assert re.search(r'Step by step: <a href="#how-', inside)
        named += re.findall(r'href="#([^"]+:[^"]+)"', inside)
    assert len(cards) == len(blocked(run))
    assert sorted(named) == sorted(c.id for c in run.cells if c.verdict == "BLOCKED")


def test_no_cell_takes_an_anchor_of_the_page() -> None:
    """Ids that are a section's, or another cell's number, make way: every id stands once."""
    run = healthy()
    odd = {0: "evidence", 1: "c2", 2: "a b", 3: "matrix-1"}
    cells = (replace(cell, id=odd.get(n, cell.id)) for n, cell in enumerate(run.cells))
    page = Page(html(replace(run, cells=tuple(cells))))
    assert max(Counter(page.values("id")).values()) == 1
