"""Contrast scenarios: what is expected of other drivers, what proves it behind NAT, what is not run."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from fixtures.agent.link_kinds import link_kinds
from matrix.changes import Kind, changes
from matrix.judge import judge
from matrix.preflight.features import drivers, missing_features
from matrix.preflight.look import DockerSeen, Level, Look, Ward
from matrix.record import NotRunRecord, dump, load
from matrix.record_of import cell_records, site_record
from matrix.rounds import rounds
from reports.contrast import NOT_ASKED, NOT_RUN, contrast, contrast_lines
from reports.headline import headline
from reports.html import html
from reports.junit import junit
from tests.unit.sample_nat import (
    CELLS,
    EVERYTHING,
    MASTER,
    NODE,
    TOPOLOGY,
    WHO,
    healthy,
)
from tests.unit.sample_run import healthy as lab_run

# Written out from what a person saw (docs/contrast.md), not taken from the rules.
YES = ("m1:m2", "m1:m3", f"m1:{NODE}", f"{NODE}:m1", "m1:gateway")


NO = (f"m1:{MASTER}", f"{MASTER}:m1")


NAT_YES = ("n1:n2", f"n1:{MASTER}", f"{MASTER}:n1", f"n1:{NODE}", "n1:gateway", f"{MASTER}:{NODE}")


NAT_NO = ("n1:n3", f"{NODE}:n1", "n3:n1")


def expected(scenario: str, pair: str, by: str = "address") -> str:
    """What the plan expects of a pair."""
    (cell,) = [c for c in EVERYTHING if c.id == f"{scenario}:{pair}:{by}"]
    return str(cell.expectation.expected)


def test_what_is_expected_of_each_driver() -> None:
    """Ipvlan in mode l2 as macvlan in mode bridge; Docker's bridge the other way round."""
    for pair, what in (*((p, "reply") for p in YES), *((p, "silence") for p in NO)):
        assert expected("macvlan", pair) == what
        assert expected("ipvlan", re.sub(r"m(?=\d)", "i", pair)) == what
    for pair, what in (*((p, "reply") for p in NAT_YES), *((p, "silence") for p in NAT_NO)):
        assert expected("nat", pair) == what
    for scenario, letter in (("macvlan", "m"), ("ipvlan", "i"), ("nat", "n")):
        assert expected(scenario, f"{letter}1:{letter}2", "name") == "reply"
        assert expected(scenario, f"{letter}1:{letter}3", "name") == "no-such-name"


def test_a_bridge_stands_beside_a_parent_s_network() -> None:
    """Macvlan and ipvlan take the NIC in turns, and a bridge does not need it."""
    assert [[s.name for s in some] for some in rounds(TOPOLOGY.scenarios)] == [
        ["macvlan", "nat"],
        ["ipvlan"],
    ]


def test_what_is_typed_for_each_driver() -> None:
    """No promiscuous mode but for macvlan; the options of each driver."""
    typed = {
        s.name: {c.kind: c.typed for c in changes(TOPOLOGY, s, TOPOLOGY.hosts[1])}
        for s in TOPOLOGY.scenarios
    }
    assert [name for name, some in typed.items() if Kind.PROMISCUOUS in some] == ["macvlan"]
    assert (
        "--driver ipvlan --opt parent=enp0s5 --opt ipvlan_mode=l2" in typed["ipvlan"][Kind.NETWORK]
    )
    assert (
        "--driver bridge --opt com.docker.network.bridge.name=l2mbr0 --subnet 172.30.2.0/24 "
        "--gateway 172.30.2.1" in typed["nat"][Kind.NETWORK]
    )


NO_IPVLAN = {
    "ipvlan": ("missing", "Unknown device type"),
    "bridge": ("there", ""),
    "veth": ("there", ""),
}


DOCKER = DockerSeen("20.10.24", "1.41", False, True, (), (), ("bridge", "ipvlan", "macvlan"))


def look(**changed: Any) -> Look:
    """A host, as far as these checks look."""
    return replace(Look("6.18.44", "3.11.2", kinds=NO_IPVLAN, docker=DOCKER), **changed)


