"""TCP, UDP, packet sizes, broadcasts and multicasts on the real lab: whole, and broken by real faults.

Each fault is made where it would be on a real network: a rule of nft in a container or on the switch,
a link's MTU, a second machine with an address. What it breaks must be told, with its cause; what it
does not must stay as it should be; and nothing that somebody else answered may pass.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path

import pytest

from fixtures.lab import Lab
from fixtures.lab.faults import broken
from fixtures.prober import World
from fixtures.prober_agent import AgentProber
from fixtures.recorder import Recorder
from fixtures.run import Execution, Job
from matrix.plan import plan
from matrix.probes import Verdict
from matrix.record import CellRecord, Run
from matrix.topology import Probe, Topology
from tests.lab.conftest import MatrixRun, on_host
from tests.lab.test_lab_meddling import SITE, Meddler

M, N = "dev-master-01", "dev-node-01"
ALL = replace(SITE, probes=tuple(Probe))
GOOD = (Verdict.PASS, Verdict.BLOCKED)


def run_site(
    lab: Lab,
    reports: Path,
    site: Topology,
    scenarios: tuple[str, ...],
    act: Callable[[World], None] = lambda _world: None,
) -> Run:
    """Run these scenarios of the site on the lab; ``act`` happens once everything stands."""
    cells = tuple(cell for cell in plan(site) if cell.scenario in scenarios)
    job = Job(
        topology=site,
        site_path="sites/lab.toml",
        site_sha256="",
        cells=cells,
        selected=frozenset(cell.id for cell in cells),
        cells_in_plan=len(cells),
        ssh_config=lab.ssh_config,
        prober=Meddler(AgentProber(site.timing), act),
    )
    recorder = Recorder(reports, "20260101T000000Z-0000")
    return Execution(job, recorder, lambda _host, _what: None).execute()


def rules(lab: Lab, world: World, container: str, chain: str, *rules: str) -> None:
    """Load rules of nft into a container's own namespace."""
    live = next(one for (_, name), one in world.live.items() if name == container)
    body = "; ".join(rules)
    text = f"table ip t {{ chain c {{ type filter hook {chain} priority 0; {body}; }}; }}"
    enter = f"nsenter --target {live.pid} --net"
    assert on_host(lab, live.host, f"{enter} nft {shlex.quote(text)}") == ""


