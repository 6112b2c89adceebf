"""What a hostile review made the harness say that was not true: each case stays mended.

Policy routing, a container whose MAC address was changed, our own container with the gateway's address,
an ARP entry typed in by hand, ARP replies lost one way, a cable that is out while silence is swept.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

import fixtures.agent_sweep
import fixtures.prober_agent
from benchmarks.scale import Crowd, Scale
from fixtures.lab import DEFAULT_SPEC, Lab, running_lab
from fixtures.prober import World
from fixtures.prober_agent import AgentProber
from matrix.record import Run
from matrix.topology import Timing
from tests.lab.conftest import on_host, run_matrix
from tests.lab.test_lab_meddling import SITE, Meddler, run_scenario

Act = Callable[[World], None]


@pytest.fixture
def bridge_run(lab: Lab, tmp_path: Path) -> Callable[[Act], Run]:
    """Run the bridge scenario by the agents, with something happening before the probes."""
    return lambda act: run_scenario(lab, tmp_path, "bridge", Meddler(AgentProber(SITE.timing), act))


def inside(lab: Lab, world: World, name: str, script: str) -> None:
    """Type a line in a container's network namespace, as root."""
    live = next(one for (_, n), one in world.live.items() if n == name)
    said = on_host(lab, live.host, f"nsenter -t {live.pid} -n sh -c '{script}'")
    assert not said, said


def verdicts(run: Run) -> dict[str, str]:
    """By cell id."""
    return {cell.id: str(cell.verdict) for cell in run.cells}


def test_a_probe_that_policy_routing_takes_off_the_segment_is_no_block(
    lab: Lab, bridge_run: Callable[[Act], Run]
) -> None:
    """The kernel is asked for the way without a protocol; a rule for ICMP sends the probe elsewhere."""
    mend = "ip rule del to 192.168.2.220 ipproto icmp lookup 77; ip link del dmy"
    spoil = (
        "ip link add dmy type veth peer name dmy2; ip link set dmy up; ip link set dmy2 up; "
        "ip route add 192.168.2.220 dev dmy table 77; "
        "ip rule add to 192.168.2.220 ipproto icmp lookup 77"
    )
    assert not on_host(lab, "dev-master-01", spoil)
    try:
        run = bridge_run(lambda _world: None)
    finally:
        on_host(lab, "dev-master-01", mend)
    assert verdicts(run)["bridge:dev-master-01:c1:address"] == "INCONCLUSIVE"


def test_a_container_that_got_another_mac_is_no_impostor(
    lab: Lab, bridge_run: Callable[[Act], Run]
) -> None:
    """It saw every request and answered each itself: nobody else is there."""
    run = bridge_run(
        lambda world: inside(lab, world, "c3", "ip link set eth0 address 02:42:aa:bb:cc:dd")
    )
    assert "IMPOSTOR" not in verdicts(run).values()
    assert not [c for c in run.causes if c.rule == "duplicate-address"]


def test_our_own_container_with_the_gateways_address_is_the_culprit(
    lab: Lab, bridge_run: Callable[[Act], Run]
) -> None:
    """The router is not "another machine that has the gateway's address as well"."""
    run = bridge_run(lambda world: inside(lab, world, "c3", "ip addr add 192.168.2.1/32 dev eth0"))
    lines = [c.line for c in run.causes if c.rule == "duplicate-address"]
    assert lines, run.causes
    assert all("c3" in line and "another machine" not in line for line in lines), lines


def test_a_wrong_permanent_arp_entry_is_no_duplicate_address(
    lab: Lab, bridge_run: Callable[[Act], Run]
) -> None:
    """Nobody claimed that MAC address on the wire; it stands in one host's own table."""
    on_host(
        lab,
        "dev-master-01",
        "ip neigh replace 192.168.2.211 lladdr 02:00:00:00:de:ad nud permanent dev enp0s5",
    )
    try:
        run = bridge_run(lambda _world: None)
    finally:
        on_host(lab, "dev-master-01", "ip neigh del 192.168.2.211 dev enp0s5")
    assert not [c for c in run.causes if c.rule == "duplicate-address"], run.causes


