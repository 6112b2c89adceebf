"""Other drivers beside macvlan, on real Docker: who reaches whom, what is not run, what is put back.

What is expected here is written out from what a person saw (ping, tcpdump), not taken from the rules.
"""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.agent.link_kinds import link_kinds
from fixtures.embedded import spec_of
from fixtures.lab import Lab, running_lab
from matrix.record import dump, load
from matrix.rejudge import rejudge
from matrix.site import read_site
from reports.contrast import contrast
from tests.lab.conftest import ROOT, MatrixRun, on_host, run_matrix

PATH = ROOT / "sites" / "lab-contrast.toml"
SITE = read_site(PATH.read_text(), name=PATH.name)
MASTER, NODE = "dev-master-01", "dev-node-01"
LOOK = (
    "ip -o link; ip -o -4 addr; ip route; docker ps -aq; docker network ls -q; ls /run/l2matrix; "
    "iptables-save | sed 's/\\[[0-9:]*\\]//; /^#/d'; sysctl net.ipv4.ip_forward net.ipv4.conf.all; "
    "cat /proc/sys/net/bridge/*"
)
"""What a network of the bridge driver could leave: a link, a route, rules of a firewall, settings."""

REACHED = (
    "nat:n1:n2:address", "nat:n1:n2:name", "nat:n3:n4:address", f"nat:n1:{MASTER}:address",
    f"nat:{MASTER}:n1:address", f"nat:{NODE}:n4:address", f"nat:n1:{NODE}:address",
    "nat:n1:gateway:address", "nat:n4:gateway:address", f"nat:{MASTER}:{NODE}:address",
    "macvlan:m1:m3:address", "macvlan:m1:m2:name", f"macvlan:{NODE}:m1:address",
)  # fmt: skip
SILENT = (
    "nat:n1:n3:address", "nat:n4:n1:address", f"nat:{MASTER}:n3:address", f"nat:{NODE}:n2:address",
    "nat:n1:n3:name", f"macvlan:m1:{MASTER}:address", f"macvlan:{MASTER}:m1:address",
)  # fmt: skip


@pytest.fixture(scope="module")
def contrast_lab() -> Iterator[Lab]:
    """A lab whose engines may write firewall rules."""
    if os.geteuid() != 0:
        pytest.skip("the harness's agent needs root on the lab's hosts")
    folder = Path(f"/tmp/l2x-{os.getpid()}")  # noqa: S108  checked and made private by the lab
    with running_lab(spec_of(SITE), folder) as made:
        yield made


HAS_IPVLAN = link_kinds(["ipvlan"], lambda _kind: "unknown")["ipvlan"][0] == "there"
"""Has this machine's kernel ipvlan?"""


def site_run(lab: Lab, reports: Path, *arguments: str) -> MatrixRun:
    """The matrix of the site."""
    return run_matrix(lab, reports, "--site", str(PATH), *arguments)


def test_the_drivers_side_by_side(contrast_lab: Lab, tmp_path: Path) -> None:
    """Every cell as it should be with its proof; what the kernel lacks is not run; hosts as before."""
    before = [on_host(contrast_lab, host, LOOK) for host in (MASTER, NODE)]
    run = site_run(contrast_lab, tmp_path, "-m", "contrast")
    assert run.code == 0, run.text
    verdicts = run.verdicts()
    assert {cell: verdicts[cell] for cell in REACHED} == dict.fromkeys(REACHED, "PASS")
    assert {cell: verdicts[cell] for cell in SILENT} == dict.fromkeys(SILENT, "BLOCKED")
    gateway = run.cell("nat:n1:gateway:address")["observed"]
    assert (gateway["ttls"], len(gateway["through_macs"])) == ([63], 1)
    beyond = run.cell(f"nat:n1:{NODE}:address")["observed"]
    assert (beyond["ttls"], beyond["request_seen"], beyond["replies_left"]) == ([63], "yes", 3)
    assert beyond["through_macs"], "the reply came to the host's own address"
    assert run.cell(f"nat:{NODE}:n1:address")["observed"]["no_route"]
    if not HAS_IPVLAN:
        (missing,) = run.record["not_run"]
        assert missing["scenario"] == "ipvlan"
        assert missing["said"].endswith("says: Unknown device type")
        assert missing["hosts"] == [MASTER, NODE]
        assert not [cell for cell in run.record["cells"] if cell["scenario"] == "ipvlan"]
        assert "56 not run" in run.text
        assert "112 cells" in run.text
        suites = ET.parse(run.folder / "junit.xml").getroot()  # noqa: S314  our own file
        assert (suites.get("tests"), suites.get("skipped")) == ("168", "56")
        assert "n NOT RUN" in (run.folder / "report.html").read_text()
    assert not run.record["trouble"]
    assert [h["difference"] for h in run.record["hosts"]] == [[], []]
    assert [on_host(contrast_lab, host, LOOK) for host in (MASTER, NODE)] == before
    kept = load((run.folder / "run.json").read_bytes())
    assert dump(rejudge(kept)) == dump(kept)
    table = contrast(kept)
    assert table is not None
    words = [place.words for row in table.rows for place in row.places[::2]]
    assert "reached, masqueraded, TTL 63" in words
    assert {place.words for row in table.rows for place in row.places[1:2]} == (
        {"NOT RUN"} if not HAS_IPVLAN else {"reached", "not reached", "no such name"}
    )


