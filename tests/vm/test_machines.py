"""The pair of machines itself: it comes up, is gone when it should be, and a fault in it is named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.lab.processes import end, started
from fixtures.lab.statedir import wait_until_free
from fixtures.vm import DEFAULT_SPEC, Pair, image, running_pair, statedir
from matrix.errors import WorldError

pytestmark = pytest.mark.machines
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a pair's state; whatever a test leaves there is ended."""
    image.get(lambda _: None)
    yield tmp_path / "pair"
    statedir.take_down(tmp_path / "pair")


def machines_of(pair: Pair) -> dict[str, tuple[int, int]]:
    """Process id and start time of each machine."""
    return {n: (m["pid"], m["started"]) for n, m in pair.status()["machines"].items()}


def test_all_of_it_goes_with_its_first_process(folder: Path) -> None:
    """SIGKILL to the keeper: the kernel ends the machines; ``down`` takes the files that are left."""
    with running_pair(state_dir=folder) as pair:
        machines = machines_of(pair)
        assert all(started(pid) == began for pid, began in machines.values())
        end(pair.status()["keeper"], signal.SIGKILL, 10)
        assert wait_until_free(folder, 10)
        assert Pair.find(folder) is None
        assert statedir.take_down(folder)
        assert not folder.exists()


def test_a_keeper_that_hangs_is_ended_with_its_machines(folder: Path) -> None:
    """Found by the lock that they hold, not by an id out of a file."""
    with running_pair(state_dir=folder) as pair:
        held = set(statedir.holders(folder))
        assert held == {pair.status()["keeper"], *(pid for pid, _ in machines_of(pair).values())}
        os.kill(pair.status()["keeper"], signal.SIGSTOP)
        assert statedir.take_down(folder)
        assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_start_that_is_broken_off_leaves_nothing(folder: Path, number: signal.Signals) -> None:
    """Ctrl-C, and SIGKILL as soon as a machine runs."""
    up = subprocess.Popen(
        [sys.executable, "-m", "fixtures.vm", "up", "--dir", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not (folder / "dev-node-01.console").exists():
        assert up.poll() is None, up.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    up.send_signal(number)
    up.communicate()
    if number is signal.SIGINT:
        assert not folder.exists()
    assert wait_until_free(folder, 20)
    assert statedir.holders(folder) == []


def test_a_second_pair_in_the_same_folder_is_refused(folder: Path) -> None:
    """And the first one is not touched."""
    with running_pair(state_dir=folder) as pair:
        with pytest.raises(WorldError, match="is up already"):
            Pair.start(state_dir=folder)
        assert machines_of(pair)


def test_a_switch_that_does_not_carry_the_vlan(folder: Path, tmp_path: Path) -> None:
    """Real sub-interfaces: what crosses the switch fails, and its cause is named; the rest is as ever."""
    spec = replace(DEFAULT_SPEC, trunk=(300,))
    with running_pair(spec, state_dir=folder) as pair:
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-m", "vlan", "--patience", "4"),
                *("--site", "sites/vagrant.toml", "--ssh-config", str(pair.ssh_config)),
                *("--report-dir", str(tmp_path / "runs")),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 1, ran.stdout[-3000:] + ran.stderr[-3000:]
    run = json.loads((tmp_path / "runs/latest/run.json").read_bytes())
    assert run["trouble"] == []
    for cell in run["cells"]:
        crosses = cell["target_host"] not in {"", cell["source_host"]}
        if crosses and cell["expected"] == "reply":
            assert cell["verdict"] == "FAIL", cell
        if not crosses and cell["expected"] == "reply":
            assert cell["verdict"] == "PASS", cell
    assert any("VLAN 200 does not get" in cause["line"] for cause in run["causes"]), run["causes"]
