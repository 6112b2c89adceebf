"""The lab breaks itself: every fault does what it says, seen by plain pings.

One lab, on which a run of the matrix was left standing. Nothing here asks the harness what it saw.
"""

from __future__ import annotations

import os

import pytest

from fixtures.lab.faults import CATALOGUE, break_lab, broken, mend
from tests.lab.namespaces import Namespaces

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab's VLANs by eBPF need root")

MASTER, NODE, GATEWAY = "dev-master-01", "dev-node-01", "gateway"
NODE_ON_VLAN = "192.168.200.11"
ABSENT = "192.168.2.99"

Pings = dict[tuple[str, str], int | None]
"""Source and target (a name, or an address), and the TTL of the reply; None for silence."""

# What is heard in the broken lab, in the order in which it is asked. In a whole one every pair gets a
# reply with ttl 64, apart from SILENT_WHEN_WHOLE and the address that nobody has.
SEEN: dict[str, Pings] = {
    "cable-out": {(MASTER, NODE): None, ("c1", "c3"): None, ("c5", "c7"): None, ("c1", "c2"): 64},
    "parent-down": {("c1", "c3"): None, ("c3", "c4"): None, ("c1", "c2"): 64},
    "promiscuous-refused": {
        ("c1", "c3"): None,
        ("c3", "c1"): None,
        ("c5", "c7"): None,
        (MASTER, NODE): 64,
        ("c1", NODE): 64,
        ("c3", "c4"): 64,
    },
    "forged-transmits-refused": {
        ("c3", "c1"): None,
        ("c7", "c5"): None,
        (NODE, "c1"): 64,
        ("c3", "c4"): 64,
    },
    "mac-limit": {
        ("c1", "c3"): 64,
        ("c1", "c4"): None,
        ("c4", GATEWAY): None,
        ("c3", GATEWAY): 64,
        (MASTER, NODE): 64,
    },
    "vlan-missing": {("c5", "c7"): None, ("c7", "c5"): None, ("c5", "c6"): 64, ("c1", "c3"): 64},
    "vlan-other-id": {("c5", "c7"): None, ("c7", "c5"): None, ("c7", "c8"): 64, ("c1", "c3"): 64},
    "proxy-arp": {("c1", ABSENT): 255, ("c1", MASTER): 255, (NODE, ABSENT): 255},
    "gateway-proxy-arp": {("c1", MASTER): 63, (NODE, "c3"): 63},
    "gateway-gone": {("c1", GATEWAY): None, (NODE, GATEWAY): None, ("c1", "c3"): 64},
    "echo-requests-lost": {
        ("c3", "c1"): None,
        (NODE, MASTER): None,
        ("c7", "c5"): None,
        ("c1", "c3"): 64,
        ("c5", "c7"): 64,
    },
    "echo-replies-lost": {
        ("c1", "c3"): None,
        (MASTER, NODE): None,
        ("c5", "c7"): None,
        ("c3", "c1"): 64,
        ("c7", "c5"): 64,
    },
    "netmask-wrong": {(NODE, "c1"): None, ("c1", NODE): None, (NODE, MASTER): 64},
    "hairpin": {("c3", NODE): 64, (NODE, "c3"): 64, ("c7", NODE_ON_VLAN): 64, ("c1", MASTER): None},
    "container-stopped": {("c1", "c3"): None, ("c1", "c4"): 64},
    "container-firewall": {("c1", "c3"): None, ("c4", "c3"): None, ("c3", "c1"): 64},
    "container-netmask-wrong": {("c3", MASTER): None, (MASTER, "c3"): None, ("c3", "c2"): 64},
    "macvlan-private": {("c3", "c4"): None, ("c4", "c3"): None, ("c1", "c3"): 64},
    "neighbour-stale": {(GATEWAY, "c3"): None, ("c3", GATEWAY): None, ("c4", GATEWAY): 64},
}
SEEN_APART = {
    "mtu-small", "loss", "duplicate-address", "duplicate-mac", "address-taken", "container-replaced",
    "container-paused", "container-gateway-wrong", "name-wrong", "engine-dns-dead",
}  # fmt: skip
NOT_SEEN = {"neighbour-table-full"}
"""To see this one would break every network of the machine."""

SILENT_WHEN_WHOLE = {("c1", MASTER), (NODE, "c3"), ("c3", NODE), ("c7", NODE_ON_VLAN)}


def test_every_fault_is_seen() -> None:
    """A new fault needs a proof that it does what it says."""
    assert {*SEEN, *SEEN_APART, *NOT_SEEN} == set(CATALOGUE)


@pytest.mark.parametrize("name", SEEN)
def test_who_reaches_whom(world: Namespaces, name: str) -> None:
    """Broken, some pairs no longer hear each other (or suddenly do), others do; mended, all is back."""
    pings = SEEN[name]
    break_lab(world.lab, name)
    world.forget_neighbours(*pings)
    assert {pair: world.ping(*pair) for pair in pings} == pings
    mend(world.lab, [name])
    world.look()
    world.forget_neighbours(*pings)
    silent = {pair for pair in pings if pair in SILENT_WHEN_WHOLE or ABSENT in pair}
    whole = {pair: None if pair in silent else 64 for pair in pings}
    assert {pair: world.ping(*pair) for pair in pings} == whole


def test_a_vlan_is_missing_on_one_port_only(world: Namespaces) -> None:
    """The id and the host can be chosen: another VLAN, or another host's, is not touched."""
    with broken(world.lab, "vlan-missing", vlan=300):
        assert world.ping("c5", "c7") == 64
    with broken(world.lab, "vlan-missing", host=MASTER):
        assert [world.ping("c5", "c7"), world.ping("c7", "c8")] == [None, 64]
    assert world.ping("c5", "c7") == 64


