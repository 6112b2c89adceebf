"""Three VLANs, the untagged LAN and a router on the lab: apart, and what a broken switch shows.

What is broken is typed here, as a person could: the lab's own faults are about one VLAN.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.embedded import spec_of
from fixtures.lab import Lab, running_lab
from matrix.record import dump, load
from matrix.rejudge import rejudge
from matrix.site import read_site
from tests.lab.conftest import ROOT, MatrixRun, run_matrix

PATH = ROOT / "sites" / "lab-isolation.toml"
SITE = read_site(PATH.read_text(), name=PATH.name)
KINDS = ["ARP", "broadcast", "multicast", "unicast", "IPv6"]
RED, GREEN, BLUE = ("r1", "r2"), ("g1", "g2"), ("b1", "b2")

# A machine with a leg in two VLANs that sends on in the one what it hears in the other. It has no MAC
# address of its own in what it sends, so the switch must not learn from it.
JOIN = """\
ip link add join type veth peer name port-join
ip link set join up
ip link set port-join master br0 up
ip link set port-join type bridge_slave learning off flood off
nft 'table bridge join {{ chain c {{ type filter hook prerouting priority 0;
  iifname port-join vlan id {0} vlan id set {1} accept;
  iifname port-join vlan id {1} vlan id set {0} accept; iifname port-join drop; }} ; }}'
for port in port-master-01 port-node-01; do
  nft "table netdev join-$port {{ chain c {{ type filter hook ingress device $port priority 0;
    vlan id {0} {2} dup to join; vlan id {1} {2} dup to join; }} ; }}"
