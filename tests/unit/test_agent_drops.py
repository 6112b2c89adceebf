"""What a kernel dropped itself: told from the noise of a network, and answered by sending less."""

from __future__ import annotations

from collections import deque

from fixtures.agent.batch import Batch, Pace
from fixtures.agent.flight import Flight
from fixtures.agent_drops import Drops, words


def test_drops_between_two_moments() -> None:
    """Any in the input queues; on the links, more than nobody's frames account for; no lost host."""
    before = Drops(100.0, {"a": 5, "b": 7, "gone": 1}, {"a": 1000, "b": 0, "gone": 3})
    quiet = Drops(102.0, {"a": 5, "b": 7}, {"a": 1020, "b": 0})
    assert before.until(quiet) == {}
    assert before.until(Drops(102.0, {"a": 6, "b": 7}, {"a": 1020, "b": 0})) == {"a": 1}
    assert before.until(Drops(102.0, {"a": 5, "b": 7}, {"a": 1021, "b": 40})) == {"a": 21, "b": 40}
    assert "a's kernel dropped 21 packets" in words("a", 21)


def test_a_choked_pace_rests_and_regains_trust_slowly() -> None:
    """Nothing is sent while it rests; half as many after; one more for every so many good answers."""
    batch = Batch({"cells": [[1, 0, [f"10.0.0.{n}" for n in range(200)]]]})
    flight, pace = Flight(batch), batch.pace
    queue = deque(range(200))
    assert flight.has_room(queue, 0.0)
    pace.choke(0.0)
    assert pace.window == pace.most == 32
    assert not flight.has_room(queue, pace.REST_S / 2)
    assert 0 < flight.wait(pace.REST_S / 2) <= pace.REST_S
    assert flight.has_room(queue, pace.REST_S)
    for _ in range(10):
        pace.choke(0.0)
    assert pace.window == 1
    for _ in range(Pace.TRUST - 1):
        pace.answered(young=True, slow=False)
    assert pace.window == 1
    pace.answered(young=True, slow=False)
    assert pace.window == 2


def test_a_gentle_batch_stays_gentle() -> None:
    """However well it goes."""
    pace = Batch({"cells": [], "window": 4}).pace
    for _ in range(10 * Pace.TRUST):
        pace.answered(young=True, slow=False)
    assert pace.window == 4
