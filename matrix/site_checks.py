"""Faults that show only when the values of a site file are compared with each other.

Works on the raw TOML values, and passes over what it cannot read (pydantic has said that
already), so that every clash is found in one go. Each rule names what would go wrong on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any, TypeVar

from matrix.toml_lines import Path as Loc
from matrix.topology import IFNAMSIZ

Fault = tuple[Loc, str]
T = TypeVar("T")


def cross_checks(site: dict[str, Any]) -> Iterator[Fault]:
    """Every clash between values of the site, as (path of the key, words)."""
    hosts = tables(site, "host")
    scenarios = tables(site, "scenario")
    yield from _names(hosts, scenarios)
    yield from _host_addresses(hosts)
    yield from _parents(hosts, scenarios)
    yield from _subnets(scenarios)
    yield from _passthru(hosts, scenarios)
    spare = table_of(site, "parent").get("spare_vlan")
    if isinstance(spare, int) and spare in [s.get("vlan") for s in scenarios]:
        yield ("parent", "spare_vlan"), f"VLAN {spare} is a scenario's; write an id that none uses"
    yield from _routed(table_of(site, "isolation"), scenarios)
    yield from _default_routes(hosts, scenarios)
    for number, scenario in enumerate(scenarios):
        yield from _scenario(("scenario", number), scenario, hosts)


def _names(hosts: list[dict[str, Any]], scenarios: list[dict[str, Any]]) -> Iterator[Fault]:
    """Names stand in cell ids and in DNS: one name, one thing."""
    taken: dict[str, str] = {"gateway": "the name of the gateway in every scenario"}
    for number, host in enumerate(hosts):
        yield from _claim(taken, host.get("name"), ("host", number, "name"), "a host")
    for number, scenario in enumerate(scenarios):
        for host_name, containers in table_of(scenario, "containers").items():
            for name in containers if isinstance(containers, dict) else ():
                where: Loc = ("scenario", number, "containers", host_name, name)
                yield from _claim(taken, name, where, "a container")
    for key in ("name", "network"):
        seen: dict[str, str] = {}
        for number, scenario in enumerate(scenarios):
            where = ("scenario", number, key)
            yield from _claim(seen, scenario.get(key), where, f"a scenario's {key}")


def _claim(taken: dict[str, str], name: object, loc: Loc, what: str) -> Iterator[Fault]:
    if not isinstance(name, str):
        return
    if name in taken:
        yield loc, f"{name!r} is taken already ({taken[name]}); write another name"
    else:
        taken[name] = what


def _host_addresses(hosts: list[dict[str, Any]]) -> Iterator[Fault]:
    seen: dict[IPv4Address, str] = {}
    for number, host in enumerate(hosts):
        address = read(IPv4Interface, host.get("address"))
        if address is None:
            continue
        if address.ip in seen:
            loc = ("host", number, "address")
            yield loc, f"{address.ip} is {seen[address.ip]}'s already; write this host's own"
        seen.setdefault(address.ip, str(host.get("name")))


def _parents(hosts: list[dict[str, Any]], scenarios: list[dict[str, Any]]) -> Iterator[Fault]:
    """The sub-interface's name, and addresses that two scenarios of one parent share.

    Those are built one after the other; a machine that is not ours would remember the first one's MAC
    address, and send the second one's replies there.
    """
    seen: dict[tuple[object, object], tuple[object, str]] = {}
    for number, scenario in enumerate(scenarios):
        vlan = scenario.get("vlan")
        if not isinstance(vlan, int | None):
            continue
        for host_name, containers in table_of(scenario, "containers").items():
            for name, address in containers.items() if isinstance(containers, dict) else ():
                if not isinstance(address, str):
                    continue  # said already
                where: Loc = ("scenario", number, "containers", host_name, name)
                first = seen.setdefault((str(vlan), address), (scenario.get("name"), name))
                if first[0] != scenario.get("name"):
                    words = (
                        f"{address} is the address of container {first[1]!r} of scenario "
                        f"{first[0]!r} on the same segment, and others there may remember its MAC "
                        "address; write another"
                    )
                    yield where, words
        for host_number, host in enumerate(hosts):
            link = f"{host.get('parent')}.{vlan}"
            if isinstance(vlan, int) and len(link) > IFNAMSIZ:
                words = (
                    f"the sub-interface {link!r} has {len(link)} characters, Linux takes "
                    f"{IFNAMSIZ}; give the NIC a shorter name"
                )
                yield ("host", host_number, "parent"), words


def _subnets(scenarios: list[dict[str, Any]]) -> Iterator[Fault]:
    """Docker's IPAM refuses it ("Pool overlaps"), and a route could not tell them apart.

    Scenarios of one parent never stand at the same time; they share a segment, so its subnet, too.
    """
    seen: list[tuple[IPv4Network, str, object]] = []
    for number, scenario in enumerate(scenarios):
        subnet = read(IPv4Network, scenario.get("subnet"))
        if subnet is None or scenario.get("driver") == "bridge":
            continue  # what Docker gets there is another: matrix.site_drivers
        for other, name, vlan in seen:
            if subnet.overlaps(other) and not (subnet == other and scenario.get("vlan") == vlan):
                yield (
                    ("scenario", number, "subnet"),
                    f"{subnet} overlaps {other} of scenario {name!r}; write another subnet",
                )
        seen.append((subnet, str(scenario.get("name")), scenario.get("vlan")))


def _routed(isolation: dict[str, Any], scenarios: list[dict[str, Any]]) -> Iterator[Fault]:
    """A router is reached by the gateways of its segments, so these must be there."""
    by_name = {str(s.get("name")): s for s in scenarios}
    names = isolation.get("routed")
    for place, name in enumerate(map(str, names) if isinstance(names, list) else ()):
        loc: Loc = ("isolation", "routed", place)
        if name not in by_name:
            yield loc, f"{name!r} is no scenario; scenarios are {', '.join(by_name) or 'none'}"
        elif by_name[name].get("gateway_present") is False:
            yield (
                loc,
                f"{name!r} has gateway_present = false, so no router; write true, or leave it out",
            )
        elif by_name[name].get("internal") is True:
            yield loc, f"{name!r} is internal, so without a default route; leave it out"


def _passthru(hosts: list[dict[str, Any]], scenarios: list[dict[str, Any]]) -> Iterator[Fault]:
    """The kernel takes one passthru endpoint a parent (``macvlan_common_newlink``: EINVAL)."""
    reflecting = {str(h.get("name")): n for n, h in enumerate(hosts) if h.get("hairpin") is True}
    for number, scenario in enumerate(scenarios):
        if scenario.get("mode") != "passthru":
            continue
        for host, containers in table_of(scenario, "containers").items():
            loc: Loc = ("scenario", number, "containers", host)
            if isinstance(containers, dict) and len(containers) > 1:
                words = f"mode passthru takes one container a host, here are {len(containers)}; "
                yield loc, words + 'leave one, or write mode = "bridge"'
            if host in reflecting and containers:
                words = f"{host}'s port reflects (hairpin = true), and what passthru does there is "
                yield loc, words + "in none of our rules; put the container on another host"


def _default_routes(
    hosts: list[dict[str, Any]], scenarios: list[dict[str, Any]]
) -> Iterator[Fault]:
    """A host has one default route, and reaches a gateway only from an address beside it."""
    taken = ""
    for number, scenario in enumerate(scenarios):
        if scenario.get("replace_default_route") is not True:
            continue
        loc: Loc = ("scenario", number, "replace_default_route")
        if taken:
            yield loc, f"scenario {taken!r} replaces the default route already; one scenario may"
        taken = taken or str(scenario.get("name"))
        if scenario.get("vlan") is None:
            words = (
                "is for a scenario with a VLAN: the default route then goes by the VLAN's gateway; "
                "write a vlan, or leave this line out"
            )
            yield loc, words
            continue
        given = table_of(scenario, "host_addresses")
        without = [str(h.get("name")) for h in hosts if h.get("name") not in given]
        if without:
            words = (
                f"{', '.join(without)} has no address in this scenario, and so no way to its "
                "gateway; write one for each host below [scenario.host_addresses]"
            )
            yield loc, words


def _scenario(loc: Loc, scenario: dict[str, Any], hosts: list[dict[str, Any]]) -> Iterator[Fault]:
    subnet = read(IPv4Network, scenario.get("subnet"))
    gateway = read(IPv4Address, scenario.get("gateway"))
    known = [str(host.get("name")) for host in hosts]
    owners: dict[IPv4Address, str] = {}
    if gateway is not None:
        yield from _place(owners, gateway, "the gateway", subnet, (*loc, "gateway"))
    given = table_of(scenario, "host_addresses")
    for name, value in given.items():
        where = (*loc, "host_addresses", name)
        yield from _known(name, known, where)
        if (address := read(IPv4Address, value)) is not None:
            yield from _place(owners, address, f"host {name!r}", subnet, where)
    if scenario.get("vlan") is None:
        for number, host in enumerate(hosts):
            own = read(IPv4Interface, host.get("address"))
            if own is not None and str(host.get("name")) not in given:
                where = ("host", number, "address")
                yield from _place(owners, own.ip, f"host {host.get('name')!r}", subnet, where)
    behind = scenario.get("driver") == "bridge"
    for host_name, containers in table_of(scenario, "containers").items():
        yield from _known(host_name, known, (*loc, "containers", host_name))
        if not isinstance(containers, dict):
            continue
        if behind:
            subnet = read(IPv4Network, table_of(scenario, "host_subnets").get(host_name))
            owners = _bridge_of(host_name, subnet)
        for name, value in containers.items():
            if (address := read(IPv4Address, value)) is not None:
                where = (*loc, "containers", host_name, name)
                yield from _place(owners, address, f"container {name!r}", subnet, where)


def _bridge_of(host: str, subnet: IPv4Network | None) -> dict[IPv4Address, str]:
    """The addresses that are taken in a host's own subnet: its bridge has the first."""
    return {} if subnet is None else {subnet.network_address + 1: f"the bridge of {host!r}"}


