"""One alphabet for every report: a verdict's symbol, colour and words.

Rule: colour never stands alone. Symbols differ in every report, what holds is drawn quietly and
what does not is drawn loudly, so that a grey print and a colour-blind reader lose nothing. The
screen and the HTML use the same symbols.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from matrix.grid import Mark, plain
from matrix.probes import Verdict
from matrix.record import CellRecord

VERDICT_MARKS: dict[str, Mark] = {
    Verdict.PASS: Mark("+", "PASS", "32"),
    Verdict.BLOCKED: Mark("-", "BLOCKED", "36"),
    Verdict.FAIL: Mark("X", "FAIL", "1;37;41"),
    Verdict.LEAK: Mark("!", "LEAK", "1;37;45"),
    Verdict.IMPOSTOR: Mark("@", "IMPOSTOR", "1;33;44"),
    Verdict.FLAPPING: Mark("~", "FLAPPING", "1;30;43"),
    Verdict.INCONCLUSIVE: Mark("?", "INCONCLUSIVE", "1;7"),
}

NOT_JUDGED = Mark("_", "not judged", "1;7")

MEANINGS: dict[str, str] = {
    Verdict.PASS: "a reply was expected, and the right one answered every time",
    Verdict.BLOCKED: "silence was expected, and controls prove that the silence is real",
    Verdict.FAIL: "a reply was expected, none came",
    Verdict.LEAK: "silence was expected, something came through",
    Verdict.IMPOSTOR: "somebody else answered in the target's place",
    Verdict.FLAPPING: "a reply was expected, only some came",
    Verdict.INCONCLUSIVE: "nothing can be said: the probe did not run, or a control failed",
}

_GOOD = frozenset(verdict.value for verdict in Verdict if verdict.holds)


def holds(cell: CellRecord) -> bool:
    """True where the world is as the physics says it should be (PASS or BLOCKED)."""
    return cell.verdict in _GOOD


def overridden(cell: CellRecord) -> bool:
    """True where an override of the site was in force, so that the physics did not decide."""
    return cell.override is not None and cell.override.in_force


def mark_of(cell: CellRecord, group: Sequence[CellRecord] = ()) -> Mark:
    """The cell's mark; one that ran only as a control is faint and carries an asterisk.

    One that is judged by an override of the site carries a caret. So does one that stands for a
    ``group``, of which it is the worst, if an override judges any of them that was selected.
    """
    mark = VERDICT_MARKS.get(cell.verdict, NOT_JUDGED)
    if cell.selected:
        caret = any(c.selected and overridden(c) for c in group or (cell,))
        return replace(mark, symbol=f"{mark.symbol}^") if caret else mark
    return replace(mark, symbol=f"{mark.symbol}*", sgr="2" if holds(cell) else mark.sgr)


def counts(cells: tuple[CellRecord, ...]) -> dict[str, int]:
    """How many of the selected cells have which verdict, in the order of the alphabet.

    A cell without a verdict counts as "not judged". Verdicts that no cell has are left out.
    """
    found = dict.fromkeys((*VERDICT_MARKS, NOT_JUDGED.meaning), 0)
    for cell in cells:
        if cell.selected:
            found[cell.verdict if cell.verdict in VERDICT_MARKS else NOT_JUDGED.meaning] += 1
    return {str(verdict): count for verdict, count in found.items() if count}


def tally(cells: Sequence[CellRecord]) -> str:
    """``9 PASS, 2 BLOCKED``, in the order of the alphabet."""
    found = Counter(cell.verdict or NOT_JUDGED.meaning for cell in cells)
    order = (*VERDICT_MARKS, NOT_JUDGED.meaning)
    known = [f"{found[v]} {v}" for v in order if found[v]]
    others = [f"{n} {plain(v, 20)}" for v, n in sorted(found.items()) if v not in order]
    return ", ".join(known + others)


def question(cell: CellRecord) -> str:
    """Who asks whom, in a few words: ``c1 -> c3 by name``."""
    how = "" if cell.asked_by == "address" else f" by {plain(cell.asked_by, 20)}"
    return f"{plain(cell.source, 60)} \N{RIGHTWARDS ARROW} {plain(cell.target, 60)}{how}"
