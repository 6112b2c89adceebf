"""A host that says anything at all: each reply is read, or it is one WorldError; never another."""

from __future__ import annotations

import contextlib
import random
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.agent import frames
from fixtures.agent_answers import Answers, Gathered, read_columns, read_resolution
from fixtures.agent_channel import AgentChannel
from fixtures.agent_replies import check
from fixtures.links import Links
from fixtures.prober import Live, World
from fixtures.prober_agent import AgentProber
from fixtures.surroundings import ask_around, ask_canaries, look_inside
from fixtures.witness import witness
from matrix.errors import WorldError
from matrix.plan import plan
from matrix.probes import NotRun, Observation, Relation
from matrix.site import read_site
from tests.unit.sample_liar import CALLS, Liar, honest, spoiled

SITE = read_site((Path(__file__).parents[2] / "sites" / "lab.toml").read_text(), name="lab.toml")
CELLS = tuple(c for c in plan(SITE, date(2026, 1, 1)) if c.scenario == "bridge")
HOSTS = [host.name for host in SITE.hosts]


@pytest.mark.parametrize("op", CALLS)
def test_an_honest_answer_is_taken(op: str) -> None:
    """So that the test below refuses what is spoiled, and not everything."""
    head, tail = honest(op, CALLS[op])
    check("h", op, CALLS[op], head, tail)


@settings(max_examples=1000, deadline=None, database=None)
@given(st.sampled_from(sorted(CALLS)), st.integers(0, 2**32))
def test_a_malformed_reply_is_a_world_error(op: str, seed: int) -> None:
    """1,000 of them, by every kind of call; what passes the check is read without trouble."""
    call = CALLS[op]
    head, tail = spoiled(*honest(op, call), random.Random(seed))  # noqa: S311  no secret
    try:
        check("h", op, call, head, tail)
    except WorldError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert len(said) < 2000
        assert said.replace("\n", "").isprintable()
        return
    if op == "run":
        asked = [c for c in CELLS if c.source.name == "c1"][:3]
        found = Gathered("00" * 8, number={c.id: n for n, c in enumerate(asked)})
        found.answers.append(Answers(head, read_columns(head, tail), asked))
        assert all(
            isinstance(o, Observation | NotRun) for o in found.outcomes(standing({})).values()
        )
    elif op == "resolve":
        for one in head.values():
            read_resolution(one)
    elif op == "journal":
        links = Links.__new__(Links)
        links.host = "h"
        links._agent = SimpleNamespace(call=lambda *_a, **_k: {"links": []})  # type: ignore[assignment]
        links._ip = SimpleNamespace(link_lookup=lambda **_: [])
        links.find = lambda name: None  # type: ignore[method-assign]  # noqa: ARG005
        for record in head:
            with contextlib.suppress(WorldError):
                links.undo(record)


def standing(sessions: dict[str, Any]) -> World:
    """All containers of the bridge scenario stand; c1 is process 11."""
    made = World(SITE, sessions)
    for number, container in enumerate(SITE.scenarios[0].containers):
        made.live["bridge", container.name] = Live(
            container.name, container.host, 11 * (number + 1), (f"02:00:00:00:00:0{number}",), "x"
        )
    for name in HOSTS:
        made.live["bridge", name] = Live(name, name, 0, ("02:00:00:00:01:00",))
    return made


@pytest.mark.parametrize("seed", range(6))
def test_a_lying_agent_costs_its_cells_and_nothing_else(seed: int) -> None:
    """Through all that asks one: what comes out is an outcome for each cell, whatever it said."""
    lied_to(seed)


@pytest.mark.thorough
@settings(max_examples=300, deadline=None, database=None)
@given(st.integers(0, 2**32))
def test_many_lying_agents(seed: int) -> None:
    """The same, for whoever has the time."""
    lied_to(seed)


def lied_to(seed: int) -> None:
    """Ask two lying agents everything that a run asks."""
    sessions: dict[str, Any] = {}
    for number, name in enumerate(HOSTS):
        agent = AgentChannel(name, Liar(seed + number))
        agent.greet()
        sessions[name] = SimpleNamespace(agent=agent, facts_of_agent={"boot_id": name})
    try:
        world = standing(sessions)
        world.find_ways(CELLS)
        outcomes = AgentProber(SITE.timing).probe(CELLS, world)
        assert set(outcomes) == {cell.id for cell in CELLS}
        assert all(isinstance(o, Observation | NotRun) for o in outcomes.values())
        around = ask_canaries(world, SITE.scenarios[:1])
        ask_around(world, SITE.scenarios[:1], around)
        look_inside(world)
        witness([c for c in CELLS if c.relation is not Relation.ITSELF][:5], 0, world, SITE.timing)
    finally:
        for session in sessions.values():
            session.agent.close()


@pytest.mark.parametrize(
    "payload",
    [
        frames.body([])[:4] + b"[" * 100_000,
        (100_000).to_bytes(4, "big") + b"[" * 100_000,
        (100_000).to_bytes(4, "big") + b'{"a":' * 20_000,
        (9_999).to_bytes(4, "big") + b"1" * 9_999,
        (2).to_bytes(4, "big") + b"\xff\xfe",
        b"",
    ],
)
def test_no_frame_of_json_can_end_the_reader(payload: bytes) -> None:
    """Deep, long, cut off: the agent is lost with words, and whoever waits hears it at once."""
    liar = Liar(0)
    liar.sendall = lambda data: liar._out.put(frames.frame(frames.RESULT, 1, payload))  # type: ignore[method-assign]  # noqa: ARG005
    agent = AgentChannel("h", liar)
    agent.greet()
    with pytest.raises(WorldError, match="agent is gone"):
        agent.call("facts", timeout_s=20)
    assert agent.lost
    agent.close()
