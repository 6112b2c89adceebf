"""Causes of wrong answers: proxies, duplicate addresses, frames that are sent back.

Sources: RFC 5227 (address conflicts), RFC 1027 (proxy ARP), Linux ip-sysctl.rst (proxy_arp,
proxy_arp_pvlan), IEEE 802.1Qbg (reflective relay), bridge(8) (hairpin), QEMU slirp/ip_icmp.c and
lwIP (both answer echo with TTL 255).
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.probes import By, Cell, Relation, Verdict
from matrix.topology import EndpointKind

SEVERAL = 2
"""So many addresses that are not its own make a machine a proxy, not one that has a duplicate."""

_REFLECTED = "on the wire, and something out there sent them back"
_INSIDE = "something inside it passes them on"


def answerers(scene: Scene) -> dict[str, dict[tuple[str, str], list[Cell]]]:
    """Strange MAC addresses, and the endpoints (scenario, name) in whose name each has answered."""
    own = {i.endpoint: {m.lower() for m in i.macs} for i in scene.identities}
    gateways = true_gateways(scene)
    found: dict[str, dict[tuple[str, str], list[Cell]]] = {}
    for cell in scene.cells:
        seen = scene.observed(cell)
        if seen is None or cell.relation is Relation.ITSELF or cell.by is By.NAME:
            continue
        macs = {m.lower() for m in (*seen.rivals, *seen.reply_macs)}
        macs |= set(scene.claims.get((cell.scenario, str(cell.target.address)), ()))
        if seen.neighbour is not None and seen.neighbour.mac:
            macs.add(seen.neighbour.mac.lower())
        right = own.get(cell.target.name) or gateways.get(cell.scenario, set())
        for mac in macs - right:
            key = cell.scenario, cell.target.name
            found.setdefault(mac, {}).setdefault(key, []).append(cell)
    return found


def true_gateways(scene: Scene) -> dict[str, set[str]]:
    """By scenario the MAC address that most observers see as the gateway's, if there is one.

    It is not ours, so nobody can say which one is right where two answer; one that answers for
    others as well is not taken for it where another one does not.
    """
    own = {i.endpoint: {m.lower() for m in i.macs} for i in scene.identities}
    strange: dict[str, set[str]] = {}
    claims: dict[str, list[str]] = {}
    for cell in scene.cells:
        seen = scene.observed(cell)
        if seen is None or cell.by is By.NAME:
            continue
        macs = {m.lower() for m in seen.rivals}
        macs |= set(scene.claims.get((cell.scenario, str(cell.target.address)), ()))
        if seen.neighbour is not None and seen.neighbour.mac:
            macs.add(seen.neighbour.mac.lower())
        if cell.relation is Relation.GATEWAY:
            claims.setdefault(cell.scenario, []).extend(sorted(macs))
        elif cell.relation is not Relation.ITSELF:
            for mac in macs - own.get(cell.target.name, set()):
                strange.setdefault(mac, set()).add(cell.target.name)
    found: dict[str, set[str]] = {}
    for scenario, macs_seen in claims.items():
        honest = [m for m in macs_seen if m not in strange]
        best = honest or macs_seen
        if best:
            found[scenario] = {max(sorted(set(best)), key=best.count)}
    return found


def _ttl_words(scene: Scene, cells: list[Cell]) -> str:
    ttls = {ttl for c in cells if (o := scene.observed(c)) for ttl in o.ttls}
    if 255 in ttls:  # noqa: PLR2004  MAXTTL
        return (
            " with ttl 255, which no Linux container sends: a router, a BSD stack or a "
            "hypervisor's own network answers in their stead"
        )
    return ""


def proxies(scene: Scene) -> Iterator[Cause]:
    """A machine that answers for addresses of several others."""
    owners, gateways = scene.owners(), true_gateways(scene)
    routers = {mac for macs in gateways.values() for mac in macs}
    for mac, claimed in sorted(answerers(scene).items()):
        canaries = _canaries_of(scene, mac)
        addresses = {str(c.target.address) for cells in claimed.values() for c in cells}
        if len(claimed) < SEVERAL and not canaries:
            continue
        if mac in owners:
            continue
        asked = [c for cells in claimed.values() for c in cells]
        names = sorted({name for _, name in claimed})
        is_gateway = mac in routers
        who = f"the gateway (MAC {mac})" if is_gateway else f"a machine with MAC {mac}"
        told = f" and for {', '.join(sorted(canaries))}, which nobody has" if canaries else ""
        yield Cause(
            "gateway-proxy-arp" if is_gateway else "proxy-arp",
            f"MAC {mac}",
            f"{who} answers ARP in the name of others (of {_few(names)}{told}){_ttl_words(scene, asked)}"
            + (
                ": it does proxy ARP"
                if is_gateway
                else ": a proxy, a hypervisor's own network, or a device with a wrong netmask"
            ),
            Confidence.LIKELY,
            tuple(
                f"{c.id}: {scene.judgements[c.id].reason}" for c in asked[:3] if not _ok(scene, c)
            ),
            _and_collateral(scene, mac, asked, addresses),
            f"ssh {asked[0].source.host} arping -c 3 -I "
            f"{_parent(scene, asked[0])} {asked[0].target.address}",
            "turn proxy ARP off on the gateway for this segment (sysctl proxy_arp, "
            "proxy_arp_pvlan; 'no ip proxy-arp')"
            if is_gateway
            else f"find the machine with MAC {mac} (the switch's table shows its port) and turn its "
            "proxy off; in a hypervisor use a bridged network, not a shared or NAT one",
        )


def _ok(scene: Scene, cell: Cell) -> bool:
    verdict = scene.verdict(cell)
    return verdict is None or verdict.holds


def _few(names: list[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _parent(scene: Scene, cell: Cell) -> str:
    host = scene.topology.host(cell.source.host)
    return scene.scenario(cell).parent_on(host)


def _canaries_of(scene: Scene, mac: str) -> set[str]:
    return {
        address
        for answers in scene.canaries.values()
        for address, macs in answers.items()
        if mac in macs
    }


def _and_collateral(
    scene: Scene, mac: str, asked: list[Cell], addresses: set[str]
) -> tuple[str, ...]:
    """The cells that it answered, and those whose replies were sent to it.

    Who took its word for one of the addresses sends there what is meant for that endpoint: the
    replies to that endpoint's own requests are lost.
    """
    hit = {c.id for c in asked if not _ok(scene, c)}
    pairs = {(c.scenario, c.source.name, c.target.name) for c in asked}
    for cell in scene.bad():
        trace = scene.trace(cell)
        sent_there = trace is not None and any(
            pair.endswith(f"> {mac}") for p in trace.passages for leg in p.legs for pair in leg.macs
        )
        seen = scene.observed(cell)
        lost_back = (
            scene.lost(cell)
            and seen is not None
            and seen.requests_seen > 0
            and str(cell.source.address) in addresses
        )
        by_name = (cell.scenario, cell.source.name, cell.target.name) in pairs
        if cell.relation is not Relation.ITSELF and (
            sent_there or lost_back or (by_name and scene.verdict(cell) is Verdict.IMPOSTOR)
        ):
            hit.add(cell.id)
    return tuple(c.id for c in scene.cells if c.id in hit)


def duplicates(scene: Scene) -> Iterator[Cause]:
    """One address that somebody else has as well."""
    owners = scene.owners()
    named: set[str] = set()
    for mac, claimed in sorted(answerers(scene).items()):
        if len(claimed) >= SEVERAL and mac not in owners:
            continue
        for (scenario, name), cells in sorted(claimed.items()):
            if _canaries_of(scene, mac) or all(_ok(scene, c) for c in cells):
                continue
            cell = cells[0]
            named.add(name)
            other = (
                f"{owners[mac]} (MAC {mac})" if mac in owners else f"another machine, MAC {mac},"
            )
            where = f" of {name}" + (f" on {cell.target.host}" if cell.target.host else "")
            yield Cause(
                "duplicate-address",
                f"{cell.target.address} {scenario}",
                f"{other} has the address {cell.target.address}{where} as well"
                + _ttl_words(scene, cells),
                Confidence.LIKELY,
                tuple(f"{c.id}: {scene.judgements[c.id].reason}" for c in cells[:3]),
                _and_collateral(scene, mac, cells, {str(cell.target.address)}),
                f"ssh {cell.source.host} arping -c 3 -I {_parent(scene, cell)} {cell.target.address}",
                "give one of the two another address; keep the hosts' --ip-range disjoint and out "
                "of the DHCP pool, with --aux-address for what is taken",
            )
    yield from _same_mac(scene, named)


def _same_mac(scene: Scene, named: set[str]) -> Iterator[Cause]:
    """Answered by the right MAC address, though the target never saw the request."""
    by_target: dict[tuple[str, str], list[Cell]] = {}
    for cell in scene.bad():
        seen = scene.observed(cell)
        if (
            scene.verdict(cell) is Verdict.IMPOSTOR
            and seen is not None
            and seen.received
            and cell.by is By.ADDRESS
            and not seen.rivals
            and cell.target.name not in named
            and (seen.requests_seen < seen.received)
            and cell.target.kind is not EndpointKind.GATEWAY
        ):
            own = {
                m.lower()
                for i in scene.identities
                if i.endpoint == cell.target.name
                for m in i.macs
            }
            macs = {m.lower() for m in seen.reply_macs}
            if macs and macs <= own:
                by_target.setdefault((cell.scenario, cell.target.name), []).append(cell)
    for (scenario, name), cells in sorted(by_target.items()):
        cell = cells[0]
        yield Cause(
            "duplicate-mac",
            f"{cell.target.address} {scenario}",
            f"another machine has the address {cell.target.address} of {name} on "
            f"{cell.target.host}, and its MAC address too: replies come that {name} never sent",
            Confidence.LIKELY,
            tuple(f"{c.id}: {scene.judgements[c.id].reason}" for c in cells[:3]),
            tuple(c.id for c in (*cells, *_half_answered(scene, cell))),
            f"on the switch: does the MAC address of {name} move between ports? (bridge fdb show)",
            "find the second machine by the switch's table; Docker up to 27 makes the MAC address "
            "from the IP address, so two hosts that hand out the same address collide in both",
        )


def _half_answered(scene: Scene, like: Cell) -> Iterator[Cell]:
    """Cells to the same target whose ARP was answered where nobody could, and no echo after it."""
    for cell in scene.bad():
        seen = scene.observed(cell)
        if (
            cell.scenario == like.scenario
            and cell.target == like.target
            and scene.verdict(cell) is Verdict.LEAK
            and seen is not None
            and not seen.received
        ):
            yield cell


def reflections(scene: Scene) -> Iterator[Cause]:
    """A host and its own containers reach each other: something sends their frames back."""
    for host in scene.topology.hosts:
        cells = [
            c
            for c in scene.bad()
            if scene.verdict(c) is Verdict.LEAK
            and c.relation in (Relation.OWN_HOST, Relation.OWN_CONTAINER)
            and c.source.host == host.name
        ]
        told = {c.id: w for c in cells if (t := scene.trace(c)) for w in t.words}
        out_there = [
            c for c in cells if _REFLECTED in told.get(c.id, "") or _says(scene, c, _REFLECTED)
        ]
        inside = [c for c in cells if _says(scene, c, _INSIDE)]
        if out_there and not inside:
            yield Cause(
                "hairpin",
                f"{host.name} {host.parent}",
                f"{host.name}'s switch port sends frames back out of the port they came in by "
                f"(hairpin, reflective relay): so {host.name} and its own containers reach each other",
                Confidence.LIKELY,
                tuple(f"{c.id}: left on the wire and came back" for c in out_there[:3]),
                tuple(c.id for c in cells),
                f"ssh {host.name} tcpdump -p -e -n -i {host.parent} icmp",
                f"turn hairpin off on the port of {host.name} (bridge link set dev PORT hairpin "
                "off), or declare what is wanted: [[override]] in the site file",
            )
        elif inside:
            yield Cause(
                "host-shim",
                f"{host.name} {host.parent}",
                f"{host.name} passes frames on to its own containers without the wire: it has a "
                f"macvlan link of its own on {host.parent} (a shim), or bridges or routes to them",
                Confidence.LIKELY,
                tuple(f"{c.id}: never left {host.name}" for c in inside[:3]),
                tuple(c.id for c in cells),
                f"ssh {host.name} ip -d link show type macvlan",
                "if it is wanted, declare it: [[override]] in the site file",
            )


def _says(scene: Scene, cell: Cell, words: str) -> bool:
    trace = scene.trace(cell)
    return trace is not None and any(words in line for line in trace.words)


def canaries(scene: Scene) -> Iterator[Cause]:
    """An address that nobody should have is answered, by one who answered no cell."""
    known = set(answerers(scene))
    for (scenario, host), answers in sorted(scene.canaries.items()):
        for address, macs in sorted(answers.items()):
            strange = [m for m in macs if m not in known]
            if not strange:
                continue
            yield Cause(
                "canary-answered",
                f"{address} {scenario}",
                f"{address}, an address of {scenario}'s subnet that the site gives to nobody, is "
                f"answered by MAC {', '.join(strange)} (asked from {host}): it is somebody's, or "
                "somebody answers for addresses that are not his",
                Confidence.POSSIBLE,
                (f"ARP on {host}: {address} is at {', '.join(strange)}",),
                (),
                f"ssh {host} arping -c 3 -I "
                f"{scene.topology.scenario(scenario).parent_on(scene.topology.host(host))} {address}",
                "find out whose it is; take the address into account when you choose addresses",
            )


RULES = (
    Rule(
        "proxy-arp",
        "Somebody answers ARP for addresses that are not his",
        "One strange MAC address answers for several endpoints, or for an address that nobody has; "
        "often with ttl 255.",
        "Turn proxy ARP off; in a hypervisor use a bridged network.",
        (
            "RFC 1027",
            "Linux ip-sysctl.rst: proxy_arp, proxy_arp_pvlan",
            "QEMU slirp/ip_icmp.c and lwIP: echo replies with ttl 255",
        ),
        proxies,
    ),
    Rule(
        "duplicate-address",
        "An address is held twice",
        "A strange MAC address answers for one endpoint, beside it or instead of it.",
        "Give one of the two another address; keep address ranges disjoint.",
        ("RFC 5227", "moby issues 49921 and 21735"),
        duplicates,
    ),
    Rule(
        "hairpin",
        "Frames are sent back to where they came from",
        "A host and its own containers reach each other; frames leave the NIC and come back in.",
        "Turn hairpin (reflective relay) off, or declare an override.",
        ("IEEE 802.1Qbg", "bridge(8): hairpin"),
        reflections,
    ),
    Rule(
        "canary-answered",
        "An address that nobody should have is answered",
        "ARP requests for an address that the site gives to nobody are answered.",
        "Find out whose it is.",
        ("RFC 826",),
        canaries,
    ),
)
