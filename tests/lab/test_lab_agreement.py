"""Both probers must say the same of every cell, on a healthy lab and on broken ones.

They look differently: the agents see both ends, ``docker exec ping`` sees one. docs/probing.md says
where they may differ: only where chance decides which of two machines answers.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fixtures.lab import Lab
from fixtures.lab.faults import broken
from tests.lab.conftest import MatrixRun


@pytest.mark.parametrize("fault", ["", "cable-out", "vlan-missing", "echo-replies-lost"])
def test_both_probers_agree_on_every_cell(
    lab: Lab, matrix: Callable[..., MatrixRun], fault: str
) -> None:
    """The same verdict and the same cause for all 112 cells."""
    with broken(lab, *([fault] if fault else [])):
        by_agents, by_hand = matrix("-q"), matrix("-q", "--prober", "exec")
    assert by_agents.record["prober"]["name"] == "agent"
    assert by_hand.record["prober"]["name"] == "exec"
    assert len(by_agents.verdicts()) == 112
    differences = {
        cell: (verdict, by_hand.verdicts()[cell])
        for cell, verdict in by_agents.verdicts().items()
        if by_hand.verdicts()[cell] != verdict
    }
    assert not differences
    causes = [[cause["rule"] for cause in run.record["causes"]] for run in (by_agents, by_hand)]
    assert causes[0] == causes[1]
    assert bool(causes[0]) is bool(fault)
