"""Causes of what only some protocols meet: firewalls, small MTUs, broadcasts that are dropped or doubled.

Rule: both ends were watched at the link, before any firewall of theirs, so each loss has a side: it
did not leave the source, did not arrive at the target's link, was not taken in there, or the answer
did not come back. A cell whose echo between the same two is not as expected has that one's cause
(``matrix.diagnose``), and is not told here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.exchange import REFUSED, RESET, TOO_LONG, Exchange, Rung
from matrix.probes import Cell, Verdict
from matrix.protocol_judge import COUNTED, refused_itself, too_narrow
from matrix.protocol_rules import CASTS, UNICAST, WORDS, echo_of, twin_of
from matrix.topology import EndpointKind, Probe

Told = tuple[Cell, Exchange]
MOST_SHOWN = 4


def told_by_echo(scene: Scene, cell: Cell) -> bool:
    """Is the echo between the same two not as expected either?"""
    judgement = scene.judgements.get(echo_of(cell))
    return judgement is not None and not judgement.verdict.holds


def _failed(scene: Scene, probes: tuple[Probe, ...]) -> Iterator[Told]:
    """The cells of these probes that failed or lost some, whose echo is as it should be."""
    for cell in scene.bad_others():
        seen = scene.exchange(cell)
        if (
            cell.probe in probes
            and seen is not None
            and scene.verdict(cell) in (Verdict.FAIL, Verdict.FLAPPING)
            and not told_by_echo(scene, cell)
        ):
            yield cell, seen


def _grouped(
    scene: Scene,
    probes: tuple[Probe, ...],
    is_it: Callable[[Exchange], bool],
    where: Callable[[Cell], str],
) -> Iterator[tuple[str, Probe, list[Cell]]]:
    """The failed cells of which that is true, by place and probe."""
    found: dict[tuple[str, Probe], list[Cell]] = {}
    for cell, seen in _failed(scene, probes):
        if is_it(seen):
            found.setdefault((where(cell), cell.probe), []).append(cell)
    for (place, probe), cells in sorted(found.items()):
        yield place, probe, cells


def _explains(scene: Scene, cause: Cause, cells: list[Cell]) -> Cause:
    """The cause with these cells, and what was seen of the first of them."""
    seen = tuple(f"{c.id}: {scene.judgements[c.id].reason}" for c in cells[:MOST_SHOWN])
    return replace(cause, evidence=seen, cells=tuple(c.id for c in cells))


def _echo_words(scene: Scene, cells: list[Cell]) -> str:
    passed = [c for c in cells if (j := scene.judgements.get(echo_of(c))) and j.verdict.holds]
    return ", while echoes between the same two pass" if passed else ""


def inside_target(scene: Scene) -> Iterator[Cause]:
    """Requests that arrive at the target's link, and that its own stack drops or refuses."""

    def is_it(seen: Exchange) -> bool:
        refused = bool(seen.ends.get(REFUSED) or seen.ends.get(RESET)) and refused_itself(seen)
        dropped = bool(seen.at_link) and not seen.arrived and not seen.left
        return refused or dropped

    for name, probe, cells in _grouped(scene, UNICAST, is_it, lambda c: c.target.name):
        host = cells[0].target.host
        yield _explains(
            scene,
            Cause(
                "protocol-firewall",
                name,
                f"{name}'s own firewall keeps {probe.upper()} out: it arrives at its link, a listener "
                f"stands behind it, and nothing gets through{_echo_words(scene, cells)}",
                Confidence.LIKELY,
                (),
                (),
                f"ssh {host} {_inside(cells[0], 'nft list ruleset')}",
                f"allow {probe.upper()} in {name}'s INPUT chain (firewalld, ufw, nftables), or declare it "
                "with an override",
            ),
            cells,
        )


