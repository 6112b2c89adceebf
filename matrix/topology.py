"""What is declared: hosts, segments, containers and scenarios. Values only; no I/O, no clock.

Rule of this file: a value that exists is a valid one. A site file is read into these by
``matrix.site``; everything that could be wrong with it was said there.

A *segment* is one broadcast domain with its subnet: the NIC's own LAN (``vlan`` is None) or one
802.1Q VLAN on it. A *scenario* is one macvlan network on one segment, on every host, with its
containers; or, for contrast, one of another driver (``matrix.driver``). The *parent* is the link a
macvlan network sits on: the NIC, or its sub-interface.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network

from matrix.driver import DockerNetwork, Driver, docker_network
from matrix.events import LifecycleEvent

IFNAMSIZ = 15
"""Longest name of a Linux link, in characters (linux/if.h: IFNAMSIZ less the closing NUL)."""


class EndpointKind(StrEnum):
    """What an endpoint is; decides who can be made to send and who can be listened to."""

    CONTAINER = "container"
    HOST = "host"
    GATEWAY = "gateway"


class Probe(StrEnum):
    """What is asked of a pair: an ICMP echo, or one of the other kinds. See ``docs/protocols.md``."""

    ICMP = "icmp"
    TCP = "tcp"
    UDP = "udp"
    MTU = "mtu"
    BROADCAST = "broadcast"
    MULTICAST = "multicast"
    IPV6 = "ipv6"
    IPV6_NAME = "ipv6-name"


ETHERNET_MTU = 1500
"""Longest IP packet of an Ethernet without jumbo frames (IEEE 802.3; RFC 894), in bytes."""


@dataclass(frozen=True, slots=True)
class Host:
    """A Docker host: its alias in the OpenSSH configuration, its NIC, its own LAN address.

    ``hairpin``: its switch port sends frames back out of the port they came in by (reflective
    relay, IEEE 802.1Qbg).
    """

    name: str
    parent: str
    address: IPv4Interface
    hairpin: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """One broadcast domain. ``gateway_present`` says whether a router really owns ``gateway``."""

    subnet: IPv4Network
    gateway: IPv4Address
    gateway_present: bool
    vlan: int | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """A container that we make, on one host, with a fixed address."""

    name: str
    host: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Somebody who sends or answers: a container, a host or the gateway of a segment.

    ``host`` is the machine it lives on; "" for the gateway, which is not ours. Where a remedy gives one
    of ours an address more, that is an endpoint too: ``of`` names its owner, ``opened_by`` the remedy.
    """

    name: str
    kind: EndpointKind
    host: str
    address: IPv4Address
    of: str = ""
    opened_by: str = ""


HOST_SHIM, SECOND_NETWORK = "host-shim", "second-network"
"""Remedies that give an endpoint an address more, as ``Endpoint.opened_by`` names them."""


