"""junit.xml for CI servers: a test case for each selected cell, its verdict as the outcome.

Rule 1: no cell that was run is skipped. FAIL, LEAK, IMPOSTOR and FLAPPING are failures; INCONCLUSIVE
and cells that were never judged are errors; PASS and BLOCKED pass. Skipped are the cells of a scenario
whose driver a host lacks, as are questions that an engine cannot be asked. A run with trouble and no
cell is one error, because a green empty file is how a broken night goes unseen.
Rule 2: a warning makes no case fail; it is a property of every suite.
Rule 3: only characters that XML 1.0 allows (section 2.2, production Char) are written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from matrix.grid import plain
from matrix.lifecycle_record import PairRecord
from matrix.parent_rule import Status
from matrix.probes import Verdict
from matrix.record import CauseRecord, CellRecord, EngineRecord, NotRunRecord, Run
from reports.causes import UNKNOWN, warnings_of
from reports.contrast import missing_words
from reports.engines import differs
from reports.findings import troubles
from reports.grid import covered, scenarios_of
from reports.marks import holds

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FAILURES = frozenset({Verdict.FAIL, Verdict.LEAK, Verdict.IMPOSTOR, Verdict.FLAPPING})


def junit(run: Run) -> bytes:
    """The run as JUnit XML, UTF-8, with a final newline."""
    root = Element("testsuites", name=_text(f"matrix {run.id}"))
    causes: dict[str, list[CauseRecord]] = {}
    for cause in run.causes:
        for cell_id in cause.cells:
            causes.setdefault(cell_id, []).append(cause)
    for scenario in scenarios_of(run):
        cells = [c for c in run.cells if c.scenario == scenario and c.selected]
        if cells:
            _suite(
                root, run, scenario, [_case(cell, run, causes.get(cell.id, ())) for cell in cells]
            )
    for missing in run.not_run:
        if missing.cells:
            _suite(root, run, missing.scenario, [_not_run(i, missing) for i in missing.cells])
    if run.engines:
        _suite(root, run, "parent", [_engine(one) for one in run.engines])
    for event in run.lifecycle:
        _suite(root, run, event.id, [_pair(pair) for pair in event.pairs])
    if troubles(run) or not len(root):
        _suite(root, run, "run", [_trouble(run)])
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    indent(root)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(root: Element, run: Run, name: str, cases: list[Element]) -> None:
    suite = SubElement(root, "testsuite", name=_text(name), tests=str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("errors", str(sum(case.find("error") is not None for case in cases)))
    suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
    suite.set("timestamp", _text(run.started_at))
    said = [("coverage", covered(run).removeprefix("coverage: "))]
    said += [("warning", _cause(warning.record)) for warning in warnings_of(run)]
    if said := [(key, value) for key, value in said if value]:
        properties = SubElement(suite, "properties")
        for key, value in said:
            SubElement(properties, "property", name=key, value=_text(value))
    suite.extend(cases)


def _cause(cause: CauseRecord) -> str:
    if cause.confidence == UNKNOWN:
        return cause.line
    return f"{cause.line} [{cause.rule}, {cause.confidence}]"


def _case(cell: CellRecord, run: Run, causes: Sequence[CauseRecord]) -> Element:
    case = Element("testcase", classname=_text(cell.scenario), name=_text(cell.id))
    properties = SubElement(case, "properties")
    for name, value in (
        ("verdict", cell.verdict or "not judged"),
        ("expected", cell.expected),
        ("observed", _observed(cell)),
        ("relation", cell.relation),
        ("because", cell.because),
    ):
        SubElement(properties, "property", name=name, value=_text(value))
    if causes:
        rules = ", ".join(dict.fromkeys(cause.rule for cause in causes))
        SubElement(properties, "property", name="cause", value=_text(rules))
    if cell.override is not None:
        for name, value in (
            ("override", cell.override.ticket),
            ("override-until", cell.override.until),
            ("override-in-force", "yes" if cell.override.in_force else "no, expired"),
            ("physics", f"{cell.override.physics}, because {cell.override.physics_because}"),
        ):
            SubElement(properties, "property", name=name, value=_text(value))
    if holds(cell):
        return case
    what = "failure" if cell.verdict in _FAILURES else "error"
    reason = cell.reason or cell.not_run or f"the run ended in phase {run.phase!r}: not judged"
    problem = SubElement(case, what, type=_text(cell.verdict or "not judged"))
    problem.set("message", _text(reason))
    lines = [reason]
    lines += [f"cause: {_cause(cause)}" for cause in causes]
    lines += [f"cause: {cell.cause}"] if cell.cause and not causes else []
    lines += [f"expected: {cell.expected}, because {cell.because}"]
    lines += [f"way: {words}" for words in cell.trace.words] if cell.trace else []
    lines += [f"next: {cell.next_command}"] if cell.next_command else []
    if cell.observed is not None:
        lines += [text for text in (cell.observed.error, cell.observed.raw) if text]
    problem.text = _text("\n".join(lines))
    return case


def _not_run(cell: str, missing: NotRunRecord) -> Element:
    """A cell of a scenario whose driver a host lacks: JUnit's word for it is skipped."""
    case = Element("testcase", classname=_text(missing.scenario), name=_text(cell))
    SubElement(case, "skipped", message=_text(missing_words(missing)))
    return case


