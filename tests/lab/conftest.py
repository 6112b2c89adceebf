"""What the lab tests share: one running lab, and ways to run the matrix on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fixtures.engine import Engine
from fixtures.lab import Lab, faults, running_lab
from fixtures.ssh import connect
from tests.lab.namespaces import Namespaces

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of our own, beside any that the user has up."""
    if os.geteuid() != 0:
        pytest.skip("the lab's VLANs need root where the kernel has no 8021q")
    # A unix socket's path has 107 characters at most, and pytest's folders are long.
    folder = Path(f"/tmp/l2t-{os.getpid()}")  # noqa: S108  checked and made private by the lab
    del tmp_path_factory
    with running_lab(state_dir=folder) as made:
        yield made


@dataclass(frozen=True, slots=True)
class MatrixRun:
    """A finished pytest run of the matrix: exit code, terminal, and run.json."""

    code: int
    text: str
    record: dict[str, Any]
    folder: Path

    def verdicts(self) -> dict[str, str]:
        """Verdict by cell id."""
        return {cell["id"]: cell["verdict"] for cell in self.record["cells"]}

    def cell(self, cell_id: str) -> dict[str, Any]:
        """One cell of the record."""
        found: dict[str, Any] = next(c for c in self.record["cells"] if c["id"] == cell_id)
        return found


def command(reports: Path, *arguments: str) -> list[str]:
    """The command line of a matrix run."""
    return [sys.executable, "-m", "pytest", f"--report-dir={reports}", *arguments]


def environment(lab: Lab) -> dict[str, str]:
    """Our environment, pointing at that lab."""
    return {**os.environ, "L2MATRIX_LAB_DIR": str(lab.state_dir)}


def result(reports: Path, code: int, text: str) -> MatrixRun:
    """What a run left."""
    folder = reports / "latest"
    path = folder / "run.json"
    record = json.loads(path.read_bytes()) if path.exists() else {}
    return MatrixRun(code, text, record, folder)


@pytest.fixture
def matrix(lab: Lab, tmp_path: Path) -> Callable[..., MatrixRun]:
    """Run the matrix on the lab with these arguments."""
    return partial(run_matrix, lab, tmp_path)


def run_matrix(lab: Lab, reports: Path, *arguments: str) -> MatrixRun:
    """Run the matrix on that lab with these arguments."""
    done = subprocess.run(
        command(reports, *arguments),
        cwd=ROOT,
        env=environment(lab),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return result(reports, done.returncode, done.stdout)


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of our own with both scenarios standing on it, for the faults."""
    reports = tmp_path_factory.mktemp("reports")
    with running_lab(state_dir=Path(f"/tmp/l2f-{os.getpid()}")) as lab:  # noqa: S108  the lab checks it
        argv = command(reports, "--keep", "-q")
        done = subprocess.run(
            argv, cwd=ROOT, env=environment(lab), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield lab


@pytest.fixture(scope="session")
def whole(standing: Lab) -> list[str]:
    """What the lab looks like before anything is broken."""
    assert not faults.active(standing)
    return Namespaces(standing).fingerprint()


@pytest.fixture
def world(standing: Lab, whole: list[str]) -> Iterator[Namespaces]:
    """The namespaces of that lab, with nothing broken; mended whatever the test did."""
    del whole  # asked for, so that it is known before the first test breaks anything
    try:
        yield Namespaces(standing)
    finally:
        faults.mend(standing)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What must be the same before and after: links, addresses, Docker, the journal."""

    lines: tuple[str, ...]


def on_host(lab: Lab, host: str, script: str) -> str:
    """What a person sees who logs in and types this."""
    argv = ["ssh", "-F", str(lab.ssh_config), host, script]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def fingerprint(lab: Lab) -> Callable[[], list[str]]:
    """What must be the same before and after, looked at with the tools a person would use."""

    def look() -> list[str]:
        script = (
            "ip -d -o link | sed 's/ qdisc .* group/ group/'; ip -o -4 addr; ip route; tc qdisc; "
            "ls /run/l2matrix 2>&1; grep -c l2matrix-lease /proc/net/unix"
        )
        lines: list[str] = []
        for host in lab.spec.hosts:
            seen = on_host(lab, host.name, script)
            lines += [f"{host.name}: {line}" for line in seen.splitlines()]
            lines += [f"{host.name}: {line}" for line in _docker(lab, host.name)]
        return lines

    return look


def _docker(lab: Lab, host: str) -> list[str]:
    """Containers and networks of a host's engine."""
    connection = connect(host, lab.ssh_config)
    try:
        engine = Engine(connection)
        found = [*engine.containers(), *engine.networks()]
        engine.close()
    finally:
        connection.close()
    return found
