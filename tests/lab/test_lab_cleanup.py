"""A killed run put back by a command of its own; and who may be on a host, and for how long."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.agent_channel import AgentChannel, start_agent
from fixtures.lab import Lab
from fixtures.lease import Held, Patience, await_free, owner, take
from fixtures.ssh import connect
from tests.lab.conftest import ROOT, MatrixRun, command, environment, on_host, result
from tests.lab.test_lab_run import _started

Matrix = Callable[..., MatrixRun]
Look = Callable[[], list[str]]
NODE = "dev-node-01"
NOTHING = "dev-master-01\n  nothing was left here\ndev-node-01\n  nothing was left here\n"


def cleanup(lab: Lab, *arguments: str) -> tuple[int, str]:
    """The command, in a process of its own, from a folder and a machine that know nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "fixtures", "cleanup", *arguments],
        cwd=ROOT,
        env=environment(lab),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("moment", "left"),
    [
        ("promisc on", "put back: promiscuous mode of enp0s5"),
        ("network macnet", ""),
        ("containers c", "put back: network macnet"),
        ("probing", "put back: address 192.168.200.11/24 of enp0s5.200"),
        ("putting everything back", ""),
    ],
)
def test_a_killed_run_is_cleaned_up(
    lab: Lab, tmp_path: Path, fingerprint: Look, moment: str, left: str
) -> None:
    """SIGKILL in each phase: one cleanup says what it put back, the hosts are as they were."""
    before = fingerprint()
    with _started(lab, tmp_path, moment) as process:
        process.kill()
        process.communicate(timeout=60)
    code, said = cleanup(lab)
    assert code == 0, said
    assert left in said
    assert fingerprint() == before


def test_cleanup_knows_hosts_by_name_alone(lab: Lab, matrix: Matrix, fingerprint: Look) -> None:
    """With the SSH configuration and names there is no need of a site file, nor of our folder.

    The journal names networks and containers, written before dockerd was asked for them.
    """
    before = fingerprint()
    assert matrix("--keep", "-m", "bridge").code == 0
    text = on_host(lab, NODE, "cat /run/l2matrix/journal.jsonl")
    records = [json.loads(line) for line in text.splitlines()]
    assert {"undo": "docker", "networks": ["macnet"], "containers": ["c3", "c4"]} in records
    config = ("--ssh-config", str(lab.ssh_config))
    code, said = cleanup(lab, *config, "--host", NODE)
    assert code == 0, said
    assert "put back: container c3\n  put back: container c4\n  put back: network macnet\n" in said
    assert "dev-master-01" not in said
    code, said = cleanup(lab, *config, "--host", "dev-master-01", "--host", NODE)
    assert (code, "put back: container c1" in said) == (0, True)
    assert "dev-node-01\n  nothing was left here" in said
    assert fingerprint() == before


def test_what_is_not_ours_any_more_stays(lab: Lab, fingerprint: Look) -> None:
    """The journal's link is gone and somebody made another of its name: theirs, and not in the way."""
    before = fingerprint()
    undo = {"undo": "link", "link": "mine", "vlan": 300, "parent": "enp0s5"}
    gone = {"undo": "address", "link": "nowhere0", "address": "192.0.2.1/24"}
    with _agent(lab, NODE) as agent:
        agent.call("journal", append=undo)
        agent.call("journal", append=gone)
    on_host(lab, NODE, "ip link add mine link enp0s5 type macvlan mode bridge")
    code, said = cleanup(lab, "--host", NODE, "--ssh-config", str(lab.ssh_config))
    assert code == 0, said
    assert "macvlan mode bridge" in on_host(lab, NODE, "ip -d link show mine")
    on_host(lab, NODE, "ip link del mine")
    assert fingerprint() == before