def test_full_size_frames_are_not_blamed_for_a_lost_arp_reply(
    lab: Lab, bridge_run: Callable[[Act], Run]
) -> None:
    """The large probe alone is asked cold and in one direction: its ARP fails, not its size."""
    enter = ["nsenter", "-t", str(lab.status().switch.pid), "-n", "nft", "-f", "-"]
    rules = (
        "table bridge z {\nchain f {\ntype filter hook forward priority 0;\n"
        "iifname port-node-01 oifname port-master-01 arp operation reply drop\n}\n}\n"
    )
    subprocess.run(enter, input=rules, text=True, check=True)
    try:
        run = bridge_run(lambda _world: None)
    finally:
        subprocess.run(enter, input="delete table bridge z\n", text=True, check=True)
    assert not [c for c in run.causes if c.rule == "mtu-small"], run.causes


def test_nothing_of_ours_tells_a_source_the_mac_address_that_nobody_tells_it(
    lab: Lab, tmp_path: Path
) -> None:
    """No ARP reply of c3 passes; our own requests for canaries, as c3, taught c1 all the same."""
    enter = ["nsenter", "-t", str(lab.status().switch.pid), "-n", "nft", "-f", "-"]
    rules = (
        "table bridge z {\nchain f {\ntype filter hook forward priority 0;\n"
        "iifname port-node-01 arp operation reply arp saddr ip 192.168.2.222 drop\n}\n}\n"
    )
    subprocess.run(enter, input=rules, text=True, check=True)
    try:
        run = run_matrix(lab, tmp_path, "matrix/test_matrix.py::test_cell[bridge:c1:c3:address]")
    finally:
        subprocess.run(enter, input="delete table bridge z\n", text=True, check=True)
    assert run.verdicts()["bridge:c1:c3:address"] == "FAIL", run.text


def test_silence_while_the_cable_was_out_is_no_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments 1 and 2 are one wire, and their uplinks are down while pairs are swept.

    They are up again before the controls are asked: nothing was shown of those pairs.
    """
    spec = replace(DEFAULT_SPEC, endpoints=200, segments=4)
    with running_lab(spec, state_dir=Path("/tmp/l2u")) as lab, ExitStack() as stack:  # noqa: S108
        crowd = Crowd(stack, lab, Timing(echoes=1))
        argv = ["nsenter", f"--net={lab.status().switch.netns}", "ip", "-batch", "-"]

        def switch(*lines: str) -> None:
            subprocess.run(argv, input="\n".join(lines), text=True, check=True)

        ports = ("seg1-1", "seg1-2", "seg2-1", "seg2-2")
        swept = fixtures.agent_sweep.sweep

        def with_cables_out(*args: object, **named: object) -> object:
            switch(*(f"link set {port} down" for port in ports))
            try:
                return swept(*args, **named)  # type: ignore[arg-type]
            finally:
                switch(*(f"link set {port} up" for port in ports))

        monkeypatch.setattr(fixtures.prober_agent, "sweep", with_cables_out)
        switch(
            "link add patch1 type veth peer name patch2",
            "link set patch1 master segbr1 up",
            "link set patch2 master segbr2 up",
        )
        found = Scale("test")
        crowd.ask(found, crowd.cells(across=True))
    assert found.wrong >= 2 * 50 * 50, "5,000 pairs that reach each other were called BLOCKED"


@contextlib.contextmanager
def forger(netns: str, *argv: str) -> Iterator[None]:
    """A machine in the way, in that network namespace, for the time of a block."""
    program = str(Path(__file__).with_name("forger.py"))
    enter = ["nsenter", f"--net={netns}", sys.executable, program, *argv]
    with subprocess.Popen(enter, stdout=subprocess.PIPE, text=True) as made:
        try:
            assert made.stdout is not None
            assert made.stdout.readline() == "ready\n"
            yield
        finally:
            made.kill()


def test_replies_that_never_left_the_target_are_somebody_else_s(
    lab: Lab, bridge_run: Callable[[Act], Run]
) -> None:
    """c3 hears the requests and is mute; in the switch somebody answers with c3's MAC address."""
    status = lab.status()
    ports = {host.name: host.port for host in status.hosts}

    def mute(world: World) -> None:
        inside(lab, world, "c3", "echo 1 >/proc/sys/net/ipv4/icmp_echo_ignore_all")

    argv = ("echo", ports["dev-node-01"], ports["dev-master-01"], "192.168.2.222", "0")
    with forger(status.switch.netns, *argv):
        run = bridge_run(mute)
    for source in ("c1", "c2", "dev-master-01"):
        cell = next(c for c in run.cells if c.id == f"bridge:{source}:c3:address")
        assert cell.verdict == "IMPOSTOR", cell
        assert "left c3" in cell.reason, cell


