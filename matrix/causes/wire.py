"""Causes on the wire: links without carrier, losses at random, hosts that are not on one network.

Sources: Linux net/sched/sch_generic.c (a link without carrier sends nothing); ip-link(8); IEEE 802.1D.
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.cause import DOWN, NO_CARRIER, WIRE, Cause, Confidence, Rule, Scene
from matrix.causes.chance import Way, by_chance, in_part, rate, thinned, uneven, way_of
from matrix.causes.frames import ALL, ARP, crossings, evidence, ids
from matrix.causes.identity import claimed
from matrix.probes import Cell, Relation, Verdict

SEVERAL = 2
"""So many others must have taken part before one container is blamed for what was lost."""


def dead_links(scene: Scene) -> Iterator[Cause]:
    """Parents without a carrier, or set down: whatever sits on them reaches nobody."""
    for host in scene.topology.hosts:
        link = scene.link(host.name)
        if link is None or link.state not in (NO_CARRIER, DOWN):
            continue
        cells = ids(
            c
            for c in scene.bad()
            if scene.touches(c, host.name)
            and (scene.not_run(c) or c.relation is not Relation.ITSELF)
            and scene.verdict(c) in (Verdict.FAIL, Verdict.INCONCLUSIVE)
        )
        if link.state == DOWN:
            yield Cause(
                "parent-down",
                f"{host.name} {host.parent}",
                f"{host.parent} on {host.name} is set down; what sits on it reaches nobody, and the "
                "harness does not start other people's links",
                Confidence.CERTAIN,
                (f"netlink on {host.name}: {host.parent} is {DOWN}",),
                cells,
                f"ssh {host.name} ip link show {host.parent}",
                f"on {host.name}: ip link set {host.parent} up",
            )
            continue
        yield Cause(
            "no-carrier",
            f"{host.name} {host.parent}",
            f"{host.parent} on {host.name} has no carrier: its cable is out, or its switch port is "
            "down",
            Confidence.CERTAIN,
            (f"netlink on {host.name}: {host.parent} is up and has {NO_CARRIER}",),
            cells,
            f"ssh {host.name} cat /sys/class/net/{host.parent}/carrier",
            f"plug {host.name}'s {host.parent} in, or enable its switch port",
        )


def _busy(scene: Scene) -> dict[str, list[Cell]]:
    """Hosts inside of which replies were lost, where no wire and no firewall is; and those cells.

    A container's own firewall drops all of its echoes. So it takes some that came, or two containers
    that did answer others.
    """
    doubtful = claimed(scene)
    answered = {
        (c.scenario, c.target.name) for c in scene.cells if (o := scene.observed(c)) and o.received
    }
    found: dict[str, list[Cell]] = {}
    for cell in scene.bad():
        seen = scene.observed(cell)
        if cell.source.host in scene.refused:
            continue  # its neighbour table was full, and that explains it
        if cell.relation in (Relation.ITSELF, Relation.SIBLING) and seen and seen.requests_seen:
            if {cell.source.name, cell.target.name} & doubtful:
                continue
            if scene.verdict(cell) is Verdict.FLAPPING or (
                scene.lost(cell)
                and cell.relation is Relation.ITSELF
                and (cell.scenario, cell.target.name) in answered
            ):
                found.setdefault(cell.source.host, []).append(cell)
    return {
        host: cells
        for host, cells in found.items()
        if any(scene.verdict(c) is Verdict.FLAPPING for c in cells)
        or len({c.source.name for c in cells}) > 1
    }


def _one_alone(scene: Scene, host: str) -> str:
    """The container that everything lost on a host is to or from, though others took part; or ""."""
    lost = [
        c
        for c in scene.bad()
        if scene.verdict(c) in (Verdict.FLAPPING, Verdict.FAIL) and scene.touches(c, host)
    ]
    names = [{e.name for e in (c.source, c.target) if e.host == host} for c in lost]
    common = set.intersection(*names) if names else set()
    partners = {e.name for c in lost for e in (c.source, c.target)} - common
    if len(common) != 1 or len(partners) < SEVERAL:
        return ""
    (name,) = common
    return (
        name if any(c.name == name for s in scene.topology.scenarios for c in s.containers) else ""
    )


def busy(scene: Scene) -> Iterator[Cause]:
    """Hosts that lose what never leaves them, or one of their containers that does."""
    for host, cells in sorted(_busy(scene).items()):
        if name := _one_alone(scene, host):
            yield Cause(
                "container-lossy",
                f"{name} on {host}",
                f"echoes are lost inside {name} on {host}, and nobody else there loses any: a firewall "
                "with a limit, or a queue (tc), in its own network namespace",
                Confidence.LIKELY,
                tuple(f"{c.id}: {scene.judgements[c.id].reason}" for c in cells[:3]),
                ids(
                    c
                    for c in scene.bad()
                    if scene.verdict(c) in (Verdict.FLAPPING, Verdict.FAIL)
                    and name in (c.source.name, c.target.name)
                ),
                f'ssh {host} "nsenter -t $(docker inspect -f '
                f"'{{{{.State.Pid}}}}' {name}) -n sh -c 'nft list ruleset; tc -s qdisc'\"",
                f"take the limit out of {name}, or ask again when it has less to do",
            )
            continue
        yield Cause(
            "host-busy",
            host,
            f"replies were lost inside {host}, where no wire is: its kernel or the agent there had "
            "no time while we asked, or could not keep another neighbour for a moment; what else was "
            "lost there says nothing of the network",
            Confidence.LIKELY,
            tuple(f"{c.id}: {scene.judgements[c.id].reason}" for c in cells[:3]),
            ids(
                c
                for c in scene.bad()
                if scene.verdict(c) in (Verdict.FLAPPING, Verdict.FAIL)
                and scene.observed(c) is not None
                and scene.touches(c, host)
            ),
            f"ssh {host} uptime; ssh {host} ip -s ntable show name arp_cache",
            f"ask again when {host} has less to do",
        )


def losses(scene: Scene) -> Iterator[Cause]:
    """Frames that are lost at random, to or from one host."""
    doubtful = claimed(scene) | set(_busy(scene)) | set(scene.refused)
    seen = crossings(scene)
    partly = in_part(seen)
    flapping = [
        c
        for c in scene.wire()
        if (scene.verdict(c) is Verdict.FLAPPING or (scene.lost(c) and c.id in partly))
        and not {c.source.name, c.target.name, c.source.host, c.target.host} & doubtful
    ]
    doubtful |= {c.where.split()[0] for c in busy(scene)}
    flapping = [c for c in flapping if not {c.source.name, c.target.name} & doubtful]
    if not flapping:
        return
    suspects = [h for h in scene.topology.hosts if all(scene.touches(c, h.name) for c in flapping)]
    calm = [
        h
        for h in suspects
        if any(scene.passed(c) for c in scene.wire() if not scene.touches(c, h.name))
    ]
    ends = sorted({e.host for c in flapping for e in (c.source, c.target) if e.host})
    blamed = [h.name for h in (calm or suspects)][:1] if len(calm or suspects) == 1 else []
    who = blamed or ends
    # An echo and its reply are two frames.
    share = max(max(rate(scene, h), 1 - (1 - thinned(seen, h)) ** 2) for h in who)
    thin = _thin(scene, who, share)
    cells = [
        c
        for c in scene.wire()
        if way_of(c) in thin
        and ((blamed and scene.touches(c, blamed[0])) or (not blamed and c in flapping))
    ]
    observed = [o for c in cells if (o := scene.observed(c)) and o.sent]
    sent, received = sum(o.sent for o in observed), sum(o.received for o in observed)
    where = f"to or from {who[0]}" if blamed else f"between {' and '.join(who)}"
    lost = ids(
        c
        for c in scene.bad()
        if scene.verdict(c) in (Verdict.FLAPPING, Verdict.FAIL)
        and not scene.not_run(c)
        and c.relation in WIRE
        and way_of(c) in thin
        and any(e.host in who for e in (c.source, c.target))
    )
    if not lost:
        return
    where_lost = sorted(
        {
            w
            for c in flapping
            if (t := scene.trace(c))
            for w in t.words
            if " were lost between " in w
        }
    )
    yield Cause(
        "loss",
        " and ".join(who),
        f"frames {where} are lost at random: {sent - received} of {sent} echo requests were not "
        "answered, in some cells but not in all",
        Confidence.LIKELY,
        tuple(where_lost[:4])
        or tuple(f"{c.id}: {scene.judgements[c.id].reason}" for c in flapping[:4]),
        lost,
        f"ssh {who[0]} ip -s link show {scene.topology.host(who[0]).parent}",
        "look for errors and drops on the links and switch ports of "
        f"{' and '.join(who)} (cable, duplex, an overloaded hypervisor), and for a rate limit",
    )


def _thin(scene: Scene, hosts: list[str], share: float) -> set[Way]:
    """The ways between them on which what is lost may be lost at random."""
    ways: dict[Way, int] = {}
    for cell in scene.wire():
        if (seen := scene.observed(cell)) and any(scene.touches(cell, host) for host in hosts):
            ways[way_of(cell)] = ways.get(way_of(cell), 0) + seen.sent
    some = uneven(scene)
    return {way for way, sent in ways.items() if way in some or by_chance(share, sent)}


def _between(scene: Scene, scenario: str, ends: set[str]) -> Iterator[Cell]:
    """What is lost between two hosts, and on their VLANs, too, where nothing passes there either."""
    alive = {c.scenario for c in scene.wire() if scene.passed(c) and _joins(c, ends)}
    for cell in scene.bad():
        if _joins(cell, ends) and (cell.scenario == scenario or cell.scenario not in alive):
            yield cell


def _joins(cell: Cell, ends: set[str]) -> bool:
    return {cell.source.host, cell.target.host} == ends


def cut(scene: Scene) -> Iterator[Cause]:
    """Two hosts on a plain segment between whose wires nothing passes at all."""
    seen = crossings(scene)
    for scenario in scene.topology.scenarios:
        if scenario.segment.vlan is not None:
            continue
        here = [c for c in seen if c.scenario == scenario.name]
        pairs = {frozenset((c.out_of, c.into)) for c in here if not c.passed}
        for pair in sorted(pairs, key=sorted):
            both = [c for c in here if frozenset((c.out_of, c.into)) == pair]
            ends = sorted(pair)
            dead = any(scene.is_dead(end) for end in ends)
            arp = any(not c.passed and c.kind == ARP and c.target == ALL for c in both)
            if dead or any(c.passed for c in both) or not arp or len(ends) != len(("a", "b")):
                continue
            yield Cause(
                "wire-cut",
                " and ".join(ends),
                f"nothing passes between {' and '.join(ends)}: frames leave the one and never "
                "arrive at the other, though both links have a carrier: they are not on one layer 2 "
                "network (another switch, another port group, port isolation, an access point"
                + ("" if any(c.kind != ARP for c in both) else ", or a filter that drops ARP")
                + ")",
                Confidence.LIKELY,
                evidence(both),
                ids(_between(scene, scenario.name, set(ends))),
                f"ssh {ends[0]} tcpdump -p -e -n -i {scene.topology.host(ends[0]).parent} arp",
                "put the NICs of both hosts on the same network, and turn port isolation off",
            )


RULES = (
    Rule(
        "no-carrier",
        "A parent has no carrier",
        "Netlink says so; everything that sits on the link fails, siblings too.",
        "Plug the cable in, or enable the switch port.",
        ("Linux net/sched/sch_generic.c: a link without carrier sends nothing",),
        dead_links,
    ),
    Rule(
        "loss",
        "Frames are lost at random",
        "Some requests of a cell are answered and others are not.",
        "Look at error counters, duplex, the hypervisor's load, rate limits.",
        ("ip-link(8): ip -s link",),
        losses,
    ),
    Rule(
        "host-busy",
        "A host, or one container, was too busy to answer",
        "Replies are lost between a container and itself, or its sibling, where no wire is.",
        "Ask again when it has less to do; look for a limit inside the container.",
        ("Linux net/core/neighbour.c: a full table refuses the loopback's entries, too",),
        busy,
    ),
    Rule(
        "wire-cut",
        "Two hosts are not on one layer 2 network",
        "Broadcasts leave the one and never arrive at the other, though both links have a carrier.",
        "Put the NICs on the same network; turn port isolation off.",
        ("IEEE 802.1D",),
        cut,
    ),
)
