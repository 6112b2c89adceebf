"""Causes by rule: each fault of a network in code is named, alone, and a healthy one has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from matrix.cause import Inner
from matrix.causes import RULES
from matrix.diagnose import diagnose
from matrix.packet import Kind
from matrix.probes import Neighbour, NotRun, Observation, Outcome, Resolution, Seen
from matrix.topology import Topology
from tests.unit.sample_faults import Fault, faults_of, told
from tests.unit.sample_net import GATEWAY_MAC, LAB, STRANGER, THREE, Net, Sent, scene

M, N = "dev-master-01", "dev-node-01"
SITES = pytest.mark.parametrize("topology", [LAB, THREE], ids=["lab", "three hosts"])
EACH = [
    pytest.param(topology, fault, id=f"{len(topology.hosts)} hosts, {fault.name}")
    for topology, host in ((LAB, N), (THREE, "bee"))
    for fault in faults_of(topology, host)
]


def healthy(cell_id: str) -> Observation:
    """What a healthy network shows for a cell of the lab."""
    seen = scene(Net()).outcomes[cell_id]
    assert isinstance(seen, Observation)
    return seen


def causes(
    outcomes: dict[str, Outcome] | None = None, net: Net | None = None, **facts: Any
) -> list[tuple[str, str, tuple[str, ...]]]:
    """Rule, place and cells of what is named for the lab with these outcomes and facts."""
    found, judgements = diagnose(scene(net or Net(), outcomes, **facts))
    for cause in found:
        for cell in cause.cells:
            assert cause.line in judgements[cell].cause
    return [(cause.rule, cause.where, cause.cells) for cause in found]


@SITES
def test_a_healthy_network_has_no_cause(topology: Topology) -> None:
    """No rule finds anything in it, and every judgement stays as it was."""
    whole = scene(Net(topology))
    for rule in RULES:
        assert not list(rule.find(whole)), rule.name
    found, judgements = diagnose(whole)
    assert not found
    assert judgements == whole.judgements


@pytest.mark.parametrize(("topology", "fault"), EACH)
def test_the_fault_is_named_alone(topology: Topology, fault: Fault) -> None:
    """With every cell that is not as expected, and with what shows it and what to do."""
    found = told(topology, fault)
    assert [fault.names(cause) for cause in found] == [True], found
    cause = found[0]
    assert cause.cells
    assert cause.evidence
    assert cause.look
    assert cause.fix


def test_every_bad_cell_has_the_line_of_its_cause() -> None:
    """Negatives that lost their controls by it are of it, too."""
    net = Net(dead=frozenset({N}))
    before = scene(net)
    found, judgements = diagnose(before)
    assert {cell.id for cell in before.bad()} == set(found[0].cells)
    assert all(judgements[cell].cause == found[0].line for cell in found[0].cells)


def test_two_hosts_cannot_tell_whose_vlan_is_missing() -> None:
    """With a third party that they reach they could: then the one is named."""
    with_router = replace(
        LAB,
        scenarios=tuple(
            replace(s, segment=replace(s.segment, gateway_present=True)) for s in LAB.scenarios
        ),
    )
    net = Net(with_router, drops=lambda s: s.vlan is not None and N in (s.out_of, s.into))
    assert [c.where for c in diagnose(scene(net))[0]] == [f"{N} vlan"]
    net = Net(drops=lambda s: s.vlan is not None and N in (s.out_of, s.into))
    assert [c.where for c in diagnose(scene(net))[0]] == [f"{M} and {N} vlan"]


def test_a_vlan_that_arrives_untagged() -> None:
    """The tag is taken off on the way."""
    found = diagnose(scene(Net(tags=lambda _: None)))[0]
    assert [c.rule for c in found] == ["vlan-untagged"]


def test_hosts_that_are_not_on_one_network() -> None:
    """Both reach the router, and nothing passes between them."""
    found = causes(net=Net(drops=lambda s: s.vlan is None and {s.out_of, s.into} == {M, N}))
    assert [(rule, where) for rule, where, _ in found] == [("wire-cut", f"{M} and {N}")]


@pytest.mark.parametrize(
    ("drops", "rule", "cells"),
    [
        (lambda s: "" in (s.out_of, s.into), "gateway-gone", 6),
        (lambda s: s.into == "" and s.kind is Kind.ECHO_REQUEST, "gateway-mute", 6),
        (lambda s: s.out_of == "" and ":c3:" in s.cell and s.kind is Kind.ECHO_REPLY,
         "gateway-stale", 1),
    ],
    ids=["gone", "mute", "stale"],
)  # fmt: skip
def test_gateways(drops: Any, rule: str, cells: int) -> None:
    """Nobody hears of it; it answers ARP only; it answers some and not one."""
    found = causes(net=Net(drops=drops))
    assert [(r, where, len(c)) for r, where, c in found] == [(rule, "gateway 192.168.2.1", cells)]


def test_a_gateway_whose_askers_reach_nobody_else() -> None:
    """It is one of two possibilities, and is called one."""

    def drops(sent: Sent) -> bool:
        return "" in (sent.out_of, sent.into)

    found = diagnose(scene(Net(drops=drops, dead=frozenset({N}))))[0]
    assert [(c.rule, c.confidence) for c in found] == [
        ("no-carrier", "certain"),
        ("gateway-gone", "possible"),
    ]
    assert "the gateway is gone, or what is between it and dev-master-01" in found[1].line


TO_NODE = f"bridge:c1:{N}:address"
BACK = f"bridge:{N}:c1:address"
OWN = f"bridge:c3:{N}:address"
NAME = "bridge:c3:c4:name"
FACTS: dict[str, tuple[str, str, dict[str, Outcome], Mapping[str, Any]]] = {
    "address-taken": (
        "address-taken", "192.168.2.222 bridge",
        {"bridge:c1:c3:address": NotRun("bridge:c1:c3:address", "its address is somebody else's")},
        {"taken": {("bridge", "c3"): (STRANGER,)}, "missing": {("bridge", "c3"): "taken"}},
    ),
    "not-standing": (
        "not-standing", N,
        {"bridge:c3:c1:address": NotRun("bridge:c3:c1:address", "no network")},
        {"missing": {("bridge", "c3"): "no network"}},
    ),
    "paused": (
        "container-paused", f"c3 on {N}",
        {"bridge:c3:c1:address": NotRun("bridge:c3:c1:address", "the container c3 is paused")},
        {"states": {("bridge", "c3"): "paused"}},
    ),
    "route": (
        "route-astray", f"c3 on {N}",
        {"bridge:c3:c1:address": NotRun(
            "bridge:c3:c1:address", "c3: no route to that network from there")},
        {},
    ),
    "default route": (
        "default-route", f"c3 on {N}", {}, {"inner": {("bridge", "c3"): Inner("bridge", None)}}
    ),
    "mode": (
        "macvlan-mode", f"c3 on {N}",
        {"bridge:c3:c4:address": replace(
            healthy("bridge:c3:c4:address"), received=0, requests_seen=0, request_seen=Seen.NO)},
        {"inner": {("bridge", "c3"): Inner("private", "192.168.2.1")}},
    ),
    "neighbour table": (
        "neighbour-table-full", N,
        {BACK: NotRun(BACK, f"{N}'s neighbour (ARP) table was full"),
         TO_NODE: replace(healthy(TO_NODE), received=2),
         "bridge:c3:c3:address": replace(healthy("bridge:c3:c3:address"), received=0)},
        {"refused": {N: 7}},
    ),
    "name": (
        "name-wrong", f"c3 on {N} c4",
        {NAME: replace(healthy(NAME), address="192.168.2.210", resolution=Resolution(
            "c4", ("192.168.2.210",), "NOERROR", "/etc/hosts", 0.1))},
        {},
    ),
    "resolver": (
        "resolver-dead", f"c3 on {N}",
        {f"bridge:c3:{to}:name": replace(
            healthy("bridge:c3:c1:name"), cell=f"bridge:c3:{to}:name",
            resolution=Resolution(to, (), "NO-ANSWER", "127.0.0.11", 1000.0))
         for to in ("c1", "c2", "c3", "c4")},
        {},
    ),
    "link down": (
        "container-link", f"c3 on {N}",
        {"bridge:c3:c1:address": NotRun(
            "bridge:c3:c1:address", "c3: no route to that network from there"),
         "bridge:c3:c4:name": replace(healthy(NAME), address="", sent=0, received=0,
            resolution=Resolution("c4", (), "NO-ANSWER", "127.0.0.11", 1000.0))},
        {"inner": {("bridge", "c3"): Inner("bridge", None, ("02:00:00:00:00:03",), (), up=False)}},
    ),
    "link gone": (
        "container-link", f"c3 on {N}",
        {"bridge:c3:c1:address": NotRun(
            "bridge:c3:c1:address", "c3: no route to that network from there")},
        {"inner": {("bridge", "c3"): Inner("", None, (), (), up=False)}},
    ),
    "ARP off": (
        "container-link", f"c3 on {N}",
        {"bridge:c3:c4:address": replace(
            healthy("bridge:c3:c4:address"), received=0, requests_seen=0, request_seen=Seen.NO)},
        {"inner": {("bridge", "c3"): Inner(
            "bridge", "192.168.2.1", ("02:00:00:00:00:03",), ("192.168.2.222/24",), arp=False)}},
    ),
    "another address": (
        "container-address", f"c3 on {N}",
        {"bridge:c3:c1:address": NotRun(
            "bridge:c3:c1:address", "c3 would send to 192.168.2.220 from 192.168.2.240"),
         "bridge:c1:c3:address": replace(
            healthy("bridge:c1:c3:address"), received=0, requests_seen=0, request_seen=Seen.NO)},
        {"inner": {("bridge", "c3"): Inner(
            "bridge", None, ("02:00:00:00:00:03",), ("192.168.2.240/24",))}},
    ),
    "fixed neighbour": (
        "neighbour-fixed", f"c1 on {M}",
        {cell: replace(
            healthy(cell), received=0, requests_seen=0, request_seen=Seen.NO, neighbour=entry)
         for cell, entry in (
            ("bridge:c1:c3:address", Neighbour(STRANGER, "PERMANENT")),
            ("bridge:c3:c1:address", Neighbour(Net().mac("c1"), "REACHABLE")))},
        {},
    ),
    "NAT": (
        "rewritten-at-source", f"c1 on {M}",
        {"bridge:c1:c3:address": replace(
            healthy("bridge:c1:c3:address"), request_seen=Seen.NO, requests_seen=0,
            neighbour=None, reply_macs=(Net().mac("c4"),))},
        {},
    ),
    "restarted": (
        "container-restarted", f"c3 on {N}",
        {cell: NotRun(cell, "the container c3 was restarted while it was probed")
         for cell in ("bridge:c3:c1:address", "bridge:c1:c3:address")},
        {},
    ),
    "host lost": (
        "host-lost", N,
        {"bridge:c3:c1:address": NotRun("bridge:c3:c1:address", "the agent has ended"),
         "bridge:c3:c4:address": NotRun("bridge:c3:c4:address", "the agent has ended")},
        {"lost_hosts": {N: "the agent has ended"}},
    ),
    "canary": (
        "canary-answered", "192.168.2.254 bridge", {},
        {"canaries": {("bridge", M): {"192.168.2.254": (STRANGER,)}}},
    ),
    "large": (
        "mtu-small", f"{M} and {N}", {},
        {"large": {("bridge", M, N): False, ("vlan", N, M): False}},
    ),
    "doubled": (
        "duplicate-address", "192.168.2.211 bridge",
        {TO_NODE: replace(healthy(TO_NODE), rivals=(Net().mac(N), STRANGER))},
        {},
    ),
    "doubled in both": (
        "duplicate-mac", "192.168.2.211 bridge",
        {OWN: replace(
            healthy(TO_NODE), cell=OWN, request_seen=Seen.NO, requests_seen=0,
            reply_macs=(Net().mac(N),), neighbour=Neighbour(Net().mac(N), "REACHABLE"))},
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FACTS)
def test_what_a_fact_or_an_answer_tells(name: str) -> None:
    """Named once, with every cell that is not as expected."""
    rule, where, outcomes, facts = FACTS[name]
    bad = {c.id for c in scene(Net(), outcomes, **facts).bad()}
    found = causes(outcomes, **facts)
    assert [(r, w, set(cells)) for r, w, cells in found] == [(rule, where, bad)]


def lossy(*cells: str) -> dict[str, Outcome]:
    """These cells with one of three replies."""
    return {cell: replace(healthy(cell), received=1, requests_seen=1) for cell in cells}


def test_one_lossy_container_is_no_busy_host() -> None:
    """What all that is lost has in common tells them apart."""
    alone = ("bridge:c1:c3:address", "bridge:c3:c1:address", "bridge:c4:c3:address")
    assert causes(lossy(*alone)) == [("container-lossy", f"c3 on {N}", alone)]
    both = ("bridge:c3:c3:address", "bridge:c4:c4:address")
    assert causes(lossy(*both)) == [("host-busy", N, both)]


def test_a_resolver_that_answers_others_is_not_called_dead() -> None:
    """The engine's, as other containers of the host see it."""
    _, _, outcomes, _ = FACTS["resolver"]
    found = diagnose(scene(Net(), outcomes))[0]
    assert "it answers other containers on dev-node-01" in found[0].line
    everybody = {
        cell.id: replace(
            healthy(cell.id), address="", sent=0, received=0,
            resolution=Resolution(cell.target.name, (), "NO-ANSWER", "127.0.0.11", 1000.0))
        for cell in scene(Net()).cells
        if cell.by == "name" and cell.source.host == N
    }  # fmt: skip
    found = diagnose(scene(Net(), {**everybody}))[0]
    assert all("dead or cut off" in cause.line for cause in found)


