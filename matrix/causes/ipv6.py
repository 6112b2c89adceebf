"""Causes of what IPv6 alone meets, where the same two reach each other over IPv4.

IPv6 finds its neighbours by multicast to 33:33:ff:xx:xx:xx (RFC 4861, RFC 2464 section 7), where IPv4
asks by broadcast: what filters multicast filters IPv6, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.causes.protocols import echo_words, explains, failed
from matrix.probes import Cell
from matrix.topology import Probe


def six(scene: Scene) -> Iterator[Cause]:
    """ICMPv6 echoes that get no answer, by what became of neighbour discovery."""
    unfound: dict[str, list[Cell]] = {}
    dropped: dict[str, list[Cell]] = {}
    for cell, seen in failed(scene, (Probe.IPV6,)):
        place = f"{cell.source.host} -> {cell.target.host}"
        found = seen.neighbour is not None and bool(seen.neighbour.mac)
        (dropped if found else unfound).setdefault(place, []).append(cell)
    for place, cells in sorted(unfound.items()):
        parent = scene.topology.host(cells[0].target.host).parent
        yield explains(
            scene,
            Cause(
                "ipv6-neighbours",
                place,
                f"IPv6 neighbours are not found on the way {place}{echo_words(scene, cells)}: what "
                "neighbour discovery sends by multicast is dropped (MLD snooping without a querier, a "
                "virtual NIC's multicast filter, RA or ND guard)",
                Confidence.LIKELY,
                (),
                (),
                f"ssh {cells[0].target.host} tcpdump -p -e -n -i {parent} icmp6",
                "look at MLD snooping of the switch; libvirt macvtap: trustGuestRxFilters=yes",
            ),
            cells,
        )
    for place, cells in sorted(dropped.items()):
        parent = scene.topology.host(cells[0].target.host).parent
        yield explains(
            scene,
            Cause(
                "ipv6-dropped",
                place,
                f"ICMPv6 echoes are dropped on the way {place}, though the neighbour is found"
                f"{echo_words(scene, cells)}: a filter for IPv6 at either end or between them",
                Confidence.LIKELY,
                (),
                (),
                f"ssh {cells[0].target.host} tcpdump -p -e -n -i {parent} icmp6",
                "allow ICMPv6 (RFC 4890 says which types must pass) in ip6tables or nftables there",
            ),
            cells,
        )


RULES = (
    Rule(
        "ipv6",
        "IPv6 does not pass where IPv4 does",
        "ICMPv6 echoes between two containers are lost, echoes over IPv4 pass; the neighbour entry says "
        "whether neighbour discovery was answered.",
        "Let multicast and ICMPv6 pass.",
        ("RFC 4861", "RFC 4890", "RFC 4541"),
        six,
    ),
)
