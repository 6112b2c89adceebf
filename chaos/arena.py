"""Where chaos happens: a lab of its own, runs of the matrix on it, and all that must be as it was.

Rule of this file: look with the tools a person would use, never with the harness's own; and never
over SSH, which may be what was broken. Whatever a run starts on this machine carries ``MARK`` in its
environment, so that a process that outlives its run is found.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fixtures.lab import Lab, processes, running_lab, statedir
from fixtures.lab.status import HostStatus

ROOT = Path(__file__).parents[1]
MARK = "L2MATRIX_CHAOS"
SETTLE_S = 15.0
"""So long what was ended may take to be gone: a container's shim, an agent whose input ended."""

POLL_S = 0.1
CLEANUP_S, LOOK_S = 180.0, 30.0

_LOOK = (
    "ip -d -o link | sed 's/ qdisc .* group/ group/'; ip -o addr; ip route show table all; ip rule; "
    "ip neigh show nud permanent; tc qdisc; tc filter show dev enp0s5 ingress; nft list ruleset; "
    "grep -r . /proc/sys/net/ipv4/conf; find /run/l2matrix /tmp /var/tmp /root 2>&1 | sort; "
    "grep -o '@l2matrix.*' /proc/net/unix; cut -d' ' -f5 /proc/self/mountinfo | sort; "
    "docker ps --all --no-trunc --format '{{.Names}} {{.Image}} {{.State}}'; "
    "docker network ls --format '{{.Name}} {{.Driver}}'; docker image ls --no-trunc -q"
)


@dataclass(slots=True)
class Started:
    """A run of the matrix under way: its process, and what it has said."""

    process: subprocess.Popen[str]
    reports: Path
    began: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)
    _more: threading.Condition = field(default_factory=threading.Condition)
    _over: bool = False

    def read(self) -> None:
        """Keep what it says, until it says no more."""
        assert self.process.stdout is not None  # noqa: S101  it was started with a pipe
        with self.process.stdout as said:
            for line in said:
                with self._more:
                    self.lines.append(line)
                    self._more.notify_all()
        with self._more:
            self._over = True
            self._more.notify_all()

    def comes_to(self, words: str, within_s: float) -> bool:
        """Wait for a line with these words. False: it has ended without, or took too long."""
        with self._more:
            self._more.wait_for(
                lambda: self._over or any(words in line for line in self.lines), within_s
            )
            return any(words in line for line in self.lines)

    def ends(self, within_s: float) -> bool:
        """Wait for its end."""
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        with self._more:  # its last words; a child that keeps its output open is found elsewhere
            self._more.wait_for(lambda: self._over, 2)
        return True

    @property
    def text(self) -> str:
        """All it has said."""
        return "".join(self.lines)

    @property
    def record(self) -> dict[str, Any]:
        """Its run.json; empty where there is none."""
        try:
            found = json.loads((self.reports / "latest" / "run.json").read_bytes())
        except OSError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(slots=True)
class Arena:
    """A lab, and a folder for what runs on it leave."""

    lab: Lab
    folder: Path
    hosts: dict[str, HostStatus] = field(default_factory=dict)
    _count: int = 0
    _last: subprocess.Popen[str] | None = None

    def __post_init__(self) -> None:
        self.hosts = {host.name: host for host in self.lab.status().hosts}

    def environment(self) -> dict[str, str]:
        """Ours, for a process that is a run's."""
        more = {"L2MATRIX_LAB_DIR": str(self.lab.state_dir), "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **more, MARK: str(self.folder)}

    def next_reports(self) -> Path:
        """Where the next run that is started will put its reports."""
        return self.folder / f"run-{self._count + 1}"

    def start(self, *arguments: str, before: tuple[str, ...] = ()) -> Started:
        """Start a run. ``before`` is a command that ends by becoming the run."""
        reports = self.next_reports()
        self._count += 1
        argv = [*before, sys.executable, "-m", "pytest", f"--report-dir={reports}", *arguments]
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._last = process
        started = Started(process, reports)
        threading.Thread(target=started.read, daemon=True).start()
        return started

    def stop(self) -> None:
        """End the last run where it still goes on: the soak itself was interrupted."""
        if self._last is not None and self._last.poll() is None:
            self._last.kill()
            self._last.wait()

    def cleanup(self, *arguments: str) -> tuple[int, str]:
        """``python -m fixtures cleanup``, once: its exit code and what it says."""
        argv = [sys.executable, "-m", "fixtures", "cleanup", *arguments]
        try:
            done = subprocess.run(
                argv, cwd=ROOT, env=self.environment(), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=CLEANUP_S,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return -1, f"cleanup did not end within {CLEANUP_S:g} s"
        return done.returncode, done.stdout

    def inside(self, host: str, *argv: str, check: bool = True) -> str:
        """Run something on a host without SSH. What it says."""
        words = [*self.hosts[host].enter.split(), *argv]
        done = subprocess.run(words, capture_output=True, text=True, timeout=LOOK_S, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{host}: {' '.join(argv)}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def processes_of(self, host: str, words: str) -> list[int]:
        """Processes in a host's own network namespace whose command line has these words."""
        wanted = Path(self.hosts[host].netns).stat().st_ino
        found = []
        for pid in self._all().values():
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                if words.encode() in line and Path(f"/proc/{pid}/ns/net").stat().st_ino == wanted:
                    found.append(pid)
        return found

    def _all(self) -> dict[int, int]:
        state = statedir.read_json(self.lab.state_dir / statedir.STATE) or {}
        return processes.outer_pids(int(state["pid_namespace"]))

    def fingerprint(self) -> list[str]:
        """What must be the same before and after: hosts, the lab's processes, ours, files."""
        lines = []
        for host in self.hosts:
            seen = self.inside(host, "sh", "-c", _LOOK, check=False)
            lines += sorted(f"{host}: {line}" for line in seen.splitlines())
        for pid in self._all().values():
            with contextlib.suppress(OSError):
                lines.append("process: " + Path(f"/proc/{pid}/comm").read_text().strip())
        lines += [f"left on this machine: {one}" for one in self.left_here()]
        return lines

    def left_here(self) -> list[str]:
        """Processes of a run, and half-written files, that are still here."""
        mark = f"{MARK}={self.folder}".encode()
        found = []
        for entry in os.scandir("/proc"):
            if entry.name.isdecimal() and entry.name != str(os.getpid()):
                with contextlib.suppress(OSError):
                    if mark in Path(entry.path, "environ").read_bytes().split(b"\0"):
                        line = Path(entry.path, "cmdline").read_bytes().replace(b"\0", b" ")
                        found.append(f"process {line[:120].decode(errors='replace')}")
        return found

    def changes_since(self, before: list[str], within_s: float = SETTLE_S) -> list[str]:
        """What is not as it was once all has settled; nothing where all is equal."""
        end = time.monotonic() + within_s
        while True:
            now = self.fingerprint()
            if sorted(now) == sorted(before):
                return []
            if time.monotonic() > end:
                return _differences(before, now)
            time.sleep(POLL_S)


def _differences(before: list[str], now: list[str]) -> list[str]:
    gone, new = list(before), []
    for line in now:
        if line in gone:
            gone.remove(line)
        else:
            new.append(line)
    return [f"gone: {line[:200]}" for line in gone] + [f"new: {line[:200]}" for line in new]


@contextmanager
def arena(folder: Path) -> Iterator[Arena]:
    """An arena for the time of a ``with`` block. ``folder`` must be short: a socket is in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with running_lab(state_dir=folder / "lab") as lab:
        made = Arena(lab, folder)
        try:
            yield made
        finally:
            made.stop()
