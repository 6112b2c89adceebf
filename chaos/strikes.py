"""What goes wrong, and how it is healed. Each strike is a context: struck inside, healed after it.

Rule of this file: real things. Packets are dropped by nft in the host's own namespace, processes
get real signals, disks are real file systems that are full. Only processes of the arena are hit,
each by its id.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.arena import Arena, Started
from fixtures.lab import processes

DOCKER_S = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to strike: a host of the arena, and the run that is under way."""

    arena: Arena
    host: str
    run: Started


Strike = Callable[[Target], AbstractContextManager[None]]


@contextmanager
def kill_controller(target: Target) -> Iterator[None]:
    """SIGKILL of the run's own process."""
    target.run.process.kill()
    yield


@contextmanager
def kill_agent(target: Target) -> Iterator[None]:
    """SIGKILL of the agent on the host."""
    _kill(target, "l2agent")
    yield


@contextmanager
def kill_sshd(target: Target) -> Iterator[None]:
    """SIGKILL of the sshd processes that carry our connection."""
    _kill(target, "sshd: root")
    yield


def _kill(target: Target, words: str) -> None:
    for pid in target.arena.processes_of(target.host, words):
        processes.end(pid, signal.SIGKILL, 5)


def _nft(target: Target, verdict: str) -> Iterator[None]:
    rules = (
        "add table inet chaos; add chain inet chaos c { type filter hook input priority 0; }; "
        f"add rule inet chaos c tcp dport 22 {verdict}; add rule inet chaos c tcp sport 22 {verdict}"
    )
    target.arena.inside(target.host, "nft", rules)
    try:
        yield
    finally:
        target.arena.inside(target.host, "nft", "delete table inet chaos")


@contextmanager
def stall_ssh(target: Target) -> Iterator[None]:
    """Packets to and from the SSH port vanish: every connection is half-open, new ones hang."""
    yield from _nft(target, "drop")


@contextmanager
def reset_ssh(target: Target) -> Iterator[None]:
    """Packets to and from the SSH port are answered with RST, as by a firewall that forgot us."""
    yield from _nft(target, "reject with tcp reset")


@contextmanager
def vanish(target: Target) -> Iterator[None]:
    """The host is there for nobody: its cable is pulled and its SSH port is silent."""
    status = target.arena.hosts[target.host]
    _typed(status.unplug)
    try:
        yield from _nft(target, "drop")
    finally:
        _typed(status.plug)


def _typed(line: str) -> None:
    subprocess.run(shlex.split(line), check=True, timeout=10)


@contextmanager
def hang_docker(target: Target) -> Iterator[None]:
    """SIGSTOP of dockerd: its socket takes connections and never answers."""
    pid = _dockerd(target)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def stop_docker(target: Target) -> Iterator[None]:
    """SIGTERM of dockerd, which ends its containers; it is started again when healed."""
    pid = _dockerd(target)
    again = _how_it_was_started(pid)
    processes.end(pid, signal.SIGTERM, DOCKER_S)
    try:
        yield
    finally:
        _start_docker(target, again)


@contextmanager
def kill_docker(target: Target) -> Iterator[None]:
    """SIGKILL of dockerd, which leaves its containers to nobody; started again when healed."""
    pid = _dockerd(target)
    again = _how_it_was_started(pid)
    processes.end(pid, signal.SIGKILL, DOCKER_S)
    try:
        yield
    finally:
        _start_docker(target, again)


def _dockerd(target: Target) -> int:
    (pid,) = target.arena.processes_of(target.host, "dockerd --host")
    return pid


def _how_it_was_started(pid: int) -> tuple[str, str]:
    """Its command line and its PATH."""
    argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
    names = dict(
        line.split("=", 1)
        for line in Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        if "=" in line
    )
    return shlex.join(argv), names.get("PATH", os.environ["PATH"])


def _start_docker(target: Target, how: tuple[str, str]) -> None:
    line, path = how
    # No environment of ours: it would be taken for a process that a run has left.
    script = f"env -i PATH={shlex.quote(path)} setsid {line} </dev/null >/dev/null 2>&1 &"
    target.arena.inside(target.host, "sh", "-c", script)
    end = time.monotonic() + DOCKER_S
    while "Server Version" not in target.arena.inside(target.host, "docker", "info", check=False):
        if time.monotonic() > end:
            raise RuntimeError(f"{target.host}: dockerd does not start again")
        time.sleep(0.05)


@contextmanager
def full_disk(target: Target) -> Iterator[None]:
    """Where the journal is written there is no byte left."""
    with _small_disk(target):
        script = "cat /dev/zero > /run/l2matrix/filler 2>/dev/null || true"
        target.arena.inside(target.host, "sh", "-c", script)
        yield


@contextmanager
def small_disk(target: Target) -> Iterator[None]:
    """A tiny disk of its own for the journal: room enough until something takes that away."""
    with _small_disk(target):
        yield


@contextmanager
def read_only(target: Target) -> Iterator[None]:
    """The journal's disk refuses from this moment on, as one does that has failed. After small_disk."""
    remount = ("mount", "-o")
    target.arena.inside(target.host, *remount, "remount,ro", "/run/l2matrix", check=False)
    try:
        yield
    finally:
        target.arena.inside(target.host, *remount, "remount,rw", "/run/l2matrix", check=False)


@contextmanager
def _small_disk(target: Target) -> Iterator[None]:
    inside, host = target.arena.inside, target.host
    inside(host, "sh", "-c", "mkdir -m 700 -p /run/l2matrix")
    inside(host, "mount", "-t", "tmpfs", "-o", "size=8k,mode=700", "chaos", "/run/l2matrix")
    try:
        yield
    finally:
        inside(host, "umount", "/run/l2matrix")
        with contextlib.suppress(RuntimeError):
            inside(host, "rmdir", "/run/l2matrix")


def kill_host(arena: Arena, host: str) -> None:
    """SIGKILL of every process in a host's network namespace, its first one too. No way back."""
    for pid in arena.processes_of(host, ""):
        processes.end(pid, signal.SIGKILL, 5)
