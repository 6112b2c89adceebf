"""Every remedy built by the harness itself: the cells that it opens answer, and it is undone.

What is expected here is written out from what a person saw, not taken from the rules.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.embedded import spec_of
from fixtures.lab import Lab, running_lab
from matrix.record import dump, load
from matrix.rejudge import rejudge
from matrix.site import read_site
from reports.behaviour import markdown
from tests.behaviour_words import PAGE, said
from tests.lab.conftest import ROOT, environment, on_host, run_matrix

PATH = ROOT / "sites" / "lab-remedies.toml"
SITE = read_site(PATH.read_text(), name=PATH.name)
MASTER, NODE = "dev-master-01", "dev-node-01"
LOOK = (
    "ip -d -o link | sed 's/^[0-9]*: //; s/ qdisc .* group/ group/' | sort; ip -o -4 addr | "
    "cut -d' ' -f2-; ip route; docker ps -aq; docker network ls -q; ls /run/l2matrix; "
    "sysctl -a -r 'ipv4.*arp_(ignore|announce)'"
)

REACHED = (
    # By the shim: the host by its usual name, the container by the shim's address.
    f"shim:{MASTER}:s1:address", f"shim:{NODE}:s4:address",
    f"shim:s1:{MASTER}.shim:address", f"shim:s4:{NODE}.shim:address",
    # On the second network, both ways.
    f"second:b1.second:{MASTER}.second:address", f"second:{MASTER}.second:b2.second:address",
    f"second:{NODE}.second:b3.second:address",
    # The names of containers on the other engine.
    "add-host:a1:a3:name", "add-host:a4:a2:name", "lan-dns:d1:d3:name", "lan-dns:d4:d2:name",
    # Others are as before.
    f"shim:s3:{MASTER}:address", f"shim:{NODE}:s1:address", f"shim:{NODE}:{MASTER}:address",
    "shim:s1:gateway:address",
)  # fmt: skip
SILENT = (
    f"shim:s1:{MASTER}:address", f"shim:s3:{NODE}:address", "shim:s1:s3:name",
    f"second:b1:{MASTER}:address", f"second:{MASTER}:b1:address", "second:b1:b3:name",
    f"add-host:a1:{MASTER}:address", f"lan-dns:{NODE}:d3:address",
)  # fmt: skip


@pytest.fixture(scope="module")
def remedy_lab() -> Iterator[Lab]:
    """A lab with a name server on one of its VLANs."""
    if os.geteuid() != 0:
        pytest.skip("the lab's VLANs need root where the kernel has no 8021q")
    folder = Path(f"/tmp/l2y-{os.getpid()}")  # noqa: S108  checked and made private by the lab
    with running_lab(spec_of(SITE), folder) as made:
        yield made


def test_every_remedy_opens_its_cells_and_is_undone(remedy_lab: Lab, tmp_path: Path) -> None:
    """All at once, on real Docker; links, routes, settings and networks are then as before."""
    before = [on_host(remedy_lab, host, LOOK) for host in (MASTER, NODE)]
    run = run_matrix(remedy_lab, tmp_path, "--site", str(PATH), "-m", "remedy")
    assert run.code == 0, run.text
    verdicts = run.verdicts()
    assert len(verdicts) == 236
    assert {cell: verdicts[cell] for cell in REACHED} == dict.fromkeys(REACHED, "PASS")
    assert {cell: verdicts[cell] for cell in SILENT} == dict.fromkeys(SILENT, "BLOCKED")
    resolvers = {
        c["scenario"]: c["observed"]["resolver"]
        for c in run.record["cells"]
        if c["id"] in ("add-host:a1:a3:name", "lan-dns:d1:d3:name")
    }
    assert resolvers == {"add-host": "/etc/hosts", "lan-dns": "127.0.0.11"}
    for cell in run.record["cells"]:
        if cell["verdict"] == "PASS" and cell["target_kind"] != "gateway":
            assert cell["observed"]["request_seen"] == "yes", cell
    # A container with a second link still asks the segment around, by its macvlan link.
    claims = {(scenario, address) for (scenario, address), _ in run.record["evidence"]["claims"]}
    assert ("second", "192.168.200.102") in claims
    assert not run.record["trouble"]
    assert not run.record["causes"]
    assert {r.partition(":")[0] for s in run.record["site"]["scenarios"] for r in s["remedies"]} == {
        "host-shim", "second-network", "add-host", "lan-dns",
    }  # fmt: skip
    data = (run.folder / "run.json").read_bytes()
    assert dump(rejudge(load(data))) == data
    # The truth table in docs/ has been made from such a run, and this one says the same.
    assert said(markdown([load(data)]), "Remedies") == said(PAGE.read_text(), "Remedies")
    assert [on_host(remedy_lab, host, LOOK) for host in (MASTER, NODE)] == before


@pytest.mark.thorough
def test_every_probe_holds_beside_the_remedies(remedy_lab: Lab, tmp_path: Path) -> None:
    """TCP, UDP, full size and casts from containers with two links, and past a shim."""
    run = run_matrix(remedy_lab, tmp_path, "--site", str(PATH), "-m", "remedy", "--probe", "all")
    assert run.code == 0, run.text
    verdicts = run.verdicts()
    assert verdicts["second:b1:b3:tcp"] == verdicts[f"shim:s1:{NODE}:udp"] == "PASS"
    assert verdicts[f"second:b1:{MASTER}:tcp"] == "BLOCKED"
    assert f"shim:s1:{MASTER}:tcp" not in verdicts


@pytest.mark.thorough
def test_a_run_that_was_killed_leaves_no_shim(remedy_lab: Lab, tmp_path: Path) -> None:
    """While it stands one MAC address answers for the host; the clean-up takes it away, and says so."""
    before = [on_host(remedy_lab, host, LOOK) for host in (MASTER, NODE)]
    assert run_matrix(remedy_lab, tmp_path, "--site", str(PATH), "-m", "remedy", "--keep").code == 0
    shim = on_host(remedy_lab, MASTER, "cat /sys/class/net/l2mshim0/address").strip()
    ask = "ip neigh flush all; ping -c 1 192.168.2.210 >/dev/null; ip neigh show 192.168.2.210"
    said = on_host(remedy_lab, NODE, ask)
    assert "lladdr" in said
    assert shim not in said
    words = [
        sys.executable,
        "-m",
        "fixtures",
        "cleanup",
        "--ssh-config",
        str(remedy_lab.ssh_config),
    ]
    words += ["--host", MASTER, "--host", NODE]
    done = subprocess.run(
        words, cwd=ROOT, env=environment(remedy_lab), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the host's own macvlan link l2mshim0" in done.stdout
    assert [on_host(remedy_lab, host, LOOK) for host in (MASTER, NODE)] == before


@pytest.mark.thorough
def test_a_shims_address_that_is_somebodys_is_refused(remedy_lab: Lab, tmp_path: Path) -> None:
    """Its scenario is not built on that host, with the reason; the gateway keeps its address."""
    site = tmp_path / "taken.toml"
    old = 'dev-master-01 = "192.168.2.250"'
    site.write_text(PATH.read_text().replace(old, 'dev-master-01 = "192.168.2.9"'))
    enter = remedy_lab.status().gateway.enter.split()
    subprocess.run([*enter, "ip", "addr", "add", "192.168.2.9/32", "dev", "eth0"], check=True)
    try:
        run = run_matrix(remedy_lab, tmp_path, "--site", str(site), "-k", "shim")
    finally:
        subprocess.run([*enter, "ip", "addr", "del", "192.168.2.9/32", "dev", "eth0"], check=True)
    assert run.code == 1
    assert "the shim's address 192.168.2.9 is somebody else's" in run.text
    assert run.verdicts()[f"shim:s1:{MASTER}.shim:address"] == "INCONCLUSIVE"
    assert run.verdicts()["shim:s3:s4:address"] == "PASS"
