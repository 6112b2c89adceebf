"""What happens to the containers and links while a run is under way, at an exact moment of it."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fixtures.embedded import spec_of
from fixtures.lab import Lab
from fixtures.prober import Prober, World
from fixtures.prober_agent import AgentProber
from fixtures.prober_exec import ExecProber
from fixtures.recorder import Recorder
from fixtures.run import Execution, Job
from matrix.errors import WorldError
from matrix.plan import plan
from matrix.probes import Cell, Outcome
from matrix.record import CellRecord, Run
from matrix.site import read_site
from tests.lab.conftest import ROOT, on_host

SITE = read_site((ROOT / "sites" / "lab.toml").read_text(), name="lab.toml")
Act = Callable[[World], None]


class Meddler:
    """A prober that lets something happen first, when everything stands, and then probes."""

    def __init__(self, prober: Prober, act: Act) -> None:
        self.name = prober.name
        self._prober = prober
        self._act = act

    def probe(self, cells: Sequence[Cell], world: World) -> dict[str, Outcome]:
        """Meddle, then ask."""
        self._act(world)
        return self._prober.probe(cells, world)

    def describe(self) -> dict[str, Any]:
        """As the prober inside."""
        return self._prober.describe()


def run_scenario(lab: Lab, reports: Path, scenarios: str | tuple[str, ...], prober: Prober) -> Run:
    """Run the cells of one scenario, or of several, on the lab."""
    assert spec_of(SITE) == lab.spec
    wanted = (scenarios,) if isinstance(scenarios, str) else scenarios
    cells = tuple(cell for cell in plan(SITE) if cell.scenario in wanted)
    job = Job(
        topology=SITE,
        site_path="sites/lab.toml",
        site_sha256="",
        cells=cells,
        selected=frozenset(cell.id for cell in cells),
        cells_in_plan=len(cells),
        ssh_config=lab.ssh_config,
        prober=prober,
    )
    recorder = Recorder(reports, "20260101T000000Z-0000")
    return Execution(job, recorder, lambda _host, _what: None).execute()


@pytest.fixture
def bridge_run(lab: Lab, tmp_path: Path) -> Callable[[Prober, Act], Run]:
    """Run the bridge scenario's cells on the lab, with something happening before the probes."""
    return lambda prober, act: run_scenario(lab, tmp_path, "bridge", Meddler(prober, act))


def docker(world: World, container: str, act: str) -> None:
    """Do something to a container behind the harness's back."""
    live = next(one for (_, name), one in world.live.items() if name == container)
    getattr(world.sessions[live.host].engine._docker.api, act)(live.container)


PROBERS = (AgentProber(SITE.timing), ExecProber(SITE.timing))


@pytest.mark.parametrize("prober", PROBERS, ids=lambda p: p.name)
def test_a_paused_container(bridge_run: Callable[[Prober, Act], Run], prober: Prober) -> None:
    """What it should ask did not run, and says why; its kernel still answers the others."""
    run = bridge_run(prober, lambda world: docker(world, "c3", "pause"))
    for cell in run.cells:
        if cell.source == "c3":
            assert cell.verdict == "INCONCLUSIVE", cell
            assert "the container c3 is paused" in cell.reason, cell
        else:
            assert cell.verdict in ("PASS", "BLOCKED"), cell
    assert not run.trouble


@pytest.mark.parametrize("prober", PROBERS, ids=lambda p: p.name)
def test_a_killed_container(bridge_run: Callable[[Prober, Act], Run], prober: Prober) -> None:
    """What it should ask did not run; what asks it fails, and says that it is gone."""
    run = bridge_run(prober, lambda world: docker(world, "c3", "kill"))
    for cell in run.cells:
        if cell.source == "c3":
            assert cell.verdict == "INCONCLUSIVE", cell
        elif cell.target == "c3" and cell.expected == "reply":
            assert cell.verdict == "FAIL", cell
            # Its own engine has forgotten its name by then: that is the reason for a name cell.
            assert "the container c3 is exited" in cell.reason or cell.by == "name", cell
        elif cell.target == "c3" and cell.expected == "silence":
            # Nobody is left who could vouch for it.
            assert cell.verdict == "INCONCLUSIVE", cell
        else:
            assert cell.verdict in ("PASS", "BLOCKED"), cell
    assert not run.trouble


