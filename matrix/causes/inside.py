"""Causes inside hosts and containers: addresses, routes, macvlan modes, firewalls, neighbour tables.

Sources: Linux drivers/net/macvlan.c (modes), ip-sysctl.rst (gc_thresh3), nft(8); ip-route(8).
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.causes.changed import unsound
from matrix.causes.frames import touches_end
from matrix.causes.identity import OWN_TOO
from matrix.packet import Kind
from matrix.probes import By, Cell, NotRun, Relation, Seen, Verdict
from matrix.topology import EndpointKind

_ENDED = {Seen.NO: "in", Seen.YES: "out", Seen.NOT_OURS: ""}
"""On which side of an endpoint's IP stack an echo ended: before it, or behind it."""


def own_addresses(scene: Scene) -> Iterator[Cause]:
    """Hosts whose own address is not what the site declares."""
    for host in scene.topology.hosts:
        link = scene.link(host.name)
        if link is None or str(host.address) in link.addresses:
            continue
        actual = [a for a in link.addresses if "." in a]
        cells = tuple(
            c.id
            for c in scene.bad()
            if (scene.not_run(c) or scene.verdict(c) is Verdict.FAIL)
            and any(
                e.kind is EndpointKind.HOST and e.host == host.name and e.address == host.address.ip
                for e in (c.source, c.target)
            )
        )
        has = f"it has {', '.join(actual)}" if actual else "it has no IPv4 address"
        yield Cause(
            "host-address",
            f"{host.name} {host.parent}",
            f"{host.parent} on {host.name} should have {host.address}, as the site declares; {has}",
            Confidence.CERTAIN,
            (f"netlink on {host.name}: {host.parent} {' '.join(actual) or 'without address'}",),
            cells,
            f"ssh {host.name} ip -4 addr show {host.parent}",
            f"correct the address or its netmask on {host.name}, or the site file",
        )


def astray(scene: Scene) -> Iterator[Cause]:
    """Endpoints that would send to their neighbours by another way: a wrong netmask or route."""
    found: dict[tuple[str, str], list[tuple[Cell, str]]] = {}
    for cell in scene.bad():
        why = scene.not_run(cell)
        if _no_way(cell.source.name, why):
            key = cell.scenario, cell.source.name
            found.setdefault(key, []).append((cell, why))
        elif (
            scene.lost(cell)
            and (words := _no_way_back(scene, cell))
            and OWN_TOO not in words  # that is an address held twice
        ):
            key = cell.scenario, cell.target.name
            found.setdefault(key, []).append((cell, words))
    known = {c.where.split()[0] for c in own_addresses(scene)}
    for (scenario, name), hits in sorted(found.items()):
        endpoint = scene.endpoint(scenario, name)
        if (endpoint.kind is EndpointKind.HOST and name in known) or (scenario, name) in unsound(
            scene
        ):
            continue
        enter = f"docker exec {name} " if endpoint.kind is EndpointKind.CONTAINER else ""
        yield Cause(
            "route-astray",
            f"{name} on {endpoint.host}",
            f"{name} on {endpoint.host} does not send to all of {_subnet(scene, scenario)} by its "
            f"link on the segment: its netmask or a route of it is wrong ({hits[0][1]})",
            Confidence.CERTAIN,
            tuple(f"{c.id}: {words}" for c, words in hits[:3]),
            tuple(c.id for c, _ in hits),
            f"ssh {endpoint.host} {enter}ip route get {hits[0][0].target.address}",
            f"correct the netmask and the routes of {name}: {_subnet(scene, scenario)} is on-link",
        )


def _no_way(name: str, why: str) -> bool:
    """Did an endpoint's cell not run because its kernel would send by another way, or by none?"""
    return "off the segment" in why or (why.startswith(f"{name}: ") and "route" in why)


def _no_way_back(scene: Scene, cell: Cell) -> str:
    """Why a target's replies would not come: its kernel says so, or its own cell shows it."""
    turned = f"{cell.scenario}:{cell.target.name}:{cell.source.name}:{By.ADDRESS}"
    seen = scene.outcomes.get(turned)
    why = seen.why if isinstance(seen, NotRun) else ""
    return scene.astray_back.get(cell.id) or (why if _no_way(cell.target.name, why) else "")