def inside_source(scene: Scene) -> Iterator[Cause]:
    """Requests that never leave the source, or answers that it does not take in."""

    def unsent(seen: Exchange) -> bool:
        there = seen.neighbour is not None and bool(seen.neighbour.mac)
        return seen.departed == 0 and there

    def untaken(seen: Exchange) -> bool:
        return bool(seen.came_back) and not seen.answered and not seen.ends.get(REFUSED)

    for words, is_it in (("never leaves", unsent), ("has its answers dropped inside", untaken)):
        for name, probe, cells in _grouped(scene, UNICAST, is_it, lambda c: c.source.name):
            if all(is_it(seen) for c in cells if (seen := scene.exchange(c))):
                host = cells[0].source.host
                yield _explains(
                    scene,
                    Cause(
                        "protocol-firewall",
                        name,
                        f"{probe.upper()} {words} {name}: its own firewall drops it"
                        f"{_echo_words(scene, cells)}",
                        Confidence.LIKELY,
                        (),
                        (),
                        f"ssh {host} {_inside(cells[0], 'nft list ruleset', source=True)}",
                        f"allow {probe.upper()} in {name}'s OUTPUT and INPUT chains",
                    ),
                    cells,
                )


def on_the_way(scene: Scene) -> Iterator[Cause]:
    """Requests that leave and do not arrive, or answers that leave and do not come back."""

    def there(seen: Exchange) -> bool:
        return bool(seen.departed) and not seen.at_link and not seen.arrived

    def back(seen: Exchange) -> bool:
        return bool(seen.left) and not seen.came_back and bool(seen.arrived or seen.at_link)

    def between(cell: Cell) -> str:
        return f"{cell.source.host} -> {cell.target.host}"

    for words, is_it in (("requests", there), ("answers", back)):
        for place, probe, cells in _grouped(scene, UNICAST, is_it, between):
            first, _, second = place.partition(" -> ")
            way = f"{first} to {second}" if words == "requests" else f"{second} back to {first}"
            yield _explains(
                scene,
                Cause(
                    "protocol-filtered",
                    place,
                    f"{probe.upper()} {words} are dropped between the hosts, on the way from {way}"
                    f"{_echo_words(scene, cells)}: a filter of the switch, the hypervisor or the cloud",
                    Confidence.LIKELY,
                    (),
                    (),
                    f"ssh {second} tcpdump -p -e -n -i {scene.topology.host(second).parent} {probe}",
                    f"allow {probe.upper()} there: port ACLs, security groups, a bridge's nftables or "
                    "br_netfilter",
                ),
                cells,
            )


def narrow(scene: Scene) -> Iterator[Cause]:
    """Packets of the declared size that are too long for a link, or lost for their length."""
    found: dict[tuple[str, str, str], list[Cell]] = {}
    for cell, seen in _failed(scene, (Probe.MTU,)):
        if not seen.largest_bytes:
            continue
        wanted = cell.expectation.size_bytes or 0
        rung = next((r for r in seen.rungs if r.size_bytes == wanted), None)
        place, how = _too_long(cell, rung)
        found.setdefault((place, how, cell.scenario), []).append(cell)
    for (place, how, scenario), cells in sorted(found.items()):
        first = cells[0]
        wanted = first.expectation.size_bytes or 0
        largest = min(s.largest_bytes for c in cells if (s := scene.exchange(c)))
        line = {
            "link": f"the links of {place} carry {largest:,} bytes on {scenario}, and the site declares "
            f"mtu = {wanted}",
            "told": f"{place} says that packets of more than {largest:,} bytes do not fit on their way",
            "silent": f"packets of more than {largest:,} bytes (up to the {wanted:,} that are declared) "
            f"are lost between {place} on {scenario}, and nobody says why: a switch, tunnel or "
            "hypervisor on the way carries less" + _tag_words(largest, wanted),
        }[how]
        rule = "mtu-narrow"
        if how == "link":
            rule = "mtu-link"
        elif how == "told":
            rule = "mtu-told"
        yield Cause(
            rule,
            place,
            line,
            Confidence.CERTAIN if how == "link" else Confidence.LIKELY,
            tuple(f"{c.id}: {too_narrow(c, s, wanted)}" for c in cells if (s := scene.exchange(c)))[
                :MOST_SHOWN
            ],
            tuple(c.id for c in cells),
            scene.judgements[first.id].next_command,
            f"raise the MTU on the way to {wanted:,} (and 4 more for a VLAN tag), or declare what it "
            f"carries: mtu = {largest} in the scenario",
        )


