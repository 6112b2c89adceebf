"""What was measured on a host before a run, and what a check says of it. Values only.

``Look`` is made of an agent's answer by ``fixtures.doctor``; a part that could not be read is None
and named in ``failed``. What the parts mean is in ``fixtures.agent.preflight``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from matrix.topology import Host, Scenario, Topology


class Level(StrEnum):
    """How bad a finding is. A refusal means that the run cannot work there, or would do harm."""

    OK = "ok"
    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Said:
    """What a check says of one host: what is so, and what to do.

    ``scenario`` names the one scenario that it stops; "" where it is about the host as a whole.
    ``why`` is "" where the check's own reason says it.
    """

    level: Level
    what: str
    fix: str = ""
    scenario: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's: which check, on which host, and all of what it says."""

    check: str
    host: str
    level: Level
    what: str
    why: str
    fix: str
    scenario: str = ""


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """A link as the kernel tells of it. ``link`` and ``master`` are indexes, 0 for none."""

    index: int
    name: str
    ethernet: bool
    mac: str
    up: bool
    carrier: bool
    kind: str
    port_of: str
    master: int
    link: int
    vlan: int | None
    mode: str
    promisc: bool
    alias: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NetworkSeen:
    """A Docker network. ``pools`` are pairs of a subnet and a range in it, "" for none."""

    name: str
    driver: str
    scope: str
    parent: str
    mode: str
    ours: bool
    pools: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ContainerSeen:
    """A container of any state."""

    names: tuple[str, ...]
    ours: bool
    macs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DockerSeen:
    """A Docker engine. ``drivers``: the network drivers that it has, empty where it does not say."""

    version: str
    api: str
    rootless: bool
    image: bool
    networks: tuple[NetworkSeen, ...]
    containers: tuple[ContainerSeen, ...]
    drivers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """One host, measured. ``offset_s``: its clock less ours, known to within ``offset_within_s``.

    ``claims``: by link and address, the MAC addresses that answered ARP; links that were not asked
    are not in it. ``canaries``: those of the addresses asked for that nobody should have.
    ``kinds``: of each kind of link that the site's drivers need, whether the kernel has it (there,
    loadable, missing, blocked, unknown), and its own words.
    ``holder``: who holds the host's lease, in words, "" for nobody (or for us).
    """

    kernel: str
    python: str
    user: str = ""
    offset_s: float = 0.0
    offset_within_s: float = 0.0
    capabilities: int | None = None
    modules: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    vlan_helper: bool = False
    links: tuple[LinkSeen, ...] = ()
    wireless: bool = False
    virtual_function: bool = False
    driver: str = ""
    neighbour_limit: int = 0
    memory_bytes: int | None = None
    run_free_bytes: int | None = None
    machine: Mapping[str, str] = field(default_factory=dict)
    docker: DockerSeen | None = None
    docker_channel: str = ""
    claims: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    canaries: tuple[str, ...] = ()
    journal: int = 0
    holder: str = ""
    failed: Mapping[str, str] = field(default_factory=dict)

    def link(self, name: str) -> LinkSeen | None:
        """A link by its name."""
        return next((one for one in self.links if one.name == name), None)

    def name_of(self, index: int) -> str:
        """The name of a link by its index, "" where it is in another namespace or there is none."""
        return next((one.name for one in self.links if index and one.index == index), "")


@dataclass(frozen=True, slots=True)
class Ward:
    """What a check is about: one host of a site, what was seen of it, and of the others."""

    topology: Topology
    scenarios: tuple[Scenario, ...]
    host: Host
    look: Look
    looks: Mapping[str, Look]

    def vlans(self) -> tuple[Scenario, ...]:
        """Those that sit on an 802.1Q sub-interface."""
        return tuple(s for s in self.scenarios if s.segment.vlan is not None)


def ok(what: str) -> Said:
    """All is well."""
    return Said(Level.OK, what)


def warn(what: str, fix: str, *, why: str = "", scenario: str = "") -> Said:
    """The run works, or may; somebody should know."""
    return Said(Level.WARN, what, fix, scenario, why)


def refuse(what: str, fix: str, *, why: str = "", scenario: str = "") -> Said:
    """The run cannot work there, or would do harm."""
    return Said(Level.REFUSE, what, fix, scenario, why)
