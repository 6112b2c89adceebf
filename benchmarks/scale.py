"""A thousand endpoints without Docker: what a pair costs at that size, in time and in memory.

Twice: as 20 segments of 50, where 49,000 pairs must answer and 950,000 must be silent, and as one
segment of 1,000, where all 999,000 must answer. Every pair gets a verdict by the judge of a run,
and each verdict that is not the right one is counted. The outcomes of 125,000 pairs at a time are
held: a run that kept a million of them would need gigabytes for its record alone.
"""

from __future__ import annotations

import re
import resource
import statistics
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Interface
from itertools import islice
from pathlib import Path
from typing import Any

from fixtures.host import HostSession, open_host
from fixtures.lab import DEFAULT_SPEC, Lab, processes, running_lab
from fixtures.lab.endpoints import SUBNET
from fixtures.lab.status import EndpointStatus
from fixtures.prober import Live, World
from fixtures.prober_agent import AgentProber
from matrix.judge import judge
from matrix.probes import By, Cell, Expectation, Expected, Outcome, Relation, Verdict
from matrix.topology import (
    Container,
    Endpoint,
    EndpointKind,
    Host,
    Scenario,
    Segment,
    Timing,
    Topology,
)

ENDPOINTS, SEGMENTS = 1000, 20
AT_ONCE = 125_000
SCENARIO = "scale"
_REPLY = Expectation(Expected.REPLY, "both are on one wire", ttl=64)
_SILENCE = Expectation(Expected.SILENCE, "they are on different wires")
_RIGHT = {Expected.REPLY: Verdict.PASS, Expected.SILENCE: Verdict.BLOCKED}


@dataclass(slots=True)
class Scale:
    """What asking so many pairs took, ``seconds`` for each run of it.

    Memory is the peak of the agents together and of the controller, in megabytes (proc(5), VmHWM).
    ``wrongs`` holds the verdicts that are not the right ones, by their words.
    """

    method: str
    pairs: int = 0
    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    wrongs: dict[str, int] = field(default_factory=dict)
    prober: dict[str, Any] = field(default_factory=dict)
    agents_mb: float = 0.0
    controller_mb: float = 0.0

    @property
    def us_a_pair(self) -> float:
        """Microseconds for each pair, by the median run."""
        return 1e6 * statistics.median(self.seconds) / max(1, self.pairs)