def _engine(one: EngineRecord) -> Element:
    """An engine's answer. What this machine cannot be asked is the one thing that JUnit calls skipped."""
    case = Element("testcase", classname="parent", name=_text(one.id))
    properties = SubElement(case, "properties")
    for name in ("version", "status", "expected", "answer", "said", "means"):
        SubElement(properties, "property", name=name, value=_text(getattr(one, name)))
    if one.status == Status.NOT_RUN:
        SubElement(case, "skipped", message=_text(one.reason))
    elif differs(one):
        what = "failure" if one.status == Status.DIFFERS else "error"
        reason = one.reason or f"{one.asks}: not asked"
        SubElement(case, what, type=_text(one.status or "not asked"), message=_text(reason))
    return case


def _pair(pair: PairRecord) -> Element:
    """A pair through an event of the site."""
    case = Element("testcase", classname=_text(pair.scenario), name=_text(pair.id))
    properties = SubElement(case, "properties")
    for name, value in (
        ("verdict", pair.verdict),
        ("expected", pair.must),
        ("observed", pair.reason),
        ("because", pair.because),
    ):
        SubElement(properties, "property", name=name, value=_text(value))
    if pair.verdict not in (Verdict.PASS, Verdict.BLOCKED):
        what = "failure" if pair.verdict in _FAILURES else "error"
        problem = SubElement(case, what, type=_text(pair.verdict), message=_text(pair.reason))
        problem.text = _text(f"{pair.reason}\nexpected: {pair.must}, because {pair.because}")
    return case


def _trouble(run: Run) -> Element:
    case = Element("testcase", classname="run", name="the run itself")
    words = troubles(run) or (f"no cell was asked (the run ended in phase {run.phase!r})",)
    problem = SubElement(case, "error", type="trouble", message=_text(words[0]))
    problem.text = _text("\n".join(words))
    return case


def _observed(cell: CellRecord) -> str:
    seen = cell.observed
    if (other := cell.exchange) is not None:
        ends = ", ".join(f"{count} {end}" for end, count in other.ends.items())
        return f"{other.came} of {other.sent} came through" + (f" ({ends})" if ends else "")
    if seen is None:
        return f"did not run: {cell.not_run}" if cell.not_run else "nothing was observed"
    if seen.sent == 0 and seen.resolver_code:
        return f"no address: {seen.resolver} said {seen.resolver_code}"
    return f"{seen.received} of {seen.sent} replies"


def _text(text: str) -> str:
    """Escapes are made visible first (a CI log is a terminal too); then what XML forbids goes."""
    return _NOT_XML.sub("", plain(text, keep="\n"))
