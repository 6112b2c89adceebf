"""Causes of large packets that do not pass: a link, somebody on the way who says so, or silence.

Sources: RFC 1191 (who must say "too big", and with what MTU), RFC 4821 (why nobody may say it).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.causes.protocols import MOST_SHOWN, echo_words, explains, failed
from matrix.exchange import TOO_LONG, Rung
from matrix.probes import Cell
from matrix.protocol_rules import twin_of
from matrix.protocol_words import too_narrow
from matrix.topology import Probe


def sizes(scene: Scene) -> Iterator[Cause]:
    """What becomes of large packets."""
    yield from narrow(scene)
    yield from nothing_at_all(scene)


def narrow(scene: Scene) -> Iterator[Cause]:
    """Packets of the declared size that are too long for a link, or lost for their length."""
    found: dict[tuple[str, str, str], list[Cell]] = {}
    for cell, seen in failed(scene, (Probe.MTU,)):
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
    for cell, seen in failed(scene, (Probe.MTU,)):
        twin = scene.judgements.get(twin_of(cell, Probe.UDP))
        if not seen.largest_bytes and (twin is None or twin.verdict.holds):
            found.setdefault(f"{cell.source.host} -> {cell.target.host}", []).append(cell)
    for place, cells in sorted(found.items()):
        cause = explains(
            scene,
            Cause(
                "protocol-filtered",
                place,
                f"UDP of no size passes from {place}{echo_words(scene, cells)}: a firewall at either end "
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


RULES = (
    Rule(
        "mtu-narrow",
        "Packets of the declared size do not pass",
        "The longest packet that passes is shorter than the scenario's `mtu`: too long for a link "
        "(EMSGSIZE), told so by a router (ICMP fragmentation needed), or lost in silence.",
        "Raise the MTU on the way, with 4 bytes more for a VLAN tag; or declare the smaller one.",
        ("RFC 1191", "RFC 4821"),
        sizes,
    ),
)