def default_routes(scene: Scene) -> Iterator[Cause]:
    """Containers whose default route does not lead to the declared gateway. No cell shows it."""
    for (scenario, name), inner in sorted(scene.inner.items()):
        if scene.topology.scenario(scenario).internal and inner.gateway is None:
            continue  # as it is meant to be
        declared = scene.topology.scenario(scenario).segment
        right = str(declared.gateway)
        if inner.gateway == right or (inner.gateway is None and not declared.gateway_present):
            continue
        if (scenario, name) in unsound(scene):
            continue  # routes go with the address and the link
        endpoint = scene.endpoint(scenario, name)
        leads = (
            f"leads to {inner.gateway or 'no router'}"
            if inner.gateway is not None
            else "is missing"
        )
        yield Cause(
            "default-route",
            f"{name} on {endpoint.host}",
            f"the default route of {name} on {endpoint.host} {leads}; the site declares the gateway "
            f"{right}: it reaches its own segment, and the rest of the world by another way or not "
            "at all",
            Confidence.CERTAIN,
            (f"routes in {name}: default {inner.gateway or '-'}",),
            (),
            f"ssh {endpoint.host} docker exec {name} ip route",
            "make the network with --gateway (Docker guesses one up to 28, and sets none from 29)",
        )


_MODES = {
    "private": "in mode private siblings are kept apart",
    "vepa": "in mode vepa siblings are not served inside the parent",
    "bridge": "in mode bridge siblings are served inside the parent",
    "passthru": "in mode passthru it takes every unicast frame of the NIC, and its host is deaf there",
}


def modes(scene: Scene) -> Iterator[Cause]:
    """Links of containers in another macvlan mode than declared."""
    for (scenario, name), inner in sorted(scene.inner.items()):
        declared = scene.topology.scenario(scenario).mode
        if not inner.mode or inner.mode == declared:
            continue
        host = scene.endpoint(scenario, name).host
        yield Cause(
            "macvlan-mode",
            f"{name} on {host}",
            f"the link of {name} on {host} is in macvlan mode {inner.mode}; the site declares "
            f"{declared}: {_MODES.get(inner.mode, 'what it does with frames is not known')}",
            Confidence.CERTAIN,
            (f"netlink in {name}: macvlan mode {inner.mode}",),
            tuple(
                c.id
                for c in scene.bad()
                if (
                    touches_end(c, scenario, name)
                    and c.relation in (Relation.SIBLING, Relation.OWN_HOST, Relation.OWN_CONTAINER)
                )
                or (c.scenario == scenario and host in c.physics.deaf)
            ),
            f"ssh {host} docker exec {name} ip -d link",
            f"make the network with -o macvlan_mode={declared}",
        )


def firewalls(scene: Scene) -> Iterator[Cause]:
    """Requests that arrive at an endpoint's link and are not taken in, or not answered, there.

    And those that an endpoint may not send: its kernel says EPERM, as only a firewall makes it.
    """
    mute: dict[tuple[str, str], list[Cell]] = {}
    for cell in scene.bad():
        if "a firewall there refuses to send it" in scene.not_run(cell):
            mute.setdefault((cell.scenario, cell.source.name), []).append(cell)
    for cells in mute.values():
        source = cells[0].source
        yield Cause(
            "firewall",
            f"{source.name} on {source.host}",
            f"{source.name} on {source.host} may not send echo requests: a firewall in its own "
            "network namespace refuses them",
            Confidence.CERTAIN,
            tuple(f"{c.id}: {scene.not_run(c)}" for c in cells[:2]),
            tuple(c.id for c in cells),
            f"ssh {source.host} nsenter -t PID -n nft list ruleset",
            f"let ICMP echo requests out of {source.name}",
        )
    for kind, title in (("in", "drops echo requests that come"), ("out", "takes echo requests in")):
        by_target: dict[tuple[str, str], list[Cell]] = {}
        for cell in scene.bad():
            if (cell.scenario, cell.target.name) in unsound(scene):
                continue
            if _kept_inside(scene, cell) == kind and not _no_way_back(scene, cell):
                by_target.setdefault((cell.scenario, cell.target.name), []).append(cell)
        for (scenario, name), cells in sorted(by_target.items()):
            target = cells[0].target
            everybody = [
                c
                for c in scene.bad()
                if c.target == target
                and c.scenario == scenario
                and scene.lost(c)
                and (o := scene.observed(c)) is not None
                and (o.request_seen is Seen.YES) is (kind == "out")
            ]
            if kind == "out" and any(
                scene.passed(c)
                for c in scene.wire()
                if c.target == target and c.scenario == scenario
            ):
                continue
            where = f"{name} on {target.host}" if target.host != name else name
            tail = "to its link" if kind == "in" else "and sends no reply"
            enter = (
                f"nsenter -t $(docker inspect -f '{{{{.State.Pid}}}}' {name}) -n nft list ruleset"
            )
            yield Cause(
                "firewall",
                where,
                f"{where} {title} {tail}: a firewall in its own network namespace, or "
                "icmp_echo_ignore_all",
                Confidence.LIKELY,
                tuple(w for c in cells if (t := scene.trace(c)) for w in t.words[:1])[:3]
                or tuple(f"{c.id}: {scene.judgements[c.id].reason}" for c in cells[:2]),
                tuple(c.id for c in everybody),
                f'ssh {target.host} "{enter}"'
                if target.host != name
                else f"ssh {name} nft list ruleset",
                f"let ICMP echo requests into {name}, and its replies out",
            )


