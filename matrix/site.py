"""Reads a site file (TOML) into a ``Topology``, or says everything that is wrong with it.

Rule of this file: *all* faults in one go, each as ``file:line: key: what is wrong; what to
write``. Two passes find them: pydantic checks the shape of each value; ``_Checks`` compares the
values with each other, on whatever could be read, so that a typo in one place does not hide a
clash in another. What an override names can be checked only where the cells are known, so where
the rest of the site has the right shape. Nothing here touches a host.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator
from datetime import date
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    StrictInt,
    ValidationError,
)

from matrix.allot import MOST, allotted
from matrix.driver import Driver
from matrix.errors import ConfigError
from matrix.grid import plain
from matrix.lifecycle_site import LIFECYCLE_WRITE, LifecycleTable, lifecycle_checks, lifecycle_of
from matrix.override_checks import override_checks
from matrix.plan import plan
from matrix.protocol_rules import MOST_ECHOES
from matrix.site_checks import cross_checks
from matrix.site_checks6 import ipv6_checks
from matrix.site_drivers import NO_OVERLAY, driver_checks
from matrix.site_remedies import WRITE as WRITE_REMEDIES
from matrix.site_remedies import RemediesTable, remedy_checks
from matrix.toml_lines import Lines
from matrix.toml_lines import Path as Loc
from matrix.topology import (
    ETHERNET_MTU,
    Container,
    Host,
    Isolation,
    Override,
    ParentRule,
    Probe,
    Scenario,
    Segment,
    Timing,
    Topology,
)

# Names go into file names, terminal lines, ssh arguments and Docker objects: no separator of
# ours (":"), no leading "-", nothing a shell or a terminal would take for something else.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
# Docker asks for two characters at least (daemon/names/names.go).
DockerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{1,62}$")]
LinkName = Annotated[str, Field(pattern=r"^[^\s/:]{1,15}$")]
ImageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$")]


LONGEST = 1000
"""Characters of what is said about one fault."""


def _text(value: object) -> object:
    """A number or a boolean is no address, though ``ipaddress`` takes both for one."""
    if not isinstance(value, str):
        raise ValueError("an address is a text")  # noqa: TRY004  pydantic takes it for a fault
    return value


_Address = Annotated[IPv4Address, BeforeValidator(_text)]
_Interface = Annotated[IPv4Interface, BeforeValidator(_text)]
_Network = Annotated[IPv4Network, BeforeValidator(_text)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Host(_Table):
    name: Name
    parent: LinkName
    address: _Interface
    hairpin: StrictBool = False


class _Allot(_Table):
    range: _Network
    containers: StrictInt = Field(ge=1, le=MOST)
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,50}$")] | None = None


class _Scenario(_Table):
    name: Name
    network: DockerName
    driver: Driver = Driver.MACVLAN
    mode: Literal["private", "vepa", "bridge", "passthru", "l2"] | None = None
    vlan: StrictInt | None = Field(default=None, ge=1, le=4094)
    subnet: _Network
    gateway: _Address
    gateway_present: StrictBool = True
    replace_default_route: StrictBool = False
    internal: StrictBool = False
    host_addresses: dict[Name, _Address] = Field(default_factory=dict)
    host_subnets: dict[Name, _Network] = Field(default_factory=dict)
    containers: dict[Name, dict[DockerName, _Address]] = Field(min_length=1)
    allot: dict[Name, _Allot] = Field(default_factory=dict)
    mtu: StrictInt = Field(default=ETHERNET_MTU, ge=576, le=65535)
    subnet6: IPv6Network | None = None
    gateway6: IPv6Address | None = None
    remedies: RemediesTable = Field(default_factory=RemediesTable)


class _Timing(_Table):
    echoes: StrictInt = Field(default=Timing().echoes, ge=1, le=MOST_ECHOES)
    reply_deadline_s: float = Field(default=Timing().reply_deadline_s, ge=0.1, le=60)
    name_deadline_s: float = Field(default=Timing().name_deadline_s, ge=0.1, le=60)


class _Isolation(_Table):
    routed: list[Name] = Field(default_factory=list)


class _Parent(_Table):
    spare_vlan: StrictInt = Field(ge=1, le=4094)


class _Probes(_Table):
    ask: list[Probe] = Field(default_factory=lambda: [Probe.ICMP], min_length=1)


class _Override(_Table):
    cells: Annotated[str, Field(pattern=r"^\S{1,200}$")]
    expect: Literal["reply", "silence", "no-such-name"]
    ticket: Annotated[str, Field(pattern=r"^\S{1,200}$")]
    until: Annotated[date, Strict()]
    because: Annotated[str, Field(max_length=500)] = ""


class _Site(_Table):
    embedded_lab: StrictBool = False
    allow_engine_restart: StrictBool = False
    image: ImageName = "busybox:latest"
    timing: _Timing = Field(default_factory=_Timing)
    host: list[_Host] = Field(min_length=1)
    scenario: list[_Scenario] = Field(min_length=1)
    override: list[_Override] = Field(default_factory=list)
    lifecycle: list[LifecycleTable] = Field(default_factory=list)
    isolation: _Isolation | None = None
    parent: _Parent | None = None
    probes: _Probes = Field(default_factory=_Probes)


_WRITE = {
    **WRITE_REMEDIES,
    "name": "a name of letters, digits, '_', '.', '-', such as name = \"bridge\"",
    "parent": 'the NIC, at most 15 characters, such as parent = "enp0s5"',
    "address": 'an address with its prefix length, such as address = "192.168.2.210/24"',
    "network": 'a Docker network name of two characters or more, such as network = "macnet"',
    "driver": 'driver = "macvlan", "ipvlan" or "bridge" (or leave it out: macvlan)',
    "mode": 'mode = "private", "vepa", "bridge" or "passthru" (or leave it out: bridge)',
    "hairpin": "hairpin = true where the host's switch port sends frames back, or hairpin = false",
    "vlan": "an 802.1Q VLAN id from 1 to 4094, such as vlan = 200",
    "subnet": 'a network without host bits, such as subnet = "192.168.2.0/24"',
    "gateway": 'an IPv4 address, such as gateway = "192.168.2.1"',
    "gateway_present": "gateway_present = true or gateway_present = false",
    "replace_default_route": "replace_default_route = true or replace_default_route = false",
    "host_addresses": 'an address for each host, such as dev-master-01 = "192.168.200.10"',
    "host_subnets": 'each host\'s own subnet, such as dev-master-01 = "172.30.1.0/24"',
    "containers": "a table for each host: [scenario.containers.dev-master-01] and below it "
    'c1 = "192.168.2.220"',
    "allot": "a table for each host: [scenario.allot.dev-master-01] with range and containers",
    "range": 'a network inside the subnet, such as range = "192.168.2.32/27"',
    "prefix": 'the beginning of the names, such as prefix = "web"',
    "address_of_container": 'name = "address", such as c1 = "192.168.2.220"',
    "image": 'an image, such as image = "busybox:latest"',
    "echoes": "a whole number from 1 to 250, such as echoes = 3",
    "reply_deadline_s": "seconds from 0.1 to 60, such as reply_deadline_s = 1.0",
    "name_deadline_s": "seconds from 0.1 to 60, such as name_deadline_s = 5.0",
    "embedded_lab": "embedded_lab = true or embedded_lab = false",
    "internal": "internal = true or internal = false",
    "spare_vlan": "a VLAN id that no scenario uses, such as spare_vlan = 4000",
    "isolation": "an [isolation] table, with routed or with nothing in it",
    "routed": 'the scenarios that one router joins, such as routed = ["vlan10", "vlan200"]',
    "host": "a [[host]] table with name, parent and address for each Docker host",
    "scenario": "a [[scenario]] table with name, network, subnet, gateway and containers",
    "timing": "a [timing] table with echoes, reply_deadline_s or name_deadline_s",
    "override": "an [[override]] table with cells, expect, ticket and until",
    "cells": 'a cell id or a pattern of them, such as cells = "bridge:c1:dev-master-01:address"',
    "expect": 'expect = "reply", "silence" or "no-such-name"',
    "ticket": 'the ticket that says why, without spaces, such as ticket = "NET-123"',
    "until": "the last day it holds (UTC), a date without quotes, such as until = 2026-12-31",
    "mtu": "the longest IP packet, in bytes from 576 to 65535, such as mtu = 9000",
    "subnet6": 'an IPv6 network of at most 96 bits, such as subnet6 = "fd00:2::/64"',
    "gateway6": 'an IPv6 address in subnet6, such as gateway6 = "fd00:2::1"',
    "ask": 'what to ask besides or instead of echoes, such as ask = ["icmp", "tcp", "udp", "mtu", '
    '"broadcast", "multicast"]',
    "probes": 'a [probes] table with ask = ["icmp", "tcp"]',
    **LIFECYCLE_WRITE,
    "because": 'a sentence of at most 500 characters, such as because = "the switch reflects"',
}


def read_site(text: str, *, name: str) -> Topology:
    """The topology that a site file declares.

    Args:
        text: the file's text.
        name: the file's name, for messages.

    Raises:
        ConfigError: with one line for each fault of the file, in the order of its lines.
    """
    try:
        return _read(text, name)
    except RecursionError as error:
        raise ConfigError(
            f"{name}: its tables are nested too deeply; see sites/lab.toml for an example"
        ) from error


def _read(text: str, name: str) -> Topology:
    try:
        found = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one; so is a number of thousands of digits
        why = plain(str(error), 300)
        raise ConfigError(f"{name}: not TOML: {why}; see https://toml.io/en/v1.0.0") from error
    found, faults = allotted(found)
    site: _Site | None = None
    try:
        site = _Site.model_validate(found)
    except ValidationError as error:
        faults += [_in_words(dict(fault)) for fault in error.errors()]
    spoilt = {loc for loc, _ in faults}
    lines = Lines(text)
    more = [
        *cross_checks(found),
        *driver_checks(found),
        *lifecycle_checks(found),
        *ipv6_checks(found),
        *remedy_checks(found),
        *_override_faults(found, lines),
    ]
    faults += [fault for fault in more if fault[0] not in spoilt]
    if faults or site is None:
        said = sorted({(lines.of(loc), _key(loc), plain(words, LONGEST)) for loc, words in faults})
        raise ConfigError("\n".join(f"{name}:{line}: {key}: {words}" for line, key, words in said))
    return _topology(site, lines)


def _override_faults(found: dict[str, Any], lines: Lines) -> list[tuple[Loc, str]]:
    """What is wrong with the overrides, where the cells that they could name are known."""
    if not found.get("override"):
        return []
    try:
        rest = _Site.model_validate({k: v for k, v in found.items() if k != "override"})
        cells = plan(_topology(rest, lines))
    except (ValidationError, LookupError):  # a site that is at fault may have cells of no rule
        return []
    return list(override_checks(found, cells, lines))


def _topology(site: _Site, lines: Lines) -> Topology:
    hosts = tuple(Host(h.name, h.parent, h.address, h.hairpin) for h in site.host)
    return Topology(
        hosts=hosts,
        scenarios=tuple(_scenario(s, hosts) for s in site.scenario),
        image=site.image,
        timing=Timing(**site.timing.model_dump()),
        embedded_lab=site.embedded_lab,
        parent_rule=ParentRule(site.parent.spare_vlan) if site.parent else None,
        isolation=Isolation(tuple(site.isolation.routed)) if site.isolation else None,
        overrides=tuple(
            Override(**one.model_dump(), line=lines.of(("override", number)))
            for number, one in enumerate(site.override)
        ),
        probes=tuple(probe for probe in Probe if probe in site.probes.ask),
        lifecycle=lifecycle_of(site.lifecycle, lines),
        allow_engine_restart=site.allow_engine_restart,
    )


def _scenario(found: _Scenario, hosts: tuple[Host, ...]) -> Scenario:
    def own_addresses() -> Iterator[tuple[str, IPv4Interface]]:
        for host in hosts:
            if given := found.host_addresses.get(host.name):
                yield host.name, IPv4Interface((given, found.subnet.prefixlen))
            elif found.vlan is None:
                yield host.name, host.address

    return Scenario(
        name=found.name,
        network=found.network,
        driver=found.driver,
        mode=found.mode or found.driver.modes[0],
        host_subnets=tuple(
            (h.name, found.host_subnets[h.name]) for h in hosts if h.name in found.host_subnets
        ),
        segment=Segment(found.subnet, found.gateway, found.gateway_present, found.vlan),
        internal=found.internal,
        containers=tuple(
            Container(container, host.name, address)
            for host in hosts
            for container, address in found.containers.get(host.name, {}).items()
        ),
        host_addresses=tuple(own_addresses()),
        mtu=found.mtu,
        subnet6=found.subnet6,
        gateway6=found.gateway6,
        replace_default_route=found.replace_default_route,
        remedies=found.remedies.remedies(),
    )


_BY_HOST = ("containers", "host_addresses", "host_subnets")
"""Tables with a line for each host."""


def _key(loc: Loc) -> str:
    """The path as a person reads it, with nothing in it that a terminal would obey."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.lstrip(".").encode("unicode_escape").decode() or "(the file)"


