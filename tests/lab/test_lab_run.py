"""The whole job on the embedded lab: what is healthy, what is broken, what is interrupted."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from fixtures.lab import Lab, running_lab
from tests.lab.conftest import ROOT, MatrixRun, command, environment, result

Matrix = Callable[..., MatrixRun]
Look = Callable[[], list[str]]

# What the article that this project began with saw: (cell, reachable).
ARTICLE = {
    "bridge:c1:gateway:address": True,
    "bridge:c1:c1:name": True,
    "bridge:c1:c1:address": True,
    "bridge:c1:c3:address": True,
    "bridge:c1:c3:name": False,
    "bridge:dev-master-01:c1:address": False,
    "bridge:dev-master-01:c3:address": True,
    "bridge:c2:dev-node-01:address": True,
    "vlan:c5:gateway:address": False,
    "vlan:c5:dev-master-01:address": False,
    "vlan:c5:dev-node-01:address": True,
    "vlan:c5:c5:address": True,
    "vlan:c5:c7:address": True,
    "vlan:c5:c6:name": True,
    "vlan:c5:c7:name": False,
    "vlan:dev-master-01:c5:address": False,
    "vlan:dev-master-01:c7:address": True,
}


def test_a_healthy_lab_is_all_pass_and_blocked(matrix: Matrix, fingerprint: Look) -> None:
    """All 112 cells hold, agree with the article, are proven, and the hosts are as before."""
    before = fingerprint()
    run = matrix()
    assert run.code == 0, run.text
    assert set(run.verdicts().values()) == {"PASS", "BLOCKED"}
    assert len(run.record["cells"]) == 112
    for cell_id, reachable in ARTICLE.items():
        assert run.verdicts()[cell_id] == ("PASS" if reachable else "BLOCKED"), cell_id
    for cell in run.record["cells"]:
        if cell["verdict"] == "BLOCKED":
            assert cell["controls"], cell
        elif cell["target"] != "gateway":
            assert cell["observed"]["request_seen"] == "yes", cell
            assert cell["observed"]["ttl"] == 64, cell
    assert not run.record["trouble"]
    written = {"run.json", "since.json", "report.html", "junit.xml"}
    assert {p.name for p in run.folder.iterdir()} == written
    phases = run.record["phases"]
    assert [p["name"] for p in phases] == [
        "connect", "build", "ask", "judge", "ask again, with witnesses", "name the causes", "put back",
    ]  # fmt: skip
    assert all(a["from_s"] <= a["to_s"] <= b["from_s"] for a, b in pairwise(phases))
    assert fingerprint() == before
    assert "\x1b[" not in run.text
    grid = [line for line in run.text.splitlines() if line.startswith("  c")]
    assert len(grid) == 8
    assert max(map(len, grid)) <= 100


def test_selecting_feels_native(matrix: Matrix) -> None:
    """-m and -k choose; controls of chosen cells run along and are marked as such."""
    run = matrix("-m", "vlan", "-k", "c5 and dev-master-01")
    assert run.code == 0, run.text
    chosen = {c["id"] for c in run.record["cells"] if c["selected"]}
    assert chosen == {"vlan:c5:dev-master-01:address", "vlan:dev-master-01:c5:address"}
    controls = {c["id"] for c in run.record["cells"] if not c["selected"]}
    assert "vlan:c5:dev-node-01:address" in controls
    assert not any(c.startswith("bridge") for c in controls)


def test_a_dry_run_touches_no_host(lab: Lab, matrix: Matrix) -> None:
    """--collect-only prints the expected matrix, makes no record, and asks no host."""
    del lab
    run = matrix("--collect-only", "--ssh-config", "/nonexistent")
    assert run.code == 0, run.text
    assert "expected, scenario vlan: macvlan200" in run.text
    assert not run.record


@contextmanager
def unplugged(lab: Lab, host: str) -> Iterator[None]:
    """A host's cable pulled out of the switch, by the command that ``status`` names."""
    found = next(h for h in lab.status().hosts if h.name == host)
    subprocess.run(shlex.split(found.unplug), check=True)
    try:
        yield
    finally:
        subprocess.run(shlex.split(found.plug), check=True)