@pytest.mark.parametrize("prober", PROBERS, ids=lambda p: p.name)
@pytest.mark.parametrize(
    ("spoil", "mend", "cell_id", "said"),
    [
        (
            "ip link add dmy type veth && ip link set dmy up && ip route add 192.168.2.221 dev dmy",
            "ip link del dmy",
            "bridge:dev-master-01:c2:address",
            "would send to 192.168.2.221 by dmy, off the segment",
        ),
        (
            "ip route add 192.168.2.222 via 192.168.2.250",
            "ip route del 192.168.2.222 via 192.168.2.250",
            "bridge:dev-master-01:c3:address",
            "by enp0s5 via 192.168.2.250, off the segment",
        ),
        (
            "sysctl -qw net.ipv4.conf.all.arp_ignore=1; ip addr add 192.168.2.1/32 dev lo",
            "ip addr del 192.168.2.1/32 dev lo; sysctl -qw net.ipv4.conf.all.arp_ignore=0",
            "bridge:dev-master-01:gateway:address",
            "192.168.2.1 is an address of dev-master-01's own namespace, too",
        ),
    ],
    ids=["another link", "a router", "its own address"],
)
def test_a_probe_that_takes_another_way_did_not_run(
    lab: Lab,
    bridge_run: Callable[[Prober, Act], Run],
    prober: Prober,
    spoil: str,
    mend: str,
    cell_id: str,
    said: str,
) -> None:
    """Neither its silence nor its reply says anything about the segment."""
    assert not on_host(lab, "dev-master-01", spoil)
    try:
        run = bridge_run(prober, lambda _world: None)
    finally:
        assert not on_host(lab, "dev-master-01", mend)
    found = {cell.id: cell for cell in run.cells}
    assert found[cell_id].verdict == "INCONCLUSIVE", found[cell_id]
    assert said in found[cell_id].reason
    bad = {c.id: c.verdict for c in run.cells if c.verdict not in ("PASS", "BLOCKED")}
    del bad[cell_id]
    # The host's replies to c3 take the same wrong way: that cell really fails.
    way_back = {"bridge:c3:dev-master-01:address": "FAIL"} if "c3" in cell_id else {}
    assert bad == way_back
    assert not run.trouble


def kill_agent(world: World) -> None:
    """As the kernel's out-of-memory killer would."""
    session = world.sessions["dev-node-01"]
    session.ssh.run(("kill", "-9", str(session.agent.hello["pid"])))


def cut_ssh(world: World) -> None:
    """End the sshd process of our connection, on the host: everything on it goes."""
    session = world.sessions["dev-node-01"]
    pid = str(session.agent.hello["pid"])
    # agent <- (sh) <- sshd of our session; a connection of its own would not see it.
    script = (
        f"p={pid}; while read -r _ name _ up _ </proc/$p/stat && [ $name != '(sshd)' ]; "
        "do p=$up; done; kill -9 $p"
    )
    with contextlib.suppress(WorldError):
        session.ssh.run(("sh", "-c", script))


def mid_batch(act: Act) -> Act:
    """Do it while the cells are being asked: silent ones wait for a second."""

    def later(world: World) -> None:
        threading.Timer(0.4, act, (world,)).start()

    return later


