"""Hosts that spoil what they say of connections, casts, segments and themselves: never another PASS.

Good agents on a wire of ours give each cell its verdict first; then one or both of them spoil answers.
A cell may lose its verdict by that, and nothing may raise; none may become good that was not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.addresses6 import notes_of_ipv6
from fixtures.agent_channel import AgentChannel
from fixtures.agent_replies import check
from fixtures.crossing import crossings
from fixtures.doctor import look_at
from fixtures.lease import Held, holder_of
from fixtures.prober import Live, World
from fixtures.prober_protocols import ProtocolProber
from fixtures.protocol_answers import lacks
from matrix.errors import WorldError
from matrix.exchange import Asked, Exchange
from matrix.plan import plan
from matrix.preflight import examine
from matrix.preflight.look import Level
from matrix.probes import Cell, Crossing, Expected, NotRun, Relation
from matrix.protocol_judge import judge_protocols
from matrix.site import read_site
from matrix.topology import Probe, Topology
from tests.unit.sample_liar import Liar, honest, spoiled
from tests.unit.sample_wire import Wire

SITES = Path(__file__).parents[2] / "sites"
LAB = read_site((SITES / "lab.toml").read_text(), name="lab.toml")
SIX = replace(
    LAB,
    probes=tuple(Probe),
    scenarios=(replace(LAB.scenarios[0], subnet6=IPv6Network("fd00:c8::/64")),),
)
CELLS = tuple(cell for cell in plan(SIX) if cell.probe is not Probe.ICMP)
APART = read_site((SITES / "lab-isolation.toml").read_text(), name="lab-isolation.toml")
ACROSS = tuple(cell for cell in plan(APART) if cell.relation is Relation.OTHER_SEGMENT)


@contextmanager
def agents(seed: int, wire: Wire, rates: tuple[float, float], site: Topology) -> Iterator[World]:
    """Everything stands, and each host's agent spoils so many of its answers."""
    sessions: dict[str, Any] = {}
    for number, (host, rate) in enumerate(zip(site.hosts, rates, strict=True)):
        agent = AgentChannel(host.name, Liar(seed + number, wire, rate))
        agent.greet()
        sessions[host.name] = SimpleNamespace(agent=agent)
    world = World(site, sessions)
    number = 0
    for scenario in site.scenarios:
        for container in scenario.containers:
            number += 1
            mac = f"02:00:00:00:00:{number:02x}"
            live = Live(container.name, container.host, 11 * number, (mac,), "x")
            world.live[scenario.name, container.name] = live
        for host in site.hosts:
            world.live[scenario.name, host.name] = Live(host.name, host.name, 0, ("02:00:00:01",))
    try:
        yield world
    finally:
        for session in sessions.values():
            session.agent.close()


def outcomes_on(wire: Wire, seed: int = 0, *rates: float) -> dict[str, Asked]:
    """What comes of all cells on that wire, where the agents spoil so many of their answers."""
    with agents(seed, wire, (rates[0], rates[1]) if rates else (0, 0), SIX) as world:
        wire.names = {
            (world.source(cell).pid, cell.target.name): ends(cell)[1]
            for cell in CELLS
            if cell.probe is Probe.IPV6_NAME and cell.expectation.expected is Expected.REPLY
        }
        outcomes = ProtocolProber(SIX.timing).probe(CELLS, world)
        assert all(isinstance(note, str) for note in notes_of_ipv6(world))
    return outcomes


def asked(seed: int, open_: Callable[[str, str], bool], *rates: float) -> dict[str, bool]:
    """Whether each cell's verdict is a good one, on a wire where so much is open."""
    outcomes = outcomes_on(Wire(open_), seed, *rates)
    assert set(outcomes) == {cell.id for cell in CELLS}
    assert all(isinstance(one, Exchange | NotRun) for one in outcomes.values())
    return {key: one.verdict.holds for key, one in judge_protocols(CELLS, outcomes).items()}


