"""The full mesh of 2 x 25 containers (2,450 ordered pairs) by every way there is to ask it.

On one embedded lab, with real containers, one echo a pair, as ping -c1 and fping -c1 send. Every
answer that is false is counted. Nothing is tuned for the occasion: the probers are those of a run.
"""

from __future__ import annotations

import os
import random
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path

from benchmarks.article import PINGS
from fixtures.build import Built, build, take_down
from fixtures.host import HostSession, open_host
from fixtures.ping_text import read_ping
from fixtures.prober import Live, Prober, World
from fixtures.prober_agent import AgentProber
from fixtures.prober_exec import ExecProber
from matrix.plan import plan
from matrix.probes import By, Cell, Observation
from matrix.record import load
from matrix.site import read_site
from matrix.topology import Container, EndpointKind, Topology

ROOT = Path(__file__).parent.parent
EACH = 25
SAMPLE = 60
DEAD = 5
"""Containers whose link is set down for the mesh with a tenth of its targets dead."""


@dataclass(slots=True)
class Method:
    """One way to ask, and what it took. ``seconds`` are scaled up from ``measured_pairs``."""

    method: str
    pairs: int
    measured_pairs: int
    seconds: list[float] = field(default_factory=list)
    wrong: int = 0

    @property
    def median(self) -> float:
        """Median seconds for all pairs."""
        return statistics.median(self.seconds)


def mesh_site() -> Topology:
    """The lab's hosts with 25 containers each on the bridge scenario."""
    site = read_site((ROOT / "sites" / "lab.toml").read_text(), name="lab.toml")
    bridge = site.scenarios[0]
    containers = tuple(
        Container(f"m{number}-{n:02}", host.name, IPv4Address(f"192.168.2.{10 + 60 * number + n}"))
        for number, host in enumerate(site.hosts)
        for n in range(EACH)
    )
    return replace(site, scenarios=(replace(bridge, containers=containers),))


class Standing:
    """A site that stands on the lab, ready to be asked."""

    def __init__(self, stack: ExitStack, topology: Topology, config: Path) -> None:
        self.topology = topology
        self._built: dict[str, Built] = {}
        self.sessions: dict[str, HostSession] = {}
        # Netlink sockets belong to one thread: each host has its own, as in a run.
        self._threads = {h.name: ThreadPoolExecutor(1) for h in topology.hosts}

        def start(name: str) -> None:
            host = topology.host(name)
            session = open_host(host, config, {"who": "bench"}, lambda _host, _what: None)
            self.sessions[name] = session
            self._built[name] = Built()
            build(session, topology, topology.scenarios, self._built[name])

        stack.callback(self._end)
        for done in [self._threads[n].submit(start, n) for n in self._threads]:
            done.result()
        for built in self._built.values():
            for error in built.failed.values():
                raise error

    def world(self) -> World:
        """What a prober gets."""
        world = World(self.topology, self.sessions)
        for scenario in self.topology.scenarios:
            for container in scenario.containers:
                running = self._built[container.host].running[container.name]
                world.live[scenario.name, container.name] = Live(
                    container.name, container.host, running.pid, (running.mac,), running.id
                )
        return world

    def _end(self) -> None:
        def end(name: str) -> None:
            if session := self.sessions.get(name):
                take_down(session, self._built[name])
                session.close()

        for done in [self._threads[n].submit(end, n) for n in self._threads]:
            done.result()


def mesh_cells(topology: Topology) -> list[Cell]:
    """Container to container, by address, without itself: echoes of one."""
    return [
        cell
        for cell in plan(topology)
        if cell.by is By.ADDRESS
        and cell.source.kind is cell.target.kind is EndpointKind.CONTAINER
        and cell.source != cell.target
    ]


def timed(method: Method, runs: int, ask: Callable[[], int]) -> Method:
    """Run ``ask`` (it returns how many answers were false) and note seconds for all pairs."""
    for _ in range(runs):
        began = time.monotonic()
        method.wrong += ask()
        took = time.monotonic() - began
        method.seconds.append(took * method.pairs / method.measured_pairs)
    print(f"  {method.method}: {method.median:.3f} s", flush=True)
    return method


def by_prober(
    prober: Prober, cells: list[Cell], world: World, dead: frozenset[str] = frozenset()
) -> int:
    """Ask by one of our probers: how many answers are false. All but dead targets answer."""
    outcomes = prober.probe(cells, world)
    return sum(
        (isinstance(seen := outcomes[c.id], Observation) and seen.received > 0)
        is (c.target.name in dead)
        for c in cells
    )


def exec_ping(cell: Cell, world: World) -> bool:
    """``docker exec CONTAINER ping -c1 -W1 ADDRESS``."""
    live = world.source(cell)
    argv = ("ping", "-c1", "-W1", str(cell.target.address))
    return read_ping(world.sessions[live.host].engine.exec(live.container, argv)[1]).received > 0