def _known(name: str, known: list[str], loc: Loc) -> Iterator[Fault]:
    if name not in known:
        yield loc, f"{name!r} is no host of this site; hosts are {', '.join(known) or 'none'}"


def _place(
    owners: dict[IPv4Address, str],
    address: IPv4Address,
    who: str,
    subnet: IPv4Network | None,
    loc: Loc,
) -> Iterator[Fault]:
    """One address, one owner, inside the subnet and usable there."""
    if subnet is not None:
        if address not in subnet:
            yield loc, f"{address} is outside the subnet {subnet}; write an address inside it"
        elif subnet.num_addresses > 2 and address in (  # noqa: PLR2004  RFC 3021: /31 has neither
            subnet.network_address,
            subnet.broadcast_address,
        ):
            yield loc, f"{address} is the network or broadcast address of {subnet}; write another"
    if address in owners:
        yield loc, f"{address} is the address of {owners[address]} already; write a free one"
    owners.setdefault(address, who)


def read(kind: Callable[[str], T], value: object) -> T | None:
    """The value as ``kind`` reads it; None where it is no such thing."""
    if not isinstance(value, str):
        return None
    try:
        return kind(value)
    except ValueError:
        return None


def tables(site: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The tables of an array of tables, an empty one for each entry that is none."""
    found = site.get(key)
    return [t if isinstance(t, dict) else {} for t in found] if isinstance(found, list) else []


def table_of(table: dict[str, Any], key: str) -> dict[str, Any]:
    """The table under a key; an empty one where there is none."""
    found = table.get(key)
    return found if isinstance(found, dict) else {}