def ends(cell: Cell) -> tuple[str, str]:
    """The addresses that it is asked from and to."""
    if cell.probe in (Probe.IPV6, Probe.IPV6_NAME):
        of = SIX.scenarios[0].address6
        return str(of(cell.source.address)), str(of(cell.target.address))
    return str(cell.source.address), str(cell.target.address)


OPEN = {ends(cell) for cell in CELLS if cell.expectation.expected is Expected.REPLY}
WIRES: dict[str, Callable[[str, str], bool]] = {
    "as it should be": lambda *pair: pair in OPEN,
    "nothing passes": lambda *_: False,
    "everything passes": lambda *_: True,
    "the other way round": lambda *pair: pair not in OPEN,
}


def test_good_agents_on_a_good_wire_have_good_cells() -> None:
    """So that what follows could lose something, and could gain something."""
    good = asked(0, WIRES["as it should be"], 0, 0)
    assert not {key for key, holds in good.items() if not holds}
    bad = asked(0, WIRES["nothing passes"], 0, 0)
    replies = [cell.id for cell in CELLS if cell.expectation.expected is Expected.REPLY]
    assert not any(bad[key] for key in replies)


@pytest.mark.parametrize("name", WIRES)
def test_what_a_kernel_dropped_itself_is_no_evidence(name: str) -> None:
    """Neither a silence counts while it drops packets, nor a loss; what was answered in full does."""
    calm, busy = Wire(WIRES[name]), Wire(WIRES[name])
    busy.dropping = 5
    first, second = outcomes_on(calm), outcomes_on(busy)
    for cell in CELLS:
        one, two = first[cell.id], second[cell.id]
        missing = isinstance(one, Exchange) and lacks(one)
        assert isinstance(two, NotRun) if missing else type(two) is type(one), cell.id
        if missing and isinstance(two, NotRun):
            assert "kernel dropped" in two.why


def lied_about(seed: int, name: str) -> None:
    """Nothing is good that good agents would not have called so."""
    bare = asked(seed, WIRES[name], 0, 0)
    choose = random.Random(seed)  # noqa: S311  no secret
    rates = choose.choice([(0.0, 0.5), (0.5, 0.0), (0.1, 0.1), (0.3, 0.3), (1.0, 1.0)])
    told = asked(seed, WIRES[name], *rates)
    assert not {key for key, good in told.items() if good and not bare[key]}


@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize("seed", range(2))
def test_a_lie_about_connections_makes_no_cell_good(seed: int, name: str) -> None:
    """Everything that the prober of protocols asks, with some answers spoiled."""
    lied_about(seed, name)


@pytest.mark.thorough
@settings(max_examples=1000, deadline=None, database=None)
@given(st.integers(0, 2**32), st.sampled_from(sorted(WIRES)))
def test_many_lies_about_connections(seed: int, name: str) -> None:
    """The same, for whoever has the time."""
    lied_about(seed, name)


def crossed(seed: int, *rates: float) -> dict[str, Crossing]:
    """What was seen across segments where everything crosses."""
    with agents(seed, Wire(), (rates[0], rates[1]), APART) as world:
        return crossings(ACROSS, world)


def test_frames_that_a_kernel_dropped_leave_a_doubt_and_hide_no_leak() -> None:
    """What was not seen is open then; what was seen stays seen, and is sent no more often than needed."""
    for busy in (False, True):
        for crosses in (False, True):
            wire = Wire(lambda *_, crosses=crosses: crosses)
            wire.dropping = 5 if busy else 0
            with agents(0, wire, (0, 0), APART) as world:
                found = crossings(ACROSS, world)
            assert all(bool(one.seen) is crosses for one in found.values())
            if busy:
                assert all("kernel dropped" in one.doubt for one in found.values())