class Crowd:
    """The endpoints of a running lab, ready to be asked."""

    def __init__(self, stack: ExitStack, lab: Lab, timing: Timing) -> None:
        self.endpoints = lab.status().endpoints
        self.timing = timing
        scenario = Scenario(
            name=SCENARIO,
            network="none",
            mode="bridge",
            segment=Segment(SUBNET, SUBNET.network_address + 65534, gateway_present=False),
            containers=tuple(
                Container(e.name, e.host, IPv4Interface(e.address).ip) for e in self.endpoints
            ),
            host_addresses=(),
        )
        hosts = tuple(Host(h.name, h.nic, h.address) for h in lab.spec.hosts)
        self.topology = Topology(hosts=hosts, scenarios=(scenario,), timing=timing)
        self.sessions: dict[str, HostSession] = {}
        for host in hosts:
            session = open_host(host, lab.ssh_config, {"who": "bench"}, lambda _host, _what: None)
            stack.callback(session.close)
            self.sessions[host.name] = session
        self._pids = processes.outer_pids(Path(f"/proc/{lab.status().pid}/ns/pid").stat().st_ino)
        self.world = World(self.topology, self.sessions)
        for e in self.endpoints:
            self.world.live[SCENARIO, e.name] = Live(e.name, e.host, e.pid, (e.mac,))

    def cells(self, *, across: bool) -> Iterator[Cell]:
        """All ordered pairs, by source; ``across``: those of different segments, too."""
        ends = {e.name: _endpoint(e) for e in self.endpoints}
        for source in self.endpoints:
            for target in self.endpoints:
                same = source.segment == target.segment
                if source is not target and (same or across):
                    yield _cell(ends[source.name], ends[target.name], together=same)

    def ask(self, found: Scale, cells: Iterable[Cell]) -> None:
        """Ask all of them, some at a time; while some are asked, those before them are judged."""
        rest = iter(cells)
        prober = AgentProber(self.timing)
        found.pairs = 0
        before: tuple[list[Cell], dict[str, Outcome]] | None = None
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            following = self._following(found, rest)
            while asked := following:
                asking = pool.submit(prober.probe, asked, self.world)
                following = self._following(found, rest)
                if before is not None:
                    self._judge(found, *before)
                before = asked, asking.result()
            if before is not None:
                self._judge(found, *before)
        found.seconds.append(time.monotonic() - began)
        found.prober = prober.describe()
        agents = [int(s.facts_of_agent["pid"]) for s in self.sessions.values()]
        found.agents_mb = sum(map(self._peak_mb, agents))
        found.controller_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"  {found.method}: {found.pairs} pairs, {found.seconds[-1]:.2f} s, "
            f"{found.wrong} wrong",
            flush=True,
        )

    def _following(self, found: Scale, rest: Iterator[Cell]) -> list[Cell]:
        """The next cells, with their controls; empty when there are no more."""
        some = list(islice(rest, AT_ONCE))
        found.pairs += len(some)
        return list({cell.id: cell for cell in (*some, *self._controls(some))}.values())

    def _judge(self, found: Scale, asked: list[Cell], outcomes: dict[str, Outcome]) -> None:
        """Count what was asked and what came out wrong."""
        judgements = judge(asked, outcomes, self.world.identities())
        for cell in asked:
            judgement = judgements[cell.id]
            if judgement.verdict is not _RIGHT[cell.expectation.expected]:
                found.wrong += 1
                words = f"{judgement.verdict}: {judgement.reason}"
                found.wrongs[words] = found.wrongs.get(words, 0) + 1

    def _peak_mb(self, pid: int) -> float:
        """Peak memory of an agent, which is a process of the lab."""
        status = Path(f"/proc/{self._pids[pid]}/status").read_text()
        return int(re.findall(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)[0]) / 1024

    def _controls(self, some: Iterable[Cell]) -> Iterator[Cell]:
        """A cell for each silent target that shows it alive in the same window."""
        wanted = {c.target.name for c in some if c.expectation is _SILENCE}
        by_segment: dict[int, list[EndpointStatus]] = {}
        for e in self.endpoints:
            by_segment.setdefault(e.segment, []).append(e)
        for target in self.endpoints:
            if target.name in wanted:
                peer = next(e for e in by_segment[target.segment] if e.host != target.host)
                yield _cell(_endpoint(peer), _endpoint(target), together=True)


def _endpoint(e: EndpointStatus) -> Endpoint:
    return Endpoint(e.name, EndpointKind.CONTAINER, e.host, IPv4Interface(e.address).ip)


def _cell(source: Endpoint, target: Endpoint, *, together: bool) -> Cell:
    relation = Relation.SIBLING if source.host == target.host else Relation.REMOTE
    return Cell(
        f"{SCENARIO}:{source.name}:{target.name}:address",
        SCENARIO,
        source,
        target,
        By.ADDRESS,
        relation,
        _REPLY if together else _SILENCE,
    )


def measure(runs: int, one_segment_sources: int, state: Path) -> list[Scale]:
    """All sizes. The largest are asked once; of the one segment, only some sources may ask."""
    one_echo = Timing(echoes=1)
    found = []
    for segments in (SEGMENTS, 1):
        spec = replace(DEFAULT_SPEC, endpoints=ENDPOINTS, segments=segments)
        print(f"making {ENDPOINTS} endpoints on {segments} segments", flush=True)
        with running_lab(spec, state_dir=state) as lab, ExitStack() as stack:
            crowd = Crowd(stack, lab, one_echo)
            if segments > 1:
                within, everything = Scale("20 segments, within"), Scale("20 segments, all")
                for _ in range(runs):
                    crowd.ask(within, crowd.cells(across=False))
                crowd.ask(everything, crowd.cells(across=True))
                found += [within, everything]
            else:
                one = Scale("one segment")
                pairs = one_segment_sources * (ENDPOINTS - 1)
                crowd.ask(one, islice(crowd.cells(across=False), pairs))
                found.append(one)
    return found


def table(sizes: Iterable[Scale]) -> None:
    """Print them."""
    print(
        f"\n{'endpoints':<20} {'pairs':>7} {'median s':>9} {'us a pair':>9} {'wrong':>6} "
        f"{'agents MB':>9} {'controller MB':>13}"
    )
    for s in sizes:
        print(
            f"{s.method:<20} {s.pairs:>7} {statistics.median(s.seconds):>9.2f} "
            f"{s.us_a_pair:>9.0f} {s.wrong:>6} {s.agents_mb:>9.0f} {s.controller_mb:>13.0f}"
        )
