"""What can be wrong with the IPv6 networks of a site file, by comparing its values with each other.

Rule: as in ``matrix.site_checks``, on whatever could be read. Containers get their IPv6 address from
their IPv4 address (``Scenario.address6``), so there is nothing to compare about those but room for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Any

from matrix.site_checks import Fault, read, tables

MOST_BITS = 96
"""Longest prefix: the last 32 bits are a container's IPv4 address."""


def ipv6_checks(site: dict[str, Any]) -> Iterator[Fault]:
    """Faults of ``subnet6`` and ``gateway6`` of every scenario, with their places."""
    seen: list[tuple[IPv6Network, str]] = []
    for number, scenario in enumerate(tables(site, "scenario")):
        here = ("scenario", number)
        subnet = read(IPv6Network, scenario.get("subnet6"))
        gateway = read(IPv6Address, scenario.get("gateway6"))
        if gateway is not None and "subnet6" not in scenario:
            yield (
                (*here, "gateway6"),
                'has no network; write subnet6, such as subnet6 = "fd00:2::/64"',
            )
        if subnet is None:
            continue
        if subnet.prefixlen > MOST_BITS:
            words = f"{subnet} has no room for IPv4 addresses in its last 32 bits; write a /{MOST_BITS} "
            yield (*here, "subnet6"), f"{words}or larger, such as a /64"
        for other, name in seen:
            if subnet.overlaps(other):
                words = f"{subnet} overlaps {other} of scenario {name!r}; write another network"
                yield (*here, "subnet6"), words
        seen.append((subnet, str(scenario.get("name"))))
        if gateway is not None and gateway not in subnet:
            yield (*here, "gateway6"), f"{gateway} is outside {subnet}; write an address inside it"
        elif gateway is not None and int(gateway) - int(subnet.network_address) in _given(scenario):
            yield (*here, "gateway6"), f"{gateway} is a container's; write another address"


def _given(scenario: dict[str, Any]) -> set[int]:
    """The IPv4 addresses of the scenario's containers, as numbers."""
    containers = scenario.get("containers")
    found: set[int] = set()
    for on_host in containers.values() if isinstance(containers, dict) else ():
        for value in on_host.values() if isinstance(on_host, dict) else ():
            if (address := read(IPv4Address, value)) is not None:
                found.add(int(address))
    return found
