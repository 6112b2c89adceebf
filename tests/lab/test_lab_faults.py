"""The lab breaks itself: every fault does what it says, seen by plain pings, and goes without a trace.

One lab, on which a run of the matrix was left standing. Nothing here asks the harness what it saw.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.lab import Lab, running_lab
from fixtures.lab.faults import CATALOGUE, Fault, active, break_lab, broken, mend
from fixtures.prober_agent import AgentProber
from matrix.errors import WorldError
from tests.lab.conftest import ROOT, command, environment
from tests.lab.namespaces import Namespaces
from tests.lab.test_lab_capsule import as_a_user
from tests.lab.test_lab_meddling import SITE, Meddler, run_scenario

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab's VLANs by eBPF need root")

MASTER, NODE, GATEWAY = "dev-master-01", "dev-node-01", "gateway"
NODE_ON_VLAN = "192.168.200.11"
ABSENT = "192.168.2.99"
BEYOND = pytest.mark.skipif(
    "L2MATRIX_TEST_BEYOND" not in os.environ,
    reason="disturbs every network of this machine; set L2MATRIX_TEST_BEYOND to run it",
)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of our own with both scenarios standing on it."""
    reports = tmp_path_factory.mktemp("reports")
    with running_lab(state_dir=Path(f"/tmp/l2f-{os.getpid()}")) as lab:  # noqa: S108  the lab checks it
        argv = command(reports, "--keep", "-q")
        done = subprocess.run(
            argv, cwd=ROOT, env=environment(lab), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield lab


@pytest.fixture(scope="module")
def whole(standing: Lab) -> list[str]:
    """What the lab looks like before anything is broken."""
    assert not active(standing)
    return Namespaces(standing).fingerprint()


@pytest.fixture
def world(standing: Lab) -> Iterator[Namespaces]:
    """The namespaces of that lab, with nothing broken; mended whatever the test did."""
    try:
        yield Namespaces(standing)
    finally:
        mend(standing)


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
SILENT_WHEN_WHOLE = {("c1", MASTER), (NODE, "c3"), ("c3", NODE), ("c7", NODE_ON_VLAN)}


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


WHOLE = [pytest.param(f, id=f.name, marks=[BEYOND] if f.beyond else []) for f in CATALOGUE.values()]


@pytest.mark.parametrize("fault", WHOLE)
def test_mended_the_lab_is_as_it_was(world: Namespaces, whole: list[str], fault: Fault) -> None:
    """Links, addresses, routes, rules, settings, nft, containers: equal; on record while broken."""
    made = break_lab(world.lab, fault.name, beyond_the_lab=True)
    assert active(world.lab) == (made,)
    assert mend(world.lab, [fault.name]) == [made]
    assert set(world.fingerprint()) ^ set(whole) == set()
    assert active(world.lab) == ()
    assert mend(world.lab) == []
    assert not (world.lab.state_dir / "faults.json").exists()


BY_HAND = {
    "vlan-missing": ["{switch} nft flush ruleset"],
    "duplicate-address": ["{switch} ip link del port-fault-1"],
    "netmask-wrong": [
        "{node} ip addr add 192.168.2.211/24 dev enp0s5 broadcast +",
        "{node} ip addr del 192.168.2.211/30 dev enp0s5",
    ],
    "container-stopped": ["{node} docker start c3"],
    "container-paused": ["{node} docker unpause c3"],
}


@pytest.mark.parametrize("name", BY_HAND)
def test_what_a_person_mended_by_hand_is_mended(
    world: Namespaces, whole: list[str], name: str
) -> None:
    """Taking back what is back already is harmless, and takes the fault off the record."""
    break_lab(world.lab, name)
    for line in BY_HAND[name]:
        argv = line.format(switch=world.switch.enter, node=world.hosts[NODE].enter).split()
        subprocess.run(argv, check=True, capture_output=True)
    assert [one.name for one in mend(world.lab)] == [name]
    assert set(world.fingerprint()) ^ set(whole) == set()
    assert active(world.lab) == ()


def test_a_fault_that_cannot_be_applied_leaves_nothing(world: Namespaces, whole: list[str]) -> None:
    """Its second step fails, for the address is there already: the first is taken back."""
    with pytest.raises(WorldError, match=r"(?s)netmask-wrong: .*(File exists|already assigned)"):
        break_lab(world.lab, "container-netmask-wrong", {"length": "24"})
    assert active(world.lab) == ()
    assert set(world.fingerprint()) ^ set(whole) == set()


def test_twice_the_same_is_refused(world: Namespaces) -> None:
    """The same fault on another host is another one; each is mended, whatever the order."""
    break_lab(world.lab, "duplicate-address")
    break_lab(world.lab, "duplicate-address", {"host": MASTER})
    with pytest.raises(WorldError, match="duplicate-address is active already"):
        break_lab(world.lab, "duplicate-address", {"host": NODE})
    assert [one.number for one in active(world.lab)] == [1, 2]
    assert [one.number for one in mend(world.lab)] == [2, 1]


def test_a_block_that_forgot_the_containers_is_told(world: Namespaces) -> None:
    """A test whose fault was never applied would pass on a whole lab."""
    with (
        pytest.raises(RuntimeError, match=r"nobody called built\(\): \['container-paused'\]"),
        broken(world.lab, "container-paused"),
    ):
        pass


def lab_command(lab: Lab, *arguments: str) -> tuple[int, str]:
    """Run a command of the lab's: exit code, all that it said."""
    argv = [sys.executable, "-m", "fixtures.lab", *arguments, "--dir", str(lab.state_dir)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_from_the_command_line(world: Namespaces) -> None:
    """Break, list, mend, each in a process of its own; the lines that were typed are shown."""
    lab = world.lab
    code, said = lab_command(lab, "break", "cable-out", "vlan-missing", "--vlan", "300")
    assert code == 0
    assert f"ip link set {world.hosts[NODE].port} down\n" in said
    assert "mend it: python -m fixtures.lab mend cable-out vlan-missing\n" in said
    assert [str(one) for one in active(lab)] == [
        f"cable-out --host {NODE}",
        f"vlan-missing --host {NODE} --vlan 300",
    ]
    assert f"active: vlan-missing --host {NODE} --vlan 300\n" in lab_command(lab, "faults")[1]
    listed = {one["name"]: one for one in json.loads(lab_command(lab, "faults", "--json")[1])}
    assert list(listed) == list(CATALOGUE)
    assert [name for name, one in listed.items() if one["active"]] == ["cable-out", "vlan-missing"]
    assert lab_command(lab, "mend", "cable-out") == (0, f"mended: cable-out --host {NODE}\n")
    assert world.ping(MASTER, NODE) == 64
    assert lab_command(lab, "mend")[1] == f"mended: vlan-missing --host {NODE} --vlan 300\n"
    assert lab_command(lab, "mend") == (0, "nothing to mend: no fault is active\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["cable"], 2, "no fault 'cable'; do you mean cable-out?"),
        (["cable-out", "--vlan", "2"], 2, "has --vlan; these have: vlan-missing, vlan-other-id"),
        (
            ["cable-out", "--host", "x"],
            2,
            "the lab has no host x; it has dev-master-01, dev-node-01",
        ),
        (["loss", "--percent", "x"], 2, "--percent takes a number from 1 to 99, not 'x'"),
        (["address-taken", "--address", "x"], 2, "--address takes an IPv4 address, not 'x'"),
        (["cable-out", "container-paused", "--container", "x"], 2, "there are c3, c4, c7, c8"),
        (["container-replaced", "--container", "c7"], 1, "c7 is on VLAN 200, and a machine"),
        (
            ["neighbour-stale", "--container", "c7"],
            1,
            "VLAN 200, and this lab has no gateway there",
        ),
        (["neighbour-table-full"], 1, "--beyond-the-lab"),
    ],
)
def test_what_cannot_be_is_said(
    world: Namespaces, arguments: list[str], code: int, words: str
) -> None:
    """One clear sentence; what stood before on the line is taken back, what was broken before is not."""
    before = break_lab(world.lab, "cable-out", {"host": MASTER})
    got, said = lab_command(world.lab, "break", *arguments)
    assert (got, words in said) == (code, True), said
    assert "Traceback" not in said
    assert active(world.lab) == (before,)


def test_without_containers_it_says_how_to_have_some(lab: Lab) -> None:
    """On a lab where no run stands, a fault of containers is refused."""
    code, said = lab_command(lab, "break", "container-stopped")
    assert code == 1
    assert f"{NODE}: no container of a run stands there, and this fault is about one" in said
    assert "-> leave a run standing: pytest --keep; then break it" in said


def test_a_run_is_broken_between_building_and_probing(lab: Lab, tmp_path: Path) -> None:
    """The breakage is the run's own callback; the run then takes down what stands, and all is mended."""
    with broken(lab, "container-replaced") as breakage:
        run = run_scenario(
            lab, tmp_path, "bridge", Meddler(AgentProber(SITE.timing), breakage.built)
        )
        assert [one.name for one in active(lab)] == ["container-replaced"]
    found = {cell.id: cell.verdict for cell in run.cells}
    assert found["bridge:c1:c3:address"] == "IMPOSTOR"
    assert found["bridge:c1:c4:address"] == "PASS"
    assert not run.trouble
    assert active(lab) == ()


_BREAK_AND_MEND_ALL = """
from pathlib import Path
from fixtures.lab import Lab, faults
lab = Lab.find(Path("/mnt/home/lab"))
for fault in faults.CATALOGUE.values():
    if fault.when is faults.When.ANY_TIME and not fault.beyond:
        with faults.broken(lab, fault.name):
            assert [one.name for one in faults.active(lab)] == [fault.name]
        assert faults.active(lab) == ()
print("all mended")
"""


def test_faults_without_root() -> None:
    """An ordinary user breaks and mends a lab of his own."""
    if as_a_user('"$PYTHON" -c "import fixtures.lab.__main__"').returncode:
        pytest.skip("an ordinary user cannot read this checkout or its Python")
    lab = '"$PYTHON" -m fixtures.lab'
    done = as_a_user(
        f"export L2MATRIX_LAB_DIR=/mnt/home/lab; {lab} up >/dev/null && "
        f"\"$PYTHON\" -c '{_BREAK_AND_MEND_ALL}'; {lab} down"
    )
    assert done.stdout == "all mended\nthe lab in /mnt/home/lab is gone\n", done.stderr
