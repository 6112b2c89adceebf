"""Causes of what is about names, gateways and large frames.

Sources: Docker documentation (embedded DNS server), RFC 826, RFC 1191 (path MTU discovery needs
somebody who says "too big"; a switch does not).
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.causes.chance import Way, way_of
from matrix.causes.changed import unsound
from matrix.causes.identity import claimed
from matrix.probes import By, Cell, Relation, Resolution, Verdict
from matrix.topology import Probe, Scenario

ENGINE_DNS = "127.0.0.11"
NO_ANSWER = ("NO-ANSWER", "SERVFAIL", "REFUSED")


def names(scene: Scene) -> Iterator[Cause]:
    """Names that resolve to something wrong, and resolvers that do not answer."""
    dead: dict[tuple[str, str], list[Cell]] = {}
    for cell in scene.bad():
        found = _resolution(scene, cell)
        if cell.by is not By.NAME or found is None:
            continue
        if found.code in NO_ANSWER and (cell.scenario, cell.source.name) not in unsound(scene):
            dead.setdefault((cell.scenario, cell.source.name), []).append(cell)
        wrong = [a for a in found.addresses if a != str(cell.target.address)]
        if wrong and scene.verdict(cell) in (Verdict.IMPOSTOR, Verdict.LEAK):
            who = f"{cell.source.name} on {cell.source.host}"
            yield Cause(
                "name-wrong",
                f"{who} {found.name}",
                f"in {who} the name {found.name} leads to {', '.join(wrong)}, says {found.server}; "
                f"{found.name} has {cell.target.address}",
                Confidence.CERTAIN,
                (f"{cell.id}: {found.server} said {', '.join(found.addresses)}",),
                (cell.id,),
                f"ssh {cell.source.host} docker exec {cell.source.name} getent hosts {found.name}",
                f"correct {found.server} ({found.name} {cell.target.address})"
                if found.server.startswith("/")
                else f"correct what {found.server} says of {found.name}, or its search domain",
            )
    for (scenario, name), cells in sorted(dead.items()):
        answered = [
            c
            for c in scene.cells
            if c.scenario == scenario
            and c.source.name == name
            and (r := _resolution(scene, c)) is not None
            and r.code not in NO_ANSWER
        ]
        found = _resolution(scene, cells[0])
        if answered or found is None:
            continue
        host = cells[0].source.host
        if found.server != ENGINE_DNS:
            why = "it is dead, or cut off"
        elif any(_answered_by_engine(scene, c) for c in scene.cells if c.source.host == host):
            why = (
                f"it answers other containers on {host}, so it is cut off from {name} (a firewall or "
                "NAT in its network namespace), or the engine lost this one's"
            )
        else:
            why = "the engine's own name server there is dead or cut off"
        yield Cause(
            "resolver-dead",
            f"{name} on {host}",
            f"the name server {found.server} gives {name} on {host} no answer ({found.code}), for no "
            f"name: {why}",
            Confidence.CERTAIN,
            tuple(f"{c.id}: {found.code}" for c in cells[:3]),
            tuple(c.id for c in cells),
            f"ssh {host} docker exec {name} nslookup {name} {found.server}",
            f"restart the container, then dockerd on {host}; look for a firewall in the container",
        )


def _answered_by_engine(scene: Scene, cell: Cell) -> bool:
    found = _resolution(scene, cell)
    return found is not None and found.server == ENGINE_DNS and found.code not in NO_ANSWER


def gateways(scene: Scene) -> Iterator[Cause]:
    """Gateways that nobody hears of, that answer ARP only, or that answer some and not others."""
    for scenario in scene.topology.scenarios:
        cells = [
            c
            for c in scene.wire()
            if c.scenario == scenario.name
            and c.relation is Relation.GATEWAY
            and scene.observed(c) is not None
            and not scene.is_dead(c.source.host)
        ]
        lost = [c for c in cells if scene.lost(c)]
        if not lost:
            continue
        # Only who reaches others vouches for his own wire.
        sound = [c for c in lost if _elsewhere(scene, c)]
        silent = [c for c in lost if not _has_neighbour(scene, c)]
        all_lost = len(lost) == len(cells)
        if not sound and all_lost and len(silent) == len(lost):
            yield _gateway_or_wire(scene, scenario, lost)
        if not sound or (not all_lost and _flapping(scene, lost)):
            continue  # where frames are lost at random, these may be too
        address = scenario.segment.gateway
        askers = ", ".join(sorted(f"{c.source.name} on {c.source.host}" for c in sound))
        if all_lost and len(silent) == len(lost):
            sound = lost  # nobody else's either
            rule, fix = "gateway-gone", f"bring up the router with {address}, or correct the site"
            line = (
                f"nobody answers ARP for the gateway {address} of {scenario.name}, while its askers "
                "reach others on the segment: the gateway is down, unplugged, or has another address"
            )
        elif all_lost and not set(silent) & set(sound):
            rule, fix = "gateway-mute", f"let the router {address} answer ICMP echo on this segment"
            line = (
                f"the gateway {address} of {scenario.name} answers ARP and no echo request: it drops "
                "ICMP, or its firewall does"
            )
        elif not set(silent) & set(sound):
            rule = "gateway-stale"
            fix = (
                "on the router: delete the ARP entry (ip neigh del; clear arp); fixed MAC addresses, "
                "or Docker 28 and later, which announces new ones"
            )
            line = (
                f"the gateway {address} of {scenario.name} answers others, and not {askers}: it sends "
                "its replies elsewhere (a stale or wrong ARP entry, after a container was made anew "
                "with another MAC address), or filters that address"
            )
        else:
            continue
        host = scene.topology.host(sound[0].source.host)
        yield Cause(
            rule,
            f"gateway {address}",
            line,
            # Who loses some of his frames at random, or to a rate limit, may have lost these as well.
            Confidence.POSSIBLE if _flapping(scene, lost) else Confidence.LIKELY,
            tuple(f"{c.id}: {scene.judgements[c.id].reason}" for c in sound[:3]),
            tuple(c.id for c in sound),
            f"ssh {host.name} arping -c 3 -I {scenario.parent_on(host)} {address}",
            fix,
        )


def _gateway_or_wire(scene: Scene, scenario: Scenario, lost: list[Cell]) -> Cause:
    """A gateway that is the only one they could reach: nobody can vouch for their own wire."""
    hosts = sorted({c.source.host for c in lost})
    address = scenario.segment.gateway
    return Cause(
        "gateway-gone",
        f"gateway {address}",
        f"nobody answers ARP for the gateway {address} of {scenario.name}, and who asks from "
        f"{' and '.join(hosts)} reaches nobody else over the wire either: the gateway is gone, or "
        f"what is between it and {' and '.join(hosts)}",
        Confidence.POSSIBLE,
        tuple(f"{c.id}: {scene.judgements[c.id].reason}" for c in lost[:3]),
        tuple(c.id for c in lost),
        f"ssh {hosts[0]} arping -c 3 -I {scenario.parent_on(scene.topology.host(hosts[0]))} {address}",
        f"mend what else is named here, then look for the router with {address}",
    )


def _flapping(scene: Scene, lost: list[Cell]) -> bool:
    """Are frames lost at random on the hosts of these cells?"""
    hosts = {cell.source.host for cell in lost}
    return any(
        scene.verdict(c) is Verdict.FLAPPING
        for c in scene.wire()
        if any(e.host in hosts for e in (c.source, c.target))
    )


def _elsewhere(scene: Scene, cell: Cell) -> bool:
    """Does this cell's source reach anybody else over the wire, be it now and then?"""
    return any(
        scene.verdict(c) in (Verdict.PASS, Verdict.FLAPPING)
        for c in scene.wire()
        if c.scenario == cell.scenario and c.source == cell.source and c.target != cell.target
    )


