"""What real engines say to a network's parent, and that nothing of the asking is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fixtures.embedded import spec_of
from fixtures.lab import Lab, running_lab
from matrix.site import read_site
from tests.lab.conftest import ROOT, on_host, run_matrix

PATH = ROOT / "sites" / "lab-parent.toml"
SITE = read_site(PATH.read_text(), name=PATH.name)
MASTER, NODE = (host.name for host in SITE.hosts)
LOOK = "ip -o link; ip -o -4 addr; ip route; docker ps -aq; docker network ls -q; ls /run/l2matrix"
OWN = f"parent:{MASTER}:own-sub-interface"


@pytest.fixture(scope="module")
def parent_lab() -> Iterator[Lab]:
    """A lab whose parents are free."""
    if os.geteuid() != 0:
        pytest.skip("the harness's agent needs root on the lab's hosts")
    folder = Path(f"/tmp/l2p-{os.getpid()}")  # noqa: S108  checked and made private by the lab
    with running_lab(spec_of(SITE), folder) as made:
        yield made


def test_the_engines_answer_as_their_version_does(parent_lab: Lab, tmp_path: Path) -> None:
    """Each with its own words; what the kernel lacks is not run, and no pass; the hosts are as before."""
    before = [on_host(parent_lab, host, LOOK) for host in (MASTER, NODE)]
    run = run_matrix(parent_lab, tmp_path, "--site", str(PATH), "-m", "parent")
    assert run.code == 0, run.text
    found = {one["id"]: one for one in run.record["engines"]}
    assert len(found) == 18
    has_vlans = parent_lab.status().vlan_by == "8021q"
    for one in found.values():
        own = one["question"] == "own-sub-interface"
        assert one["status"] == ("not run" if own and not has_vlans else "as expected"), one
    second = found[f"parent:{MASTER}:second-network"]
    if int(second["version"].partition(".")[0]) < 27:
        assert second["said"].startswith("network dm-")
        assert second["said"].endswith("is already using parent interface enp0s5")
    assert "device or resource busy" in found[f"parent:{NODE}:bridged-parent"]["said"]
    assert "no carrier" in found[f"parent:{NODE}:down-parent"]["said"]
    assert "4 of 4 kinds" in found[f"parent:{NODE}:one-segment"]["said"]
    if not has_vlans:
        assert "operation not supported" in found[OWN]["said"]
        assert "16 passed, " in run.text
        assert "2 not run" in run.text
        suite = ET.parse(run.folder / "junit.xml").getroot()  # noqa: S314  our own file
        assert (suite.get("tests"), suite.get("skipped"), suite.get("failures")) == ("18", "2", "0")
    assert not run.record["trouble"]
    assert [on_host(parent_lab, host, LOOK) for host in (MASTER, NODE)] == before


@pytest.mark.thorough
def test_a_parent_that_is_in_use_is_not_asked_about(parent_lab: Lab, tmp_path: Path) -> None:
    """Somebody's own network there: the questions about it are inconclusive, and it stays."""
    make = "docker network create -d macvlan -o parent=enp0s5 --subnet 10.9.9.0/24 mine"
    on_host(parent_lab, NODE, make)
    try:
        argv = ("--site", str(PATH), "-m", "parent", "-k", f"{NODE} and second-network")
        run = run_matrix(parent_lab, tmp_path, *argv)
        assert "mine" in on_host(parent_lab, NODE, "docker network ls")
    finally:
        on_host(parent_lab, NODE, "docker network rm mine")
    found = {one["id"]: one for one in run.record["engines"]}
    version = int(found[f"parent:{NODE}:second-network"]["version"].partition(".")[0])
    if version < 27:
        assert run.code == 1
        assert {one["status"] for one in found.values()} == {"inconclusive"}
        assert "could not make the network l2matrix-parent-a" in run.text
