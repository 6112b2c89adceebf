"""Containers whose addresses are allotted: so many of them from a range of each host.

Written once for a host instead of a line for each container:

    [scenario.allot.dev-master-01]
    range = "192.168.2.32/27"
    containers = 20
    prefix = "web"            # web1, web2, ...; left out: SCENARIO-HOST-1, ...

Each engine hands out addresses of its own and knows nothing of the others', so the ranges of the
hosts must be disjoint. What is taken in the range (the gateway, a host, a container that is written
out) is passed over. The containers that come of it are like those that are written out.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import combinations, islice
from typing import Any

from matrix.site_checks import Fault, read, table_of, tables

MOST = 1000
"""Containers that one host may be allotted."""


def allotted(site: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """The site with these containers written out, and what is wrong with their ranges.

    What has not the right shape is passed over: the check of the shapes says it.
    """
    if not any("allot" in scenario for scenario in tables(site, "scenario")):
        return site, []
    faults: list[Fault] = []
    hosts = [read(IPv4Interface, host.get("address")) for host in tables(site, "host")]
    scenarios = []
    for number, scenario in enumerate(tables(site, "scenario")):
        taken = {address.ip for address in hosts if address is not None}
        taken |= set(_given(scenario))
        containers = {
            name: dict(those) if isinstance(those, dict) else those
            for name, those in table_of(scenario, "containers").items()
        }
        loc = ("scenario", number, "allot")
        ranges: dict[str, IPv4Network] = {}
        for host, wish in table_of(scenario, "allot").items():
            found = read(IPv4Network, wish.get("range")) if isinstance(wish, dict) else None
            count = wish.get("containers") if isinstance(wish, dict) else None
            if found is None or not isinstance(count, int) or isinstance(count, bool):
                continue
            ranges[host] = found
            prefix = wish.get("prefix") or f"{scenario.get('name')}-{host}-"
            # A /8 has sixteen million, and a count that is too large is said elsewhere.
            usable = (a for a in _usable(found, scenario) if a not in taken)
            free = list(islice(usable, min(max(count, 0), MOST)))
            if len(free) < min(count, MOST):
                words = f"{found} has {len(free)} free addresses, not {count}; write a larger range"
                faults.append(((*loc, host, "range"), words))
            mine = containers.setdefault(host, {})
            if isinstance(mine, dict):
                mine |= {f"{prefix}{n}": str(a) for n, a in enumerate(free, start=1)}
            taken |= set(free)
        faults += [((*loc, host, "range"), words) for host, words in _overlaps(ranges, scenario)]
        scenarios.append({**scenario, "containers": containers})
    return {**site, "scenario": scenarios}, faults


def _given(scenario: dict[str, Any]) -> Iterator[IPv4Address]:
    """The addresses that the scenario names."""
    values = [scenario.get("gateway"), *table_of(scenario, "host_addresses").values()]
    for those in table_of(scenario, "containers").values():
        values += those.values() if isinstance(those, dict) else []
    for value in values:
        if (address := read(IPv4Address, value)) is not None:
            yield address


def _usable(found: IPv4Network, scenario: dict[str, Any]) -> Iterator[IPv4Address]:
    """The addresses of a range, without the subnet's own first and last (RFC 919)."""
    subnet = read(IPv4Network, scenario.get("subnet"))
    ends = {subnet.network_address, subnet.broadcast_address} if subnet is not None else set()
    return (address for address in found if address not in ends)


def _overlaps(
    ranges: dict[str, IPv4Network], scenario: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    subnet = read(IPv4Network, scenario.get("subnet"))
    for host, found in ranges.items():
        if subnet is not None and not found.subnet_of(subnet):
            yield host, f"{found} is not inside the subnet {subnet}; write a range inside it"
    for (one, first), (two, second) in combinations(ranges.items(), 2):
        if first.overlaps(second):
            yield (
                two,
                (
                    f"{second} overlaps {first} of {one!r}: two engines would hand out the same "
                    "addresses; write disjoint ranges"
                ),
            )
