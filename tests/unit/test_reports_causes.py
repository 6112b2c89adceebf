"""The causes of a run in every report: named once, told with what shows them, never overstated."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from matrix.cause import Confidence
from matrix.causes import RULES, drops
from matrix.causes.drops import FORGED, LIMIT, PROMISCUOUS, REPLIES, REQUESTS
from matrix.probes import Verdict
from matrix.record import CauseRecord, CellRecord, Run
from reports.__main__ import main
from reports.causes import CONFIDENCES, SYMBOLS, causes_of, markdown, section_of, sections_for
from reports.findings import findings
from reports.grid import summary_lines
from reports.headline import headline
from reports.html import html
from reports.junit import junit
from tests.unit.sample_run import HOSTILE, SCRIPT, WAY, healthy, spoiled

ROOT = Path(__file__).parents[2]
TRACED, SECOND = "bridge:c1:c3:address", "bridge:c1:c4:address"
ALONE = "vlan:c5:c7:address"

PORT = CauseRecord(
    rule="promiscuous-refused",
    where="dev-node-01 enp0s5",
    line="promiscuous mode is refused there",
    confidence="likely",
    evidence=("one frame was lost", "one more", "and a third"),
    cells=(TRACED, SECOND),
    look="ssh dev-node-01 tcpdump",
    fix="allow promiscuous mode",
)
FIREWALL = replace(
    PORT, rule="firewall", line="c3 has a firewall", confidence="possible", cells=(SECOND,)
)
NOTHING = CauseRecord(
    rule="unknown",
    where="",
    line="unknown: no rule explains this cell; what was seen: silence",
    confidence="unknown",
    evidence=(f"{ALONE}: silence",),
    cells=(ALONE,),
    look="ping it",
    fix="look at the packets",
)
MTU = replace(PORT, rule="mtu-small", line="frames of full size do not pass", cells=())


@pytest.fixture(scope="module")
def broken() -> Run:
    """Two cells of a likely cause, one of them with a possible one too, one that nothing explains."""
    run = spoiled(healthy(), TRACED, Verdict.FAIL, cause=PORT.line, trace=WAY)
    run = spoiled(run, SECOND, Verdict.IMPOSTOR, cause=f"{PORT.line}; or: {FIREWALL.line}")
    run = spoiled(run, ALONE, Verdict.FAIL, cause=NOTHING.line)
    return replace(run, causes=(PORT, FIREWALL, NOTHING))


def test_the_docs_are_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/causes.md is what the command prints; make it again with it where this fails."""
    assert (ROOT / "docs" / "causes.md").read_text() == markdown()
    assert main(["causes"]) == 0
    assert capsys.readouterr().out == markdown()
    for rule in RULES:
        assert rule.title in markdown()
        assert f'<a id="rule-{rule.name}"></a>' in markdown()
    links = re.findall(r"\(#([^)]+)\)", markdown())
    assert all(f'<a id="{link}"></a>' in markdown() for link in links)
    assert set(links) == {f"rule-{rule.name}" for rule in RULES}


def test_every_cause_that_the_rules_can_name_has_a_section() -> None:
    """By the source of the rules: each name they give leads to a section, which lists no other."""
    given = {name for file in (ROOT / "matrix" / "causes").glob("*.py") for name in _named_in(file)}
    assert "promiscuous-refused" in given
    assert "gateway-stale" in given
    assert [name for name in sorted(given) if section_of(name) is None] == []
    listed = [kind for name in given if (s := section_of(name)) for kind in s.kinds]
    assert set(listed) == given
    assert section_of("unknown") is None


def _named_in(file: Path) -> Iterator[str]:
    """The first argument of every ``Cause(...)``: a text, one of two, or a name that holds some."""
    tree = ast.parse(file.read_text())
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Cause"):
            continue
        first = call.args[0]
        if isinstance(first, ast.Name):
            if isinstance(shared := getattr(drops, first.id, None), str):
                yield shared
            for node in ast.walk(tree):
                if isinstance(node, ast.Assign):
                    yield from _assigned(node, first.id)
        elif isinstance(first, ast.Attribute):
            yield from (PROMISCUOUS, FORGED, LIMIT, REQUESTS, REPLIES)  # ``drop.what`` at a port
        elif isinstance(first, ast.IfExp):
            yield from (_text(first.body), _text(first.orelse))
        else:
            yield _text(first)