def test_a_network_without_ipv6_can_be_apart_and_is_not_said_to_be_by_ipv6() -> None:
    """The other kinds are wanted; of this one nothing is claimed where nobody hears it at home."""
    for kinds, sent, doubted in (
        ((1, 2, 3, 4, 5), ("ARP", "broadcast", "multicast", "unicast", "IPv6"), False),
        ((1, 2, 3, 4), ("ARP", "broadcast", "multicast", "unicast"), False),
        ((1, 2, 4, 5), ("ARP", "broadcast", "multicast", "unicast", "IPv6"), True),
    ):
        wire = Wire()
        wire.kinds = kinds
        with agents(0, wire, (0, 0), APART) as world:
            found = crossings(ACROSS, world)
        assert {one.sent for one in found.values()} == {sent}
        assert {bool(one.doubt) for one in found.values()} == {doubted}


def lied_across(seed: int) -> None:
    """Where frames cross, no spoiled answer makes two segments look apart without a doubt."""
    for cell_id, one in crossed(seed, 0.5, 0.5).items():
        assert one.seen or one.doubt or not (one.heard_by and one.hears), cell_id


@pytest.mark.parametrize("seed", range(10))
def test_a_lie_about_segments_is_a_doubt(seed: int) -> None:
    """And where nobody lies there is none."""
    assert ACROSS
    assert all(one.seen and not one.doubt for one in crossed(seed, 0, 0).values())
    lied_across(seed)


@pytest.mark.parametrize("seed", range(50))
def test_a_lie_about_a_host_is_one_error_or_read(seed: int) -> None:
    """The doctor reads a spoiled measurement and says what it makes of it, or that it cannot."""
    assert levels(0, 0.0)
    assert levels(seed, 1.0) != {}


@pytest.mark.thorough
@settings(max_examples=1000, deadline=None, database=None)
@given(st.integers(0, 2**32))
def test_many_lies_about_segments_and_hosts(seed: int) -> None:
    """The same, for whoever has the time."""
    lied_across(seed)
    assert levels(seed, 1.0) != {}


def levels(seed: int, rate: float) -> dict[str, Level] | None:
    """The worst that each check says of one host; None where its answer cannot be read."""
    host, choose = LAB.hosts[0], random.Random(seed)  # noqa: S311  no secret

    def call(op: str, **call: Any) -> Any:
        head, tail = honest(op, call)
        if rate:
            head, tail = spoiled(head, tail, choose)
        check(host.name, op, call, head, tail)
        return head

    agent: Any = SimpleNamespace(call=call, hello=honest("hello", {})[0])
    try:
        look = look_at(agent, host, LAB, LAB.scenarios)
    except WorldError:
        return None
    found: dict[str, Level] = {}
    order = list(Level)
    for one in examine(LAB, LAB.scenarios, {host.name: look}):
        found[one.check] = max(found.get(one.check, Level.OK), one.level, key=order.index)
    return found


PARTS = sorted(set(honest("preflight", {"modules": [], "kinds": [], "ask": []})[0]) - {"failed"})


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_missing_is_not_taken_for_well(part: str) -> None:
    """A measurement without one of its parts, which it does not name as failed, is none."""
    call: dict[str, Any] = {"modules": [], "kinds": [], "ask": [], "exists": []}
    head, tail = honest("preflight", call)
    check("h", "preflight", call, head, tail)
    del head[part]
    with pytest.raises(WorldError, match="cannot be read"):
        check("h", "preflight", call, head, tail)


@pytest.mark.parametrize(
    "left", [float("nan"), float("inf"), -1, 10**400, True, "7", None, [], 1e308]
)
def test_whoever_holds_a_lease_may_say_anything(left: object) -> None:
    """The socket is anybody's on that host, so a good agent passes on what a bad neighbour says."""
    found = holder_of({"owner": {"who": "me"}, "left_s": left})
    assert found is not None
    assert found.left_s is not None
    assert 0 <= found.left_s <= 86400
    assert Held("h", found).words


def test_a_lease_is_not_ours_by_a_strange_answer() -> None:
    """Whose it is cannot be told from it: that is an error, not a lease."""
    strange: Any
    for strange in (7, None, [], "me", True):
        with pytest.raises(WorldError, match="cannot be read"):
            check("h", "lease", {}, {"held_by": strange}, b"")