@pytest.mark.parametrize("prober", ["agent", "exec"])
def test_a_pulled_cable(lab: Lab, matrix: Matrix, fingerprint: Look, prober: str) -> None:
    """What the cable carried fails, the rest passes, and no silence passes for a design."""
    before = fingerprint()
    with unplugged(lab, "dev-node-01"):
        run = matrix("-m", "bridge", "--prober", prober)
    assert run.code == 1, run.text
    node = "dev-node-01"
    for cell in run.record["cells"]:
        touches = node in (cell["source_host"], cell["target_host"])
        if cell["expected"] == "reply":
            # Without a carrier the kernel sends nothing, not even between siblings.
            cut_off = touches and cell["relation"] != "itself"
            assert cell["verdict"] == ("FAIL" if cut_off else "PASS"), cell
            assert bool(cell["next_command"]) is cut_off, cell
            assert ("enp0s5 on dev-node-01 has no carrier" in cell["cause"]) is cut_off, cell
        elif cell["expected"] == "silence":
            # Its host answered nobody over the wire: silence that nothing vouches for.
            assert cell["verdict"] == "INCONCLUSIVE", cell
        else:
            assert cell["verdict"] == "BLOCKED", cell
    assert "enp0s5 has no carrier" in run.text
    assert "nobody answered ARP" in run.cell("bridge:c1:c3:address")["reason"]
    assert fingerprint() == before


def test_the_report_of_a_bad_night_names_what_turned(lab: Lab, matrix: Matrix) -> None:
    """A good run, then a pulled cable: since.json has exactly the cells that are not as they were."""
    good = matrix("-m", "bridge")
    assert good.code == 0, good.text
    with unplugged(lab, "dev-node-01"):
        bad = matrix("-m", "bridge")
    since = json.loads((bad.folder / "since.json").read_bytes())
    assert since["earlier"]["id"] == good.record["id"] != bad.record["id"]
    assert since["compared"] == len(good.record["cells"])
    now, then = bad.verdicts(), good.verdicts()
    turned = {cell: (then[cell], now[cell]) for cell in now if now[cell] != then[cell]}
    assert turned
    assert turned == {
        cell: (turn["before"], turn["now"])
        for kind in ("worse", "better", "other")
        for turn in since[kind]
        for cell in turn["cells"]
    }
    assert not since["better"]
    assert not since["came"]
    assert not since["went"]
    assert {c["where"] for c in since["changes"]} == {"dev-node-01"}, "its link, and nothing else"
    assert "Went wrong" in (bad.folder / "report.html").read_text()


def test_a_wrong_host_key_is_refused(
    lab: Lab, matrix: Matrix, tmp_path: Path, fingerprint: Look
) -> None:
    """One host shows another key than known_hosts has: it is not logged in to, the rest runs."""
    before = fingerprint()
    keys = sorted((lab.state_dir / "known_hosts").read_text().splitlines())
    wrong = [line.split(" ", 1) for line in keys]
    swapped = f"{wrong[0][0]} {wrong[0][1]}\n{wrong[1][0]} {wrong[0][1]}\n"
    (tmp_path / "known").write_text(swapped)
    config = lab.ssh_config.read_text().replace(
        str(lab.state_dir / "known_hosts"), str(tmp_path / "known")
    )
    (tmp_path / "config").write_text(config)
    run = matrix("--ssh-config", str(tmp_path / "config"), "-m", "bridge")
    assert run.code == 1, run.text
    assert "host key has changed" in run.text
    assert "SHA256:" in run.text
    assert "Traceback" not in run.text
    lost = wrong[1][0]
    assert lost == "dev-node-01"
    for cell in run.record["cells"]:
        if lost in (cell["source_host"], cell["target_host"]):
            assert cell["verdict"] == "INCONCLUSIVE", cell
    assert run.verdicts()["bridge:c1:c2:address"] == "PASS"
    assert fingerprint() == before


