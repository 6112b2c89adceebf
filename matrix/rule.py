"""What a row of a rule table is, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matrix.probes import By, Expected, Path, Relation
from matrix.remedies import Remedy
from matrix.topology import Endpoint, Scenario

LINUX_TTL = 64
"""Initial TTL of a Linux network namespace (net.ipv4.ip_default_ttl; RFC 1700)."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that a rule may look at."""

    scenario: Scenario
    source: Endpoint
    target: Endpoint
    by: By
    relation: Relation
    parent: str
    """The link on the source's host that the network sits on."""
    reflected: bool = False
    """Both ends are on one host, and its switch port sends frames back (hairpin)."""

    @property
    def mode(self) -> str:
        """The mode of the scenario's links."""
        return self.scenario.mode

    @property
    def shim(self) -> str:
        """The address of the shim of the source's host, "" where it has none."""
        return str(self.scenario.remedies.shim_of(self.source.host) or "")

    @property
    def deaf(self) -> tuple[str, ...]:
        """Hosts of the two ends whose parent gives every unicast frame to a passthru endpoint."""
        hosts = dict.fromkeys(e.host for e in (self.source, self.target) if e.host)
        return tuple(host for host in hosts if self.scenario.is_deaf(host))


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: when it fits, what comes back, why, and what opens it where it is silence.

    ``remedy`` says it in a sentence, ``how`` names the sections that show every step of it.
    """

    name: str
    fits: Callable[[Situation], bool]
    expected: Expected
    because: str
    ttl: int | None = None
    remedy: str = ""
    how: tuple[Remedy, ...] = ()
    path: Path = Path.SEGMENT
