"""Events on real Docker: who loses how many seconds, and everything as it was afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.lab import Lab
from tests.lab.conftest import ROOT, MatrixRun, command, environment, on_host, result
from tests.lab.test_lab_cleanup import cleanup

Matrix = Callable[..., MatrixRun]
Look = Callable[[], list[str]]
SITE = "--site=sites/lab-lifecycle.toml"
MASTER = "dev-master-01"
NO_IPV6 = "/proc/sys/net/ipv6/conf/enp0s5/disable_ipv6"
ASKED = ("-m", "lifecycle", SITE)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab's VLANs by eBPF need root")


def events(run: MatrixRun) -> dict[str, dict[str, Any]]:
    """The events of a run by id."""
    return {event["id"]: event for event in run.record["lifecycle"]}


def pairs(event: dict[str, Any], role: str) -> list[dict[str, Any]]:
    """The pairs that have that role in an event."""
    return [pair for pair in event["pairs"] if pair["role"] == role]


@contextlib.contextmanager
def routed(lab: Lab) -> Iterator[None]:
    """The host has routes and an IPv6 address, which a link that goes down loses."""
    on_host(
        lab,
        MASTER,
        f"echo 0 > {NO_IPV6}; ip route add default via 192.168.2.1 metric 7; "
        "ip route add 198.51.100.0/24 via 192.168.2.1; "
        "ip -6 addr add 2001:db8::10/64 dev enp0s5 nodad; "
        "ip -6 route add 2001:db8:1::/48 via 2001:db8::1",
    )
    try:
        yield
    finally:
        on_host(
            lab,
            MASTER,
            "ip route del default; ip route del 198.51.100.0/24; "
            "ip -6 route del 2001:db8:1::/48; ip -6 addr del 2001:db8::10/64 dev enp0s5; "
            f"echo 1 > {NO_IPV6}",
        )


def way(lab: Lab) -> str:
    """The host's routes and IPv6 addresses, as a person would look at them."""
    return on_host(
        lab, MASTER, "ip route; ip -6 route show | grep 2001; ip -6 -o addr show scope global"
    )


@pytest.mark.thorough
def test_a_new_mac_and_a_bounced_parent(lab: Lab, matrix: Matrix, fingerprint: Look) -> None:
    """Who is asked by the new container loses the time that it was gone; a bounce its time down.

    The others lose nothing, and the host has its routes and addresses again.
    """
    with routed(lab):
        before, routes = fingerprint(), way(lab)
        assert "198.51.100.0/24" in routes
        assert "2001:db8:1::/48" in routes
        run = matrix(*ASKED, "-k", "recreate:c1:target or parent-bounce")
        assert run.code == 0, run.text
        assert fingerprint() == before
        assert way(lab) == routes
    anew, bounced = events(run).values()
    for pair in pairs(anew, "to it"):
        assert pair["macs_before"] != pair["macs_after"], pair
        assert pair["lost"] > 0
        assert pair["most_s"] < anew["ended_s"] + 3.2, pair
    assert {p["target"] for p in pairs(anew, "from it")} == {
        "c2", "c3", "c4", "dev-node-01", "gateway",
    }  # fmt: skip
    for pair in pairs(bounced, "to it"):
        assert pair["macs_before"] == pair["macs_after"]
        assert 1.5 < pair["most_s"] < 5.5, pair
    for event in (anew, bounced):
        assert len(pairs(event, "untouched")) >= 3
        assert all(pair["lost"] == 0 for pair in pairs(event, "untouched"))
    assert "Events: who lost how many seconds" in (run.folder / "report.html").read_text()


def test_a_parent_that_carries_our_ssh_is_left_alone(
    lab: Lab, matrix: Matrix, tmp_path: Path, fingerprint: Look
) -> None:
    """Reached over the NIC itself, its bounce is refused before anything is touched, and says why."""
    gateway = lab.status().gateway.netns
    by_nic = f"nsenter --net={gateway} busybox nc 192.168.2.210 22"
    text = lab.ssh_config.read_text()
    block = re.compile(rf"(Host {MASTER}\n(?:  .*\n)*?  ProxyCommand ).*")
    config = tmp_path / "ssh_config"
    config.write_text(block.sub(lambda found: found[1] + by_nic, text))
    assert by_nic in config.read_text()
    before = fingerprint()
    run = matrix(*ASKED, "-k", "parent-bounce", f"--ssh-config={config}")
    assert run.code == 1, run.text
    assert "our SSH connection comes in by enp0s5" in run.text
    (event,) = run.record["lifecycle"]
    assert {pair["verdict"] for pair in event["pairs"]} == {"INCONCLUSIVE"}
    assert event["steps"] == []
    assert fingerprint() == before