@dataclass(frozen=True, slots=True)
class Remedies:
    """What a scenario is built with to open what is blocked by design. See ``docs/remedies-run.md``.

    ``host_shims``: the address of a macvlan link of the host's own, by host. ``second_networks``: the
    subnet of a bridge-driver network on which a host and its containers meet, by host; the host has
    the first address there, the containers those that follow. ``add_host``: every container is told
    the names of all on other hosts. ``name_server``: every container asks it for names.
    """

    host_shims: tuple[tuple[str, IPv4Address], ...] = ()
    second_networks: tuple[tuple[str, IPv4Network], ...] = ()
    add_host: bool = False
    name_server: IPv4Address | None = None

    def shim_of(self, host: str) -> IPv4Address | None:
        """The address of the host's shim, None where it has none."""
        return dict(self.host_shims).get(host)

    def second_of(self, host: str) -> IPv4Network | None:
        """The subnet of the host's second network, None where it has none."""
        return dict(self.second_networks).get(host)

    def __bool__(self) -> bool:
        return self != Remedies()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One network on one segment, on every host of the site.

    ``mode`` is the mode of its links: of driver macvlan private, vepa, bridge or passthru.
    ``host_addresses`` maps a host's name to its own address on the segment; a host that has none
    takes no part in the scenario's cells. ``internal``: the network is made with ``--internal``,
    so that Docker gives its containers no default route. ``replace_default_route``: while the
    scenario stands, the hosts' default route is via its gateway. ``host_subnets``: of the bridge
    driver, whose containers are behind their host, each host's own subnet; ``segment`` is then the
    LAN that the hosts are on.
    """

    name: str
    network: str
    mode: str
    segment: Segment
    containers: tuple[Container, ...]
    host_addresses: tuple[tuple[str, IPv4Interface], ...]
    replace_default_route: bool = False
    internal: bool = False
    mtu: int = ETHERNET_MTU
    """The longest IP packet that must pass everywhere on the segment, in bytes."""
    subnet6: IPv6Network | None = None
    gateway6: IPv6Address | None = None
    remedies: Remedies = Remedies()
    driver: Driver = Driver.MACVLAN
    host_subnets: tuple[tuple[str, IPv4Network], ...] = ()

    def address6(self, address: IPv4Address) -> IPv6Address | None:
        """The IPv6 address that a container with this IPv4 address gets; None on an IPv4 network.

        The last 32 bits are the IPv4 address: fd00:2::c0a8:2dc for 192.168.2.220.
        """
        if self.subnet6 is None:
            return None
        return self.subnet6.network_address + int(address)

    @property
    def kind(self) -> str:
        """``vlan``, ``bridge`` or ``contrast``: the pytest marker of the scenario's cells."""
        if self.driver is not Driver.MACVLAN:
            return "contrast"
        return "bridge" if self.segment.vlan is None else "vlan"

    def parent_on(self, host: Host) -> str:
        """Name of the link that the macvlan network sits on, on that host."""
        if self.segment.vlan is None:
            return host.parent
        return f"{host.parent}.{self.segment.vlan}"

    def subnet_on(self, host: str) -> IPv4Network:
        """The subnet of its containers on that host: the segment's, or the host's own behind it."""
        return dict(self.host_subnets).get(host, self.segment.subnet)

    def gateway_on(self, host: str) -> IPv4Address:
        """Where its containers on that host send what is for others: a router, or the host's bridge."""
        own = dict(self.host_subnets).get(host)
        return self.segment.gateway if own is None else own.network_address + 1

    def docker_network(self, host: Host) -> DockerNetwork:
        """What Docker is asked for on that host."""
        subnet, gateway = self.subnet_on(host.name), self.gateway_on(host.name)
        return docker_network(self.driver, self.mode, self.parent_on(host), subnet, gateway)

    @property
    def shim_link(self) -> str:
        """Name of the host's own macvlan link, where the site has a shim."""
        return f"l2mshim{self.segment.vlan or 0}"

    @property
    def second_network(self) -> str:
        """Docker's name of the second network, where the site has one."""
        return f"{self.network}-host"

    @property
    def second_link(self) -> str:
        """Name of the bridge that the second network is on its host."""
        return f"l2mhost{self.segment.vlan or 0}"

    def is_deaf(self, host: str) -> bool:
        """Does a passthru endpoint of this scenario take all unicast frames of that host's parent?"""
        return self.mode == "passthru" and bool(self.containers_on(host))

    def address_of(self, host: str) -> IPv4Interface | None:
        """The host's own address on this segment, None where it has none."""
        return dict(self.host_addresses).get(host)

    def containers_on(self, host: str) -> tuple[Container, ...]:
        """The scenario's containers on one host, in the order of the site file."""
        return tuple(c for c in self.containers if c.host == host)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Everybody in the scenario: containers, hosts, what remedies add, and last the gateway."""
        return (
            *(Endpoint(c.name, EndpointKind.CONTAINER, c.host, c.address) for c in self.containers),
            *(Endpoint(n, EndpointKind.HOST, n, a.ip) for n, a in self.host_addresses),
            *self._second_addresses(),
            Endpoint("gateway", EndpointKind.GATEWAY, "", self.segment.gateway),
        )

    def _second_addresses(self) -> Iterator[Endpoint]:
        for host, address in self.remedies.host_shims:
            yield Endpoint(f"{host}.shim", EndpointKind.HOST, host, address, host, HOST_SHIM)
        for host, subnet in self.remedies.second_networks:
            own, kind = subnet.network_address + 1, EndpointKind.HOST
            yield Endpoint(f"{host}.second", kind, host, own, host, SECOND_NETWORK)
            kind = EndpointKind.CONTAINER
            for number, one in enumerate(self.containers_on(host), 1):
                name = f"{one.name}.second"
                yield Endpoint(name, kind, host, own + number, one.name, SECOND_NETWORK)


@dataclass(frozen=True, slots=True)
class Isolation:
    """Segments are to be proven apart: every container asks those of the other segments, too.

    ``routed`` are the scenarios whose gateways are one router that forwards between them.
    """

    routed: tuple[str, ...] = ()

    def routes(self, one: str, other: str) -> bool:
        """Does the declared router forward from one scenario's segment to the other's?"""
        return one in self.routed and other in self.routed


@dataclass(frozen=True, slots=True)
class ParentRule:
    """Every engine is asked what it says to a parent. ``spare_vlan`` is an id that nobody uses."""

    spare_vlan: int


@dataclass(frozen=True, slots=True)
class Timing:
    """How long and how often we ask. Seconds, and numbers of echo requests.

    ``name_deadline_s`` bounds one look-up. It matters only where a name server never answers; an
    engine that forwards an unknown name to dead upstream servers needs 4 s for each to give up.
    """

    echoes: int = 3
    reply_deadline_s: float = 1.0
    name_deadline_s: float = 5.0

    def times(self, factor: float) -> Timing:
        """The same with every deadline that many times as long."""
        return replace(
            self,
            reply_deadline_s=self.reply_deadline_s * factor,
            name_deadline_s=self.name_deadline_s * factor,
        )


@dataclass(frozen=True, slots=True)
class Override:
    """The site's word that some cells do otherwise than the physics says, until a date.

    ``cells`` is a cell id, or a pattern of ids with ``*``; ``expect`` a value of
    ``matrix.probes.Expected``; ``until`` the last day it holds (UTC); ``line`` its place in the
    site file.
    """

    cells: str
    expect: str
    ticket: str
    until: date
    because: str
    line: int


@dataclass(frozen=True, slots=True)
class Topology:
    """The whole site as declared.

    ``embedded_lab``: the hosts are those of the lab that ``python -m fixtures.lab`` makes.
    ``allow_engine_restart``: dockerd may be restarted on hosts that are no lab's.
    """

    hosts: tuple[Host, ...]
    scenarios: tuple[Scenario, ...]
    image: str = "busybox:latest"
    timing: Timing = Timing()
    embedded_lab: bool = False
    overrides: tuple[Override, ...] = ()
    isolation: Isolation | None = None
    parent_rule: ParentRule | None = None
    probes: tuple[Probe, ...] = (Probe.ICMP,)
    lifecycle: tuple[LifecycleEvent, ...] = ()
    allow_engine_restart: bool = False

    def host(self, name: str) -> Host:
        """The host of that name. Raises KeyError for a name that the site does not have."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    def scenario(self, name: str) -> Scenario:
        """The scenario of that name. Raises KeyError for a name that the site does not have."""
        for scenario in self.scenarios:
            if scenario.name == name:
                return scenario
        raise KeyError(name)
