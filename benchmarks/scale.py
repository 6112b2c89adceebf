"""A thousand endpoints without Docker: what a pair costs at that size, in time and in memory.

Twice: as 20 segments of 50, where 49,000 pairs must answer and 950,000 must be silent, and as one
segment of 1,000, where all 999,000 must answer. Every pair gets a verdict by the judge of a run,
and each verdict that is not the right one is counted. The outcomes of 100,000 pairs at a time are
held: a run that kept a million of them would need gigabytes for its record alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import IPv4Interface
from itertools import islice
from typing import Any

from fixtures.host import HostSession, open_host
from fixtures.lab.endpoints import SUBNET
from fixtures.lab.lab import Lab
from fixtures.lab.status import EndpointStatus
from fixtures.prober import Live, World
from fixtures.prober_agent import AgentProber
from matrix.judge import judge
from matrix.probes import By, Cell, Expectation, Expected, Relation, Verdict
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

AT_ONCE = 100_000
SCENARIO = "scale"
_REPLY = Expectation(Expected.REPLY, "both are on one wire", ttl=64)
_SILENCE = Expectation(Expected.SILENCE, "they are on different wires")
_RIGHT = {Expected.REPLY: Verdict.PASS, Expected.SILENCE: Verdict.BLOCKED}


@dataclass(slots=True)
class Scale:
    """What asking so many pairs took. Memory is the peak, in megabytes (proc(5), VmHWM)."""

    pairs: int = 0
    seconds: float = 0.0
    wrong: int = 0
    wrongs: dict[str, int] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def us_a_pair(self) -> float:
        """Microseconds for each pair."""
        return 1e6 * self.seconds / max(1, self.pairs)


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

    def ask(self, cells: Iterable[Cell]) -> Scale:
        """Ask all of them, some at a time, and judge them."""
        found, rest = Scale(), iter(cells)
        prober = AgentProber(self.timing)
        began = time.monotonic()
        while some := list(islice(rest, AT_ONCE)):
            found.pairs += len(some)
            asked = {cell.id: cell for cell in (*some, *self._controls(some))}
            outcomes = prober.probe(tuple(asked.values()), self.world)
            judgements = judge(asked.values(), outcomes, self.world.identities())
            for cell in some:
                judgement = judgements[cell.id]
                if judgement.verdict is not _RIGHT[cell.expectation.expected]:
                    found.wrong += 1
                    words = f"{judgement.verdict}: {judgement.reason}"
                    found.wrongs[words] = found.wrongs.get(words, 0) + 1
        found.seconds = time.monotonic() - began
        found.said = prober.describe()
        return found

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
