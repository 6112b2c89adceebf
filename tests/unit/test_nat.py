"""Behind NAT, and on ipvlan: what proves an answer, what proves a silence, what is somebody else's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fixtures.prober import Live, World
from matrix.cause import Scene
from matrix.diagnose import diagnose, of_macvlan
from matrix.judge import judge
from matrix.plan import controls
from matrix.probes import Expected, Identity, Neighbour, Observation, Seen, Verdict
from tests.unit.sample_nat import (
    BRIDGES,
    CELLS,
    EVERYTHING,
    GATEWAY,
    MASTER,
    NICS,
    NODE,
    TOPOLOGY,
    WHO,
    healthy,
    judged,
)


def test_a_healthy_nat_is_all_as_it_should_be() -> None:
    """And every silence names its controls."""
    found = judged()
    assert {v.verdict for v in found.values()} == {Verdict.PASS, Verdict.BLOCKED}
    for cell in CELLS:
        blocked = found[cell.id].verdict is Verdict.BLOCKED
        assert blocked == (cell.expectation.expected is not Expected.REPLY)
        assert bool(found[cell.id].controls) == blocked
    assert f"nat:{MASTER}:n1:address" in found["nat:n3:n1:address"].controls
    assert "masqueraded" in found["nat:n1:gateway:address"].reason
    assert "no way there, and sent nothing" in found[f"nat:{NODE}:n1:address"].reason


STRANGE = "02:00:00:00:00:99"


SPOILT: dict[str, tuple[str, Mapping[str, Any], str, str]] = {
    "a gateway that the host's NIC never saw answer": (
        "nat:n1:gateway:address", {"through_macs": ()}, "INCONCLUSIVE", "own address on its way",
    ),
    "a gateway with another MAC address": (
        "nat:n1:gateway:address", {"through_macs": (STRANGE,)}, "IMPOSTOR", STRANGE,
    ),
    "a gateway that is one of ours": (
        "nat:n1:gateway:address", {"through_macs": (NICS[NODE],)}, "IMPOSTOR", f"which is {NODE}",
    ),
    "another host with another MAC address": (
        f"nat:n1:{NODE}:address", {"through_macs": (STRANGE,)}, "IMPOSTOR", STRANGE,
    ),
    "another host that never saw the requests": (
        f"nat:n1:{NODE}:address", {"request_seen": Seen.NO, "requests_seen": 0}, "IMPOSTOR",
        "never saw the request",
    ),
    "a reply that its own host did not send on": (
        f"nat:n1:{NODE}:address", {"reply_macs": (STRANGE,)}, "IMPOSTOR", "not sent on by",
    ),
    "another host that is silent": (
        f"nat:n1:{NODE}:address",
        {"received": 0, "request_seen": Seen.NO, "requests_seen": 0, "through_macs": (), "ttls": ()},
        "FAIL", "no reply",
    ),
    "somebody in a remote container's name": (
        "nat:n1:n3:address", {"received": 3, "ttls": (63,), "repliers": ("172.30.2.2",)},
        "IMPOSTOR", "never saw the request",
    ),
    "a remote container that is reached": (
        "nat:n1:n3:address",
        {"received": 3, "ttls": (62,), "repliers": ("172.30.2.2",), "request_seen": Seen.YES,
         "requests_seen": 3, "replies_left": 3, "reply_macs": (BRIDGES[MASTER],)},
        "LEAK", "3 of 3",
    ),
    "a remote container that a request reaches": (
        "nat:n1:n3:address", {"request_seen": Seen.YES, "requests_seen": 2}, "LEAK", "arrived at n3",
    ),
    "no route where there should be one": (
        f"nat:{MASTER}:n1:address",
        {"sent": 0, "received": 0, "no_route": True, "error": "no route", "ttls": (),
         "request_seen": Seen.NO, "requests_seen": 0},
        "INCONCLUSIVE", "nothing was sent",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_not_as_it_should_be(name: str) -> None:
    """No foreign answer passes behind NAT, and no silence that is none."""
    cell, fields, verdict, words = SPOILT[name]
    found = judged({cell: fields})[cell]
    assert found.verdict == verdict, found
    assert words in found.reason


def test_a_router_that_answers_by_another_mac_than_its_arp_says() -> None:
    """VRRP: the hosts saw both, so neither is a stranger."""
    both = {"reply_macs": (STRANGE,)}
    found = judged(
        {
            f"nat:{MASTER}:gateway:address": both,
            f"nat:{NODE}:gateway:address": both,
            "nat:n1:gateway:address": {"through_macs": (STRANGE,)},
        }
    )
    assert found["nat:n1:gateway:address"].verdict is Verdict.PASS


def test_silence_behind_nat_needs_its_controls() -> None:
    """A target that did not answer its own host, or a source that reached nobody, proves nothing."""
    dead = judged({f"nat:{NODE}:n3:address": None})
    assert dead["nat:n1:n3:address"].verdict is Verdict.INCONCLUSIVE
    assert "did not even answer its own host" in dead["nat:n1:n3:address"].reason
    assert dead["nat:n1:n4:address"].verdict is Verdict.BLOCKED
    cut = judged({"nat:n1:gateway:address": None, f"nat:n1:{NODE}:address": None})
    assert cut["nat:n1:n3:address"].verdict is Verdict.INCONCLUSIVE
    alone = judged({f"nat:{NODE}:gateway:address": None, f"nat:{NODE}:{MASTER}:address": None})
    assert alone[f"nat:{NODE}:n1:address"].verdict is Verdict.INCONCLUSIVE


def test_controls_come_along() -> None:
    """One silent cell alone brings what proves it."""
    wanted = controls(CELLS, {"nat:n1:n3:address"})
    assert f"nat:{NODE}:n3:address" in wanted
    assert {"nat:n1:gateway:address", f"nat:n1:{NODE}:address"} & wanted


def test_a_host_that_holds_an_entry_for_its_own_ipvlan_container() -> None:
    """Both have one MAC address: an entry for it opens nothing. Another's is still a leak."""
    mine = [c for c in EVERYTHING if c.scenario == "ipvlan"]
    nics = {**NICS, **{f"i{n}": NICS[MASTER if n < 3 else NODE] for n in range(1, 5)}}
    who = [Identity(name, (mac,)) for name, mac in nics.items()]
    outcomes = {}
    for cell in mine:
        address, far = str(cell.target.address), nics.get(cell.target.name, GATEWAY)
        ours = cell.target.name in nics
        seen = Observation(cell.id, address, 3, 0, neighbour=Neighbour("", "FAILED"))
        if cell.expectation.expected is Expected.REPLY:
            seen = Observation(
                cell.id, address, 3, 3, ttls=(64,), repliers=(address,), reply_macs=(far,),
                request_seen=Seen.YES if ours else Seen.NOT_OURS, requests_seen=3 * ours,
                replies_left=3 if ours else None, neighbour=Neighbour(far, "REACHABLE"),
            )  # fmt: skip
        outcomes[cell.id] = seen
    one = f"ipvlan:{MASTER}:i2:address"
    for mac, verdict in ((NICS[MASTER], Verdict.BLOCKED), (STRANGE, Verdict.LEAK)):
        entry = Neighbour(mac, "REACHABLE")
        changed = {**outcomes, one: replace(outcomes[one], neighbour=entry, request_seen=Seen.NO)}
        found = judge([c for c in mine if c.by == "address"], changed, who)
        assert found[one].verdict is verdict, found[one]
        assert found["ipvlan:i1:i2:address"].verdict is Verdict.PASS