def test_an_unknown_host_key_is_refused(lab: Lab, matrix: Matrix, tmp_path: Path) -> None:
    """An empty known_hosts: nobody is trusted, and the message says how to begin."""
    (tmp_path / "known").write_text("")
    config = lab.ssh_config.read_text().replace(
        str(lab.state_dir / "known_hosts"), str(tmp_path / "known")
    )
    (tmp_path / "config").write_text(config)
    run = matrix("--ssh-config", str(tmp_path / "config"), "-m", "bridge")
    assert run.code == 1
    assert "its host key is unknown" in run.text
    assert set(run.verdicts().values()) == {"INCONCLUSIVE"}


def test_a_stopped_dockerd(tmp_path: Path) -> None:
    """The engine of one host is gone: its cells did not run, in words; nothing is left standing."""
    with running_lab(state_dir=Path(f"/tmp/l2d-{os.getpid()}")) as lab:  # noqa: S108  ours, 0700
        node = next(h for h in lab.status().hosts if h.name == "dev-node-01")
        assert node.dockerd.pid is not None
        os.kill(node.dockerd.pid, signal.SIGKILL)
        done = subprocess.run(
            command(tmp_path, "-m", "vlan"),
            cwd=ROOT,
            env=environment(lab),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        run = result(tmp_path, done.returncode, done.stdout)
        assert run.code == 1, run.text
        assert "dev-node-01" in run.text
        assert "systemctl status docker" in run.text
        assert "Traceback" not in run.text
        for cell in run.record["cells"]:
            if "dev-node-01" in (cell["source_host"], cell["target_host"]):
                assert cell["verdict"] == "INCONCLUSIVE", cell


def test_a_full_disk(lab: Lab, tmp_path: Path, fingerprint: Look) -> None:
    """Reports cannot be written: said once, the verdicts are still on the terminal."""
    before = fingerprint()
    small = tmp_path / "small"
    small.mkdir()
    script = f'mount -t tmpfs -o size=16k none {small} && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *command(small, "-m", "bridge")],
        cwd=ROOT,
        env=environment(lab),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "No space left on device" in done.stdout
    assert "40 PASS" in done.stdout
    assert "Traceback" not in done.stdout
    assert fingerprint() == before


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("connecting", signal.SIGINT),
        ("network macnet", signal.SIGINT),
        ("containers c", signal.SIGTERM),
        ("probing", signal.SIGINT),
        ("putting everything back", signal.SIGINT),
    ],
)
def test_an_interrupted_run_puts_everything_back(
    lab: Lab, tmp_path: Path, fingerprint: Look, moment: str, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM, in each phase: a clear word, a record, and hosts as they were."""
    before = fingerprint()
    with _started(lab, tmp_path, moment) as process:
        process.send_signal(number)
        text, _ = process.communicate(timeout=60)
    assert process.returncode != -number, text
    # Once the probes are back the run is whole: it is judged, and only asks for patience.
    assert process.returncode == (0 if moment == "putting everything back" else 2), text
    assert "Traceback" not in text
    run = result(tmp_path, process.returncode, text)
    assert run.record["phase"] == "judged"
    assert fingerprint() == before


def test_a_killed_run_is_cleaned_up_by_the_next(
    lab: Lab, tmp_path: Path, matrix: Matrix, fingerprint: Look
) -> None:
    """SIGKILL while everything stands: the next run finds it, puts it back, and passes."""
    before = fingerprint()
    with _started(lab, tmp_path / "killed", "probing") as process:
        process.kill()
        process.communicate(timeout=60)
    assert fingerprint() != before
    assert result(tmp_path / "killed", 0, "").record["phase"] == "planned"
    run = matrix()
    assert run.code == 0, run.text
    assert "removed what a killed run had left" in run.text
    assert fingerprint() == before


def test_what_was_kept_is_put_back_by_the_next_run(matrix: Matrix, fingerprint: Look) -> None:
    """--keep leaves the scenario standing; the next run begins with a clean host all the same."""
    before = fingerprint()
    assert matrix("--keep", "-m", "vlan").code == 0
    assert fingerprint() != before
    assert matrix("-m", "bridge").code == 0
    assert fingerprint() == before


def test_two_runs_cannot_meet_on_a_host(lab: Lab, tmp_path: Path, matrix: Matrix) -> None:
    """The second run is told who holds the hosts, and leaves the first one alone."""
    with _started(lab, tmp_path / "first", "connecting", "--prober", "exec") as process:
        second = matrix("-m", "bridge")
        text, _ = process.communicate(timeout=60)
    assert process.returncode == 0, text
    assert "another run works on this host now" in second.text
    assert set(second.verdicts().values()) == {"INCONCLUSIVE"}


@contextmanager
def _started(
    lab: Lab, reports: Path, moment: str, *arguments: str
) -> Iterator[subprocess.Popen[str]]:
    """A run of the matrix that has come to the line with ``moment`` in it."""
    process = subprocess.Popen(
        command(reports, *arguments),
        cwd=ROOT,
        env={**environment(lab), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if moment in line:
                break
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_fresh_lab_with_a_router_on_the_vlan(tmp_path: Path) -> None:
    """Without a lab pytest makes the one that the site needs, and removes it; its gateway answers."""
    if os.geteuid() != 0:
        pytest.skip("the lab's VLANs need root where the kernel has no 8021q")
    folder = Path(f"/tmp/l2g-{os.getpid()}")  # noqa: S108  made private by the lab
    done = subprocess.run(
        command(tmp_path, "--site", "sites/lab-vlan-gateway.toml", "-k", "gateway"),
        cwd=ROOT,
        env={**os.environ, "L2MATRIX_LAB_DIR": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    run = result(tmp_path, done.returncode, done.stdout)
    assert run.code == 0, run.text
    found = {c["id"]: c["verdict"] for c in run.record["cells"] if c["selected"]}
    assert set(found.values()) == {"PASS"}
    assert len(found) == 12
    assert not folder.exists()


def test_part_of_a_site_is_judged_whole(matrix: Matrix) -> None:
    """Pairs of hosts only: each kind once, nothing without its proof, and the record says so."""
    run = matrix("--coverage", "pairs")
    assert run.code == 0, run.text
    selected = [c for c in run.record["cells"] if c["selected"]]
    kinds = [
        tuple(
            c[k]
            for k in ("scenario", "source_host", "target_host", "source_kind", "relation", "by")
        )
        for c in selected
    ]
    assert len(kinds) == len(set(kinds)) == 52
    covered = run.record["coverage"]
    assert covered.pop("day") in run.text
    assert covered == {"mode": "pairs", "cells_chosen": 52, "cells_in_plan": 112, "shard": ""}
    assert "): 52 of 112 cells; the rest was not asked, but for " in run.text
    assert set(run.verdicts().values()) == {"PASS", "BLOCKED"}


def test_groups_hide_no_cell(lab: Lab, matrix: Matrix) -> None:
    """A pulled cable in groups: the record has every cell, a failure is told from an error."""
    with unplugged(lab, "dev-node-01"):
        run = matrix("--group-above", "0", "-m", "bridge", "-rA")
    assert run.code == 1, run.text
    assert len(run.record["cells"]) == 56
    assert {"PASS", "BLOCKED", "FAIL", "INCONCLUSIVE"} == set(run.verdicts().values())
    item = "matrix/test_matrix.py::test_group[bridge:dev-master-01:"
    assert f"FAILED {item}dev-node-01:remote-container:address]" in run.text
    # Silence that nothing vouches for: nothing is known to be wrong, and nothing is known.
    assert f"ERROR {item}dev-master-01:own-host:address]" in run.text
    assert f"PASS {item}dev-master-01:sibling:address]" in run.text
    assert "6 of 6 cells are not as expected (6 FAIL)" in run.text
