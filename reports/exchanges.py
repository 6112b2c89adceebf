"""The evidence of a cell that is no echo: what was sent, what arrived, and where it was last seen.

Rule: counts at the links and counts at the sockets are said apart, for between them stands a firewall.
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.exchange import Cast, Exchange, Rung
from matrix.topology import Probe
from reports.lines import Line


def exchange_lines(seen: Exchange, *, full: bool) -> Iterator[Line]:
    """All that is known of it; without the command where ``full`` is False."""
    if seen.casts:
        for cast in seen.casts:
            yield Line(f"Sent {cast.form}", _cast(cast))
    elif seen.rungs:
        yield Line("Sizes", "; ".join(_rung(rung) for rung in seen.rungs))
    else:
        what = {Probe.TCP: "Connections", Probe.UDP: "Datagrams"}.get(seen.probe, "Echoes")
        ends = ", ".join(f"{count} {end}" for end, count in seen.ends.items()) or "none ended"
        yield Line(what, f"{seen.sent} to {seen.address} port {seen.port}: {ends}")
        yield Line("On the way", ", ".join(_passed(seen)))
    if seen.resolution is not None:
        found = seen.resolution
        got = ", ".join(found.addresses) or "no address"
        yield Line("Resolver", f"{found.server} said {found.code} for {found.name} (AAAA): {got}")
    if seen.rtts_ms:
        yield Line("Round trip", ", ".join(f"{rtt:g}" for rtt in seen.rtts_ms) + " ms")
    if seen.macs:
        yield Line("Answered from", ", ".join(seen.macs))
    if seen.strangers:
        yield Line("Strange tokens", ", ".join(seen.strangers))
    if seen.neighbour is not None:
        yield Line("Neighbour", f"{seen.neighbour.mac or 'no MAC'}, {seen.neighbour.state}")
    if seen.words:
        yield Line("Its words", "; ".join(seen.words))
    if full and seen.command:
        yield Line("Asked by", seen.command, "code")


def _passed(seen: Exchange) -> Iterator[str]:
    """The stations of a request and its answer, in their order."""
    for words, count in (
        ("left the source's link", seen.departed),
        ("came to the target's link", seen.at_link),
        ("taken in by its listener", seen.arrived),
        ("answers left the target's link", seen.left),
        ("came back to the source's link", seen.came_back),
    ):
        yield f"{words}: {'not watched' if count is None else count}"


def _rung(rung: Rung) -> str:
    if rung.answered:
        return f"{rung.size_bytes} passes"
    ends = ", ".join(rung.ends) or "lost"
    said = f", MTU {rung.mtu}" if rung.mtu else ""
    arrived = ", arrived" if rung.arrived else ""
    return f"{rung.size_bytes} {ends}{said}{arrived}"


def _cast(cast: Cast) -> str:
    heard = " ".join(map(str, cast.heard))
    link = f"; at its link: {' '.join(map(str, cast.at_link))}" if cast.at_link is not None else ""
    return f"{cast.sent}; heard by the target's socket, each: {heard or 'none'}{link}"