@pytest.mark.parametrize(
    "chain",
    [
        "type nat hook output priority -100; ip daddr 192.168.2.220 dnat to 192.168.2.250;",
        "type filter hook output priority -300; ip daddr 192.168.2.220 ip daddr set 192.168.2.250;",
    ],
    ids=["nat", "rewrite"],
)
def test_a_request_that_a_firewall_sends_elsewhere_is_no_block(
    lab: Lab, bridge_run: Callable[[Act], Run], chain: str
) -> None:
    """The host's own rules give what is meant for c1 another address: nobody was asked for c1's."""
    rules = f"table ip untrue {{ chain out {{ {chain} }}; }}"
    enter = ["nsenter", f"--net={lab.status().hosts[0].netns}", "nft"]
    subprocess.run([*enter, rules], check=True)
    try:
        run = bridge_run(lambda _world: None)
    finally:
        subprocess.run([*enter, "delete table ip untrue"], check=True)
    assert verdicts(run)["bridge:dev-master-01:c1:address"] != "BLOCKED"


def test_a_source_with_another_address_did_not_ask_as_itself(
    lab: Lab, bridge_run: Callable[[Act], Run]
) -> None:
    """c3's address is changed behind our back: what it asks, it asks as somebody else."""

    def change(world: World) -> None:
        script = "ip addr del 192.168.2.222/24 dev eth0; ip addr add 192.168.2.240/24 dev eth0"
        inside(lab, world, "c3", script)

    for cell in bridge_run(change).cells:
        if cell.source == "c3" and cell.relation != "itself":
            assert cell.verdict not in ("PASS", "BLOCKED"), cell


@pytest.mark.parametrize("slow", ["arp", "echo"])
def test_who_answers_late_but_in_time_has_lost_nothing(
    lab: Lab, bridge_run: Callable[[Act], Run], slow: str
) -> None:
    """The gateway takes 0.4 s of the second that it has, for ARP or for each echo."""
    netns = lab.status().gateway.netns
    enter = ["nsenter", f"--net={netns}"]
    link = json.loads(subprocess.check_output([*enter, "ip", "-j", "link", "show", "eth0"]))[0]
    setting = {"arp": "conf/all/arp_ignore", "echo": "icmp_echo_ignore_all"}[slow]
    argv = {
        "arp": ("arp", "eth0", "192.168.2.1", str(link["address"]), "0.4"),
        "echo": ("echo", "eth0", "eth0", "192.168.2.1", "0.4"),
    }[slow]

    def set_to(value: str) -> None:
        script = f"echo {value} >/proc/sys/net/ipv4/{setting}"
        subprocess.run([*enter, "sh", "-c", script], check=True)

    set_to({"arp": "8", "echo": "1"}[slow])
    try:
        with forger(netns, *argv):
            run = bridge_run(lambda _world: None)
    finally:
        set_to("0")
    assert {c.verdict for c in run.cells if c.target == "gateway"} == {"PASS"}, [
        (c.id, c.reason) for c in run.cells if c.target == "gateway"
    ]