def by_fping(cells: list[Cell], world: World) -> int:
    """Fping in every container's namespace at once, one SSH command a host."""
    targets: dict[tuple[str, int], list[str]] = {}
    for cell in cells:
        live = world.source(cell)
        targets.setdefault((live.host, live.pid), []).append(str(cell.target.address))

    def ask(host: str) -> int:
        lines = [
            f"nsenter -t {pid} -n fping -q -c1 -i1 -t1000 {' '.join(found)} &"
            for (where, pid), found in targets.items()
            if where == host
        ]
        ran = world.sessions[host].ssh.run(("sh", "-c", "\n".join([*lines, "wait"])), timeout_s=60)
        return (ran.out + ran.err).count("1/1/0%")

    with ThreadPoolExecutor(len(world.sessions)) as pool:
        return len(cells) - sum(pool.map(ask, world.sessions))


def mesh(config: Path, runs: int) -> list[Method]:
    """The full mesh by every method."""
    with ExitStack() as stack:
        topology = mesh_site()
        print(f"building 2 x {EACH} containers", flush=True)
        standing = Standing(stack, topology, config)
        world = standing.world()
        cells = mesh_cells(topology)
        few = random.Random(1).sample(cells, SAMPLE)  # noqa: S311  a sample, no secret
        one = replace(topology.timing, echoes=1)
        pairs = len(cells)
        with ThreadPoolExecutor(16) as pool:
            return [
                timed(
                    Method("exec-sequential", pairs, SAMPLE),
                    runs,
                    lambda: sum(not exec_ping(c, world) for c in few),
                ),
                timed(
                    Method("exec-threads", pairs, SAMPLE),
                    runs,
                    lambda: sum(not ok for ok in pool.map(lambda c: exec_ping(c, world), few)),
                ),
                timed(
                    Method("exec-prober", pairs, SAMPLE),
                    runs,
                    lambda: by_prober(ExecProber(one), few, world),
                ),
                timed(Method("fping", pairs, pairs), runs, lambda: by_fping(cells, world)),
                timed(
                    Method("agent", pairs, pairs),
                    runs,
                    lambda: by_prober(AgentProber(one), cells, world),
                ),
                _with_dead_targets(world, cells, AgentProber(one), runs),
            ]


def _with_dead_targets(world: World, cells: list[Cell], prober: Prober, runs: int) -> Method:
    """The mesh with the links of some containers down: they answer nobody, and are asked by all."""
    by_target = {c.target.name: c for c in cells}
    dead = {name: by_target[name] for name in sorted(by_target)[:: len(by_target) // DEAD]}
    for cell in dead.values():
        live = world.live[cell.scenario, cell.target.name]
        argv = ("nsenter", "-t", str(live.pid), "-n", "ip", "link", "set", "eth0", "down")
        world.sessions[live.host].ssh.run(argv, timeout_s=10)
    asked = [c for c in cells if c.source.name not in dead]
    return timed(
        Method("agent, a tenth dead", len(asked), len(asked)),
        runs,
        lambda: by_prober(prober, asked, world, frozenset(dead)),
    )


def by_hand(config: Path, runs: int) -> Method:
    """The article's pings, one after another on the first host, as it typed them."""
    site = read_site((ROOT / "sites" / "lab.toml").read_text(), name="lab.toml")
    with ExitStack() as stack:
        print("building the article's scenarios", flush=True)
        standing = Standing(stack, site, config)
        world = standing.world()
        ssh = standing.sessions[site.hosts[0].name].ssh

        def ask() -> int:
            wrong = 0
            for container, ping, reachable in PINGS:
                argv = tuple(shlex.split(ping))
                if container:
                    live = next(v for (_, name), v in world.live.items() if name == container)
                    text = world.sessions[live.host].engine.exec(live.container, argv)[1]
                else:
                    ran = ssh.run(argv, timeout_s=60)
                    text = ran.out + ran.err
                wrong += (read_ping(text).received > 0) is not reachable
            return wrong

        return timed(Method("by-hand", len(PINGS), len(PINGS)), runs, ask)


def whole_matrix(lab: Path, runs: int) -> Method:
    """The article's two scenarios on the lab that is up: from ``pytest`` to the report written."""
    environment = {**os.environ, "L2MATRIX_LAB_DIR": str(lab)}
    probing: list[float] = []

    def ask() -> int:
        with tempfile.TemporaryDirectory() as folder:
            argv = [sys.executable, "-m", "pytest", "-q", f"--report-dir={folder}"]
            ran = subprocess.run(argv, cwd=ROOT, env=environment, check=False, capture_output=True)
            run = load((Path(folder) / "latest" / "run.json").read_bytes())
        at = {step.what: step.at_s for step in run.timeline}
        probing.append(at["probed"] - at[f"probing {len(run.cells)} cells"])
        return ran.returncode and len(run.cells)

    cells = len(plan(read_site((ROOT / "sites" / "lab.toml").read_text(), name="lab.toml")))
    method = timed(Method("agent, pytest to report", cells, cells), runs, ask)
    print(f"    of which probing: {statistics.median(probing):.3f} s", flush=True)
    return method
