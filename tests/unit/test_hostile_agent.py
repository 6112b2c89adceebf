"""A host that says anything at all: each reply is read, or it is one WorldError; never another."""

from __future__ import annotations

import contextlib
import copy
import json
import queue
import random
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.agent import frames
from fixtures.agent.batch import Batch
from fixtures.agent.capture import FRAME
from fixtures.agent_answers import Answers, Gathered, read_columns, read_resolution
from fixtures.agent_channel import AgentChannel
from fixtures.agent_replies import check
from fixtures.links import Links
from fixtures.prober import Live, World
from fixtures.prober_agent import AgentProber
from fixtures.surroundings import ask_around, look_inside
from fixtures.witness import witness
from matrix.errors import WorldError
from matrix.plan import plan
from matrix.probes import NotRun, Observation, Relation
from matrix.site import read_site

SITE = read_site((Path(__file__).parents[2] / "sites" / "lab.toml").read_text(), name="lab.toml")
CELLS = tuple(c for c in plan(SITE, date(2026, 1, 1)) if c.scenario == "bridge")
HOSTS = [host.name for host in SITE.hosts]
ROOM = {"limit": 1024, "entries": 3, "refused": 0}

JUNK: list[Any] = [
    None, True, -1, 0, 2**31, 2**63, 10**400, 1.5, float("nan"), float("inf"), "", "x", "-1", "0",
    "٣", "\x1b]0;x\x07", "<script>", "\ud800", "a" * 70_000, [], {}, [[]], [None], {"error": 7},
    {"error": "x"}, ["0", "1", "2", "3"], [[0, 0, 0]], {"": {}}, {"0": {}}, "192.168.2.220",
]  # fmt: skip


def honest(op: str, call: dict[str, Any]) -> tuple[Any, bytes]:
    """What a good agent answers."""
    if op in ("run", "sweep"):
        batch = Batch({"cells": call["cells"], "echoes": 3})
        batch.sent = bytearray([3]) * len(batch)
        batch.reply(0, 0, 100, 0, 64, bytes(4))
        head, tail = batch.columns()
        return json.loads(json.dumps({**head, "claims": [[11, "192.168.2.222", "02:00"]]})), tail
    answers: dict[str, Callable[[], Any]] = {
        "prepare": lambda: {"trouble": {"11": "gone"}, "room": ROOM},
        "collect": lambda: {
            "dropped": {"11": 1}, "trouble": {}, "room": ROOM,
            "rivals": {"11": {"192.168.2.222": ["02:00", "02:01"]}},
        },
        "resolve": lambda: {
            key: {"name": name, "addresses": ["192.168.2.222"], "code": "NOERROR",
                  "server": "127.0.0.11", "took_ms": 0.5}
            for key, _, name in call["names"]
        },
        "ways": lambda: {
            str(pid): {a: [False, "eth0", "", ""] for a in addresses}
            for pid, addresses in call["wanted"].items()
        },
        "inner": lambda: {
            str(pid): {"links": [{"mode": "bridge", "mac": "02:00", "up": True, "arp": True}],
                       "default": ["192.168.2.1"], "addresses": ["192.168.2.220/24"]}
            for pid in call["pids"]
        },
        "arping": lambda: [[pid, "192.168.2.222", ["02:00"]] for pid, *_ in call["ask"]],
        "capture": lambda: {"taps": [[*tap, "02:00"] for tap in call["taps"]], "trouble": []},
        "captured": lambda: {
            "taps": [[0, "a", "b"]] * call["taps"], "trouble": [], "dropped": [[0, 1]],
            "left_out": 0, "expired": False,
        },
        "backlog": lambda: {"backlog": 3, "links": 4},
        "journal": lambda: [{"undo": "promisc", "link": "enp0s5"}],
        "facts": lambda: {**honest("hello", {})[0], "neighbours": ROOM},
        "hello": lambda: {
            "protocol": 1, "python": "3", "kernel": "6", "machine": "x", "boot_id": "b", "uid": 0,
            "pid": 7,
        },
        "access": lambda: {"client": "", "server": "", "link": "", "gateway": "", "links": ["a"]},
        "fingerprint": lambda: {k: ["x"] for k in ("routing", "rules", "neighbours", "sysctls")},
        "neighbours": lambda: {str(pid): {"192.168.2.222": ["02:00", "STALE"]} for pid in call["pids"]},
    }  # fmt: skip
    tail = bytes(2 * call.get("total", 0)) if op == "collect" else b""
    if op == "captured" and call["taps"]:
        tail = FRAME.pack(0, 1, -1, 5, 3) + b"abc"
    return answers.get(op, dict)(), tail