def test_another_vlan_id_is_seen_on_the_wire(world: Namespaces) -> None:
    """What the host sends as VLAN 200 arrives at the others as VLAN 201, and theirs at it likewise."""
    for name, port in ((NODE, MASTER), (MASTER, NODE)):
        with (
            broken(world.lab, "vlan-other-id", host=name),
            world.counted(f"oifname {world.hosts[port].port} vlan id 201") as tagged,
        ):
            assert world.ping("c7" if name == NODE else "c5", "192.168.200.99") is None
        assert tagged[0] >= 1  # the question who has that address


def test_frames_over_the_limit_are_lost(world: Namespaces) -> None:
    """A large packet is lost, a small one is not, neither is a large one to a sibling."""
    with broken(world.lab, "mtu-small", mtu=1000):
        found = [world.ping("c1", to, size=size) for to, size in (("c3", 900), ("c3", 1100))]
        assert [*found, world.ping("c1", "c2", size=1100)] == [64, None, 64]
    assert world.ping("c1", "c3", size=1472) == 64


def test_some_frames_are_lost(world: Namespaces) -> None:
    """About a third on the way there; what is asked for, when it is asked for."""
    assert world.received("c1", "c3", 100) == 100
    with broken(world.lab, "loss"):
        assert 40 < world.received("c1", "c3", 100) < 98  # 70, give or take six deviations
        assert world.received("c1", "c2", 100) == 100
    with broken(world.lab, "loss", percent=99):
        assert world.received("c1", "c3", 100) < 20  # 1
    assert world.received("c1", "c3", 100) == 100


@pytest.mark.parametrize(
    ("name", "owner", "asker"),
    [
        ("duplicate-address", NODE, MASTER),
        ("duplicate-mac", NODE, "c1"),
        ("address-taken", "c3", "c1"),
    ],
)
def test_another_machine_has_the_address(
    world: Namespaces, name: str, owner: str, asker: str
) -> None:
    """With the owner's cable out, somebody still answers: with the owner's MAC, or his own."""
    world.forget_neighbours((asker, owner))
    assert world.ping(asker, owner) == 64
    own = world.mac_of(asker, owner)
    with broken(world.lab, name, "cable-out"):
        world.forget_neighbours((asker, owner))
        assert world.ping(asker, owner) == 64
        assert (world.mac_of(asker, owner) == own) == (name == "duplicate-mac")
        assert own
    world.forget_neighbours((asker, owner))
    assert world.ping(asker, owner) == 64
    assert world.mac_of(asker, owner) == own


def test_a_dead_containers_address_is_taken(world: Namespaces) -> None:
    """The container is dead, and its address answers all the same, with another MAC."""
    world.forget_neighbours(("c1", "c3"))
    assert world.ping("c1", "c3") == 64
    own = world.mac_of("c1", "c3")
    with broken(world.lab, "container-replaced") as breakage:
        assert world.mac_of("c1", "c3") == own  # not before it is told that containers stand
        breakage.built()
        world.forget_neighbours(("c1", "c3"))
        assert world.ping("c1", "c3") == 64
        assert world.mac_of("c1", "c3") not in ("", own)
    world.forget_neighbours(("c1", "c3"))
    assert world.ping("c1", "c3") == 64
    assert world.mac_of("c1", "c3") == own


def test_a_paused_container_still_answers(world: Namespaces) -> None:
    """Its processes are frozen, its kernel is not. The container can be chosen."""
    break_lab(world.lab, "container-paused", {"host": MASTER, "container": "c2"})
    states = {one["Name"]: one["State"]["Status"] for one in world.inspect(MASTER)}
    assert states == {"/c1": "running", "/c2": "paused", "/c5": "running", "/c6": "running"}
    assert world.ping("c1", "c2") == 64
    mend(world.lab)
    assert {one["State"]["Status"] for one in world.inspect(MASTER)} == {"running"}


def test_a_wrong_gateway_is_asked_for(world: Namespaces) -> None:
    """What leaves the segment is sent to an address that nobody has."""
    asks = f"oifname {world.hosts[MASTER].port} arp operation request arp daddr ip"
    for wrong, questions in (("192.168.2.250", True), ("", False)):
        if wrong:
            break_lab(world.lab, "container-gateway-wrong", {"address": wrong})
        with world.counted(f"{asks} 192.168.2.250") as count:
            world.ping("c3", "10.9.9.9")
        assert bool(count[0]) is questions
        mend(world.lab)


def test_a_name_leads_elsewhere(world: Namespaces) -> None:
    """The sibling's name leads to another machine; afterwards the engine's own answer is back."""
    ask = ("docker", "exec", "c3", "ping", "-c1", "-W1", "c4")
    assert "PING c4 (192.168.2.223)" in world.run(NODE, *ask)
    with broken(world.lab, "name-wrong") as breakage:
        breakage.built()
        assert "PING c4 (192.168.2.210)" in world.run(NODE, *ask)
    assert "PING c4 (192.168.2.223)" in world.run(NODE, *ask)


def test_the_engines_name_server_is_dead(world: Namespaces) -> None:
    """It answers a query for a sibling's name, then not, then again; other traffic passes."""
    assert world.dns_answers("c3", "c4")
    with broken(world.lab, "engine-dns-dead") as breakage:
        breakage.built()
        assert not world.dns_answers("c3", "c4")
        assert world.dns_answers("c4", "c3")
        assert world.ping("c1", "c3") == 64
    assert world.dns_answers("c3", "c4")
