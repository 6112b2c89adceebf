"""The matrix: one test for each cell. What happens is in the fixtures; here it is only judged."""

from __future__ import annotations

import pytest

from matrix.probes import Cell, Judgement


def test_cell(cell: Cell, judgement: Judgement) -> None:
    """The cell is as the physics says it should be: PASS, or BLOCKED by design."""
    assert judgement.cell == cell.id  # noqa: S101  this is a test
    if not judgement.verdict.holds:
        pytest.fail(f"{judgement.verdict}: {judgement.reason}", pytrace=False)