@pytest.mark.parametrize(
    ("mac", "rule"), [(STRANGER, "proxy-arp"), (GATEWAY_MAC, "gateway-proxy-arp")]
)
def test_a_proxy(mac: str, rule: str) -> None:
    """One machine answers for several: by its own, or it is the gateway."""
    cells = ("bridge:c1:c3:address", "bridge:c2:c4:address")
    found = causes({cell: replace(healthy(cell), rivals=(mac,)) for cell in cells})
    assert found == [(rule, f"MAC {mac}", cells)]


def test_a_host_with_another_address() -> None:
    """Its cells are explained, and those of the other host are not."""
    whole = scene(Net())
    link = whole.links[N][0]
    short = {**whole.links, N: (replace(link, addresses=("192.168.2.211/30",)),)}
    lost: dict[str, Outcome] = {BACK: NotRun(BACK, f"{N}: no route to that network from there")}
    assert causes(lost, links=short) == [("host-address", f"{N} enp0s5", (BACK,))]


def test_what_nothing_explains_is_unknown() -> None:
    """With what was seen of it, and what to type."""
    lost = replace(
        healthy(TO_NODE), received=0, requests_seen=0, request_seen=Seen.NO, neighbour=None
    )
    found = diagnose(scene(Net(), {TO_NODE: lost}, traces={}))[0]
    assert [(c.rule, c.cells) for c in found] == [("unknown", (TO_NODE,))]
    assert "no reply to 3 requests; none reached dev-node-01" in found[0].line
    assert found[0].look == f"ssh {M} docker exec c1 ping -c 3 192.168.2.211"
