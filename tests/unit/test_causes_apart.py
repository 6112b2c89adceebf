"""Causes that look alike: what a rule must not take for its own, and what is said where several fit.

A wrong cause is worse than none.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from matrix.cause import Cause, Confidence, Scene
from matrix.causes import RULES
from matrix.diagnose import diagnose, merged
from matrix.packet import Kind
from matrix.probes import NotRun, Observation, Outcome, Seen
from tests.unit.sample_faults import Fault, faults_of, network, told, wrong
from tests.unit.sample_net import LAB, STRANGER, THREE, Net, Sent, scene

M, N = "dev-master-01", "dev-node-01"
TO_NODE = f"bridge:c1:{N}:address"
AT_NODE = {fault.name: fault for fault in faults_of(LAB, N)}
AT_MASTER = {fault.name: fault for fault in faults_of(LAB, M)}


def named(where: Scene) -> list[tuple[str, str]]:
    """Rule and place of every cause."""
    return [(cause.rule, cause.where) for cause in diagnose(where)[0]]


def found_by(rule: str, where: Scene) -> list[Cause]:
    """What one rule finds."""
    return [c for r in RULES if r.name == rule for c in r.find(where)]


def seen(where: Scene, cell_id: str) -> Observation:
    """What came back for a cell."""
    outcome = where.outcomes[cell_id]
    assert isinstance(outcome, Observation)
    return outcome


def lost(cell_id: str) -> Observation:
    """The cell of a healthy lab, without an answer."""
    whole = seen(scene(Net()), cell_id)
    return replace(whole, received=0, ttls=(), request_seen=Seen.NO, requests_seen=0)


def test_replies_that_a_stranger_gets_are_not_lost_on_the_wire() -> None:
    """Frames that are addressed to somebody else do not arrive here, and no filter has them."""
    claims = {("bridge", "192.168.2.211"): (Net().mac(N), STRANGER)}
    found = scene(Net(robbed=frozenset({N})), claims=claims)
    assert any(found.lost(cell) for cell in found.bad())
    assert not found_by("echo-dropped", found)
    assert not found_by("promiscuous-refused", found)
    assert ("duplicate-address", "192.168.2.211 bridge") in named(found)


def test_what_a_doubled_address_loses_is_not_lost_at_random() -> None:
    """Its own cells flap, and nobody else's."""
    claims = {("bridge", "192.168.2.211"): (Net().mac(N), STRANGER)}
    flap = f"bridge:{N}:c1:address"
    some: dict[str, Outcome] = {flap: replace(seen(scene(Net()), flap), received=2)}
    assert named(scene(Net(), some)) == [("loss", f"{M} and {N}")]
    assert named(scene(Net(), some, claims=claims)) == [
        ("duplicate-address", "192.168.2.211 bridge")
    ]


def test_what_is_lost_inside_a_host_is_not_lost_on_the_wire() -> None:
    """A container that hears itself in part, or two that do not at all: their host had no time."""
    cells = ("bridge:c1:c1:address", "vlan:c5:c7:address", "bridge:c1:c3:address")
    some: dict[str, Outcome] = {
        cell: replace(seen(scene(Net()), cell), received=2) for cell in cells
    }
    assert named(scene(Net(), some)) == [("host-busy", M)]
    net = Net(mute=frozenset({"c1"}))
    assert named(scene(net)) == [("firewall", f"c1 on {M}")]
    net = Net(mute=frozenset({"c1", "c2"}))
    assert named(scene(net)) == [("firewall", f"c1 on {M}"), ("firewall", f"c2 on {M}")]
    del some["bridge:c1:c1:address"]
    assert named(scene(Net(), some)) == [("loss", f"{M} and {N}")]


def test_a_doubled_mac_makes_other_vlans_flap_too() -> None:
    """It is the same MAC address on every VLAN of the host."""
    own, flap = f"bridge:c3:{N}:address", f"vlan:c5:{N}:address"
    answered = replace(
        seen(scene(Net()), TO_NODE),
        cell=own,
        request_seen=Seen.NO,
        requests_seen=0,
        reply_macs=(Net().mac(N),),
    )
    some: dict[str, Outcome] = {own: answered, flap: replace(seen(scene(Net()), flap), received=2)}
    assert named(scene(Net(), some)) == [("duplicate-mac", "192.168.2.211 bridge")]


