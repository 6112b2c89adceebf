"""``[scenario.remedies]`` of a site file: its shape, what may clash in it, and the value that it makes.

Rule of this file: what would make a remedy untrue or dangerous is refused here: an address that is
somebody's, a host's own name server that its containers never reach, a second subnet that takes routes
from the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from matrix.site_checks import Fault, read, table_of, tables
from matrix.toml_lines import Path as Loc
from matrix.topology import Remedies


def _text(value: object) -> object:
    """A number or a boolean is no address, though ``ipaddress`` takes both for one."""
    if not isinstance(value, str):
        raise ValueError("an address is a text")  # noqa: TRY004  pydantic takes it for a fault
    return value


_Address = Annotated[IPv4Address, BeforeValidator(_text)]
_Network = Annotated[IPv4Network, BeforeValidator(_text)]


class RemediesTable(BaseModel):
    """The table as TOML gives it."""

    model_config = ConfigDict(extra="forbid")
    host_shims: dict[str, _Address] = Field(default_factory=dict)
    second_networks: dict[str, _Network] = Field(default_factory=dict)
    add_host: StrictBool = False
    name_server: _Address | None = None

    def remedies(self) -> Remedies:
        """The value that a scenario has."""
        return Remedies(
            host_shims=tuple(self.host_shims.items()),
            second_networks=tuple(self.second_networks.items()),
            add_host=self.add_host,
            name_server=self.name_server,
        )


WRITE = {
    "remedies": "a [scenario.remedies] table with host_shims, second_networks, add_host or name_server",
    "host_shims": 'an address for each host, such as dev-master-01 = "192.168.2.250"',
    "second_networks": 'a subnet for each host, such as dev-master-01 = "10.77.1.0/24"',
    "add_host": "add_host = true or add_host = false",
    "name_server": 'the address of a name server on the LAN, such as name_server = "192.168.2.53"',
}


def remedy_checks(site: dict[str, Any]) -> Iterator[Fault]:
    """Every clash of a remedy with the rest of the site, as (path of the key, words)."""
    scenarios = tables(site, "scenario")
    hosts = {str(h.get("name")): h for h in tables(site, "host")}
    names = {*hosts, "gateway"}
    for scenario in scenarios:
        for some in table_of(scenario, "containers").values():
            names |= set(some) if isinstance(some, dict) else set()
    taken = [n for s in scenarios if (n := read(IPv4Network, s.get("subnet"))) is not None]
    for number, scenario in enumerate(scenarios):
        remedies = table_of(scenario, "remedies")
        loc: Loc = ("scenario", number, "remedies")
        owners = _owners(scenario, hosts)
        yield from _shims((*loc, "host_shims"), scenario, owners, hosts)
        yield from _seconds((*loc, "second_networks"), scenario, taken, hosts)
        server = read(IPv4Address, remedies.get("name_server"))
        if server is not None and server in owners and not owners[server].startswith("the gateway"):
            words = "a container never reaches a server on its own host; write another machine's"
            yield (*loc, "name_server"), f"{server} is {owners[server]}: {words}"
        yield from _derived(loc, scenario, names)
        linked = [k for k in ("host_shims", "second_networks") if remedies.get(k)]
        if linked and site.get("lifecycle"):
            words = "an event takes its routes or links away, and only a run makes them again; "
            yield (*loc, linked[0]), f"{words}write the [[lifecycle]] events into a site without it"


def _owners(scenario: dict[str, Any], hosts: dict[str, dict[str, Any]]) -> dict[IPv4Address, str]:
    """Who has which address of the scenario's segment."""
    found: dict[IPv4Address, str] = {}
    given = table_of(scenario, "host_addresses")
    for name, host in hosts.items():
        own = given.get(name)
        if own is None and scenario.get("vlan") is None:
            own = str(host.get("address")).partition("/")[0]
        if (address := read(IPv4Address, own)) is not None:
            found[address] = f"host {name!r}"
    for some in table_of(scenario, "containers").values():
        for name, value in some.items() if isinstance(some, dict) else ():
            if (address := read(IPv4Address, value)) is not None:
                found[address] = f"container {name!r}"
    if (gateway := read(IPv4Address, scenario.get("gateway"))) is not None:
        found[gateway] = "the gateway"
    return found


def _shims(
    loc: Loc,
    scenario: dict[str, Any],
    owners: dict[IPv4Address, str],
    hosts: dict[str, dict[str, Any]],
) -> Iterator[Fault]:
    subnet = read(IPv4Network, scenario.get("subnet"))
    for name, value in table_of(table_of(scenario, "remedies"), "host_shims").items():
        where = (*loc, name)
        yield from _host(where, scenario, name, hosts)
        if scenario.get("mode", "bridge") != "bridge":
            yield (
                where,
                'a shim opens nothing but in mode "bridge"; write that mode, or leave it out',
            )
        if scenario.get("vlan") is not None and name not in table_of(scenario, "host_addresses"):
            words = "has no address in this scenario, and so no cell that a shim opens; "
            yield where, f"{name} {words}write one below [scenario.host_addresses]"
        if (address := read(IPv4Address, value)) is None:
            continue
        if subnet is not None and (address not in subnet or address in (subnet[0], subnet[-1])):
            yield where, f"{address} is no address of a machine in {subnet}; write one"
        if address in owners:
            yield where, f"{address} is the address of {owners[address]} already; write a free one"
        owners.setdefault(address, f"the shim of {name!r}")


def _seconds(
    loc: Loc,
    scenario: dict[str, Any],
    taken: list[IPv4Network],
    hosts: dict[str, dict[str, Any]],
) -> Iterator[Fault]:
    for name, value in table_of(table_of(scenario, "remedies"), "second_networks").items():
        where = (*loc, name)
        yield from _host(where, scenario, name, hosts)
        if scenario.get("mode") == "passthru":
            yield where, "passthru is asked without remedies; leave the line out"
        if (subnet := read(IPv4Network, value)) is None:
            continue
        some = table_of(scenario, "containers").get(name)
        wanted = 1 + len(some) if isinstance(some, dict) else 1
        if subnet.num_addresses - 2 < wanted:
            yield where, f"{subnet} has no room for a host and its {wanted - 1} containers"
        for other in taken:
            if subnet.overlaps(other):
                yield where, f"{subnet} overlaps {other}; write a subnet that nobody uses"
        taken.append(subnet)


def _host(
    where: Loc, scenario: dict[str, Any], name: str, hosts: dict[str, dict[str, Any]]
) -> Iterator[Fault]:
    if name not in hosts:
        yield where, f"{name!r} is no host of this site; hosts are {', '.join(hosts) or 'none'}"
    elif not table_of(scenario, "containers").get(name):
        yield where, f"{name} has no containers in this scenario, so nothing to open"


def _derived(loc: Loc, scenario: dict[str, Any], names: set[str]) -> Iterator[Fault]:
    """The names that cells of a remedy go by must not be somebody's own."""
    remedies = table_of(scenario, "remedies")
    made = [f"{host}.shim" for host in table_of(remedies, "host_shims")]
    for host in table_of(remedies, "second_networks"):
        some = table_of(scenario, "containers").get(host)
        made += [f"{name}.second" for name in (host, *(some if isinstance(some, dict) else ()))]
    for name in sorted(names.intersection(made)):
        yield loc, f"{name!r} is what the report calls an address of a remedy; write another name"
