"""Faults of scenarios with another driver than macvlan: what does not go together, and why.

Rule: a combination that no row of our rules speaks of is refused where it is written, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from matrix.driver import Driver
from matrix.site_checks import Fault, read, table_of, tables
from matrix.toml_lines import Path as Loc

NO_OVERLAY = (
    "'overlay' is not built: it needs a swarm, and joining one changes a host's engine far beyond a "
    'network, which no run may; write driver = "macvlan", "ipvlan" or "bridge"'
)
_NOT_WITH = ("vlan", "replace_default_route", "internal", "subnet6", "gateway6", "remedies")
_WHOLE_SITE = ("isolation", "lifecycle")
_OTHERS = frozenset(("ipvlan", "bridge"))


def driver_checks(site: dict[str, Any]) -> Iterator[Fault]:
    """Every such fault, as (path of the key, words)."""
    hosts = {str(h.get("name")): h for h in tables(site, "host")}
    bridges = [n for n, s in enumerate(tables(site, "scenario")) if s.get("driver") == "bridge"]
    for number in bridges[1:]:
        yield (
            ("scenario", number, "driver"),
            (
                "a site takes one scenario of driver bridge, since its bridge has one name; leave one"
            ),
        )
    for number, scenario in enumerate(tables(site, "scenario")):
        loc: Loc = ("scenario", number)
        yield from _mode(loc, scenario)
        yield from _subnets(loc, scenario, list(hosts))
        driver = scenario.get("driver")
        if driver not in _OTHERS:
            continue
        for key in _NOT_WITH:
            if scenario.get(key):
                yield (
                    (*loc, key),
                    f"is for driver macvlan; of {driver} we have no rule: leave it out",
                )
        for key in _WHOLE_SITE:
            if key in site:
                words = (
                    f"[{key}] and driver {driver} in one site: we have no rule; make two site files"
                )
                yield (*loc, "driver"), words
        asked = table_of(site, "probes").get("ask")
        if isinstance(asked, list) and set(map(str, asked)) - {"icmp"}:
            words = f"{driver} is asked by echo alone; leave [probes] out, or make two site files"
            yield (*loc, "driver"), words
        for name, host in hosts.items():
            if host.get("hairpin") is True and driver == "ipvlan":
                words = f"{name}'s port reflects (hairpin = true), and what ipvlan does there is in none"
                yield (*loc, "driver"), f"{words} of our rules; leave it out"


def _mode(loc: Loc, scenario: dict[str, Any]) -> Iterator[Fault]:
    driver, mode = scenario.get("driver", Driver.MACVLAN), scenario.get("mode")
    if mode is None or driver not in list(Driver):
        return
    known = Driver(driver).modes
    if driver == Driver.BRIDGE:
        yield (*loc, "mode"), "driver bridge has no mode; leave it out"
    elif mode not in known and mode in {m for one in Driver for m in one.modes}:
        told = " or ".join(f'mode = "{one}"' for one in known)
        yield (*loc, "mode"), f"{mode!r} is no mode of driver {driver}; write {told}"


def _subnets(loc: Loc, scenario: dict[str, Any], hosts: list[str]) -> Iterator[Fault]:
    """Each host's own subnet: there for each host with containers, disjoint, and none of the LAN's."""
    given = table_of(scenario, "host_subnets")
    where: Loc = (*loc, "host_subnets")
    if scenario.get("driver") != Driver.BRIDGE:
        if given:
            yield (
                where,
                "is for driver bridge, whose containers are behind their host; leave it out",
            )
        return
    if table_of(scenario, "allot"):
        yield (*loc, "allot"), "is not for driver bridge; write its containers out"
    if missing := [h for h in table_of(scenario, "containers") if h in hosts and h not in given]:
        words = f"has no subnet for {', '.join(missing)}; write one for each host with containers, "
        yield where, words + f'such as {missing[0]} = "172.30.1.0/24"'
    lan = read(IPv4Network, scenario.get("subnet"))
    seen: list[tuple[IPv4Network, str]] = [(lan, "subnet, the LAN")] if lan is not None else []
    for host, value in given.items():
        if host not in hosts:
            yield (*where, host), f"{host!r} is no host of this site; hosts are {', '.join(hosts)}"
        own = read(IPv4Network, value)
        if own is None:
            continue
        for other, whose in seen:
            if own.overlaps(other):
                yield (*where, host), f"{own} overlaps {other} of {whose}; write another subnet"
        seen.append((own, host))
