"""All four macvlan modes on real Docker: who reaches whom, the proofs, and what is put back.

What is expected here is written out from what a person saw of the kernel, not taken from the rules.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.access import refuse_cutting
from fixtures.embedded import spec_of
from fixtures.host import open_host
from fixtures.lab import Lab, running_lab
from matrix.record import dump, load
from matrix.rejudge import rejudge
from matrix.site import read_site
from tests.lab.conftest import ROOT, on_host, run_matrix

PATH = ROOT / "sites" / "lab-modes.toml"
SITE = read_site(PATH.read_text(), name=PATH.name)
MASTER, NODE = "dev-master-01", "dev-node-01"
LOOK = "ip -o link; ip -o -4 addr; ip route; docker ps -aq; docker network ls -q; ls /run/l2matrix"

REACHED = (
    # In the kernel, and over the wire, whatever the switch port does.
    "bridge:b1:b2:address", "bridge:b3:b4:address", "bridge:b1:b2:name",
    "private:p1:p3:address", "vepa:v1:v3:address", "private:p1:gateway:address",
    f"vepa:v1:{NODE}:address", f"private:{MASTER}:p3:address",
    # By way of the port that reflects.
    "vepa:v3:v4:address", "vepa:v3:v4:name",
    f"bridge:b3:{NODE}:address", f"vepa:v3:{NODE}:address",
    f"bridge:{NODE}:b3:address", f"vepa:{NODE}:v3:address", f"private:{NODE}:p3:address",
    # The passthru endpoint is a machine like any other.
    "passthru:x1:gateway:address", f"passthru:x1:{NODE}:address", f"passthru:{NODE}:x1:address",
)  # fmt: skip
SILENT = (
    "private:p1:p2:address", "private:p1:p2:name", "private:p3:p4:address", "vepa:v1:v2:address",
    f"bridge:b1:{MASTER}:address", f"private:p1:{MASTER}:address", f"vepa:v1:{MASTER}:address",
    f"bridge:{MASTER}:b1:address", f"private:{MASTER}:p1:address", f"vepa:{MASTER}:v1:address",
    # Its host is deaf.
    f"passthru:{NODE}:{MASTER}:address", f"passthru:{MASTER}:{NODE}:address",
    f"passthru:{MASTER}:gateway:address", f"passthru:x1:{MASTER}:address",
    f"passthru:{MASTER}:x1:address",
)  # fmt: skip


@pytest.fixture(scope="module")
def modes_lab() -> Iterator[Lab]:
    """A lab whose second switch port reflects."""
    if os.geteuid() != 0:
        pytest.skip("the harness's agent needs root on the lab's hosts")
    folder = Path(f"/tmp/l2m-{os.getpid()}")  # noqa: S108  checked and made private by the lab
    with running_lab(spec_of(SITE), folder) as made:
        yield made


def test_every_mode_does_what_it_is_known_to(modes_lab: Lab, tmp_path: Path) -> None:
    """All cells hold with proof, in four rounds, and the hosts are as before, MAC addresses too."""
    before = [on_host(modes_lab, host, LOOK) for host in (MASTER, NODE)]
    run = run_matrix(modes_lab, tmp_path, "--site", str(PATH), "-m", "modes")
    assert run.code == 0, run.text
    verdicts = run.verdicts()
    assert set(verdicts.values()) == {"PASS", "BLOCKED"}
    assert {cell: verdicts[cell] for cell in REACHED} == dict.fromkeys(REACHED, "PASS")
    assert {cell: verdicts[cell] for cell in SILENT} == dict.fromkeys(SILENT, "BLOCKED")
    for cell in run.record["cells"]:
        assert cell["controls"] or cell["verdict"] == "PASS", cell
    # What has no one answer is not asked: see the next test.
    assert f"private:p3:{NODE}:address" not in verdicts
    rounds = {s["name"]: s["round"] for s in run.record["site"]["scenarios"]}
    assert rounds == {"bridge": 1, "private": 2, "vepa": 3, "passthru": 4}
    assert not run.record["trouble"]
    assert not run.record["causes"]
    # Judged again from its own file, round by round, it says the same.
    data = (run.folder / "run.json").read_bytes()
    assert dump(rejudge(load(data))) == data
    assert [on_host(modes_lab, host, LOOK) for host in (MASTER, NODE)] == before


@pytest.mark.thorough
def test_private_by_a_reflecting_port_depends_on_who_speaks_first(
    modes_lab: Lab, tmp_path: Path
) -> None:
    """Why that cell is not asked: silent cold, answered once the host has asked the container."""
    chosen = ("--site", str(PATH), "-k", f"private and {NODE} and p3", "--keep")
    assert run_matrix(modes_lab, tmp_path, *chosen).code == 0
    inside = "nsenter -t $(docker inspect -f '{{.State.Pid}}' p3) -n"
    ping = f"{inside} ping -c 1 -W 1 192.168.2.211 >/dev/null && echo answered || echo silent"
    cold = f"ip neigh flush all; {inside} ip neigh flush all; {ping}"
    assert on_host(modes_lab, NODE, cold).endswith("silent\n")
    warm = f"ping -c 1 -W 1 192.168.2.226 >/dev/null; {ping}"
    assert on_host(modes_lab, NODE, warm).endswith("answered\n")
    assert run_matrix(modes_lab, tmp_path, *chosen[:-1]).code == 0


@pytest.mark.thorough
def test_a_port_that_does_not_reflect_is_named(modes_lab: Lab, tmp_path: Path) -> None:
    """What should come back by it fails, nothing else does, and there is one cause."""
    ports = {host.name: host.port for host in modes_lab.status().hosts}
    enter = modes_lab.status().switch.enter.split()
    line = [*enter, "ip", "link", "set", ports[NODE], "type", "bridge_slave", "hairpin"]
    subprocess.run([*line, "off"], check=True)
    try:
        run = run_matrix(modes_lab, tmp_path, "--site", str(PATH), "-k", "vepa")
    finally:
        subprocess.run([*line, "on"], check=True)
    failed = {
        cell for cell, verdict in run.verdicts().items() if verdict not in ("PASS", "BLOCKED")
    }
    assert failed == {
        "vepa:v3:v4:address", "vepa:v4:v3:address", "vepa:v3:v4:name", "vepa:v4:v3:name",
        f"vepa:v3:{NODE}:address", f"vepa:v4:{NODE}:address",
        f"vepa:{NODE}:v3:address", f"vepa:{NODE}:v4:address",
    }  # fmt: skip
    (cause,) = run.record["causes"]
    assert (cause["rule"], cause["where"]) == ("hairpin-missing", f"{NODE} enp0s5")
    assert set(cause["cells"]) == failed


def test_passthru_may_be_where_our_own_ssh_does_not_come_in(modes_lab: Lab) -> None:
    """The lab is reached by a unix socket; tests/unit/test_access.py has the ways that are refused."""
    session = open_host(SITE.hosts[0], modes_lab.ssh_config, {}, lambda _host, _what: None)
    try:
        refuse_cutting(session, SITE.scenarios)
    finally:
        session.close()
