"""Causes of wrong answers: proxies, and addresses that are held twice.

Sources: RFC 5227 (address conflicts), RFC 1027 (proxy ARP), Linux ip-sysctl.rst (proxy_arp,
proxy_arp_pvlan), QEMU slirp/ip_icmp.c and lwIP (both answer echo with TTL 255).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.causes.changed import was_rewritten
from matrix.probes import By, Cell, Neighbour, Relation, Verdict
from matrix.topology import EndpointKind

OWN_TOO = " is an address of "
"""How the harness says that a probe would not leave: the address is the source's own, too."""
SEVERAL = 2
"""So many addresses that are not its own make a machine a proxy, not one that has a duplicate."""

_NOT_NEIGHBOURS = (Relation.ITSELF, Relation.OTHER_SEGMENT)
"""Whose MAC address is not the one that answers: nobody's, or the router's."""


@lru_cache(maxsize=1)
def answerers(scene: Scene) -> dict[str, dict[tuple[str, str], list[Cell]]]:
    """Strange MAC addresses, and the endpoints (scenario, name) in whose name each has answered."""
    own = {i.endpoint: {m.lower() for m in i.macs} for i in scene.identities}
    gateways = true_gateways(scene)
    found: dict[str, dict[tuple[str, str], list[Cell]]] = {}
    for cell in scene.cells:
        seen = scene.observed(cell)
        if seen is None or cell.relation in _NOT_NEIGHBOURS or cell.by is By.NAME:
            continue
        macs = {m.lower() for m in (*seen.rivals, *seen.reply_macs)}
        macs |= set(scene.claims.get((cell.scenario, str(cell.target.address)), ()))
        if seen.neighbour is not None and _learnt(seen.neighbour):
            macs.add(seen.neighbour.mac.lower())
        right = own.get(cell.target.name) or gateways.get(cell.scenario, set())
        for mac in macs - right:
            key = cell.scenario, cell.target.name
            found.setdefault(mac, {}).setdefault(key, []).append(cell)
    return found


def _learnt(entry: Neighbour) -> bool:
    """Did somebody say so, or was the entry typed in by hand?"""
    return bool(entry.mac) and entry.state not in ("PERMANENT", "NOARP")


@lru_cache(maxsize=1)
def true_gateways(scene: Scene) -> dict[str, set[str]]:
    """By scenario the MAC address that most observers see as the gateway's, if there is one.

    It is not ours, so nobody can say which one is right where two answer; one that answers for
    others as well is not taken for it where another one does not.
    """
    owners = scene.owners()
    own = {i.endpoint: {m.lower() for m in i.macs} for i in scene.identities}
    strange: dict[str, set[str]] = {}
    claims: dict[str, list[str]] = {}
    for cell in scene.cells:
        seen = scene.observed(cell)
        if seen is None or cell.by is By.NAME:
            continue
        macs = {m.lower() for m in seen.rivals}
        macs |= set(scene.claims.get((cell.scenario, str(cell.target.address)), ()))
        if seen.neighbour is not None and _learnt(seen.neighbour):
            macs.add(seen.neighbour.mac.lower())
        if cell.relation is Relation.GATEWAY:
            claims.setdefault(cell.scenario, []).extend(sorted(macs))
        elif cell.relation is not Relation.ITSELF:
            for mac in macs - own.get(cell.target.name, set()):
                strange.setdefault(mac, set()).add(cell.target.name)
    found: dict[str, set[str]] = {}
    for scenario, macs_seen in claims.items():
        honest = [m for m in macs_seen if m not in strange and m not in owners]
        best = honest or macs_seen
        if best:
            found[scenario] = {max(sorted(set(best)), key=best.count)}
    return found


@lru_cache(maxsize=1)
def claimed(scene: Scene) -> set[str]:
    """Endpoints in whose name somebody else answers: what is lost to or from them proves no loss."""
    strange = {name for claims in answerers(scene).values() for _, name in claims}
    return strange | {name for _, name in _of_one_mac(scene)}


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
            f"{scene.parent(asked[0].scenario, asked[0].source.host)} {asked[0].target.address}",
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
    replies to that endpoint's own requests are lost, or some of them.
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
            scene.verdict(cell) in (Verdict.FAIL, Verdict.FLAPPING)
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
            if all(_ok(scene, c) or was_rewritten(scene, c) for c in cells):
                continue  # nobody claimed the address: the source sent it elsewhere itself
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
                f"ssh {cell.source.host} arping -c 3 -I "
                f"{scene.parent(scenario, cell.source.host)} {cell.target.address}",
                "give one of the two another address; keep the hosts' --ip-range disjoint and out "
                "of the DHCP pool, with --aux-address for what is taken",
            )
    yield from _same_mac(scene, named)
    yield from _in_one_namespace(scene)


def _in_one_namespace(scene: Scene) -> Iterator[Cause]:
    """Endpoints of ours that have another one's address as well: their own kernel says so."""
    owners = scene.owners()
    for cell in scene.bad():
        why = scene.not_run(cell)
        if OWN_TOO not in why or cell.by is By.NAME:
            continue
        address, _, rest = why.partition(OWN_TOO)
        holder = rest.partition("'s own namespace")[0]
        macs = sorted(mac for mac, name in owners.items() if name == holder)
        other = f"{holder} (MAC {macs[0]})" if macs else holder
        target = cell.target
        where = f" of {target.name}" + (f" on {target.host}" if target.host else "")
        yield Cause(
            "duplicate-address",
            f"{target.address} {cell.scenario}",
            f"{other} has the address {address}{where} as well",
            Confidence.CERTAIN,
            (f"{cell.id}: {why}",),
            tuple(
                c.id
                for c in scene.bad()
                if c.scenario == cell.scenario
                and {c.source.name, c.target.name} == {cell.source.name, target.name}
            ),
            f"ssh {cell.source.host} docker exec {holder} ip addr",
            f"take {address} from {holder}",
        )


def _of_one_mac(scene: Scene) -> dict[tuple[str, str], list[Cell]]:
    """Cells that the right MAC address answered, though the target never saw the request."""
    by_target: dict[tuple[str, str], list[Cell]] = {}
    for cell in scene.bad():
        seen = scene.observed(cell)
        if (
            scene.verdict(cell) is Verdict.IMPOSTOR
            and seen is not None
            and seen.received
            and cell.by is By.ADDRESS
            and not seen.rivals
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
    return by_target


def _same_mac(scene: Scene, named: set[str]) -> Iterator[Cause]:
    """Somebody who has an address and its MAC address, too."""
    for (scenario, name), cells in sorted(_of_one_mac(scene).items()):
        if name in named:
            continue
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
    """Cells to or from the same MAC address that were answered in part, or not at all.

    The switch sends each frame to the port where it heard that address last. It is the same address
    on every VLAN, so the host's other segments suffer as well.
    """
    for cell in scene.bad():
        seen = scene.observed(cell)
        ends = (cell.source, cell.target)
        same = any(e.name == like.target.name and e.host == like.target.host for e in ends)
        if (
            same
            and seen is not None
            and cell.by is By.ADDRESS
            and (
                (scene.verdict(cell) is Verdict.LEAK and not seen.received)
                or scene.verdict(cell) in (Verdict.FAIL, Verdict.FLAPPING)
            )
        ):
            yield cell


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
)
