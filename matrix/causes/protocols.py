"""Causes of what only some protocols meet: firewalls, small MTUs, broadcasts that are dropped or doubled.

Rule: both ends were watched at the link, before any firewall of theirs, so each loss has a side: it
did not leave the source, did not arrive at the target's link, was not taken in there, or the answer
did not come back. A cell whose echo between the same two is not as expected has that one's cause
(``matrix.diagnose``), and is not told here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.causes.identity import claimed
from matrix.exchange import MUTE, REFUSED, RESET, Exchange
from matrix.probes import Cell, Verdict
from matrix.protocol_rules import UNICAST, echo_of
from matrix.protocol_words import refused_itself
from matrix.topology import EndpointKind, Probe

Told = tuple[Cell, Exchange]
MOST_SHOWN = 4


def told_by_echo(scene: Scene, cell: Cell) -> bool:
    """Is the echo between the same two not as expected either?"""
    judgement = scene.judgements.get(echo_of(cell))
    return judgement is not None and not judgement.verdict.holds


def hosts_of(cell: Cell) -> frozenset[str]:
    """The hosts of both ends, in no order."""
    return frozenset((cell.source.host, cell.target.host))


@lru_cache(maxsize=1)
def flapping(scene: Scene) -> frozenset[frozenset[str]]:
    """The hosts between which some echoes came and some did not."""
    return frozenset(hosts_of(c) for c in scene.wire() if scene.verdict(c) is Verdict.FLAPPING)


def failed(scene: Scene, probes: tuple[Probe, ...]) -> Iterator[Told]:
    """The cells of these probes that failed or lost some, whose echo is as it should be.

    Not those in whose name, or in whose source's, somebody else answers: he may have got the answer.
    Nor those between hosts where echoes are lost at random: chance is no filter.
    """
    strange, unsteady = claimed(scene), flapping(scene)
    for cell in scene.bad_others():
        seen = scene.exchange(cell)
        if (
            cell.probe in probes
            and seen is not None
            and scene.verdict(cell) in (Verdict.FAIL, Verdict.FLAPPING)
            and not told_by_echo(scene, cell)
            and not {cell.source.name, cell.target.name} & strange
            and hosts_of(cell) not in unsteady
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
    for cell, seen in failed(scene, probes):
        if is_it(seen):
            found.setdefault((where(cell), cell.probe), []).append(cell)
    for (place, probe), cells in sorted(found.items()):
        yield place, probe, cells


def explains(scene: Scene, cause: Cause, cells: list[Cell]) -> Cause:
    """The cause with these cells, and what was seen of the first of them."""
    seen = tuple(f"{c.id}: {scene.judgements[c.id].reason}" for c in cells[:MOST_SHOWN])
    return replace(cause, evidence=seen, cells=tuple(c.id for c in cells))


def echo_words(scene: Scene, cells: list[Cell]) -> str:
    """Words for echoes that pass between the same two; "" where none was asked."""
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
        yield explains(
            scene,
            Cause(
                "protocol-firewall",
                name,
                f"{name}'s own firewall keeps {probe.upper()} out: it arrives at its link, a listener "
                f"stands behind it, and nothing gets through{echo_words(scene, cells)}",
                Confidence.LIKELY,
                (),
                (),
                f"ssh {host} {inside(cells[0], 'nft list ruleset')}",
                f"allow {probe.upper()} in {name}'s INPUT chain (firewalld, ufw, nftables), or declare "
                "it with an override",
            ),
            cells,
        )


def inside_source(scene: Scene) -> Iterator[Cause]:
    """Requests that never leave the source, or answers that it does not take in."""

    def unsent(seen: Exchange) -> bool:
        there = seen.neighbour is not None and bool(seen.neighbour.mac)
        return seen.departed == 0 and there

    def untaken(seen: Exchange) -> bool:
        ended = seen.answered or seen.ends.get(REFUSED) or seen.ends.get(MUTE)
        return bool(seen.came_back) and not ended

    for words, is_it in (("never leaves", unsent), ("has its answers dropped inside", untaken)):
        for name, probe, cells in _grouped(scene, UNICAST, is_it, lambda c: c.source.name):
            if all(is_it(seen) for c in cells if (seen := scene.exchange(c))):
                host = cells[0].source.host
                yield explains(
                    scene,
                    Cause(
                        "protocol-firewall",
                        name,
                        f"{probe.upper()} {words} {name}: its own firewall drops it"
                        f"{echo_words(scene, cells)}",
                        Confidence.LIKELY,
                        (),
                        (),
                        f"ssh {host} {inside(cells[0], 'nft list ruleset', source=True)}",
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
            yield explains(
                scene,
                Cause(
                    "protocol-filtered",
                    place,
                    f"{probe.upper()} {words} are dropped between the hosts, on the way from {way}"
                    f"{echo_words(scene, cells)}: a filter of the switch, the hypervisor or the cloud",
                    Confidence.LIKELY,
                    (),
                    (),
                    f"ssh {second} tcpdump -p -e -n -i {scene.topology.host(second).parent} {probe}",
                    f"allow {probe.upper()} there: port ACLs, security groups, a bridge's nftables or "
                    "br_netfilter",
                ),
                cells,
            )


def inside(cell: Cell, command: str, *, source: bool = False) -> str:
    """The command in the namespace of one end."""
    end = cell.source if source else cell.target
    if end.kind is EndpointKind.HOST:
        return command
    return f"\"nsenter -t \\$(docker inspect -f '{{{{.State.Pid}}}}' {end.name}) -n {command}\""


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
)