def test_a_dead_vlan_is_no_mac_limit() -> None:
    """Even where only containers' frames were watched on it, and they pass on the other segment."""
    net, _ = network(LAB, [AT_NODE["vlan"]])
    whole = scene(net)
    foreign = {key: t for key, t in whole.traces.items() if N not in key and M not in key}
    assert foreign
    found = scene(net, traces=foreign)
    assert not found_by("promiscuous-refused", found)
    assert named(found) == [("vlan-missing", f"{M} and {N} vlan")]


def test_large_frames_that_are_lost_at_random_are_no_small_mtu() -> None:
    """Small ones are lost there, too."""
    net, _ = network(LAB, [AT_NODE["loss"]])
    large = {("bridge", M, N): False, ("vlan", N, M): False}
    assert not found_by("mtu-small", scene(net, large=large))
    claims = {(s.name, str(c.address)): (STRANGER,) for s in LAB.scenarios for c in s.containers}
    assert not found_by("mtu-small", scene(Net(), large=large, claims=claims))
    assert found_by("mtu-small", scene(Net(), large=large))


def test_a_gateway_that_is_lost_at_random_is_not_gone() -> None:
    """Some of its askers hear it; nor does it keep a stale entry of those who do not."""
    net, _ = network(LAB, [AT_NODE["loss"]])
    unheard = f"bridge:{N}:gateway:address"
    one: dict[str, Outcome] = {unheard: replace(lost(unheard), request_seen=Seen.NOT_OURS)}
    assert not found_by("gateway", scene(net, one))
    assert [c.rule for c in found_by("gateway", scene(Net(), one))] == ["gateway-stale"]


def test_a_missing_route_back_is_no_firewall() -> None:
    """The requests arrive and are not answered, for their kernel knows no way to the source."""
    quiet = f"bridge:{M}:c3:address"
    turned = f"bridge:c3:{M}:address"
    outcomes: dict[str, Outcome] = {
        turned: NotRun(turned, "c3: no route to that network from there (Network is unreachable)")
    }
    found = scene(Net(mute=frozenset({"c3"})))
    assert ("firewall", f"c3 on {N}") in named(found)
    outcomes[quiet] = found.outcomes[quiet]
    assert named(scene(Net(), outcomes, traces={quiet: found.traces[quiet]})) == [
        ("route-astray", f"c3 on {N}")
    ]
    # Where its replies come, a route is not what is wrong.
    del outcomes[quiet]
    assert [c.cells for c in diagnose(scene(Net(), outcomes))[0]] == [(turned,)]


def test_a_wrong_netmask_does_not_send_frames_back() -> None:
    """The host's cells that leak are of the hairpin; the others are of the netmask."""
    net = Net(hairpin=frozenset({N}))
    link = scene(net).links[N][0]
    links = {N: (replace(link, addresses=("192.168.2.211/30",)),)}
    away = f"bridge:{N}:c1:address"
    gone: dict[str, Outcome] = {away: NotRun(away, f"{N}: no route to that network from there")}
    found = {c.rule: c.cells for c in diagnose(scene(net, gone, links=links))[0]}
    assert found["host-address"] == (away,)
    assert len(found["hairpin"]) == 8


def test_no_gateway_is_asked_by_who_does_not_run() -> None:
    """A container that is dead does not vouch for it."""
    causes = told(LAB, AT_NODE["gateway"], AT_NODE["gone c4"])
    assert {c.rule for c in causes} == {"gateway-gone", "container-stopped"}


def test_a_firewall_is_found_where_the_wire_is_dead() -> None:
    """A container that does not hear itself needs no wire for that."""
    causes = told(LAB, AT_NODE["cable"], AT_NODE["deaf c4"])
    assert [c.rule for c in causes] == ["no-carrier", "firewall"]
    itself = {"bridge:c4:c4:address", "bridge:c4:c4:name"}
    assert {c for c in causes[1].cells if ":c4:c4:" in c} == itself
    assert not set(causes[1].cells) & set(causes[0].cells)


