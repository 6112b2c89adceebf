"""The remedies do what they say: their own commands, typed on a host of the lab, and their undo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from fixtures.lab import Lab
from matrix.remedies import HOST_SHIM, SECOND_NETWORK, Step
from tests.lab.conftest import ROOT, MatrixRun, on_host

HOST = "dev-master-01"
LOOK = (
    "ip -d -o link | sed 's/^[0-9]*: //; s/ qdisc .* group/ group/' | sort; "
    "ip -o -4 addr | cut -d' ' -f2-; ip route"
)
OPENED = ("bridge:dev-master-01:c1:address", "bridge:dev-master-01:c2:address")
Matrix = Callable[..., MatrixRun]


def typed(lab: Lab, steps: Iterable[Step]) -> str:
    """Type all commands of the steps; the first that fails is the end. Returns what was said."""
    commands = [command for step in steps for command in step.commands]
    said = on_host(lab, HOST, "\n".join(["set -e", *commands, "echo all done"]))
    assert said.endswith("all done\n"), said
    return said


@pytest.fixture
def standing(lab: Lab, matrix: Matrix) -> Iterator[None]:
    """The bridge scenario's containers, left standing; put back by a run afterwards."""
    assert matrix("-m", "bridge", "--keep").code == 0
    yield
    assert matrix("-m", "bridge").code == 0
    assert "shim0" not in on_host(lab, HOST, "ip -br link")


@pytest.mark.usefixtures("standing")
def test_the_shim(lab: Lab, matrix: Matrix, tmp_path: Path) -> None:
    """Host and containers reach each other, one MAC answers for the host, and the undo is whole.

    The next run calls it a leak, until the site says that it is meant.
    """
    before = on_host(lab, HOST, LOOK)
    typed(lab, HOST_SHIM.steps)
    try:
        shim = on_host(lab, HOST, "cat /sys/class/net/shim0/address").strip()
        ask = "ip neigh flush all; ping -c 1 192.168.2.210 >/dev/null; ip neigh show 192.168.2.210"
        assert shim not in on_host(lab, "dev-node-01", ask)
        found = matrix("-m", "bridge", "--keep")
        verdicts = {c["id"]: c["verdict"] for c in found.record["cells"]}
        assert {i for i, v in verdicts.items() if v not in ("PASS", "BLOCKED")} == set(OPENED)
        assert {verdicts[i] for i in OPENED} == {"LEAK"}
        site = tmp_path / "meant.toml"
        site.write_text(
            (ROOT / "sites" / "lab.toml").read_text()
            + '[[override]]\ncells = "bridge:dev-master-01:c*:address"\nexpect = "reply"\n'
            'ticket = "NET-1"\nuntil = 9999-12-31\n'
        )
        meant = matrix("-m", "bridge", "--keep", "--site", str(site))
        assert meant.code == 0, meant.text
        opened = [c for c in meant.record["cells"] if c["override"]]
        assert {c["id"]: (c["verdict"], c["override"]["physics"]) for c in opened} == dict.fromkeys(
            OPENED, ("PASS", "silence")
        )
    finally:
        typed(lab, HOST_SHIM.undo)
    assert on_host(lab, HOST, LOOK) == before


@pytest.mark.usefixtures("standing")
def test_the_second_network(lab: Lab) -> None:
    """Both ways by its addresses, with the container's default route where it was."""
    route = "docker exec c1 ip route | grep default"
    before = on_host(lab, HOST, route)
    assert "192.168.2.1" in before
    said = typed(lab, SECOND_NETWORK.steps)
    try:
        container, host = said.split()[-4:-2]
        pings = f"ping -c 1 {container} && docker exec c1 ping -c 1 {host} && echo both"
        assert on_host(lab, HOST, pings).endswith("both\n")
        assert on_host(lab, HOST, route) == before
    finally:
        typed(lab, SECOND_NETWORK.undo)
    assert "hostside" not in on_host(lab, HOST, "docker network ls")