@pytest.mark.parametrize(
    "act",
    [kill_agent, mid_batch(kill_agent), mid_batch(cut_ssh)],
    ids=["agent before the batch", "agent in the batch", "ssh in the batch"],
)
def test_a_host_lost_on_the_way(
    bridge_run: Callable[[Prober, Act], Run], fingerprint: Callable[[], list[str]], act: Act
) -> None:
    """Its cells did not run, with the reason; the others are judged; everything is put back."""
    before = fingerprint()
    run = bridge_run(AgentProber(SITE.timing), act)
    assert fingerprint() == before
    by_id: dict[str, CellRecord] = {cell.id: cell for cell in run.cells}
    for cell in run.cells:
        if cell.source_host == "dev-node-01":
            assert cell.verdict == "INCONCLUSIVE", cell
            assert "the agent is gone" in cell.reason, cell
    assert by_id["bridge:c1:c2:address"].verdict == "PASS"
    assert by_id["bridge:c1:c3:address"].verdict == "PASS"
    assert by_id["bridge:c1:dev-master-01:address"].verdict == "INCONCLUSIVE"
    assert any("put back by another one" in note for note in run.notes), run.notes
    assert not [words for words in run.trouble if "not put back" in words]


def test_a_host_lost_while_its_containers_are_made(
    lab: Lab, tmp_path: Path, fingerprint: Callable[[], list[str]]
) -> None:
    """Lost before anybody has looked at what stands there: it is put back all the same."""
    before = fingerprint()
    lost: list[str] = []

    def act(host: str, what: str) -> None:
        if host == "dev-node-01" and what.startswith("containers "):
            session = execution._sessions[host]
            session.ssh.run(("kill", "-9", str(session.agent.hello["pid"])))
            lost.append(what)

    cells = tuple(cell for cell in plan(SITE) if cell.scenario == "bridge")
    job = Job(
        topology=SITE,
        site_path="sites/lab.toml",
        site_sha256="",
        cells=cells,
        selected=frozenset(cell.id for cell in cells),
        cells_in_plan=len(cells),
        ssh_config=lab.ssh_config,
        prober=AgentProber(SITE.timing),
    )
    execution = Execution(job, Recorder(tmp_path, "20260101T000000Z-0000"), act)
    run = execution.execute()
    assert lost
    assert fingerprint() == before
    assert {c.verdict for c in run.cells if c.source_host == "dev-node-01"} == {"INCONCLUSIVE"}
    assert any("put back by another one" in note for note in run.notes), run.notes
    assert not [words for words in run.trouble if "not put back" in words]


def test_a_link_that_is_no_vlan_is_not_taken_for_one(lab: Lab, tmp_path: Path) -> None:
    """A link of the sub-interface's name that is something else: refused, and left alone."""
    make = "ip link add enp0s5.200 type veth peer name x200"
    assert not on_host(lab, "dev-node-01", make)
    try:
        run = run_scenario(lab, tmp_path, "vlan", AgentProber(SITE.timing))
        assert any("exists and is veth, not 802.1Q id 200" in words for words in run.trouble)
        assert not any("is not as it was" in words for words in run.trouble)
        found = {c.verdict for c in run.cells if "dev-node-01" in (c.source_host, c.target_host)}
        assert found == {"INCONCLUSIVE"}
        assert "enp0s5.200" in on_host(lab, "dev-node-01", "ip -o link")
    finally:
        on_host(lab, "dev-node-01", "ip link del enp0s5.200")


def test_a_second_gateway_is_seen_even_where_the_same_one_always_wins(
    lab: Lab, bridge_run: Callable[[Prober, Act], Run]
) -> None:
    """Two machines answer ARP for the gateway; every cell that asks it says so, no other changes."""
    status = lab.status()
    enter = ["nsenter", "-t", str(status.switch.pid), "-n", "sh", "-c"]
    bridge, address, net = status.switch.bridge, "192.168.2.1/32", "192.168.2.0/24"
    claim = f"ip addr add {address} dev {bridge} && ip route add {net} dev {bridge}"
    give_up = f"ip route del {net} dev {bridge}; ip addr del {address} dev {bridge}"
    subprocess.run([*enter, claim], check=True)
    try:
        run = bridge_run(AgentProber(SITE.timing), lambda _world: None)
    finally:
        subprocess.run([*enter, give_up], check=True)
    for cell in run.cells:
        if cell.target == "gateway":
            assert cell.verdict == "IMPOSTOR", cell
            assert "more than one machine answers ARP for 192.168.2.1" in cell.reason
        else:
            assert cell.verdict in ("PASS", "BLOCKED"), cell
