"""The lab mended: as it was, on record while broken, in one clear sentence where it cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.lab import Lab
from fixtures.lab.faults import CATALOGUE, Fault, active, break_lab, broken, mend
from fixtures.prober_agent import AgentProber
from matrix.errors import WorldError
from tests.lab.conftest import ROOT
from tests.lab.namespaces import Namespaces
from tests.lab.test_lab_capsule import as_a_user
from tests.lab.test_lab_meddling import SITE, Meddler, run_scenario

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab's VLANs by eBPF need root")

MASTER, NODE = "dev-master-01", "dev-node-01"
BEYOND = pytest.mark.skipif(
    "L2MATRIX_TEST_BEYOND" not in os.environ,
    reason="disturbs every network of this machine; set L2MATRIX_TEST_BEYOND to run it",
)

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