def test_losses_are_told_from_a_filter_on_the_other_host() -> None:
    """What is lost always is not what is lost at random: neither claims the other's cells."""
    causes = {c.rule: c for c in told(LAB, AT_MASTER["replies"], AT_NODE["loss"])}
    filtered = {f"bridge:{source}:{M}:address" for source in ("c3", "c4", N)}
    assert filtered <= set(causes["echo-replies-dropped"].cells)
    assert not filtered & set(causes["loss"].cells)


def test_a_certain_cause_takes_the_cells_of_a_likely_one() -> None:
    """A cable that is out explains what a port would refuse; the port is not named beside it."""
    causes = told(LAB, AT_NODE["cable"], AT_NODE["promiscuous"], AT_NODE["vlan"])
    assert [(c.rule, c.confidence) for c in causes] == [("no-carrier", Confidence.CERTAIN)]


def test_both_are_said_where_two_fit_equally() -> None:
    """A cell that two faults break has both in its line; what either breaks alone has one."""
    both, judgements = diagnose(scene(network(LAB, [AT_NODE["requests"], AT_NODE["vlan"]])[0]))
    assert {c.rule for c in both} == {"echo-requests-dropped", "vlan-missing"}
    lines = {c.rule: c.line for c in both}
    assert judgements["vlan:c7:c5:address"].cause.count("; or: ") == 1
    assert judgements["bridge:c3:c1:address"].cause == lines["echo-requests-dropped"]
    assert judgements["vlan:c5:c7:address"].cause == lines["vlan-missing"]


def test_the_same_fault_found_twice_is_one_cause() -> None:
    """With the cells of both, each once, and not more evidence than one reads."""
    one = Cause("x", "here", "it", Confidence.LIKELY, ("a", "b"), ("1", "2"))
    two = replace(one, evidence=("b", "c", "d", "e"), cells=("2", "3"))
    elsewhere = replace(one, where="there")
    assert merged([one, two, elsewhere]) == [
        replace(one, evidence=("a", "b", "c", "d"), cells=("1", "2", "3")),
        elsewhere,
    ]


def test_forged_and_promiscuous_at_two_ports() -> None:
    """Each loses frames that the other would let pass."""
    faults = AT_MASTER["promiscuous"], AT_NODE["forged"]
    assert _names_all(told(LAB, *faults), *faults)


@pytest.mark.parametrize("name", ["forged", "limit"])
@pytest.mark.parametrize("other", ["requests", "replies", "vlan", "loss"])
def test_a_refusal_is_seen_beside_another_loss(name: str, other: str) -> None:
    """What the other fault explains does not speak against it."""
    faults = AT_NODE[name], AT_MASTER[other]
    assert _names_all(told(LAB, *faults), *faults)


def test_a_port_that_loses_its_hosts_own_frames_refuses_no_mac() -> None:
    """ARP passes, echoes of the host and of its containers do not: it is not by MAC address."""
    net = Net(drops=lambda s: s.out_of == N and s.kind is not Kind.ARP_REQUEST)
    assert not found_by("promiscuous-refused", scene(net))


def _names_all(causes: tuple[Cause, ...], *faults: Fault) -> bool:
    return not wrong(causes, *faults) and all(any(f.names(c) for c in causes) for f in faults)


@pytest.mark.parametrize("percent", [5, 30, 50, 80])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_lost_at_random_is_called_nothing_else(seed: int, percent: int) -> None:
    """A port that loses most of all frames has not chosen any, though none of some kind may pass."""
    dice = random.Random(f"{seed} {percent}")  # noqa: S311  chance that can be repeated

    def drops(sent: Sent) -> bool:
        tries = 3 if sent.kind in (Kind.ARP_REQUEST, Kind.ARP_REPLY) else 1
        at_port = N in (sent.out_of, sent.into)
        return at_port and all(dice.random() * 100 < percent for _ in range(tries))

    rules = {c.rule for c in diagnose(scene(Net(drops=drops)))[0]}
    assert "loss" in rules
    assert rules <= {"loss", "unknown"}


@pytest.mark.parametrize("seed", range(4))
def test_two_faults_of_one_host(seed: int) -> None:
    """Whichever two meet at a host of three: no cause is named that is not there."""
    faults = list(faults_of(THREE, "bee"))
    pairs = [(a, b) for i, a in enumerate(faults) for b in faults[i + 1 :]]
    for one, two in pairs[seed::4]:
        assert not wrong(told(THREE, one, two), one, two), (one.name, two.name)
