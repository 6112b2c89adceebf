"""An agent that says nothing any more: found out by its beat, and told to everybody who waits."""

from __future__ import annotations

import queue

import pytest

from fixtures import agent_channel
from fixtures.agent_channel import AgentChannel
from matrix.errors import WorldError
from tests.unit.sample_liar import Liar


class Stalled(Liar):
    """Says hello, and takes everything that comes after."""

    def sendall(self, data: bytes) -> None:
        """Lost on the way."""


def test_a_silent_agent_is_lost_long_before_a_call_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection is ended, with the reason; the next call does not wait at all."""
    monkeypatch.setattr(agent_channel, "BEAT_S", 0.01)
    monkeypatch.setattr(agent_channel, "SILENT_S", 0.01)
    ended: queue.Queue[str] = queue.Queue()
    stream = Stalled(0)

    def hang_up() -> None:
        stream.close()
        ended.put("hung up")

    agent = AgentChannel("h", stream, hang_up)
    agent.greet()
    with pytest.raises(WorldError, match="has not answered for"):
        agent.call("facts", timeout_s=60)
    assert ended.get(timeout=60) == "hung up"
    with pytest.raises(WorldError, match="the agent is gone"):
        agent.call("facts", timeout_s=60)
