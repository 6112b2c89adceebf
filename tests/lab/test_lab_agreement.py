"""Both probers must say the same of every cell, on a healthy lab and on broken ones.

They look differently: the agents see both ends, ``docker exec ping`` sees one. docs/probing.md says
where they may differ: only where chance decides which of two machines answers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.lab import Lab
from fixtures.lab.faults import CATALOGUE, broken
from fixtures.lab.faults.effects import EFFECTS
from fixtures.prober_exec import ExecProber
from matrix.probes import Verdict
from tests.lab.conftest import MatrixRun
from tests.lab.test_lab_causes import Broken, run_broken


@pytest.mark.parametrize("fault", ["", "echo-replies-lost"])
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


SEEN_BY_ONE = {Verdict.LEAK: Verdict.BLOCKED}
"""What the agents see at the target's end, and what is left of it where nobody watches there."""


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name, fault in CATALOGUE.items() if not fault.beyond])
def test_both_probers_agree_whatever_is_broken(lab: Lab, tmp_path: Path, name: str) -> None:
    """The same verdict in every cell, but where the fault's own table says that chance decides."""
    by_agents = run_broken(lab, tmp_path / "agents", [Broken(name)])
    by_hand = run_broken(lab, tmp_path / "by-hand", [Broken(name)], asks=ExecProber)
    verdicts = {cell.id: cell.verdict for cell in by_hand.cells}
    effect = EFFECTS[name]
    differences = []
    for cell in by_agents.cells:
        one, two = cell.verdict, verdicts[cell.id]
        changes = [c for s in effect.spared or ("",) if (c := effect.change(cell.id, s))]
        may = {verdict for change in changes for verdict in change.to}
        if any(not change.always for change in changes) or effect.spared:
            may |= {Verdict.PASS, Verdict.BLOCKED}
        if one == two or {one, two} <= may or SEEN_BY_ONE.get(Verdict(one)) == two:
            continue
        differences.append(f"{cell.id}: {one} ({cell.reason}), by hand {two}")
    assert not differences