def nothing_at_all(scene: Scene) -> Iterator[Cause]:
    """Where no datagram of any size passes, size is not the matter. A UDP echo would say more."""
    found: dict[str, list[Cell]] = {}
    for cell, seen in _failed(scene, (Probe.MTU,)):
        twin = scene.judgements.get(twin_of(cell, Probe.UDP))
        if not seen.largest_bytes and (twin is None or twin.verdict.holds):
            found.setdefault(f"{cell.source.host} -> {cell.target.host}", []).append(cell)
    for place, cells in sorted(found.items()):
        cause = _explains(
            scene,
            Cause(
                "protocol-filtered",
                place,
                f"UDP of no size passes from {place}{_echo_words(scene, cells)}: a firewall at either end "
                "or between them",
                Confidence.LIKELY,
                (),
                (),
                scene.judgements[cells[0].id].next_command,
                "run again with --probe icmp,udp: it tells on which side the datagrams are dropped",
            ),
            cells,
        )
        yield replace(cause, confidence=Confidence.POSSIBLE)


def _too_long(cell: Cell, rung: Rung | None) -> tuple[str, str]:
    """Where a packet is too long, and how that is known."""
    hosts = " and ".join(sorted({cell.source.host, cell.target.host}))
    if rung is None or not rung.ends.get(TOO_LONG):
        return hosts, "silent"
    told = next((w for w in rung.words if ", says " in w), "")
    return (told.rpartition(", says ")[2], "told") if told else (cell.source.host, "link")


def _tag_words(largest: int, wanted: int) -> str:
    fits = largest + 4 <= wanted <= largest + 8
    return " (4 bytes less: a VLAN tag has no room beside a full packet)" if fits else ""


def casts(scene: Scene) -> Iterator[Cause]:
    """Broadcasts and multicasts that are lost or doubled where echoes pass."""
    lost: dict[tuple[str, Probe, str], list[Cell]] = {}
    twice: dict[str, list[Cell]] = {}
    closed: dict[tuple[str, Probe], list[Cell]] = {}
    for cell, seen in _failed(scene, CASTS):
        missing = [cast for cast in seen.casts if cast.sent and not any(cast.heard)]
        if any(cast.at_link and any(cast.at_link) for cast in missing):
            closed.setdefault((cell.target.name, cell.probe), []).append(cell)
        elif missing:
            forms = " and ".join(cast.form for cast in missing)
            place = f"{cell.source.host} -> {cell.target.host}"
            lost.setdefault((place, cell.probe, forms), []).append(cell)
        elif any(max(cast.copies, default=0) > 1 for cast in seen.casts):
            twice.setdefault(cell.target.host, []).append(cell)
    for (name, probe), cells in sorted(closed.items()):
        yield _explains(
            scene,
            Cause(
                "protocol-firewall",
                name,
                f"{name}'s own firewall keeps {COUNTED[probe][1]} out: they arrive at its link",
                Confidence.LIKELY,
                (),
                (),
                f"ssh {cells[0].target.host} {_inside(cells[0], 'nft list ruleset')}",
                f"allow them in {name}'s INPUT chain, or declare it with an override",
            ),
            cells,
        )
    for (place, probe, forms), cells in sorted(lost.items()):
        yield _explains(
            scene,
            Cause(
                "cast-lost",
                place,
                f"{COUNTED[probe][1]} {forms} are dropped on the way {place}{_echo_words(scene, cells)}: "
                "storm control, IGMP snooping without a querier, or a multicast filter of a virtual NIC",
                Confidence.LIKELY,
                (),
                (),
                f"ssh {cells[0].target.host} tcpdump -p -e -n -i "
                f"{scene.topology.host(cells[0].target.host).parent} multicast or broadcast",
                "look at storm control and IGMP snooping of the switch; libvirt: trustGuestRxFilters=yes",
            ),
            cells,
        )
    for host, cells in sorted(twice.items()):
        yield _explains(
            scene,
            Cause(
                "cast-doubled",
                host,
                f"what is sent to everybody comes to {host} more than once: the network copies frames",
                Confidence.LIKELY,
                (),
                (),
                f"ssh {host} tcpdump -p -e -n -i {scene.topology.host(host).parent} broadcast",
                "look for a loop, a mirror port, or a teamed uplink that sends frames back (ESXi: "
                "Net.ReversePathFwdCheckPromisc = 1)",
            ),
            cells,
        )