def _has_neighbour(scene: Scene, cell: Cell) -> bool:
    seen = scene.observed(cell)
    return seen is not None and seen.neighbour is not None and bool(seen.neighbour.mac)


def large_frames(scene: Scene) -> Iterator[Cause]:
    """Frames of full size that do not pass where small ones do. No cell shows it."""
    # Where small ones are lost at random, or answered by somebody else, large ones are, too.
    doubtful, strange = set[Way](), claimed(scene)
    for cell in scene.wire():
        names = {cell.source.name, cell.target.name}
        if scene.verdict(cell) is Verdict.FLAPPING or names & strange:
            scenario, here, there = way_of(cell)
            doubtful |= {(scenario, here, there), (scenario, there, here)}
    lost = {key for key, passed in scene.large.items() if not passed} - doubtful
    # Where cells ask for full size themselves, they say more: see matrix.causes.protocols.
    for cell in scene.bad_others():
        if cell.probe is Probe.MTU:
            scenario, here, there = way_of(cell)
            lost -= {(scenario, here, there), (scenario, there, here)}
    if not lost:
        return
    pairs = [{here, there} for _, here, there in lost]
    everybody = sorted(set().union(*pairs))
    common = [host for host in everybody if all(host in pair for pair in pairs)]
    ends = " and ".join(everybody)
    scenarios = " and ".join(sorted({scenario for scenario, _, _ in lost}))
    yield Cause(
        "mtu-small",
        common[0] if len(common) == 1 else ends,
        f"frames of full size (1,500 bytes) do not pass between {ends} on {scenarios}, small ones "
        "do, and nobody says why: a switch or tunnel on the way carries less than the links' MTU",
        Confidence.LIKELY,
        tuple(f"{s}: 1,500 bytes {a} -> {b}: no answer" for s, a, b in sorted(lost))[:4],
        (),
        f"ssh {everybody[0]} ping -M do -s 1472 -c 3 ADDRESS",
        "raise the MTU of the switch ports and tunnels between the hosts, or lower that of the "
        "parents and containers",
    )


def _resolution(scene: Scene, cell: Cell) -> Resolution | None:
    outcome = scene.outcomes.get(cell.id)
    return outcome.resolution if outcome is not None else None


RULES = (
    Rule(
        "names",
        "Names resolve wrongly, or not at all",
        "The resolver's own answer says so.",
        "Correct it; restart the engine's name server.",
        ("Docker documentation: embedded DNS server",),
        names,
    ),
    Rule(
        "gateway",
        "The gateway does not answer",
        "Who reaches others does not reach it.",
        "Bring it up; delete stale ARP entries.",
        ("RFC 826",),
        gateways,
    ),
    Rule(
        "mtu-small",
        "Full-size frames do not pass",
        "Echoes of 1,500 bytes are lost where small ones pass; no cell shows it.",
        "Raise the MTU on the way.",
        ("RFC 1191",),
        large_frames,
    ),
)
