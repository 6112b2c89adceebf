"""What a run changes on a host, in order, as a person would type it, each change with its undo.

Rule 1: this is the one list. The build walks it (``fixtures.build``), the words of its log and the
journal's records are made here (``fixtures.links``), and ``--plan`` prints it: none can go stale.
Rule 2: a change is what is wanted on a bare host. What is so already is left alone, and is then no
change (``still_to_do``); it is not undone either.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from matrix.driver import Driver
from matrix.preflight.look import Look
from matrix.topology import Container, Host, Scenario, Topology

LABEL = "l2matrix"
ALIVE = ("sleep", "2147483647")
"""What a container of ours does: nothing, for 68 years."""

OWN_ARP = (("arp_ignore", 1), ("arp_announce", 2))
"""Settings of a link that answers ARP for its own addresses alone (ip-sysctl.rst)."""

Command = tuple[str, ...]
"""An argument list, as execve takes it."""


class Kind(StrEnum):
    """What sort of thing a change is about."""

    IMAGE = "image"
    VLAN = "vlan"
    UP = "up"
    PROMISCUOUS = "promiscuous"
    ADDRESS = "address"
    ROUTE = "route"
    NETWORK = "network"
    CONTAINER = "container"
    SHIM = "shim"
    SECOND_NETWORK = "second network"
    CONNECT = "connect"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one host. ``journal`` is its undo as the host's journal holds it.

    ``undo`` is empty for what stays (an image). ``link`` is the link that it is about, or on.
    """

    kind: Kind
    do: tuple[Command, ...]
    undo: tuple[Command, ...]
    link: str = ""
    name: str = ""
    scenario: str = ""
    journal: Mapping[str, object] = field(default_factory=dict)
    container: Container | None = None

    @property
    def typed(self) -> str:
        """Its first command as one line: the words of the run's log."""
        return shlex.join(self.do[0])


def vlan_link(parent: str, name: str, vlan: int) -> Change:
    """Make an 802.1Q sub-interface, and set it up."""
    return Change(
        Kind.VLAN,
        (
            ("ip", "link", "add", "link", parent, "name", name, "type", "vlan", "id", str(vlan)),
            ("ip", "link", "set", name, "up"),
        ),
        (("ip", "link", "del", name),),
        link=name,
        journal={"undo": "link", "link": name, "vlan": vlan, "parent": parent},
    )


def link_up(name: str) -> Change:
    """Set a sub-interface up that is there and down."""
    return Change(
        Kind.UP,
        (("ip", "link", "set", name, "up"),),
        (("ip", "link", "set", name, "down"),),
        link=name,
        journal={"undo": "down", "link": name},
    )


def promiscuous(link: str) -> Change:
    """Set promiscuous mode by hand, as the article does."""
    return Change(
        Kind.PROMISCUOUS,
        (("ip", "link", "set", link, "promisc", "on"),),
        (("ip", "link", "set", link, "promisc", "off"),),
        link=link,
        journal={"undo": "promisc", "link": link},
    )


def address_on(link: str, address: IPv4Interface) -> Change:
    """Give a link an address."""
    broadcast = ("broadcast", str(address.network.broadcast_address))
    return Change(
        Kind.ADDRESS,
        (("ip", "addr", "add", str(address), *broadcast, "dev", link),),
        (("ip", "addr", "del", str(address), "dev", link),),
        link=link,
        name=str(address),
        journal={"undo": "address", "link": link, "address": str(address)},
    )


def default_route(link: str, gateway: str) -> Change:
    """Have the default route by that gateway. A guard on the host puts the old one back, as it was."""
    return Change(
        Kind.ROUTE,
        (("ip", "route", "replace", "default", "via", gateway, "dev", link),),
        (("ip", "route", "replace", "default", "AS-IT-WAS"),),
        link=link,
        name=gateway,
        journal={"undo": "default-route", "link": link, "gateway": gateway},
    )


def shim(parent: str, name: str, address: IPv4Address, containers: Iterable[IPv4Address]) -> Change:
    """Give the host a macvlan link of its own: a /32, and a route to each container of this host.

    Before it is up it is told to answer ARP for its own address alone: else two MAC addresses answer
    for the host's, and others settle on one that goes away again (``matrix.remedies.HOST_SHIM``).
    """
    setting = f"net.ipv4.conf.{name}"
    return Change(
        Kind.SHIM,
        (
            ("ip", "link", "add", name, "link", parent, "type", "macvlan", "mode", "bridge"),
            *(("sysctl", "-w", f"{setting}.{key}={value}") for key, value in OWN_ARP),
            ("ip", "addr", "add", f"{address}/32", "dev", name),
            ("ip", "link", "set", name, "up"),
            *(("ip", "route", "add", f"{one}/32", "dev", name) for one in containers),
        ),
        (("ip", "link", "del", name),),
        link=name,
        name=str(address),
        journal={"undo": "shim", "link": name, "parent": parent},
    )


