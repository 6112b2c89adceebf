"""What stands around the cells of a run, as facts that two runs can be compared by.

Rule: a fact is (where, what, value), all of it text of the record. Facts come from before anything
was built, so that what the harness made itself is not among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from matrix.driver import Driver
from matrix.record import HostRecord, LinkFact, Run


@dataclass(frozen=True, slots=True)
class FactChange:
    """One fact that differs. ``before`` or ``after`` is "" where there was none."""

    where: str
    what: str
    before: str
    after: str


Facts = dict[tuple[str, str], str]


def environment(run: Run) -> Facts:
    """Hosts as they were found: kernel, engine, links with their drivers, routes, how we ran."""
    found: Facts = {("harness", name): value for name, value in run.tool.items()}
    found["harness", "prober"] = str(run.prober.get("name", ""))
    for host in run.hosts:
        found |= {(host.name, what): value for what, value in _host(host)}
    return found


def declared(run: Run) -> Facts:
    """The site and how much of it was asked."""
    site = run.site
    found: Facts = {
        ("site", "file"): site.path,
        ("site", "SHA-256"): site.sha256,
        ("site", "image"): site.image,
        ("site", "echoes"): str(site.echoes),
        ("site", "reply deadline"): f"{site.reply_deadline_s:g} s",
        ("site", "name deadline"): f"{site.name_deadline_s:g} s",
        ("plan", "cells"): str(run.cells_in_plan),
        ("plan", "cells asked"): str(len(run.cells)),
        ("plan", "coverage"): run.coverage.mode if run.coverage else "full",
    }
    for one in site.scenarios:
        where = f"scenario {one.name}"
        found[where, "network"] = f"{one.kind} {one.network}, mode {one.mode}"
        if one.driver != Driver.MACVLAN:
            found[where, "network"] += f", driver {one.driver}"
        found[where, "segment"] = f"{one.subnet}, VLAN {one.vlan or 'none'}"
        found[where, "gateway"] = f"{one.gateway}{'' if one.gateway_present else ', absent'}"
        for host, parent in one.parents.items():
            found[where, f"parent on {host}"] = parent
    return found


def changes(before: Facts, after: Facts) -> tuple[FactChange, ...]:
    """What differs, in the order of the newer facts, then what is gone."""
    keys = dict.fromkeys((*after, *before))
    return tuple(
        FactChange(where, what, before.get((where, what), ""), after.get((where, what), ""))
        for where, what in keys
        if before.get((where, what), "") != after.get((where, what), "")
    )


def _host(host: HostRecord) -> Iterator[tuple[str, str]]:
    yield "address", host.address
    yield "parent", host.parent
    facts = host.before
    if facts is None:
        yield "facts", f"unknown: {host.trouble}" if host.trouble else "unknown"
        return
    yield "facts", "known"
    yield "kernel", facts.kernel
    yield "engine", f"Docker {facts.docker_version}, API {facts.docker_api}"
    yield "python", facts.python
    yield "boot", facts.boot_id
    yield "neighbour table", f"{facts.neighbour_limit} entries"
    for link in facts.links:
        yield from _link(link)
    for what, some in (("route", facts.routes), ("network", facts.networks)):
        for one in some:
            yield f"{what} {one}", "there"


def _link(link: LinkFact) -> Iterator[tuple[str, str]]:
    name = f"link {link.name}"
    on = f" on {link.parent}" if link.parent else ""
    tag = f", VLAN {link.vlan}" if link.vlan is not None else ""
    yield f"{name}: driver", f"{link.kind}{on}{tag}"
    yield f"{name}: MAC", link.mac
    yield f"{name}: MTU", str(link.mtu)
    yield f"{name}: state", link.state
    yield f"{name}: promiscuity", str(link.promiscuity)
    yield f"{name}: addresses", ", ".join(link.addresses)