done
"""
PART = """\
nft 'delete table bridge join'
for port in port-master-01 port-node-01; do nft "delete table netdev join-$port"; done
ip link del join
"""
NO_MULTICAST = (
    "ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 ether daddr != ff:ff:ff:ff:ff:ff drop"
)


@pytest.fixture(scope="module")
def isolation_lab() -> Iterator[Lab]:
    """A lab whose gateway forwards between two of its four segments."""
    if os.geteuid() != 0:
        pytest.skip("the lab's VLANs need root where the kernel has no 8021q")
    folder = Path(f"/tmp/l2i-{os.getpid()}")  # noqa: S108  checked and made private by the lab
    with running_lab(spec_of(SITE), folder) as made:
        yield made


def typed(enter: str, script: str) -> None:
    """Type a script in a namespace of the lab."""
    done = subprocess.run(
        [*enter.split(), "bash", "-e", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def broken(enter: str, do: str, undo: str) -> Iterator[None]:
    """The lab broken for the time of a ``with`` block."""
    typed(enter, do)
    try:
        yield
    finally:
        typed(enter, undo)


def across(run: MatrixRun, here: tuple[str, ...], there: tuple[str, ...]) -> dict[str, str]:
    """Verdicts of the cells between two segments, both ways."""
    return {
        cell["id"]: cell["verdict"]
        for cell in run.record["cells"]
        if (cell["source"] in here and cell["target"] in there)
        or (cell["source"] in there and cell["target"] in here)
    }


def test_segments_are_apart_and_a_router_costs_a_hop(isolation_lab: Lab, tmp_path: Path) -> None:
    """Silent without a router, TTL 63 with one, below IP nothing crosses; internal isolates nobody."""
    run = run_matrix(isolation_lab, tmp_path, "--site", str(PATH))
    assert run.code == 0, run.text
    assert set(run.verdicts().values()) == {"PASS", "BLOCKED"}
    assert set(across(run, BLUE, RED + GREEN).values()) == {"BLOCKED"}
    assert set(across(run, RED, GREEN).values()) == {"PASS"}
    between = [cell for cell in run.record["cells"] if cell["target_scenario"]]
    assert len(between) == 24
    for cell in between:
        found = cell["crossing"]
        assert (found["sent"], found["seen"], found["doubt"]) == (KINDS, [], ""), cell
        assert found["heard_by"], cell
        assert found["hears"], cell
        assert cell["observed"]["ttls"] == ([63] if cell["verdict"] == "PASS" else []), cell
        assert cell["controls"] or cell["verdict"] == "PASS"
    # --internal: no default route, and everybody on the LAN is reached as ever, the gateway too.
    internal = [c for c in run.record["cells"] if c["scenario"] == "internal"]
    assert {c["id"] for c in internal if c["verdict"] == "BLOCKED"} == {
        "internal:i1:dev-master-01:address", "internal:dev-master-01:i1:address",
        "internal:i2:dev-node-01:address", "internal:dev-node-01:i2:address",
        "internal:i1:i2:name", "internal:i2:i1:name",
    }  # fmt: skip
    assert run.verdicts()["internal:i1:gateway:address"] == "PASS"
    # Judged again from its own file, round by round, it says the same.
    data = (run.folder / "run.json").read_bytes()
    assert dump(rejudge(load(data))) == data
    assert not run.record["causes"]


@pytest.mark.parametrize("vlan", [10, pytest.param(200, marks=pytest.mark.thorough)])
def test_a_switch_that_joins_two_vlans_is_a_leak(
    isolation_lab: Lab, tmp_path: Path, vlan: int
) -> None:
    """Every cell between the two is a LEAK, declared router or not, and the first thing that is said."""
    enter = isolation_lab.status().switch.enter
    here, name = (RED, "red") if vlan == 10 else (GREEN, "green")
    with broken(enter, JOIN.format(vlan, 300, ""), PART):
        run = run_matrix(isolation_lab, tmp_path, "--site", str(PATH), "-m", "isolation")
    assert run.code == 1
    assert set(across(run, here, BLUE).values()) == {"LEAK"}
    for cell_id in across(run, here, BLUE):
        assert run.cell(cell_id)["crossing"]["seen"] == KINDS
    assert set(across(run, RED, GREEN).values()) <= {"PASS", "LEAK", "IMPOSTOR"}
    assert [c["rule"] for c in run.record["causes"]] == ["segments-joined"]
    assert run.record["causes"][0]["where"] == f"{name}, blue"
    headline = [line for line in run.text.splitlines() if "are not as expected" in line][-1]
    assert headline.startswith("LEAK between segments, in ")
    assert f"blue and {name}" in headline


def test_vlans_joined_for_one_type_of_frames_alone_are_a_leak(
    isolation_lab: Lab, tmp_path: Path
) -> None:
    """What passes IPv6 and nothing else is as bad: neighbours find each other through it."""
    enter = isolation_lab.status().switch.enter
    with broken(enter, JOIN.format(10, 300, "vlan type ip6"), PART):
        run = run_matrix(
            isolation_lab, tmp_path, "--site", str(PATH), "-m", "isolation", "-k", "b1 and r2"
        )
    assert run.code == 1
    assert across(run, BLUE, RED) == {"red:r2:b1:address": "LEAK", "blue:b1:r2:address": "LEAK"}
    for cell_id in across(run, BLUE, RED):
        assert run.cell(cell_id)["crossing"]["seen"] == ["IPv6"]
    assert [c["rule"] for c in run.record["causes"]] == ["segments-joined"]


def test_a_router_that_nobody_declared_is_a_leak(isolation_lab: Lab, tmp_path: Path) -> None:
    """Echoes pass, with a hop less, and nothing crosses below IP: the cause says which of the two."""
    enter = isolation_lab.status().gateway.enter
    setting = "/proc/sys/net/ipv4/conf/eth0.300/forwarding"
    do = f"echo 1 > {setting}; ip rule add pref 5 to 192.168.30.0/24 lookup main"
    undo = f"echo 0 > {setting}; ip rule del pref 5"
    with broken(enter, do, undo):
        run = run_matrix(
            isolation_lab, tmp_path, "--site", str(PATH), "-m", "isolation", "-k", "b1 and r2"
        )
    assert run.code == 1
    assert across(run, BLUE, RED) == {"red:r2:b1:address": "LEAK", "blue:b1:r2:address": "LEAK"}
    for cell_id in across(run, BLUE, RED):
        assert run.cell(cell_id)["observed"]["ttls"] == [63]
        assert run.cell(cell_id)["crossing"]["seen"] == []
    assert [c["rule"] for c in run.record["causes"]] == ["router-not-declared"]


@pytest.mark.thorough
def test_frames_that_nobody_could_hear_prove_nothing(isolation_lab: Lab, tmp_path: Path) -> None:
    """A switch that drops multicast leaves the cells between segments open, and says why."""
    enter = isolation_lab.status().switch.enter
    chain = f"chain c {{ type filter hook forward priority 0; {NO_MULTICAST}; }}"
    with broken(
        enter, f"nft 'table bridge deaf {{ {chain} ; }}'", "nft 'delete table bridge deaf'"
    ):
        run = run_matrix(
            isolation_lab, tmp_path, "--site", str(PATH), "-m", "isolation", "-k", "b1 and r2"
        )
    assert across(run, BLUE, RED) == dict.fromkeys(
        ("red:r2:b1:address", "blue:b1:r2:address"), "INCONCLUSIVE"
    )
    assert "heard its multicast frames" in run.cell("red:r2:b1:address")["reason"]