def test_nothing_that_can_be_run_is_no_good_run(contrast_lab: Lab, tmp_path: Path) -> None:
    """Not run is not passed: a run of nothing else is not green."""
    plan = site_run(contrast_lab, tmp_path, "--plan").text
    assert ("docker network create --driver ipvlan" in plan) == HAS_IPVLAN, plan
    assert ("not built, scenario ipvlan" in plan) != HAS_IPVLAN, plan
    run = site_run(contrast_lab, tmp_path, "-k", "ipvlan")
    if HAS_IPVLAN:
        assert run.code == 0, run.text
    else:
        assert run.code == 1, run.text
        assert "No cell was asked. 56 cells of scenario ipvlan were not run" in run.text


def test_what_was_kept_is_put_back_by_the_next_run(contrast_lab: Lab, tmp_path: Path) -> None:
    """Bridge, containers and the rules of the firewall, as after a run that was killed."""
    before = on_host(contrast_lab, MASTER, LOOK)
    assert site_run(contrast_lab, tmp_path, "-k", "nat", "--keep").code == 0
    assert "l2mbr0" in on_host(contrast_lab, MASTER, LOOK)
    run = site_run(contrast_lab, tmp_path, "-k", "nat and n1 and gateway")
    assert run.code == 0, run.text
    assert "removed what a killed run had left" in run.text
    assert on_host(contrast_lab, MASTER, LOOK) == before


@contextmanager
def typed(lab: Lab, host: str, *lines: tuple[str, str]) -> Iterator[None]:
    """What somebody types there, and what takes it back; ``gateway`` is the lab's gateway machine."""

    def type_there(line: str) -> None:
        if host == "gateway":
            argv = [*lab.status().gateway.enter.split(), *line.split()]
            subprocess.run(argv, check=True)
        else:
            assert not (said := on_host(lab, host, line)), said

    done: list[str] = []
    try:
        for do, undo in lines:
            type_there(do)
            done.append(undo)
        yield
    finally:
        for undo in reversed(done):
            type_there(undo)


def bad(run: MatrixRun) -> dict[str, str]:
    """The verdicts that are not as they should be."""
    return {c: v for c, v in run.verdicts().items() if v not in ("PASS", "BLOCKED")}


def test_who_answers_in_a_remote_container_s_name(contrast_lab: Lab, tmp_path: Path) -> None:
    """A router that knows the subnet, and somebody there: no silence, and not the container."""
    way = "route add 172.30.2.0/24 via 192.168.2.1"
    with (
        typed(
            contrast_lab,
            "gateway",
            ("ip addr add 172.30.2.2/32 dev lo", "ip addr del 172.30.2.2/32 dev lo"),
        ),
        typed(contrast_lab, MASTER, (f"ip {way}", f"ip {way.replace('add', 'del')}")),
    ):
        run = site_run(contrast_lab, tmp_path, "-k", "nat")
    assert run.code == 1
    assert bad(run) == {
        "nat:n1:n3:address": "IMPOSTOR",
        "nat:n2:n3:address": "IMPOSTOR",
        f"nat:{MASTER}:n3:address": "IMPOSTOR",
    }
    assert "n3 never saw the request" in run.cell("nat:n1:n3:address")["reason"]


def test_a_way_to_a_remote_container_is_a_leak(contrast_lab: Lab, tmp_path: Path) -> None:
    """A route alone meets Docker's own firewall there; with that open, too, requests arrive."""
    way = "ip route add 172.30.2.0/24 via 192.168.2.211"
    opened = "iptables -I FORWARD -j ACCEPT"
    with typed(contrast_lab, MASTER, (way, way.replace("add", "del"))):
        shut = site_run(contrast_lab, tmp_path / "shut", "-k", "nat and n1 and n3")
        with typed(contrast_lab, NODE, (opened, opened.replace("-I", "-D"))):
            run = site_run(contrast_lab, tmp_path / "open", "-k", "nat and n1 and n3")
    assert shut.code == 0, shut.text
    assert shut.verdicts()["nat:n1:n3:address"] == "BLOCKED"
    assert run.code == 1
    assert run.verdicts()["nat:n1:n3:address"] == "LEAK", run.text
    assert run.cell("nat:n1:n3:address")["observed"]["ttls"] == [62]


def test_a_host_that_answers_in_the_lan_s_name(contrast_lab: Lab, tmp_path: Path) -> None:
    """Its firewall turns requests for the LAN to itself: neither gateway nor other host answered."""
    rule = "iptables -t nat -I PREROUTING -i l2mbr0 -d {} -j DNAT --to-destination 192.168.2.210"
    turned = [rule.format(address) for address in ("192.168.2.1", "192.168.2.211")]
    with typed(contrast_lab, MASTER, *((line, line.replace("-I", "-D")) for line in turned)):
        run = site_run(contrast_lab, tmp_path, "-k", "nat and not name")
    assert run.code == 1
    found = bad(run)
    assert found.pop("nat:n1:gateway:address") == "INCONCLUSIVE"
    assert found.pop("nat:n2:gateway:address") == "INCONCLUSIVE"
    assert found.pop(f"nat:n1:{NODE}:address") == "IMPOSTOR"
    assert found.pop(f"nat:n2:{NODE}:address") == "IMPOSTOR"
    # Their sources reached nobody over the wire, so their silence proves nothing either.
    assert set(found.values()) <= {"INCONCLUSIVE"}
    assert all(cell.startswith(("nat:n1:", "nat:n2:")) for cell in found), found
