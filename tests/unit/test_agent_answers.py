"""From the agents' answers to outcomes: what our own side has lost is no evidence."""

from __future__ import annotations

from array import array
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fixtures.agent.batch import Batch
from fixtures.agent_answers import Answers, Gathered, read_columns
from fixtures.prober import Live, World
from matrix.plan import plan
from matrix.probes import NotRun, Observation
from matrix.site import read_site

SITE = read_site((Path(__file__).parents[2] / "sites" / "lab.toml").read_text(), name="lab.toml")
CELL = next(c for c in plan(SITE, date(2026, 1, 1)) if c.id == "bridge:c1:c3:address")


def world() -> World:
    """c1 and c3 stand, in processes 11 and 33."""
    made = World(SITE, {})
    made.live["bridge", "c1"] = Live("c1", "dev-master-01", 11, ("02:00:00:00:00:01",), "x")
    made.live["bridge", "c3"] = Live("c3", "dev-node-01", 33, ("02:00:00:00:00:03",), "y")
    return made


def gathered(replies: int, **found: Any) -> Gathered:
    """One batch with that cell: three requests, so many replies, all requests seen to arrive."""
    batch = Batch({"cells": [[11, 0, [str(CELL.target.address)]]], "echoes": 3})
    batch.sent[0] = 3
    for attempt in range(replies):
        batch.reply(0, attempt, 100, 11, 64, CELL.target.address.packed)
    head, tail = batch.columns()
    columns: dict[str, bytes | array[int]] = read_columns(head, tail)
    made = Gathered("00" * 8, number={CELL.id: 0}, arrived={"dev-node-01": bytes([replies])})
    swamped = found.pop("swamped", {})
    for name, value in found.items():
        setattr(made, name, value)
    made.answers.append(Answers(head, columns, (CELL,), swamped=swamped))
    assert bool(made.answers[0].hurt()) == bool(swamped and replies < 3)
    return made


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"overruns": {("dev-node-01", 33): 7}}, "7 packets to c3 were dropped at our own socket"),
        ({"overruns": {("dev-master-01", 11): 7}}, "7 packets to c1"),
        ({"refused": {"dev-node-01": 5}}, "dev-node-01's neighbour (ARP) table was full"),
        ({"swamped": {"dev-node-01": 9}}, "dev-node-01's kernel dropped 9 packets meanwhile"),
    ],
)
def test_what_our_own_side_lost_makes_no_silence(found: dict[str, Any], said: str) -> None:
    """A cell that lost something then did not run; one that lost nothing is as good as ever."""
    lossy = gathered(0, **found)
    outcome = lossy.outcomes(world())[CELL.id]
    assert isinstance(outcome, NotRun)
    assert said in outcome.why
    assert said in lossy.deaf
    whole = gathered(3, **found)
    assert isinstance(whole.outcomes(world())[CELL.id], Observation)
    assert not whole.deaf


def test_losses_of_others_cost_nothing() -> None:
    """Another container's overrun, and a table that refused nothing."""
    found = {"overruns": {("dev-node-01", 99): 7}, "refused": {"dev-node-01": 0}}
    outcome = gathered(0, **found).outcomes(world())[CELL.id]
    assert isinstance(outcome, Observation)
    assert outcome.received == 0
