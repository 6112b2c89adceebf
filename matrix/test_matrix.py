"""The matrix: one test for each cell. What happens is in the fixtures; here it is only judged.

Where the cells are very many, one test for each group of them instead (``--group-above``).
"""

from __future__ import annotations

import pytest

from matrix.grid import plain
from matrix.grouping import Group, told
from matrix.parent_rule import Finding, Question, Status
from matrix.preflight.features import Missing
from matrix.probes import Cell, Judgement


def test_cell(cell: Cell, judgement: Judgement | Missing) -> None:
    """The cell is as the physics says it should be: PASS, or BLOCKED by design; or it is not run here."""
    if isinstance(judgement, Missing):
        return  # told as "not run", a state of its own (pytest_report_teststatus)
    assert judgement.cell == cell.id  # noqa: S101  this is a test
    if not judgement.verdict.holds:
        pytest.fail(f"{judgement.verdict}: {plain(judgement.reason)}", pytrace=False)


def test_question(question: Question, answer: Finding) -> None:
    """The engine answers as its version is known to; or this machine cannot ask it, and says why."""
    assert answer.question == question  # noqa: S101  this is a test
    if answer.status not in (Status.AS_EXPECTED, Status.NOT_RUN):
        pytest.fail(f"{answer.status}: {answer.reason}", pytrace=False)


def test_group(group: Group, judgements: tuple[Judgement, ...] | Missing) -> None:
    """Every cell of the group is as the physics says it should be; or none of them is run here."""
    if isinstance(judgements, Missing):
        return
    assert [j.cell for j in judgements] == [c.id for c in group.cells]  # noqa: S101  this is a test
    if not all(judgement.verdict.holds for judgement in judgements):
        pytest.fail(plain(told(judgements), keep="\n"), pytrace=False)