def _assigned(node: ast.Assign, name: str) -> Iterator[str]:
    target = node.targets[0]
    if isinstance(target, ast.Name) and target.id == name:
        yield _text(node.value)
    elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
        for one, value in zip(target.elts, node.value.elts, strict=True):
            if isinstance(one, ast.Name) and one.id == name:
                yield _text(value)


def _text(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant), ast.dump(node)
    assert isinstance(node.value, str)
    return node.value


def test_every_confidence_has_a_sign_and_words() -> None:
    """No two share a sign, so that a grey print loses nothing."""
    assert set(SYMBOLS) == set(CONFIDENCES) == set(Confidence)
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)


def test_cells_of_a_named_fault_are_no_findings(broken: Run) -> None:
    """They stand under their cause; what is unknown stays told, by its own reason."""
    assert [[c.id for c in f.cells] for f in findings(broken)] == [[ALONE]]
    assert findings(broken)[0].cause == ""
    port, firewall, nothing = causes_of(broken)
    assert [(c.number, c.known) for c in (port, firewall, nothing)] == [
        (1, True), (2, True), (0, False),
    ]  # fmt: skip
    assert port.also == ((2, 1),)
    assert firewall.also == ((1, 1),)
    assert port.traced is not None
    assert port.traced.id == TRACED
    old = replace(broken, causes=())
    assert sum(len(f.cells) for f in findings(old)) == 3


def test_the_way_that_is_shown_shows_the_fault(broken: Run) -> None:
    """One that the evidence names, one with a loss; never one that may be silent by design."""
    calm = replace(WAY, passages=())
    run = spoiled(broken, SECOND, Verdict.FAIL, trace=calm)
    run = spoiled(run, ALONE, Verdict.INCONCLUSIVE, trace=WAY)

    def shown(*evidence: str) -> str:
        record = replace(PORT, cells=(SECOND, ALONE, TRACED), evidence=evidence)
        traced = causes_of(replace(run, causes=(record,)))[0].traced
        return traced.id if traced else ""

    assert shown() == TRACED
    assert shown(f"lost ({SECOND})") == SECOND
    assert shown(f"lost ({ALONE})") == TRACED
    only = replace(PORT, cells=(ALONE,))
    assert causes_of(replace(run, causes=(only,)))[0].traced is None
    leak = spoiled(run, SECOND, Verdict.LEAK, trace=calm)
    leak = spoiled(leak, TRACED, Verdict.LEAK, trace=WAY)
    found = causes_of(replace(leak, causes=(replace(PORT, cells=(TRACED, SECOND)),)))[0]
    assert found.traced is not None
    assert found.traced.id == SECOND


def test_a_cause_is_a_block_on_the_terminal(broken: Run) -> None:
    """How sure, how many cells, what shows it, the way of one, what to type, what to do."""
    lines = summary_lines(broken)
    start = lines.index("cause 1, likely: promiscuous mode is refused there")
    assert lines[start + 1 : start + 8] == [
        f"  cells: 2 (1 FAIL, 1 IMPOSTOR): {TRACED}, {SECOND}",
        "  or:    cause 2 explains 1 of these cells as well",
        "  seen:  one frame was lost",
        "         one more",
        f"  way:   c1 \N{RIGHTWARDS ARROW} c3: {WAY.words[0]}",
        "  look:  ssh dev-node-01 tcpdump",
        "  fix:   allow promiscuous mode",
    ]
    assert lines[start + 8] == "cause 2, possible: c3 has a firewall"
    assert not any(line.startswith(("X FAIL         bridge", "@")) for line in lines)
    assert lines[-2:] == [
        "3 of 112 cells are not as expected.",
        "look first at: promiscuous mode is refused there",
    ]