@contextlib.contextmanager
def happening(lab: Lab, reports: Path, which: str) -> Iterator[subprocess.Popen[str]]:
    """A run that makes that one event happen, in a process of its own."""
    argv = command(reports, *ASKED, "-k", which)
    process = subprocess.Popen(
        argv,
        cwd=ROOT,
        env=environment(lab),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until that is so; a time that passes without it is the test's failure."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def dockerd_runs(lab: Lab) -> bool:
    """Is the host's dockerd there?"""
    host = next(host for host in lab.status().hosts if host.name == MASTER)
    return host.dockerd.pid is not None


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "SIGKILL"])
def test_an_engine_comes_back_whatever_becomes_of_us(
    lab: Lab, tmp_path: Path, fingerprint: Look, number: int
) -> None:
    """Stopped while dockerd is down: it runs again; after SIGKILL a clean-up takes the rest away."""
    before = fingerprint()
    with happening(lab, tmp_path, "engine-restart and no and others") as process:
        wait_for(lambda: not dockerd_runs(lab))
        process.send_signal(number)
        text, _ = process.communicate(timeout=90)
    if number == signal.SIGINT:
        assert process.returncode == 2, text
        assert result(tmp_path, 2, text).record["phase"] == "judged"
    else:
        wait_for(lambda: dockerd_runs(lab) and "Server" in on_host(lab, MASTER, "docker version"))
        code, said = cleanup(lab)
        assert code == 0, said
    assert dockerd_runs(lab)
    assert fingerprint() == before


@pytest.mark.thorough
def test_a_parent_comes_back_without_us(lab: Lab, tmp_path: Path, fingerprint: Look) -> None:
    """SIGKILL while the parent is down: the host sets it up again by itself."""
    before = fingerprint()
    with happening(lab, tmp_path, "parent-bounce") as process:
        wait_for(lambda: "state DOWN" in on_host(lab, MASTER, "ip -o link show enp0s5"))
        process.kill()
        process.communicate(timeout=60)
    wait_for(lambda: "state UP" in on_host(lab, MASTER, "ip -o link show enp0s5"), 10)
    code, said = cleanup(lab)
    assert code == 0, said
    assert fingerprint() == before


@pytest.mark.thorough
def test_a_new_mac_that_nobody_is_told(matrix: Matrix, fingerprint: Look) -> None:
    """A container that asks nobody: its peers lose what ARP takes; the same that restarts does not."""
    before = fingerprint()
    run = matrix(*ASKED, "-k", "recreate:c1:others or restart:c1")
    assert run.code == 0, run.text
    assert fingerprint() == before
    quiet, restarted = events(run).values()
    slow = [p["least_s"] for p in pairs(quiet, "to it")]
    quick = [p["most_s"] for p in pairs(restarted, "to it")]
    # Half of base_reachable_time, less what the entry was old already, and 8 s of asking.
    assert min(slow) > 15 > max(quick)
    states = {entry["state"] for p in pairs(quiet, "to it") for entry in p["entries"]}
    assert {"REACHABLE", "DELAY", "PROBE"} <= states


@pytest.mark.thorough
def test_an_engine_that_restarts(matrix: Matrix, fingerprint: Look) -> None:
    """By the restart policy its containers stay down, or come back and reach everybody."""
    before = fingerprint()
    run = matrix(*ASKED, "-k", "engine-restart")
    assert run.code == 0, run.text
    assert fingerprint() == before
    down, back = events(run).values()
    assert {p["verdict"] for p in pairs(down, "to it")} == {"BLOCKED"}
    assert {p["verdict"] for p in back["pairs"]} == {"PASS"}
    assert all(p["lost"] for p in pairs(back, "to it"))


@pytest.mark.thorough
def test_with_live_restore_nobody_loses_anything(lab: Lab, matrix: Matrix) -> None:
    """The engine is gone for two seconds, its containers are not."""
    config = shlex.quote('{"live-restore": true}')
    on_host(
        lab, MASTER, f"echo {config} > /etc/docker/daemon.json; kill -HUP $(cat /run/docker.pid)"
    )
    try:
        wait_for(
            lambda: "Enabled: true" in on_host(lab, MASTER, "docker info | grep 'Live Restore'")
        )
        run = matrix(*ASKED, "-k", "engine-restart and others")
    finally:
        off = shlex.quote('{"live-restore": false}')
        on_host(
            lab,
            MASTER,
            f"echo {off} > /etc/docker/daemon.json; kill -HUP $(cat /run/docker.pid); sleep 1; "
            "rm /etc/docker/daemon.json",
        )
    assert run.code == 0, run.text
    (event,) = run.record["lifecycle"]
    assert event["ended_s"] > 2
    assert {pair["must"] for pair in event["pairs"]} == {"untouched"}
    assert all(pair["lost"] == 0 for pair in event["pairs"])