def leaks(scene: Scene) -> Iterator[Cause]:
    """What passes by another protocol where neither it nor an echo should."""
    found: dict[tuple[str, Probe], list[Cell]] = {}
    for cell in scene.bad_others():
        if scene.verdict(cell) is Verdict.LEAK and not told_by_echo(scene, cell):
            found.setdefault((cell.source.host, cell.probe), []).append(cell)
    for (host, probe), cells in sorted(found.items()):
        yield _explains(
            scene,
            Cause(
                "protocol-leak",
                host,
                f"{WORDS[probe]} passes on {host} where an echo does not: something there sends frames "
                "of that kind back, or answers for others",
                Confidence.LIKELY,
                (),
                (),
                f"ssh {host} tcpdump -p -e -n -i {scene.topology.host(host).parent}",
                "look for a proxy, a reflecting switch port, or a firewall that drops echoes alone",
            ),
            cells,
        )


def _inside(cell: Cell, command: str, *, source: bool = False) -> str:
    """The command in the namespace of one end."""
    end = cell.source if source else cell.target
    if end.kind is EndpointKind.HOST:
        return command
    return f"\"nsenter -t \\$(docker inspect -f '{{{{.State.Pid}}}}' {end.name}) -n {command}\""


def sizes(scene: Scene) -> Iterator[Cause]:
    """What becomes of large packets."""
    yield from narrow(scene)
    yield from nothing_at_all(scene)


def firewalls(scene: Scene) -> Iterator[Cause]:
    """What either end drops inside itself."""
    yield from inside_target(scene)
    yield from inside_source(scene)


RULES = (
    Rule(
        "protocol-firewall",
        "A firewall inside an endpoint drops one protocol",
        "TCP, UDP or broadcasts arrive at the target's link, and its listener does not get them; or "
        "they never leave the source, whose neighbour is known. Both ends are watched at their links, "
        "before their own firewalls.",
        "Allow it in that namespace's own chains, or declare the block with an override.",
        ("nft(8)", "iptables(8)"),
        firewalls,
    ),
    Rule(
        "protocol-filtered",
        "One protocol is dropped between the hosts",
        "Echoes pass between two, TCP or UDP leaves one link and does not arrive at the other.",
        "Look at port ACLs, security groups, and the firewall of a bridge (br_netfilter).",
        ("Linux Documentation/networking/bridge.rst",),
        on_the_way,
    ),
    Rule(
        "mtu-narrow",
        "Packets of the declared size do not pass",
        "The longest packet that passes is shorter than the scenario's `mtu`: too long for a link "
        "(EMSGSIZE), told so by a router (ICMP fragmentation needed), or lost in silence.",
        "Raise the MTU on the way, with 4 bytes more for a VLAN tag; or declare the smaller one.",
        ("RFC 1191", "RFC 4821"),
        sizes,
    ),
    Rule(
        "cast-lost",
        "Broadcasts or multicasts are dropped, or come twice",
        "Echoes pass between two, and what is sent to everybody does not, or comes more than once.",
        "Look at storm control, IGMP snooping and loops.",
        ("RFC 1112", "RFC 4541"),
        casts,
    ),
    Rule(
        "protocol-leak",
        "One protocol passes where nothing should",
        "A connection, datagram or broadcast arrives between two that do not reach each other by echo.",
        "Look for what reflects or proxies it.",
        ("Linux drivers/net/macvlan.c",),
        leaks,
    ),
)