def test_a_live_run_is_respected_and_a_dead_one_is_not(
    lab: Lab, tmp_path: Path, fingerprint: Look
) -> None:
    """Stopped while dockerd makes its containers, it is alive and named; killed, it is put back."""
    before = fingerprint()
    with _started(lab, tmp_path, "containers c") as process:
        process.send_signal(signal.SIGSTOP)
        code, said = cleanup(lab, "--host", NODE, "--ssh-config", str(lab.ssh_config))
        standing = on_host(lab, NODE, "ls /run/l2matrix")
        process.kill()
        process.communicate(timeout=60)
    assert code == 1
    me = owner("", datetime.now(UTC))["who"]
    assert f"another run works on this host now: {me}, process {process.pid}, run 20" in said
    assert "unless renewed" in said
    assert "nothing was left" not in said
    assert standing == "journal.jsonl\n"
    code, said = cleanup(lab)
    assert code == 0, said
    assert "put back: network macnet\n  put back: promiscuous mode of enp0s5\n" in said
    assert fingerprint() == before
    assert cleanup(lab) == (0, NOTHING)


def test_a_second_run_waits_and_then_passes(lab: Lab, tmp_path: Path) -> None:
    """It says whom it waits for, holds nothing meanwhile, and goes on as soon as the host is free."""
    with _agent(lab, NODE) as agent:
        take(agent, owner("the-first", datetime.now(UTC)))
        with _started(lab, tmp_path, "waiting for", "--wait", "-m", "bridge") as process:
            assert await_free("dev-master-01", lab.ssh_config, Patience.of(30))
            agent.close()
            text, _ = process.communicate(timeout=60)
    run = result(tmp_path, process.returncode, text)
    assert [host["trouble"] for host in run.record["hosts"]] == ["", ""]
    assert run.verdicts()["bridge:c1:c3:address"] == "PASS", text


def test_waiting_can_be_given_up(lab: Lab, tmp_path: Path) -> None:
    """Ctrl-C ends the waiting at once."""
    with _agent(lab, NODE) as agent:
        take(agent, owner("the-first", datetime.now(UTC)))
        with _started(lab, tmp_path, "waiting for", "--wait") as process:
            process.send_signal(signal.SIGINT)
            text, _ = process.communicate(timeout=30)
        assert process.returncode == 2, text
        assert "Traceback" not in text


@pytest.mark.thorough
def test_waiting_ends(lab: Lab, tmp_path: Path) -> None:
    """When the seconds are over the rest of the run goes on; a hostile holder is only text."""
    with _agent(lab, NODE) as agent:
        take(agent, {"who": "some\x1bbody", "pid": "1", "run": "x", "since": "then"})
        argv = command(tmp_path, "-q", "-m", "bridge", "--wait=0.1")
        done = subprocess.run(
            argv, cwd=ROOT, env=environment(lab), capture_output=True, text=True, check=False
        )
        run = result(tmp_path, done.returncode, done.stdout)
        assert run.code == 1
        assert r"some\x1bbody, process 1, run x, since then" in run.text
        assert "\x1b" not in run.text
        assert run.verdicts()["bridge:c1:c2:address"] == "PASS"


def test_a_lease_expires_by_itself(lab: Lab) -> None:
    """A controller that says nothing any more, its connection still open: its agent ends itself."""
    with _agent(lab, NODE) as silent:
        take(silent, owner("silent", datetime.now(UTC)), expires_s=0.5)
        with _agent(lab, NODE) as other, pytest.raises(Held):
            take(other, owner("other", datetime.now(UTC)))
        assert await_free(NODE, lab.ssh_config, Patience.of(30))
        with _agent(lab, NODE) as other:
            take(other, owner("other", datetime.now(UTC)))
        assert silent.lost


@contextmanager
def _agent(lab: Lab, host: str) -> Iterator[AgentChannel]:
    connection = connect(host, lab.ssh_config)
    try:
        agent = start_agent(connection)
        try:
            yield agent
        finally:
            agent.close()
    finally:
        connection.close()


@pytest.mark.thorough
@pytest.mark.parametrize("number", range(25))
def test_killed_at_any_moment(lab: Lab, tmp_path: Path, fingerprint: Look, number: int) -> None:
    """SIGKILL at moments spread over the whole run: one cleanup, and the hosts are as they were."""
    before = fingerprint()
    process = subprocess.Popen(
        command(tmp_path, "-q"),
        cwd=ROOT,
        env=environment(lab),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(0.8 + number * 0.17)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    code, said = cleanup(lab)
    assert code == 0, said
    assert fingerprint() == before