def spoiled(found: Any, tail: bytes, choose: random.Random) -> tuple[Any, bytes]:
    """The answer with something in it that should not be there, gone, or cut off."""
    found = copy.deepcopy(found)
    for _ in range(choose.choice((0, 1, 1, 1, 2, 5))):
        place: Any = None
        key: Any = None
        inside: Any = found
        while isinstance(inside, dict | list) and inside and choose.random() < 0.8:
            place = inside
            key = choose.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
            inside = inside[key]
        how = choose.random()
        if place is None:
            found = copy.deepcopy(choose.choice(JUNK)) if how < 0.5 else found
        elif how < 0.2:
            del place[key]
        elif how < 0.3 and isinstance(place, dict):
            place[choose.choice(["", "0", "-1", "99", "x", "192.168.2.222"])] = place[key]
        else:
            place[key] = copy.deepcopy(choose.choice(JUNK))
    if choose.random() < 0.3:
        tail = choose.choice((b"", tail[:-1], tail + b"\0", choose.randbytes(len(tail)), tail * 2))
    return found, tail


CALLS: dict[str, dict[str, Any]] = {
    "run": {"cells": [[11, 0, ["192.168.2.222", "192.168.2.1"]], [0, 2, ["192.168.2.220"]]]},
    "sweep": {"cells": [[11, 0, ["192.168.2.222"]]]},
    "collect": {"total": 3},
    "captured": {"taps": 2},
    "prepare": {"total": 3},
    "capture": {"taps": [[0, "a"], [11, ""]]},
    "resolve": {"names": [["k", 11, "c3"]]},
    "ways": {"wanted": {11: ["192.168.2.222"]}},
    "inner": {"pids": [11]},
    "neighbours": {"pids": [11]},
    "arping": {"ask": [[11, "", "192.0.2.1", []]]},
    "journal": {}, "backlog": {}, "facts": {}, "hello": {}, "access": {}, "fingerprint": {},
}  # fmt: skip


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


class Liar:
    """The far end of an agent's channel, in one process; what it says is spoiled now and then."""

    def __init__(self, seed: int) -> None:
        self._choose = random.Random(seed)  # noqa: S311  no secret
        self._out: queue.Queue[bytes] = queue.Queue()
        self._said: dict[str, Any] = {"total": 0, "taps": 0}
        head, _ = honest("hello", {})
        self._out.put(frames.frame(frames.RESULT, 0, frames.body(head)))

    def sendall(self, data: bytes) -> None:
        """A call comes; its answer goes."""
        rest = [data, b""]
        for _, number, payload in frames.read_frames(lambda _: rest.pop(0)):
            call, _ = frames.parse(payload)
            op = call["op"]
            head, tail = honest(op, {**call, **self._said} if op == "captured" else call)
            if op == "collect":
                tail = bytes(2 * self._said["total"])
            if op == "prepare":
                self._said["total"] = call["total"]
            if op == "capture":
                self._said["taps"] = len(call["taps"])
            kind = frames.RESULT
            if self._choose.random() < 0.3:
                head, tail = spoiled(head, tail, self._choose)
                kind = self._choose.choice((frames.RESULT, frames.RESULT, frames.FAULT))
            self._out.put(frames.frame(kind, number, frames.body(head, tail)))

    def recv(self, nbytes: int) -> bytes:
        """What it says, b"" at the end."""
        del nbytes
        return self._out.get()

    def close(self) -> None:
        """Hang up."""
        self._out.put(b"")


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
        ask_around(world, SITE.scenarios[:1])
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
