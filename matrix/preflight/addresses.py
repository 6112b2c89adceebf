"""Checks of addresses: the host's own, Docker's pools, the other host's ranges, the wire itself."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from matrix.preflight.look import NetworkSeen, Said, Ward, ok, refuse, warn
from matrix.topology import Scenario


def own(ward: Ward) -> Iterator[Said]:
    """The address that the site gives to the host is on its parent."""
    link, wanted = ward.look.link(ward.host.parent), ward.host.address
    if link is None:
        return
    if str(wanted) in link.addresses:
        yield ok(f"{wanted} is on {link.name}")
        return
    has = ", ".join(link.addresses) or "none"
    yield warn(
        f"{wanted} is not on {link.name}; it has {has}",
        f'write address = "{link.addresses[0]}" in the site file' if link.addresses
        else f"on the host: ip addr add {wanted} dev {link.name}",
        why="the cells of the host itself would ask as somebody else, and do not run",
    )  # fmt: skip


def free_on_host(ward: Ward) -> Iterator[Said]:
    """No address or subnet of a scenario is the host's already, on another link."""
    said: list[Said] = []
    for scenario in ward.scenarios:
        parent = scenario.parent_on(ward.host)
        given = scenario.address_of(ward.host.name)
        containers = {c.address: c.name for c in scenario.containers}
        for link in ward.look.links:
            for text in link.addresses:
                there = _interface(text)
                if there is None:
                    continue
                if name := containers.get(there.ip):
                    said.append(
                        refuse(
                            f"{there.ip}, the address of {name}, is this host's own on {link.name}",
                            f"write another address for {name} in the site file",
                            why="two would answer for it, one of them the way we came in by",
                            scenario=scenario.name,
                        )
                    )
                elif given and there.ip == given.ip and (link.name != parent or there != given):
                    if scenario.segment.vlan is not None:
                        said.append(
                            refuse(
                                f"{there} is on {link.name} already, not on {parent} as {given}",
                                "take it off there, or write another address in the site file",
                                scenario=scenario.name,
                            )
                        )
                elif (
                    link.name not in (parent, "lo")
                    and scenario.segment.vlan is not None
                    and there.network.overlaps(scenario.segment.subnet)
                ):
                    said.append(
                        warn(
                            f"{there} on {link.name} lies in the subnet of {parent}, "
                            f"{scenario.segment.subnet}",
                            "write another subnet for that VLAN, or take that address off",
                            why="two links lead to one subnet; one of them takes the other's traffic",
                            scenario=scenario.name,
                        )
                    )
    yield from said or [ok("free")]


def pools(ward: Ward) -> Iterator[Said]:
    """No Docker network of the host has a pool that overlaps one of ours."""
    docker = ward.look.docker
    if docker is None:
        return
    said: list[Said] = []
    for scenario in ward.scenarios:
        for other in docker.networks:
            if other.ours or other.scope == "swarm" or other.name == scenario.network:
                continue
            for subnet, _ in _pools(other):
                if subnet.overlaps(scenario.subnet_on(ward.host.name)):
                    said.append(
                        refuse(
                            f"the network {other.name!r} has the subnet {subnet}; ours is "
                            f"{scenario.subnet_on(ward.host.name)}",
                            f"remove it, if nobody needs it: docker network rm {other.name}",
                            why='Docker would say "Pool overlaps with other one on this address '
                            'space"',
                            scenario=scenario.name,
                        )
                    )
    yield from said or [ok("no other network has our subnets")]


def disjoint(ward: Ward) -> Iterator[Said]:
    """Docker networks on the LAN of two hosts do not give out the same addresses."""
    if ward.look.docker is None:
        return
    said: list[Said] = []
    for other_host, other in sorted(ward.looks.items()):
        if other_host == ward.host.name or other.docker is None:
            continue
        for mine in _on_the_lan(ward.look.docker.networks):
            for theirs in _on_the_lan(other.docker.networks):
                for subnet, given in _pools(mine):
                    for _, given_there in _pools(theirs):
                        if given.overlaps(given_there):
                            said.append(
                                warn(
                                    f"{mine.name!r} here and {theirs.name!r} on {other_host} both "
                                    f"give out addresses of {max(given, given_there, key=_length)}",
                                    f"make each again with a range of its own in {subnet}: docker "
                                    "network create --ip-range ...",
                                    why="an engine knows its own containers only: both give out the "
                                    "same address (and up to Docker 27 the same MAC address)",
                                )
                            )
    yield from said or [ok("no two engines give out the same addresses")]