def _second_network(scenario: Scenario, subnet: IPv4Network) -> Change:
    name, link = scenario.second_network, scenario.second_link
    return Change(
        Kind.SECOND_NETWORK,
        (
            (
                *("docker", "network", "create", "--driver", "bridge", "--internal"),
                *("--opt", f"com.docker.network.bridge.name={link}"),
                *("--subnet", str(subnet), "--gateway", str(subnet.network_address + 1)),
                *("--label", f"{LABEL}={scenario.name}", name),
            ),
        ),
        (("docker", "network", "rm", name),),
        link=link,
        name=name,
        scenario=scenario.name,
    )


def _connect(scenario: Scenario, one: Container, address: IPv4Address) -> Change:
    name = scenario.second_network
    return Change(
        Kind.CONNECT,
        (("docker", "network", "connect", "--ip", str(address), name, one.name),),
        (("docker", "network", "disconnect", name, one.name),),
        link=scenario.second_link,
        name=one.name,
        scenario=scenario.name,
        container=one,
    )


def changes(topology: Topology, scenario: Scenario, host: Host) -> tuple[Change, ...]:
    """Everything that a scenario needs on a host that has none of it, in the order of building."""
    return tuple(_changes(topology, scenario, host))


def _changes(topology: Topology, scenario: Scenario, host: Host) -> Iterator[Change]:
    parent, segment = scenario.parent_on(host), scenario.segment
    yield Change(Kind.IMAGE, (("docker", "pull", topology.image),), (), name=topology.image)
    if segment.vlan is not None:
        yield vlan_link(host.parent, parent, segment.vlan)
    if scenario.driver is Driver.MACVLAN:
        # An ipvlan endpoint has the parent's own MAC address, and what is behind a bridge is not there.
        yield promiscuous(parent)
    address = scenario.address_of(host.name)
    if address is not None and segment.vlan is not None:
        yield address_on(parent, address)
    if (own := scenario.remedies.shim_of(host.name)) is not None:
        there = (one.address for one in scenario.containers_on(host.name))
        yield shim(parent, scenario.shim_link, own, there)
    if scenario.replace_default_route:
        yield default_route(parent, str(segment.gateway))
    label = ("--label", f"{LABEL}={scenario.name}")
    made = scenario.docker_network(host)
    options = (("--opt", f"{key}={value}") for key, value in made.options)
    yield Change(
        Kind.NETWORK,
        (
            (
                *("docker", "network", "create", "--driver", str(made.driver)),
                *(word for option in options for word in option),
                *("--subnet", str(made.subnet), "--gateway", str(made.gateway)),
                *(*label, scenario.network),
            ),
        ),
        (("docker", "network", "rm", scenario.network),),
        link=parent,
        name=scenario.network,
        scenario=scenario.name,
    )
    subnet = scenario.remedies.second_of(host.name)
    if subnet is not None:
        yield _second_network(scenario, subnet)
    for number, one in enumerate(scenario.containers_on(host.name), 2):
        names = (("--add-host", f"{n}:{a}") for n, a in added_names(scenario, host.name))
        server = scenario.remedies.name_server
        yield Change(
            Kind.CONTAINER,
            (
                (
                    *("docker", "run", "--detach", "--name", one.name),
                    *("--network", scenario.network, "--ip", str(one.address)),
                    *(word for words in names for word in words),
                    *(("--dns", str(server)) if server is not None else ()),
                    *(*label, topology.image, *ALIVE),
                ),
            ),
            (("docker", "rm", "--force", "--volumes", one.name),),
            link=parent,
            name=one.name,
            scenario=scenario.name,
            container=one,
        )
        if subnet is not None:
            yield _connect(scenario, one, subnet.network_address + number)


def added_names(scenario: Scenario, host: str) -> tuple[tuple[str, IPv4Address], ...]:
    """Name and address of every container on other hosts, where the site adds them (--add-host)."""
    if not scenario.remedies.add_host:
        return ()
    return tuple((one.name, one.address) for one in scenario.containers if one.host != host)


def still_to_do(wanted: Iterable[Change], look: Look | None) -> tuple[Change, ...]:
    """Those that a host still needs, each once; all of them where it was not looked at."""
    done: set[tuple[Kind, str, str]] = set()
    found: list[Change] = []
    for change in wanted:
        key = (change.kind, change.link, change.name)
        needed = change if look is None else _needed(change, look)
        if needed is not None and key not in done:
            found.append(needed)
        done.add(key)
    return tuple(found)


def _needed(change: Change, look: Look) -> Change | None:
    link = look.link(change.link)
    match change.kind:
        case Kind.IMAGE:
            return None if look.docker is not None and look.docker.image else change
        case Kind.VLAN if link is not None:
            return None if link.up else link_up(change.link)
        case Kind.PROMISCUOUS if link is not None:
            return None if link.promisc else change
        case Kind.ADDRESS if link is not None:
            return None if change.name in link.addresses else change
    return change
