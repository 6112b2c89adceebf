"""Causes of broadcasts and multicasts that are lost or doubled, and of what passes where nothing should.

Sources: RFC 1112 (who belongs to a group), RFC 4541 (what a switch that snoops IGMP may drop).
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.causes.protocols import echo_words, explains, failed, inside, told_by_echo
from matrix.probes import Cell, Verdict
from matrix.protocol_rules import CASTS, WORDS
from matrix.protocol_words import COUNTED
from matrix.topology import Probe


def casts(scene: Scene) -> Iterator[Cause]:
    """Broadcasts and multicasts that are lost or doubled where echoes pass."""
    lost: dict[tuple[str, Probe, str], list[Cell]] = {}
    twice: dict[str, list[Cell]] = {}
    closed: dict[tuple[str, Probe], list[Cell]] = {}
    for cell, seen in failed(scene, CASTS):
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
        yield explains(
            scene,
            Cause(
                "protocol-firewall",
                name,
                f"{name}'s own firewall keeps {COUNTED[probe][1]} out: they arrive at its link",
                Confidence.LIKELY,
                (),
                (),
                f"ssh {cells[0].target.host} {inside(cells[0], 'nft list ruleset')}",
                f"allow them in {name}'s INPUT chain, or declare it with an override",
            ),
            cells,
        )
    for (place, probe, forms), cells in sorted(lost.items()):
        yield explains(
            scene,
            Cause(
                "cast-lost",
                place,
                f"{COUNTED[probe][1]} {forms} are dropped on the way {place}{echo_words(scene, cells)}: "
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
        yield explains(
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
        yield explains(
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


RULES = (
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
