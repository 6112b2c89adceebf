"""A cause: what is at fault, where, how sure we are, what shows it, what to type and what to do.

Nouns only. Rule: a wrong cause is worse than none. ``CERTAIN`` is a fact that explains the cells by
itself (a link without carrier); ``LIKELY`` fits all that was seen and nothing that was seen speaks
against it; ``POSSIBLE`` is one of several that fit. ``UNKNOWN`` names no fault, only what was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from matrix.exchange import Asked, Exchange
from matrix.probes import (
    By,
    Cell,
    Crossing,
    Expected,
    Identity,
    Judgement,
    NotRun,
    Observation,
    Outcome,
    Relation,
    Verdict,
)
from matrix.record import LinkFact
from matrix.topology import Endpoint, EndpointKind, Scenario, Topology
from matrix.way import Trace

NO_CARRIER, DOWN = "NO-CARRIER", "DOWN"
WIRE = (Relation.REMOTE, Relation.OTHER_HOST, Relation.GATEWAY)


class Confidence(StrEnum):
    """How sure we are of a cause, best first."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cause:
    """One fault, and the cells that it explains.

    ``where`` is the host, container or link that it is about; ``line`` says it in one sentence;
    ``evidence`` what shows it; ``look`` the command a person types to see it; ``fix`` what to do.
    """

    rule: str
    where: str
    line: str
    confidence: Confidence
    evidence: tuple[str, ...]
    cells: tuple[str, ...]
    look: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Inner:
    """A container's namespace from inside: its link's macvlan mode, and where its default route leads.

    ``gateway`` is None where it has no default route, "" where that names no router; ``macs`` are those
    that its links have now, ``addresses`` its IPv4 addresses with their prefix lengths (None where
    nobody looked). ``up`` and ``arp``: one of its links is set up, and does ARP.
    """

    mode: str
    gateway: str | None
    macs: tuple[str, ...] = ()
    addresses: tuple[str, ...] | None = None
    up: bool = True
    arp: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Everything that a rule may look at. See ``matrix.diagnose`` for the arguments.

    ``cells`` are those by echo, with their ``outcomes``; ``others`` all others, with what was ``asked``.

    Equal to itself alone, so that what several rules ask of a scene can be remembered by it.
    """

    topology: Topology
    cells: tuple[Cell, ...]
    outcomes: Mapping[str, Outcome]
    judgements: Mapping[str, Judgement]
    traces: Mapping[str, Trace] = field(default_factory=dict)
    identities: tuple[Identity, ...] = ()
    links: Mapping[str, tuple[LinkFact, ...]] = field(default_factory=dict)
    inner: Mapping[tuple[str, str], Inner] = field(default_factory=dict)
    states: Mapping[tuple[str, str], str] = field(default_factory=dict)
    missing: Mapping[tuple[str, str], str] = field(default_factory=dict)
    fixes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    taken: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    canaries: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    claims: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    astray_back: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    large: Mapping[tuple[str, str, str], bool] = field(default_factory=dict)
    lost_hosts: Mapping[str, str] = field(default_factory=dict)
    crossings: Mapping[str, Crossing] = field(default_factory=dict)
    others: tuple[Cell, ...] = ()
    asked: Mapping[str, Asked] = field(default_factory=dict)

    def bad_others(self) -> Iterator[Cell]:
        """The cells that are no echoes and not as expected."""
        return (c for c in self.others if (v := self.verdict(c)) and not v.holds)

    def exchange(self, cell: Cell) -> Exchange | None:
        """The evidence of a cell that is no echo; None where it did not run."""
        seen = self.asked.get(cell.id)
        return seen if isinstance(seen, Exchange) else None

    def bad(self) -> Iterator[Cell]:
        """The cells that are not as expected."""
        return iter(_bad(self))

    def verdict(self, cell: Cell) -> Verdict | None:
        """The verdict on a cell."""
        judgement = self.judgements.get(cell.id)
        return judgement.verdict if judgement else None

    def observed(self, cell: Cell) -> Observation | None:
        """What came back for a cell; None where it did not run."""
        seen = self.outcomes.get(cell.id)
        return seen if isinstance(seen, Observation) else None

    def not_run(self, cell: Cell) -> str:
        """Why a cell did not run; "" where it did."""
        seen = self.outcomes.get(cell.id)
        return seen.why if isinstance(seen, NotRun) else "" if seen else "no outcome came back"

    def wire(self) -> Iterator[Cell]:
        """The cells that must cross the wire, by address, whose reply is expected."""
        return (
            c
            for c in self.cells
            if c.relation in WIRE
            and c.by is By.ADDRESS
            and c.expectation.expected is Expected.REPLY
        )

    def passed(self, cell: Cell) -> bool:
        """Did all its replies come, from the right one?"""
        return self.verdict(cell) is Verdict.PASS

    def lost(self, cell: Cell) -> bool:
        """Did it run, and no reply come?"""
        return self.verdict(cell) is Verdict.FAIL and self.observed(cell) is not None

    def trace(self, cell: Cell) -> Trace | None:
        """The way of a cell's frames; a cell by name is told by the one by address."""
        return self.traces.get(cell.id) or self.traces.get(
            f"{cell.scenario}:{cell.source.name}:{cell.target.name}:{By.ADDRESS}"
        )

    def scenario(self, cell: Cell) -> Scenario:
        """The scenario of a cell."""
        return self.topology.scenario(cell.scenario)

    def endpoint(self, scenario: str, name: str) -> Endpoint:
        """The endpoint of that name in a scenario."""
        return next(e for e in self.topology.scenario(scenario).endpoints() if e.name == name)

    def parent(self, scenario: str, host: str) -> str:
        """The link that a scenario's network sits on, on that host."""
        return self.topology.scenario(scenario).parent_on(self.topology.host(host))

    def macs_of_containers(self, host: str) -> frozenset[str]:
        """The MAC addresses of a host's containers."""
        names = {c.name for s in self.topology.scenarios for c in s.containers if c.host == host}
        return frozenset(
            mac.lower() for i in self.identities if i.endpoint in names for mac in i.macs
        )

    def macs_behind(self, host: str) -> frozenset[str]:
        """The MAC addresses of a host and of its containers."""
        own = frozenset(m.lower() for i in self.identities if i.endpoint == host for m in i.macs)
        return own | self.macs_of_containers(host)

    def owners(self) -> dict[str, str]:
        """Whose a MAC address is."""
        return {mac.lower(): i.endpoint for i in self.identities for mac in i.macs}

    def link(self, host: str) -> LinkFact | None:
        """A host's parent as netlink shows it; None where that is not known."""
        parent = self.topology.host(host).parent
        return next((k for k in self.links.get(host, ()) if k.name == parent), None)

    def is_dead(self, host: str) -> bool:
        """Has the host's parent no carrier, or is it set down?"""
        link = self.link(host)
        return link is not None and link.state in (NO_CARRIER, DOWN)

    def touches(self, cell: Cell, host: str, *, container: bool = False) -> bool:
        """Has the cell an end on that host (a container, if asked)?"""
        return any(
            e.host == host and (not container or e.kind is EndpointKind.CONTAINER)
            for e in (cell.source, cell.target)
        )


@lru_cache(maxsize=1)
def _bad(scene: Scene) -> tuple[Cell, ...]:
    """Every rule goes through them, and a healthy run of a large site has none."""
    return tuple(c for c in scene.cells if (v := scene.verdict(c)) and not v.holds)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the cause table: how a fault shows, how it is found, what mends it, who says so.

    ``shows`` and ``fix`` are for the page about causes; ``find`` yields what it finds in a scene.
    """

    name: str
    title: str
    shows: str
    fix: str
    sources: tuple[str, ...]
    find: Callable[[Scene], Iterator[Cause]]
