"""A run in a sentence or two: is all as it should be, and what of it is this network's doing.

Rule: a sentence says nothing that the record does not hold, and a warning is counted in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from matrix.driver import Driver
from matrix.probes import Verdict
from matrix.record import CellRecord, Run
from reports.causes import causes_of, warnings_of
from reports.engines import differs, tally
from reports.findings import DECLARATION, DESIGN, ORIGINS, OVERRIDE, blocked, findings, troubles
from reports.lifecycle import events_told
from reports.marks import counts, holds, overridden


@dataclass(frozen=True, slots=True)
class Headline:
    """Is everything as it should be; one sentence; and where to look first ("" where nowhere).

    ``warned``: there is a warning, which makes no run bad.
    """

    good: bool
    sentence: str
    look: str = ""
    warned: bool = False


def headline(run: Run) -> Headline:
    """What a tired person needs to know of the run."""
    selected = tuple(cell for cell in run.cells if cell.selected)
    total = len(selected)
    bad = sum(not holds(cell) for cell in selected)
    trouble = next((text.strip().partition("\n")[0] for text in troubles(run)), "")
    if run.phase != "judged":
        early = f"The run ended early, in phase {run.phase!r}: nothing here is a verdict."
        return Headline(good=False, sentence=early, look=trouble or "it was stopped, or it died")
    events = events_told(run)
    if not total and events.pairs and not run.engines:
        good = not trouble and not events.bad
        return Headline(good, events.sentence, trouble or events.look)
    if not total and run.engines:
        wrong = sum(map(differs, run.engines))
        sentence = f"{len(run.engines)} questions to engines: {tally(run)}."
        sentence += f" {events.sentence}" if events.pairs else ""
        good = not wrong and not trouble and not events.bad
        return Headline(good, sentence, trouble or events.look)
    if not total:
        look = trouble or "none was selected"
        return Headline(good=False, sentence=f"No cell was asked.{not_run_told(run)}", look=look)
    part = (
        ""
        if total + run.cells_not_run == run.cells_in_plan
        else f" selected (of {run.cells_in_plan})"
    )
    warnings = warnings_of(run)
    warned = f", with {len(warnings)} warning{'s' * (len(warnings) > 1)}" if warnings else ""
    asked = f" {len(run.engines)} questions to engines: {tally(run)}." if run.engines else ""
    asked += f" {events.sentence}" if events.pairs else ""
    asked = f"{not_run_told(run)}{asked}"
    if not bad:
        found = counts(run.cells)
        sentence = (
            f"All {total} cells{part} are as they should be{warned}: "
            f"{found.get(Verdict.PASS, 0)} answered, {found.get(Verdict.BLOCKED, 0)} are blocked "
            "as expected, with proof."
        )
        if by_override := sum(overridden(cell) for cell in selected):
            sentence += f" {by_override} of them by the site's overrides, against the physics."
        look = trouble or events.look or (warnings[0].line if warnings else "")
        good = not trouble and not any(map(differs, run.engines)) and not events.bad
        return Headline(good, sentence + asked, look, warned=bool(warnings))
    be = "is" if bad == 1 else "are"
    sentence = (
        f"{_leaks(selected)}{bad} of {total} cells{part} {be} not as expected{warned}.{asked}"
    )
    look = trouble or _first(run)
    return Headline(good=False, sentence=sentence, look=look, warned=bool(warnings))


def _macvlan_alone(run: Run) -> str:
    others = any(s.driver != Driver.MACVLAN for s in run.site.scenarios)
    return " (which opens macvlan's alone)" if others else ""


def not_run_told(run: Run) -> str:
    """How many cells were not run, and what was missing; "" where all were."""
    return "".join(
        f" {len(one.cells)} cells of scenario {one.scenario} were not run: no {one.feature} on "
        f"{' and '.join(one.hosts)}."
        for one in run.not_run
        if one.cells
    )


def _leaks(cells: tuple[CellRecord, ...]) -> str:
    """Segments that are not apart: that stands before all else. "" where they are."""
    leaks = [c for c in cells if c.verdict == Verdict.LEAK and c.target_scenario]
    if not leaks:
        return ""
    pairs = dict.fromkeys(" and ".join(sorted((c.scenario, c.target_scenario))) for c in leaks)
    many = f"{len(leaks)} cell{'s' * (len(leaks) > 1)}"
    return f"LEAK between segments, in {many}: {'; '.join(pairs)}. "


def _first(run: Run) -> str:
    """The first fault that is named, then what else is not as expected, of selected cells."""
    for cause in causes_of(run):
        if cause.known and any(c.selected for c in cause.cells):
            return cause.line
    first = next((f for f in findings(run) if any(c.selected for c in f.cells)), None)
    return (first.cause or first.reason) if first else ""


def answer(run: Run) -> tuple[str, ...]:
    """The answer to the article's question, in sentences.

    The article: "some cells fail in both modes; by design, or because of this virtual network?"
    """
    judged = [cell for cell in run.cells if cell.verdict]
    by_origin = dict.fromkeys(ORIGINS, 0)
    where: dict[str, set[str]] = {origin: set() for origin in ORIGINS}
    for group in blocked(run):
        by_origin[group.origin] += len(group.cells)
        where[group.origin].update(cell.scenario for cell in group.cells)
    here = sum(c.verdict in (Verdict.FAIL, Verdict.FLAPPING) for c in judged)
    unknown = sum(c.verdict == Verdict.INCONCLUSIVE for c in judged)
    opened = sum(c.verdict in (Verdict.LEAK, Verdict.IMPOSTOR) for c in judged)
    if not judged:
        return ("Nothing was judged in this run, so it cannot tell.",)
    stopped = sum(by_origin.values()) + here
    design = f"{by_origin[DESIGN]} by design{_in(where[DESIGN])}: real hardware would not open them"
    alone = _macvlan_alone(run)
    sentences = [
        f"Of {len(judged)} cells asked, {stopped} do not get through.",
        f"{design}, short of a switch that sends frames back to where they came from{alone}.",
    ]
    if by_origin[DECLARATION]:
        sentences.append(
            f"{by_origin[DECLARATION]} because the site itself says so{_in(where[DECLARATION])}."
        )
    if by_origin[OVERRIDE]:
        sentences.append(
            f"{by_origin[OVERRIDE]} because of a fault that the site knows of and overrides"
            f"{_in(where[OVERRIDE])}: the physics would let them through."
        )
    sentences.append(
        f"{here} because of this network or these hosts: that is what there is to fix."
        if here
        else "None because of this network or these hosts."
    )
    if through := sum(c.verdict == Verdict.PASS and _against(c) for c in judged):
        sentences.append(
            f"{through} got through although the physics says no: the site's overrides allow it."
        )
    if unknown:
        sentences.append(f"Of {unknown} more this run cannot tell, and does not guess.")
    if opened:
        sentences.append(f"And {opened} got an answer that should not be there.")
    return tuple(sentences)


def _against(cell: CellRecord) -> bool:
    return overridden(cell) and cell.override is not None and cell.override.physics != "reply"


def _in(scenarios: set[str]) -> str:
    return f" (in {' and '.join(sorted(scenarios))})" if scenarios else ""