def test_no_cause_is_guessed_for_another_driver() -> None:
    """The rules about macvlan see no other scenario; what is wrong there is said, without a cause."""
    outcomes = {cell.id: healthy(cell) for cell in CELLS}
    one = "nat:n1:gateway:address"
    seen = outcomes[one]
    assert isinstance(seen, Observation)
    outcomes[one] = replace(seen, received=0, ttls=(), through_macs=())
    scene = Scene(TOPOLOGY, CELLS, outcomes, judge(CELLS, outcomes, WHO))
    assert not of_macvlan(scene).cells
    assert [s.name for s in of_macvlan(scene).topology.scenarios] == ["macvlan"]
    (cause,) = diagnose(scene)[0]
    assert (cause.rule, cause.cells) == ("unknown", (one,))


WAYS = {
    # Which cell, how its source's kernel would send (local, link, gateway, own address), what is said.
    "by the bridge": ("nat:n1:gateway:address", (False, "eth0", "172.30.1.1", "172.30.1.2"), ""),
    "by another router": (
        "nat:n1:gateway:address", (False, "eth1", "10.0.0.1", "172.30.1.2"), "not via its host's bridge",
    ),
    "by no router": (f"nat:n1:{NODE}:address", (False, "eth0", "", ""), "not via its host's bridge"),
    "as somebody else": (
        f"nat:n1:{MASTER}:address", (False, "eth0", "172.30.1.1", "172.30.1.9"), "from 172.30.1.9",
    ),
    "to oneself": (f"nat:n1:{MASTER}:address", (True, "lo", "", ""), "own namespace, too"),
    "a host by its bridge": (f"nat:{MASTER}:n1:address", (False, "l2mbr0", "", "172.30.1.1"), ""),
    "a host by its NIC": (
        f"nat:{MASTER}:n1:address", (False, "enp0s5", "", ""), "not by l2mbr0",
    ),
    "a host that knows no way": (f"nat:{NODE}:n1:address", (False, "", "", ""), ""),
    "a host by its default route": (f"nat:{NODE}:n1:address", (False, "eth9", "10.0.0.1", ""), ""),
    "a host on the LAN by another link": (
        f"nat:{MASTER}:{NODE}:address", (False, "eth9", "", ""), "off the segment",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
def test_by_what_way_a_probe_may_leave(name: str) -> None:
    """A probe that would take another way than the driver's is not asked, and says so."""
    cell_id, way, words = WAYS[name]
    (cell,) = [c for c in CELLS if c.id == cell_id]
    world = World(TOPOLOGY, {})
    for number, one in enumerate(TOPOLOGY.scenario("nat").containers, 11):
        world.live["nat", one.name] = Live(one.name, one.host, number, ("02:00",))
    for host in NICS:
        world.live["nat", host] = Live(host, host, 0, (NICS[host],))
    source = world.source(cell)
    world.ways[source.host, source.pid, str(cell.target.address)] = way
    said = world.why_not(cell)
    assert (words in said) if words else not said, said
    assert not world.astray_back(cell)