def _on_the_lan(networks: tuple[NetworkSeen, ...]) -> list[NetworkSeen]:
    """Networks whose containers have an address on a wire, and that are not ours."""
    return [n for n in networks if n.driver in ("macvlan", "ipvlan") and not n.ours]


def in_use(ward: Ward) -> Iterator[Said]:
    """Nobody on the wire has an address of the site's (RFC 5227), and the gateway is as declared."""
    for scenario in ward.scenarios:
        parent = scenario.parent_on(ward.host)
        if parent not in ward.look.claims:
            words = "asked by the run itself, before a container is started"
            link = ward.look.link(parent)
            where = "" if link is not None else f", once {parent} is there"
            yield ok(f"scenario {scenario.name}: {words}{where}")
            continue
        said = list(_claimed(ward, scenario, ward.look.claims[parent]))
        yield from said or [ok(f"scenario {scenario.name}: nobody answers for them on {parent}")]


def _claimed(ward: Ward, scenario: Scenario, claims: object) -> Iterator[Said]:
    found = dict(claims) if isinstance(claims, dict) else {}
    ours = {
        mac
        for look in ward.looks.values()
        if look.docker is not None
        for container in look.docker.containers
        if container.ours
        for mac in container.macs
    }
    hosts = {link.mac: name for name, look in ward.looks.items() for link in look.links}
    everybodys = sorted({mac for one in ward.look.canaries for mac in found.get(one, ())})
    if everybodys:
        yield warn(
            f"{', '.join(everybodys)} answers ARP for addresses that nobody has",
            "find that machine: proxy ARP on a router, or a hypervisor's own network",
            why="who answers for everybody is taken for everybody; trust only what both ends prove",
            scenario=scenario.name,
        )
    for container in scenario.containers:
        macs = [m for m in found.get(str(container.address), ()) if m not in everybodys]
        if others := [m for m in macs if m not in ours]:
            whose = ", ".join(f"{m} ({hosts[m]})" if m in hosts else m for m in others)
            yield refuse(
                f"{container.address}, the address of {container.name}, is in use: {whose} answers",
                f"find that machine by its MAC address, or write another address for "
                f"{container.name}",
                why="two machines with one address take each other's traffic",
                scenario=scenario.name,
            )
        elif macs:
            yield warn(
                f"{container.address} is held by {container.name} of an earlier run",
                "the next run puts it back; or now: python -m fixtures cleanup",
                scenario=scenario.name,
            )
    gateway, there = scenario.segment.gateway, found.get(str(scenario.segment.gateway), ())
    if scenario.segment.gateway_present and not there:
        yield warn(
            f"the gateway {gateway} answers no ARP",
            "see that it is up; or write gateway_present = false in the site file",
            why="cells that ask it, and those it vouches for, cannot pass",
            scenario=scenario.name,
        )
    if not scenario.segment.gateway_present and there:
        yield warn(
            f"{', '.join(there)} answers for the gateway {gateway}, which the site says is nobody's",
            "write gateway_present = true in the site file, if that is a router",
            scenario=scenario.name,
        )


def to_ask(scenario: Scenario) -> tuple[IPv4Address, ...]:
    """The addresses of a scenario that the wire is asked for."""
    if not scenario.driver.on_the_lan:
        return (scenario.segment.gateway,)
    return (*(c.address for c in scenario.containers), scenario.segment.gateway)


def _pools(network: NetworkSeen) -> list[tuple[IPv4Network, IPv4Network]]:
    """Subnet, and what of it is given out; what is no IPv4 network is left out."""
    found = []
    for subnet, given in network.pools:
        try:
            whole = IPv4Network(subnet, strict=False)
            found.append((whole, IPv4Network(given, strict=False) if given else whole))
        except ValueError:
            continue
    return found


def _interface(text: str) -> IPv4Interface | None:
    try:
        return IPv4Interface(text)
    except ValueError:
        return None


def _length(network: IPv4Network) -> int:
    return network.prefixlen