def test_what_is_unknown_looks_otherwise(broken: Run) -> None:
    """It has no number and no confidence; its cells are told one by one below it."""
    lines = summary_lines(broken)
    at = lines.index("no cause known: no rule explains this cell; what was seen: silence")
    assert lines[at + 1] == f"X FAIL         {ALONE}: reason of {ALONE}"
    assert not any("cause: unknown" in line for line in lines)
    assert not any("cause 3" in line for line in lines)
    page = html(broken).decode()
    assert page.count('class="card cause k-unknown"') == 1
    assert "</span> no cause known</b> no rule explains this cell" in page
    assert 'id="cause-3"' not in page
    only = replace(broken, causes=(NOTHING,))
    assert headline(replace(only, cells=_only_bad(only, ALONE))).look == f"reason of {ALONE}"


def _only_bad(run: Run, cell_id: str) -> tuple[CellRecord, ...]:
    return tuple(
        b if b.id == cell_id else g for b, g in zip(run.cells, healthy().cells, strict=True)
    )


def test_verbose_lists_the_cells_and_says_what_it_leaves_out(broken: Run) -> None:
    """-v has each cell's own reason and all of the evidence; a long list leaves room for others."""
    lines = summary_lines(broken, verbose=True)
    assert f"    X FAIL         {TRACED}: reason of {TRACED}" in lines
    assert f"    @ IMPOSTOR     {SECOND}: reason of {SECOND}" in lines
    assert "         and a third" in lines
    every = replace(PORT, cells=tuple(c.id for c in broken.cells))
    lines = summary_lines(replace(broken, causes=(every, FIREWALL)), verbose=True)
    assert "    and 12 more: see junit.xml" in lines
    assert "cause 2, possible: c3 has a firewall" in lines


def test_a_warning_makes_no_run_bad_and_is_counted() -> None:
    """All cells hold, and the first sentence still says that there is a warning, and which."""
    run = replace(healthy(), causes=(MTU,))
    head = headline(run)
    assert head.good
    assert head.warned
    assert head.sentence.startswith("All 112 cells are as they should be, with 1 warning: 74 ")
    assert head.look == MTU.line
    lines = summary_lines(run)
    at = lines.index("warning, likely: frames of full size do not pass")
    assert lines[at + 1] == "  cells: none, the matrix cannot show it"
    assert lines[-1] == "look first at: frames of full size do not pass"
    two = replace(run, causes=(MTU, replace(MTU, where="elsewhere")))
    assert ", with 2 warnings: " in headline(two).sentence
    root = ET.fromstring(junit(run))  # noqa: S314  our own bytes
    assert (root.get("failures"), root.get("errors")) == ("0", "0")
    said = {p.get("value") for p in root.findall("./testsuite/properties/property")}
    assert said == {"frames of full size do not pass [mtu-small, likely]"}
    page = html(run).decode()
    assert '<header class="warned">' in page
    assert "<title>As expected, with a warning: " in page
    assert '<h2 id="warnings">' in page
    assert '<h2 id="causes">' not in page
    assert "warned" not in html(healthy()).decode().partition("</style>")[2]


def test_a_warning_does_not_hide_a_failure(broken: Run) -> None:
    """It comes after the causes, and what to look at first is a cause."""
    run = replace(broken, causes=(MTU, *broken.causes))
    head = headline(run)
    assert not head.good
    assert head.sentence == "3 of 112 cells are not as expected, with 1 warning."
    assert head.look == PORT.line
    lines = summary_lines(run)
    assert lines.index(f"warning, likely: {MTU.line}") > lines.index(
        f"cause 1, likely: {PORT.line}"
    )
    ids = re.findall(r'id="(causes|fix|warnings|matrix)"', html(run).decode())
    assert ids == ["causes", "fix", "warnings", "matrix"]


def test_what_only_controls_suffer_from_is_not_looked_at_first(broken: Run) -> None:
    """The cause of a selected cell comes first, though another has more cells."""
    cells = tuple(replace(c, selected=c.id == SECOND) for c in broken.cells)
    causes = (replace(PORT, cells=(TRACED,)), FIREWALL)
    assert headline(replace(broken, cells=cells, causes=causes)).look == FIREWALL.line