def _kept_inside(scene: Scene, cell: Cell) -> str:
    """``in``: arrived at the target's link, and its stack did not see it; ``out``: it did, in vain."""
    trace, seen = scene.traces.get(cell.id), scene.observed(cell)
    if seen is None or seen.received or not scene.lost(cell):
        return ""
    if cell.relation is Relation.ITSELF and cell.by is By.ADDRESS:
        return _ENDED[seen.request_seen]  # there is no wire between it and itself
    if trace is None:
        return ""
    request = next((p for p in trace.passages if p.kind == Kind.ECHO_REQUEST), None)
    reply = next((p for p in trace.passages if p.kind == Kind.ECHO_REPLY), None)
    if request is None or not request.legs or not request.legs[-1].seen:
        return ""
    if reply is not None and reply.legs and reply.legs[0].seen:
        return ""  # it answered
    if any(p.kind not in set(Kind) for p in trace.passages):
        return ""  # it wanted to answer, and asked for the source's MAC address
    return _ENDED[seen.request_seen]


def tables(scene: Scene) -> Iterator[Cause]:
    """A kernel whose neighbour table was full while we asked."""
    for host, count in sorted(scene.refused.items()):
        cells = tuple(
            c.id
            for c in scene.bad()
            if f"{host}'s neighbour (ARP) table was full" in scene.not_run(c)
            or (scene.touches(c, host) and _lost_meanwhile(scene, c))
        )
        if cells:
            yield Cause(
                "neighbour-table-full",
                host,
                f"the neighbour (ARP) table of {host}'s kernel is full: it refused {count} entries "
                "while we asked; new neighbours are not found, whoever looks for them",
                Confidence.CERTAIN,
                (f"ndt_stats on {host}: {count} entries refused in the batch",),
                cells,
                f"ssh {host} ip -s ntable show name arp_cache",
                f"on {host}: sysctl -w net.ipv4.neigh.default.gc_thresh3=8192",
            )


def _lost_meanwhile(scene: Scene, cell: Cell) -> bool:
    """Replies to requests that came, lost in part or inside a host: it could not look up the asker."""
    seen, local = scene.observed(cell), cell.relation in (Relation.ITSELF, Relation.SIBLING)
    return (
        seen is not None
        and seen.requests_seen > 0
        and (scene.verdict(cell) is Verdict.FLAPPING or (local and scene.lost(cell)))
    )


def _subnet(scene: Scene, scenario: str) -> str:
    return str(scene.topology.scenario(scenario).segment.subnet)


RULES = (
    Rule(
        "host-address",
        "A host's address is not what the site declares",
        "Netlink shows another address or netmask on the parent.",
        "Correct the host or the site file.",
        ("ip-address(8)",),
        own_addresses,
    ),
    Rule(
        "route-astray",
        "An endpoint sends to its neighbours by another way",
        "The kernel there names another link, or a router, for an address on the segment.",
        "Correct its netmask and routes.",
        ("ip-route(8): ip route get",),
        astray,
    ),
    Rule(
        "default-route",
        "A container's default route is not the declared gateway",
        "Its routing table says so; no cell shows it.",
        "Make the network with --gateway.",
        ("moby pull request 50929: no guessed gateway from Docker 29",),
        default_routes,
    ),
    Rule(
        "macvlan-mode",
        "A link is in another macvlan mode",
        "Netlink in the container says so; siblings do not reach it.",
        "Make the network with the right macvlan_mode.",
        ("Linux drivers/net/macvlan.c",),
        modes,
    ),
    Rule(
        "firewall",
        "A firewall inside an endpoint",
        "Requests arrive at its link; its IP stack does not see them, or does not answer.",
        "Let ICMP echo in and out there.",
        ("nft(8)",),
        firewalls,
    ),
    Rule(
        "neighbour-table-full",
        "The kernel's neighbour table is full",
        "Its own counter of refused entries grew in the batch.",
        "Raise net.ipv4.neigh.default.gc_thresh3.",
        ("Linux net/core/neighbour.c", "Linux ip-sysctl.rst: gc_thresh3"),
        tables,
    ),
)
