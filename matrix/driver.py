"""Docker's network drivers that a scenario may be built with, and what Docker is asked for.

``macvlan`` is what this harness is about. The others are *contrast*: people choose between them, so
the same questions are asked of each, side by side (docs/contrast.md). ``overlay`` is not built: it
needs a swarm, and joining one changes a host's engine far beyond a network (certificates, ports,
ingress and gwbridge networks), which no run of ours may.

Sources: moby daemon/libnetwork/drivers/{macvlan,ipvlan,bridge} (labels.go, ipvlan_setup.go).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

BRIDGE_LINK = "l2mbr0"
"""Name of the bridge that a bridge-driver network of ours is on its host. A site has one of these."""


class Driver(StrEnum):
    """A network driver of Docker's that scenarios are built with."""

    MACVLAN = "macvlan"
    IPVLAN = "ipvlan"
    BRIDGE = "bridge"

    @property
    def on_the_lan(self) -> bool:
        """Do its containers have addresses of the LAN's own, on a parent?"""
        return self is not Driver.BRIDGE

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that we know of it, the usual one first; ``nat`` is no option of Docker's."""
        return _MODES[self]

    @property
    def link_kinds(self) -> tuple[str, ...]:
        """The kinds of links that its networks are made of (rtnetlink(7), IFLA_INFO_KIND)."""
        return _KINDS[self]


_MODES = {
    Driver.MACVLAN: ("bridge", "private", "vepa", "passthru"),
    Driver.IPVLAN: ("l2",),
    Driver.BRIDGE: ("nat",),
}
_KINDS = {
    Driver.MACVLAN: ("macvlan",),
    Driver.IPVLAN: ("ipvlan",),
    Driver.BRIDGE: ("bridge", "veth"),
}


@dataclass(frozen=True, slots=True)
class DockerNetwork:
    """What Docker is asked for on one host: driver, its options, its pool of addresses."""

    driver: Driver
    options: tuple[tuple[str, str], ...]
    subnet: IPv4Network
    gateway: IPv4Address


def docker_network(
    driver: Driver, mode: str, parent: str, subnet: IPv4Network, gateway: IPv4Address
) -> DockerNetwork:
    """The network of that driver. Of the bridge driver ``subnet`` is the host's own, behind it."""
    options: tuple[tuple[str, str], ...]
    match driver:
        case Driver.MACVLAN:
            options = (("parent", parent), ("macvlan_mode", mode))
        case Driver.IPVLAN:
            options = (("parent", parent), ("ipvlan_mode", mode))
        case Driver.BRIDGE:
            options = (("com.docker.network.bridge.name", BRIDGE_LINK),)
    return DockerNetwork(driver, options, subnet, gateway)
