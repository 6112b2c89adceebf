"""What the engines answered, in lines: their own words, what these mean, and what was not asked.

Rule: *not run* is counted apart from everything else, with its reason. It is no verdict.
"""

from __future__ import annotations

from collections import Counter

from matrix.grid import Mark, paint, plain
from matrix.parent_rule import Status
from matrix.record import EngineRecord, Run

MARKS: dict[str, Mark] = {
    Status.AS_EXPECTED: Mark("+", "as expected", "32"),
    Status.DIFFERS: Mark("X", "differs", "1;37;41"),
    Status.INCONCLUSIVE: Mark("?", "inconclusive", "1;7"),
    Status.NOT_RUN: Mark("n", "not run", "1;33"),
}
_NOT_ASKED = Mark("_", "not asked", "1;7")
_MOST_WORDS = 400


def differs(record: EngineRecord) -> bool:
    """True where the answer is not what that version of Docker is known to say, or there is none."""
    return record.status not in (Status.AS_EXPECTED, Status.NOT_RUN)


def tally(run: Run) -> str:
    """``8 as expected, 1 not run``; "" where no engine was asked."""
    found = Counter(one.status or _NOT_ASKED.meaning for one in run.engines)
    return ", ".join(f"{n} {status}" for status, n in sorted(found.items()))


def engine_lines(run: Run, *, colour: bool = False) -> list[str]:
    """A line for each answer, below a line for each question."""
    if not run.engines:
        return []
    lines = ["", paint("the parent rule: what the engines say", "1", colour=colour)]
    for question in dict.fromkeys(one.question for one in run.engines):
        mine = [one for one in run.engines if one.question == question]
        lines.append(f"  {plain(question, 60)}: {plain(mine[0].asks, _MOST_WORDS)}")
        for one in mine:
            mark = MARKS.get(one.status, _NOT_ASKED)
            symbol = paint(mark.symbol, mark.sgr, colour=colour)
            engine = f"{one.host}, Docker {one.version or '?'}"
            words = one.reason or "the run ended before"
            lines.append(f"    {symbol} {plain(engine, 80)}: {plain(words, _MOST_WORDS)}")
        if mine[0].means:
            lines.append(f"      {plain(mine[0].means, _MOST_WORDS)}")
    return [*lines, f"  {len(run.engines)} answers: {tally(run)}"]
