"""A few rounds of the soak (``chaos``): a run is struck at a moment of it, and nothing is left."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from chaos.arena import Arena
from chaos.others import full_report_disk, two_runs
from chaos.page import page
from chaos.rounds import Round, Rounds
from chaos.rows import BUILDING, OPENING, PROBING, ROWS, Phase
from fixtures.lab import Lab


@pytest.fixture(scope="module")
def rounds(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Rounds:
    """Rounds on the lab, after a run that nobody strikes."""
    arena = Arena(lab, tmp_path_factory.mktemp("chaos"))
    return Rounds.on(arena, random.Random(1), set())  # noqa: S311  no secret


def survived(one: Round) -> bool:
    """Show why not, where it was not."""
    assert not one.troubles, "\n".join((*one.troubles, one.said))
    return True


def at(phase: Phase, seconds: float) -> Phase:
    """That long after the phase has begun."""
    return replace(phase, from_s=seconds, to_s=seconds)


STRUCK = [
    pytest.param("agent-kill", at(BUILDING, 0.5), id="agent killed while it builds"),
    pytest.param("disk-full", OPENING, marks=pytest.mark.thorough),
    pytest.param("ssh-reset", at(PROBING, 0.3), marks=pytest.mark.thorough),
    pytest.param("ssh-stall", at(BUILDING, 0.3), marks=pytest.mark.thorough),
    pytest.param("ssh-stall-long", at(PROBING, 0.3), marks=pytest.mark.thorough),
    pytest.param("docker-hang", at(BUILDING, 0.3), marks=pytest.mark.thorough),
    pytest.param("docker-kill", at(PROBING, 0.3), marks=pytest.mark.thorough),
    pytest.param("controller-kill", at(BUILDING, 0.5), marks=pytest.mark.thorough),
]


@pytest.mark.parametrize(("name", "phase"), STRUCK)
def test_a_run_that_is_struck(rounds: Rounds, name: str, phase: Phase) -> None:
    """It ends, says what it lost and no more, and everything is put back."""
    row = next(row for row in ROWS if row.name == name)
    assert survived(rounds.play(row, phase))


@pytest.mark.thorough
def test_two_runs_at_once(rounds: Rounds) -> None:
    """One works, the other is refused or waits."""
    assert survived(two_runs(rounds))


@pytest.mark.thorough
def test_no_room_for_the_report(rounds: Rounds) -> None:
    """The verdicts are shown all the same, and the run says what it could not write."""
    assert survived(full_report_disk(rounds))


def test_the_page_counts_what_was_lost() -> None:
    """A round that was not survived is no survivor on the page, and is told with its words."""
    good = Round("agent-kill", "building", "h", 0.5, 9.0, (), "")
    bad = replace(good, took_s=20.0, troubles=("it <hung> | here\nnow",))
    text = page([good, bad, good])
    assert "| the agent on a host is killed | `agent-kill` | 3 | 2 | 20 s |" in text
    assert "it &lt;hung> \\| here now" in text
    assert "Not survived" not in page([good])