def _in_words(fault: dict[str, Any]) -> tuple[Loc, str]:
    """One fault of pydantic's in our words: what is wrong, and what to write."""
    loc: Loc = tuple(part for part in fault["loc"] if part != "[key]")
    key = next((str(part) for part in reversed(loc) if str(part) in _WRITE), "")
    if "allot" in loc:
        key = str(loc[-1]) if loc[-1] in ("range", "prefix") else "allot"
    elif "containers" in loc and len(loc) > loc.index("containers") + 2:
        key = "address_of_container"
    elif tables := [part for part in _BY_HOST if part in loc]:
        key = tables[0]
    advice = f"write {_WRITE[key]}" if key else "see sites/lab.toml for an example"
    if fault["type"] == "extra_forbidden":
        known = _known_keys(loc)
        close = difflib.get_close_matches(str(loc[-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        return loc, f"unknown key; {hint}"
    if fault["type"] == "missing":
        return loc, f"is missing; {advice}"
    value = fault.get("input")
    if loc[-1] == "driver" and value == "overlay":
        return loc, NO_OVERLAY
    shown = f"{value!r} is wrong" if isinstance(value, str) else f"{value} is wrong"
    shown = "" if isinstance(value, dict | list) else shown
    return loc, f"{shown or fault['msg']}; {advice}"


def _known_keys(loc: Loc) -> list[str]:
    """The keys that the table around ``loc`` may have."""
    model: type[BaseModel] = _Site
    for part in loc[:-1]:
        if isinstance(part, str) and part in model.model_fields:
            annotation = model.model_fields[part].annotation
            inner = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type)]
            model = next((a for a in inner if issubclass(a, BaseModel)), model)
    return sorted(model.model_fields)