@contextmanager
def on_switch(lab: Lab, *rules: str) -> Iterator[None]:
    """Rules of nft's bridge family on the lab's switch, for a block."""
    enter = lab.status().switch.enter.split()
    body = "; ".join(rules)
    text = f"table bridge t {{ chain c {{ type filter hook forward priority 0; {body}; }}; }}"
    subprocess.run([*enter, "nft", text], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run([*enter, "nft", "delete", "table", "bridge", "t"], check=True)


def bad(run: Run) -> dict[str, CellRecord]:
    """The cells that are not as expected."""
    return {cell.id: cell for cell in run.cells if cell.verdict not in GOOD}


def causes(run: Run) -> set[tuple[str, str]]:
    """The rules and places that are named."""
    return {(cause.rule, cause.where) for cause in run.causes}


def test_a_healthy_lab_is_as_it_should_be_by_every_protocol(
    matrix: Callable[..., MatrixRun], lab: Lab, fingerprint: Callable[[], list[str]]
) -> None:
    """All cells hold, each proven at both ends, and no socket of ours is left on a host."""
    before = fingerprint()
    run = matrix("--probe", "all")
    assert run.code == 0, run.text
    assert set(run.verdicts().values()) == {"PASS", "BLOCKED"}
    found = [cell for cell in run.record["cells"] if cell["probe"] != "icmp"]
    assert len(found) == 284
    for cell in found:
        seen = cell["exchange"]
        assert (cell["verdict"] == "PASS") is (cell["expected"] == "reply")
        if cell["verdict"] == "BLOCKED":
            assert all(c.endswith(f":{cell['probe']}") for c in cell["controls"])
            assert cell["controls"], cell
            assert not seen["arrived"]
        elif cell["probe"] in ("tcp", "udp"):
            assert seen["ends"] == {"answered": 3}, cell
            assert seen["arrived"] == 3, cell
            assert seen["departed"] >= 3, cell
        elif cell["probe"] == "mtu":
            by_size = {rung["size_bytes"]: rung for rung in seen["rungs"]}
            assert by_size[1500]["answered"] == 1
            assert by_size[1500]["arrived"] >= 1, "a busy machine may have asked twice"
            assert by_size[1501]["ends"] == {"too-long": 1}
            assert by_size[1501]["mtu"] == 1500
        else:
            assert [cast["heard"] for cast in seen["casts"]] == [[1, 1, 1]] * 2, cell
    assert fingerprint() == before
    port = run.record["prober"]["protocols"]["port"]
    for host in (M, N):
        said = on_host(lab, host, f"cat /proc/net/tcp /proc/net/udp | grep -ic ':{port:04X} '")
        assert said.strip() == "0"


def test_a_firewall_in_a_container_is_told_from_the_network(lab: Lab, tmp_path: Path) -> None:
    """It drops, refuses or keeps in one protocol; echoes pass. The cause says where it is."""

    def act(world: World) -> None:
        rules(lab, world, "c3", "input", "iifname eth0 tcp flags & (syn | ack) == syn drop")
        rules(lab, world, "c4", "input", "iifname eth0 meta l4proto udp reject")
        rules(lab, world, "c7", "output", "oifname eth0 meta l4proto tcp drop")

    run = run_site(lab, tmp_path, ALL, ("bridge", "vlan"), act)
    found = bad(run)
    for cell in run.cells:
        if cell.probe == Probe.TCP and cell.target == "c3" and cell.expected == "reply":
            assert cell.verdict == "FAIL", cell
            assert "arrived at c3's link, and c3's own stack did not take it in" in cell.reason
        elif cell.probe == Probe.UDP and cell.target == "c4" and cell.expected == "reply":
            assert cell.verdict == "FAIL", cell
        elif cell.probe == Probe.TCP and "c7" in (cell.source, cell.target):
            # It neither asks nor answers: its silence towards its own host proves nothing then.
            assert cell.verdict == ("FAIL" if cell.expected == "reply" else "INCONCLUSIVE"), cell
        elif cell.probe == Probe.ICMP or not {"c3", "c4", "c7"} & {cell.source, cell.target}:
            assert cell.verdict in GOOD, cell
    assert causes(run) == {("protocol-firewall", name) for name in ("c3", "c4", "c7")}
    assert {i for cause in run.causes for i in cause.cells} == set(found)


@pytest.mark.thorough
def test_a_cast_that_comes_to_a_host_by_another_link_has_come(lab: Lab, tmp_path: Path) -> None:
    """Somebody gives the host a macvlan link on its NIC: then it hears its own containers."""

    def act(_world: World) -> None:
        on_host(
            lab, M, "ip link add shim9 link enp0s5 type macvlan mode bridge; ip link set shim9 up"
        )

    site = replace(SITE, probes=(Probe.ICMP, Probe.BROADCAST))
    try:
        run = run_site(lab, tmp_path, site, ("bridge",), act)
    finally:
        on_host(lab, M, "ip link del shim9")
    verdicts = {cell.id: cell.verdict for cell in run.cells}
    assert {verdicts[f"bridge:{name}:{M}:broadcast"] for name in ("c1", "c2")} == {"LEAK"}
    assert {verdicts[f"bridge:{name}:{M}:broadcast"] for name in ("c3", "c4")} == {"PASS"}


@pytest.mark.thorough
def test_what_is_filtered_between_the_hosts_is_told_by_its_direction(
    lab: Lab, tmp_path: Path
) -> None:
    """A switch that drops SYNs on the LAN, and on the VLAN what leaves no room for a tag, one way."""
    syn = f"ip saddr {SITE.host(M).address.network} tcp flags & (syn | ack) == syn"
    port = f'iifname "{port_of(lab, M)}"'
    with on_switch(lab, f"{port} {syn} drop", f"{port} vlan id 200 ip length > 1496 drop"):
        run = run_site(lab, tmp_path, ALL, ("bridge", "vlan"))
    found = bad(run)
    for cell in found.values():
        if cell.scenario == "bridge":
            assert cell.probe == Probe.TCP, cell
            assert cell.source_host == M or cell.verdict == "INCONCLUSIVE", cell
        else:
            assert (cell.probe, cell.source_host, cell.target_host) == (Probe.MTU, M, N), cell
            assert "1,496 bytes is the longest that passes (ping -s 1468)" in cell.reason
    assert causes(run) == {("protocol-filtered", f"{M} -> {N}"), ("mtu-narrow", f"{M} and {N}")}
    (narrow,) = (cause for cause in run.causes if cause.rule == "mtu-narrow")
    assert "a VLAN tag has no room beside a full packet" in narrow.line
    assert {i for cause in run.causes for i in cause.cells} == set(found)


def test_a_small_mtu_is_measured(lab: Lab, tmp_path: Path) -> None:
    """The switch drops in silence what is longer than 1,400 bytes: the longest that passes is told."""
    with broken(lab, "mtu-small"):
        run = run_site(lab, tmp_path, ALL, ("bridge",))
    for cell in run.cells:
        far = cell.source_host != cell.target_host
        if cell.probe == Probe.MTU and far:
            assert cell.verdict == "FAIL", cell
            assert "1,400 bytes is the longest that passes (ping -s 1372), of 1,500" in cell.reason
            assert "nobody says why" in cell.reason
        else:
            assert cell.verdict in GOOD, cell
    assert causes(run) == {("mtu-narrow", f"{M} and {N}")}


@pytest.mark.thorough
def test_jumbo_frames_where_they_are_declared(lab: Lab, tmp_path: Path) -> None:
    """On links of 1,500 bytes the link itself is named; on links of 9,000 they pass."""
    bridge = next(s for s in SITE.scenarios if s.name == "bridge")
    jumbo = replace(SITE, scenarios=(replace(bridge, mtu=9000),), probes=(Probe.MTU,))
    run = run_site(lab, tmp_path / "small", jumbo, ("bridge",))
    assert {cell.verdict for cell in run.cells} == {"FAIL"}
    assert causes(run) == {("mtu-link", M), ("mtu-link", N)}
    assert all("too long, for the source's own link (MTU 1,500)" in c.reason for c in run.cells)
    switch = lab.status().switch.enter.split()
    try:
        set_mtu(lab, switch, 9000)
        run = run_site(lab, tmp_path / "large", jumbo, ("bridge",))
    finally:
        set_mtu(lab, switch, 1500)
    assert {cell.verdict for cell in run.cells} == {"PASS"}, [c.reason for c in run.cells]


def test_nobody_else_answers_for_an_address(lab: Lab, tmp_path: Path) -> None:
    """A second machine with a host's address: no connection to it is called good, whoever won."""
    with broken(lab, "duplicate-address"):
        run = run_site(lab, tmp_path, ALL, ("bridge",))
    held = {cell.target for cell in run.cells if cell.verdict == "IMPOSTOR"}
    assert len(held) == 1
    (host,) = held
    for cell in run.cells:
        if cell.probe in (Probe.TCP, Probe.UDP) and cell.target == host:
            assert cell.verdict not in ("PASS", "BLOCKED"), cell
        if cell.probe in (Probe.TCP, Probe.UDP) and host not in (cell.source, cell.target):
            assert cell.verdict in GOOD, cell
    assert {cause.rule for cause in run.causes} == {"duplicate-address"}, run.causes
    assert {i for cause in run.causes for i in cause.cells} == set(bad(run))


@pytest.mark.thorough
def test_what_a_port_sends_back_reaches_the_own_host(lab: Lab, tmp_path: Path) -> None:
    """With hairpin on, broadcasts and connections of containers come to their own host: leaks."""
    with broken(lab, "hairpin"):
        run = run_site(lab, tmp_path, ALL, ("bridge",))
    found = bad(run)
    host = next(iter({c.source_host for c in found.values() if c.probe == Probe.ICMP}))
    for cell in run.cells:
        own = cell.relation in ("own host", "own container") and cell.source_host == host
        if own:
            assert cell.verdict == "LEAK", cell
    assert {cause.rule for cause in run.causes} == {"hairpin"}
    assert {i for cause in run.causes for i in cause.cells} == set(found)


def test_ipv6_and_what_filters_its_neighbour_discovery(lab: Lab, tmp_path: Path) -> None:
    """On one of two networks: asked and proven there, told to be off on the other.

    Dropped both ways: who is solicited learns the address of who solicits.
    """
    vlan = replace(SITE.scenario("vlan"), subnet6=IPv6Network("fd00:c8::/64"))
    probes = (Probe.ICMP, Probe.IPV6, Probe.IPV6_NAME)
    site = replace(ALL, scenarios=(SITE.scenario("bridge"), vlan), probes=probes)
    group = "ether daddr & ff:ff:00:00:00:00 == 33:33:00:00:00:00"
    with on_switch(lab, f"vlan id 200 {group} drop"):
        run = run_site(lab, tmp_path, site, ("bridge", "vlan"))
    for cell in run.cells:
        if cell.probe == Probe.IPV6:
            far = cell.source_host != cell.target_host
            assert cell.verdict == ("FAIL" if far else "PASS"), cell
            assert not far or "nobody answered neighbour discovery" in cell.reason, cell
            assert cell.exchange is not None
            assert cell.exchange.address.startswith("fd00:c8::c0a8:c8")
        else:
            assert cell.verdict in GOOD, cell
    assert sum(cell.probe == Probe.IPV6 for cell in run.cells) == 12
    assert causes(run) == {("ipv6-neighbours", f"{M} -> {N}"), ("ipv6-neighbours", f"{N} -> {M}")}
    (note,) = (note for note in run.notes if note.startswith("IPv6"))
    assert "bridge (an IPv4-only network): off in c1, c2, c3, c4" in note


def port_of(lab: Lab, host: str) -> str:
    """The switch's port that a host hangs on."""
    return next(h for h in lab.status().hosts if h.name == host).port


def set_mtu(lab: Lab, switch: list[str], mtu: int) -> None:
    """The MTU of both hosts' NICs and of the switch with its ports."""
    for host in lab.status().hosts:
        on_host(lab, host.name, f"ip link set enp0s5 mtu {mtu}")
        subprocess.run([*switch, "ip", "link", "set", host.port, "mtu", str(mtu)], check=True)