def test_what_a_kernel_or_an_engine_lacks() -> None:
    """The feature, who lacks it, and the words of who said so; what cannot be told is tried."""
    (one,) = missing_features(TOPOLOGY.scenarios, {MASTER: look(), NODE: look()})
    assert (one.scenario, one.hosts) == ("ipvlan", (MASTER, NODE))
    assert one.feature == "links of type ipvlan in the kernel"
    assert one.said == "Linux 6.18.44 says: Unknown device type"
    fine = look(kinds={**NO_IPVLAN, "ipvlan": ("loadable", "")})
    for state in ("there", "loadable", "unknown"):
        here = look(kinds={**NO_IPVLAN, "ipvlan": (state, "")})
        assert not missing_features(TOPOLOGY.scenarios, {MASTER: here, NODE: fine})
    blocked = look(kinds={**NO_IPVLAN, "ipvlan": ("blocked", "")})
    (one,) = missing_features(TOPOLOGY.scenarios, {MASTER: fine, NODE: blocked})
    assert one.hosts == (NODE,)
    assert "modprobe.d" in one.said
    old = look(kinds={}, docker=replace(DOCKER, drivers=("bridge", "macvlan")))
    (one,) = missing_features(TOPOLOGY.scenarios, {MASTER: old, NODE: old})
    assert one.feature == "network driver ipvlan in Docker's engine"


def test_the_doctor_warns_of_it() -> None:
    """A warning: the other scenarios run."""
    host = TOPOLOGY.hosts[0]
    said = list(drivers(Ward(TOPOLOGY, TOPOLOGY.scenarios, host, look(), {})))
    assert [(one.level, one.scenario) for one in said if one.level is not Level.OK] == [
        (Level.WARN, "ipvlan")
    ]


def test_a_kernel_is_asked_for_a_kind_of_link() -> None:
    """Its own words for one that it has not, and no question where a module would be loaded."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace of our own needs root")
    before = sorted(os.listdir("/sys/class/net"))  # noqa: PTH208  names are enough
    found = link_kinds(["l2mnonsense", "veth", "macvlan"], lambda _kind: "unknown")
    assert found == {
        "l2mnonsense": ("missing", "Unknown device type"),
        "veth": ("there", ""),
        "macvlan": ("there", ""),
    }
    assert link_kinds(["l2mnonsense"], lambda _kind: "loadable") == {
        "l2mnonsense": ("loadable", "")
    }
    assert sorted(os.listdir("/sys/class/net")) == before  # noqa: PTH208  the same


MISSING = NotRunRecord(
    "ipvlan", "links of type ipvlan in the kernel", (MASTER, NODE),
    "Linux 6.18.44 says: Unknown device type", "another kernel",
    tuple(c.id for c in EVERYTHING if c.scenario == "ipvlan"),
)  # fmt: skip


def contrast_run(*, asked: bool = True) -> Any:
    """A run of the site without ipvlan, in which nat alone was asked, or nothing."""
    outcomes = {cell.id: healthy(cell) for cell in CELLS} if asked else {}
    cells = CELLS if asked else ()
    return replace(
        lab_run(),
        site=site_record(TOPOLOGY, path="lab-contrast.toml", sha256="0" * 64),
        cells=cell_records(
            cells, frozenset(c.id for c in cells), outcomes, judge(cells, outcomes, WHO), {}
        ),
        cells_in_plan=len(EVERYTHING),
        causes=(),
        not_run=(MISSING,),
    )


def test_the_table_says_what_was_not_run() -> None:
    """In every row of its column; and it survives the record."""
    run = load(dump(contrast_run()))
    table = contrast(run)
    assert table is not None
    assert [c.name for c in table.columns] == ["macvlan", "ipvlan", "nat"]
    for row in table.rows:
        assert [place.words for place in row.places[:2]] == [NOT_ASKED, NOT_RUN]
    rows = {row.question: row.places[2].words for row in table.rows}
    assert rows["container → another host"] == "reached, masqueraded, TTL 63"
    assert rows["another host → container"] == "not reached: no route"
    assert rows["container → remote container, by name"] == "no such name"
    page = html(run).decode()
    assert page.count("n NOT RUN") == len(table.rows) + 1
    assert "Unknown device type" in page
    assert "112 of the site's 168 cells were selected" in page
    assert "cells were selected" not in html(replace(run, cells_in_plan=112)).decode()
    assert sum("n NOT RUN" in line for line in contrast_lines(run)) == len(table.rows)
    assert contrast(lab_run()) is None


def test_not_run_is_counted_apart() -> None:
    """Neither good nor bad in the headline, skipped in junit.xml; nothing else at all is not good."""
    run = contrast_run()
    head = headline(run)
    assert head.good
    assert "All 56 cells selected (of 168) are as they should be" in head.sentence
    assert "56 cells of scenario ipvlan were not run: no links of type ipvlan" in head.sentence
    suites = ET.fromstring(junit(run))  # noqa: S314  our own
    assert (suites.get("tests"), suites.get("skipped"), suites.get("failures")) == (
        "112",
        "56",
        "0",
    )
    nothing = headline(contrast_run(asked=False))
    assert not nothing.good
    assert "were not run" in nothing.sentence
