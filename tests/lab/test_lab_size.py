"""Sites of more than two hosts: every pair of hosts, several VLANs, addresses from ranges."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.lab.conftest import ROOT, command, result

HOST = """
[[host]]
name = "host-{n}"
parent = "eth1"
address = "192.168.2.{address}/24"
"""
PLAIN = """
[[scenario]]
name = "plain"
network = "macnet"
subnet = "192.168.2.0/24"
gateway = "192.168.2.1"
"""
TAGGED = """
[[scenario]]
name = "vlan{vlan}"
network = "macvlan{vlan}"
vlan = {vlan}
subnet = "192.168.{vlan}.0/24"
gateway = "192.168.{vlan}.1"
gateway_present = false
"""
RANGE = """
[scenario.allot.host-{n}]
range = "192.168.{net}.{first}/29"
containers = 2
"""


def site(hosts: int, vlans: tuple[int, ...]) -> str:
    """A site of so many hosts with two containers each, on the plain NIC and on every VLAN."""
    text = "embedded_lab = true\n"
    text += "".join(HOST.format(n=n, address=209 + n) for n in range(1, hosts + 1))
    for net, head in ((2, PLAIN), *((vlan, TAGGED.format(vlan=vlan)) for vlan in vlans)):
        text += head
        text += "".join(RANGE.format(n=n, net=net, first=32 + 8 * n) for n in range(1, hosts + 1))
    return text


@pytest.mark.parametrize(
    ("hosts", "vlans", "cells"),
    [(3, (10, 200), 279), pytest.param(8, (10,), 1376, marks=pytest.mark.thorough)],
)
def test_many_hosts_and_vlans(
    tmp_path: Path, hosts: int, vlans: tuple[int, ...], cells: int
) -> None:
    """All cells hold, on a lab that the run makes for itself."""
    given = tmp_path / "site.toml"
    given.write_text(site(hosts, vlans))
    done = subprocess.run(
        [*command(tmp_path, "--site", str(given), "--group-above", "0")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    run = result(tmp_path, done.returncode, done.stdout + done.stderr)
    assert run.code == 0, run.text
    assert set(run.verdicts().values()) == {"PASS", "BLOCKED"}
    assert len(run.verdicts()) == cells
    pairs = {(c["source_host"], c["target_host"]) for c in run.record["cells"] if c["target_host"]}
    assert len(pairs) == hosts * hosts
