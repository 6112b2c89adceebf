"""The list of changes: order, undo, what is left out because it is so already; and the lease's words."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fixtures.lease import holder_of
from fixtures.planning import plan_for_bare_hosts, plan_lines
from matrix.changes import Kind, changes, still_to_do
from matrix.topology import Scenario
from tests.unit.sample_hosts import DOCKER, GOOD, LO, NIC, REAL, A

BRIDGE, VLAN = REAL.scenarios
HOST = REAL.host(A)


def kinds(scenario: Scenario) -> list[Kind]:
    """The kinds of a scenario's changes on a bare host, in order."""
    return [one.kind for one in changes(REAL, scenario, HOST)]


def test_in_the_order_of_building() -> None:
    """Links before the network on them, the network before its containers."""
    rest = [Kind.NETWORK, Kind.CONTAINER, Kind.CONTAINER]
    assert kinds(BRIDGE) == [Kind.IMAGE, Kind.PROMISCUOUS, *rest]
    assert kinds(VLAN) == [Kind.IMAGE, Kind.VLAN, Kind.PROMISCUOUS, Kind.ADDRESS, *rest]


def test_each_has_its_undo() -> None:
    """But for the image, which stays; a link's undo is in the journal, a container's is its label."""
    for scenario in REAL.scenarios:
        for one in changes(REAL, scenario, HOST):
            assert bool(one.undo) is (one.kind is not Kind.IMAGE)
            assert bool(one.journal) is (one.do[0][0] == "ip")
            labelled = f"l2matrix={scenario.name}" in one.do[0]
            assert labelled is (one.kind in (Kind.NETWORK, Kind.CONTAINER))
            assert shlex.split(one.typed) == list(one.do[0])


def test_what_is_so_already_is_no_change() -> None:
    """Nor is it undone; a sub-interface that is there and down is set up, and down again."""
    wanted = changes(REAL, VLAN, HOST)
    there = replace(NIC, index=7, name="enp0s5.200", kind="vlan", vlan=200, link=2, promisc=True,
                    addresses=("192.168.200.10/24",))  # fmt: skip
    left = still_to_do(wanted, replace(GOOD, links=(LO, NIC, there)))
    assert [one.kind for one in left] == [Kind.NETWORK, Kind.CONTAINER, Kind.CONTAINER]
    left = still_to_do(wanted, replace(GOOD, links=(LO, NIC, replace(there, up=False))))
    assert left[0].do == (("ip", "link", "set", "enp0s5.200", "up"),)
    assert left[0].journal == {"undo": "down", "link": "enp0s5.200"}
    bare = still_to_do(wanted, replace(GOOD, docker=replace(DOCKER, image=False)))
    assert bare == wanted
    assert still_to_do([*wanted, *wanted], None) == wanted


def test_the_plan_as_text() -> None:
    """Each command, its undo beneath; what cannot be undone says so."""
    plans = plan_for_bare_hosts(REAL, REAL.scenarios)
    assert [len(plan.changes) for plan in plans] == [11, 11]
    lines = list(plan_lines([replace(plans[0], refused=("everything: no\n  -> yes",))]))
    assert lines[:3] == [f"{A}: 11 changes", "  not built, everything: no", "      -> yes"]
    assert lines[3:5] == ["    1  docker pull busybox:latest", "       undo: none, it stays"]
    assert "       undo: ip addr del 192.168.200.10/24 dev enp0s5.200" in lines


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            {"owner": {"who": "me@here", "pid": "7", "run": "r", "since": "s"}, "left_s": 90},
            "me@here, process 7, run r, since s, until 2026-01-01T00:01:30+00:00 unless renewed",
        ),
        (
            {"owner": {"who": "\x1b[2J\n"}, "left_s": 1e99},
            r"\x1b[2J\n, process , run , since , until",
        ),
        ({"silent": "timed out"}, "somebody who does not say who (timed out)"),
        ({"gone": True}, "somebody who does not say who (it has just ended)"),
        ({"owner": 5}, "somebody who does not say who (it has just ended)"),
    ],
)
def test_who_holds_a_lease(said: object, words: str) -> None:
    """In words, whatever it says of itself; nobody is nobody."""
    holder = holder_of(said)
    assert holder is not None
    assert holder.words(datetime(2026, 1, 1, tzinfo=UTC)).startswith(words)
    assert holder_of(None) is None