def test_the_page_begins_with_the_causes(broken: Run) -> None:
    """A card each: sign and words, evidence, way, cells, command, fix, and its section below."""
    page = html(broken).decode()
    card = page.partition('id="cause-1">')[2].partition("</article>")[0]
    for part in (
        f'aria-hidden="true">{SYMBOLS["likely"]}</span> likely</b> {PORT.line}',
        "<dd>allow promiscuous mode</dd>",
        "<code>ssh dev-node-01 tcpdump</code>",
        "<li>and a third",
        '<table class="way">',
        "1 FAIL, 1 IMPOSTOR; 1 of them also under <a",
        f'href="#{TRACED}"',
        f'href="#{SECOND}"',
        'href="#rule-promiscuous-refused"',
    ):
        assert part in card, part
    assert page.index('id="causes"') < page.index('id="fix"') < page.index('id="matrix"')
    first = page.partition('id="order"')[2].partition("</section>")[0]
    assert first.index(f'<a href="#cause-1">{PORT.line}</a>') < first.index('href="#cause-2"')
    ids = set(re.findall(r'id="([^"]+)"', page))
    assert all(link in ids for link in re.findall(r'href="#([^"]+)"', page))
    evidence = page.partition(f'<dl id="{SECOND}">')[2].partition("</dl>")[0]
    assert re.findall(r'href="#(cause-\d)"', evidence) == ["cause-1", "cause-2"]


def test_only_the_rules_that_occur_are_explained(broken: Run) -> None:
    """One section for all names of a rule; none where nothing is named."""
    page = html(broken).decode()
    assert re.findall(r'<h3 id="rule-([^"]+)"', page) == ["promiscuous-refused", "firewall"]
    assert 'id="rules"' not in html(healthy()).decode()
    limit = replace(PORT, rule="mac-limit")
    assert len(sections_for(causes_of(replace(broken, causes=(PORT, limit))))) == 1


def test_the_articles_puzzle_is_explained_where_it_occurs(broken: Run) -> None:
    """A reply with ttl 255: in the docs, and in a report that names a proxy."""
    puzzle = "So the reply with 255 is not the container"
    proxy = replace(PORT, rule="proxy-arp")
    assert puzzle in html(replace(broken, causes=(proxy,))).decode()
    assert puzzle not in html(broken).decode()
    assert puzzle in markdown().partition('<a id="rule-proxy-arp">')[2].partition("<a id=")[0]


def test_junit_names_rule_and_confidence(broken: Run) -> None:
    """A line for each cause of a case, and a property for machines."""
    cases = {c.get("name"): c for c in ET.fromstring(junit(broken)).iter("testcase")}  # noqa: S314
    told = cases[SECOND].findtext("failure") or ""
    assert f"cause: {PORT.line} [promiscuous-refused, likely]\n" in told
    assert f"cause: {FIREWALL.line} [firewall, possible]\n" in told
    assert told.count("cause: ") == 2
    assert f"cause: {NOTHING.line}\n" in (cases[ALONE].findtext("failure") or "")
    found = {p.get("name"): p.get("value") for p in cases[SECOND].iter("property")}
    assert found["cause"] == "promiscuous-refused, firewall"


def test_a_cause_from_elsewhere_is_shown_and_not_obeyed(broken: Run) -> None:
    """Texts of hosts, and names that no rule of ours gives: no markup, no escape, no link."""
    wild = CauseRecord(HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), (TRACED,), HOSTILE, HOSTILE)
    run = replace(broken, causes=(wild, replace(wild, cells=())))
    page = html(run).decode()
    assert SCRIPT not in page
    assert page.count('class="card cause k-unknown') == 2
    for text in (page, "".join(summary_lines(run, verbose=True)), junit(run).decode()):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)
        assert "\\x1b[2J" in text


def test_a_huge_page_has_evidence_of_every_cause(
    broken: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only some cells have evidence, each cause and each finding has its share."""
    monkeypatch.setattr("reports.evidence.HUGE", 100)
    monkeypatch.setattr("reports.evidence.MOST_EVIDENCE", 2)
    page = html(replace(broken, causes=(PORT, NOTHING))).decode()
    assert re.findall(r'<dl id="([^"]+)"', page) == [TRACED, ALONE]
