"""What became of a probe that is no echo, in words: where it was last seen, and what a person types.

Rule: only what was watched is said. A count that nobody made is no count of none.
"""

from __future__ import annotations

from matrix.exchange import MUTE, REFUSED, RESET, TOO_LONG, Cast, Exchange, Rung
from matrix.probes import Cell
from matrix.protocol_rules import SIXES
from matrix.topology import EndpointKind, Probe

COUNTED = {
    Probe.TCP: ("connection", "connections"),
    Probe.UDP: ("echo", "echoes"),
    Probe.MTU: ("packet", "packets"),
    Probe.BROADCAST: ("broadcast", "broadcasts"),
    Probe.MULTICAST: ("multicast", "multicasts"),
    Probe.IPV6: ("ICMPv6 echo", "ICMPv6 echoes"),
    Probe.IPV6_NAME: ("ICMPv6 echo", "ICMPv6 echoes"),
}


def where_lost(cell: Cell, seen: Exchange) -> str:
    """On which part of the way it was lost, or who refused it, as far as both ends can tell."""
    source, target = cell.source.name, cell.target.name
    words = f"; {'; '.join(seen.words)}" if seen.words else ""
    if seen.answered:
        return f"{_counts(cell, seen)}{words}"
    if seen.ends.get(MUTE):
        return f"; a connection was made, and no answer came over it{_counts(cell, seen)}{words}"
    entry = seen.neighbour
    if seen.ends.get(REFUSED) or seen.ends.get(RESET):
        if refused_itself(seen):
            return f"; {target} itself refused, though a listener stands there{words}"
        if seen.at_link:
            return f"; refused, but by nobody at {target}'s link, where the requests arrived{words}"
        return f"; refused on the way: nothing arrived at {target}'s link{words}"
    if entry is not None and not entry.mac:
        asked = "neighbour discovery" if seen.probe in SIXES else "ARP"
        return f"; nobody answered {asked} for {seen.address} ({entry.state}){words}"
    if seen.departed == 0:
        return f"; nothing with its address left {source}'s link: dropped or rewritten inside it{words}"
    if seen.at_link == 0 and not seen.arrived:
        return f"; nothing arrived at {target}'s link: lost on the way there{words}"
    if seen.at_link and not seen.left and not seen.arrived:
        return (
            f"; it arrived at {target}'s link, and {target}'s own stack did not take it in: its own "
            f"firewall?{words}"
        )
    if seen.left and not seen.came_back:
        return f"; {target} answered, and nothing came back to {source}'s link{words}"
    if seen.came_back:
        return f"; answers came back to {source}'s link, and were dropped inside it{words}"
    return words


def _counts(cell: Cell, seen: Exchange) -> str:
    """How much passed each station: what a loss here and there is told by."""
    stations = (
        (seen.departed, f"left {cell.source.name}'s link"),
        (seen.at_link, f"came to {cell.target.name}'s"),
        (seen.left, "answers left it"),
        (seen.came_back, "came back"),
    )
    told = [f"{count} {words}" for count, words in stations if count is not None]
    return f"; {', '.join(told)}" if told else ""


def refused_itself(seen: Exchange) -> bool:
    """Did the refusal leave the target: a reset, or an ICMP error in its own name?"""
    return bool(seen.left) or any(word.endswith(f", says {seen.address}") for word in seen.words)


def too_narrow(cell: Cell, seen: Exchange, wanted: int) -> str:
    """What becomes of packets of the size that should pass, in words."""
    largest = seen.largest_bytes
    if not largest and seen.arrived:
        return (
            f"packets arrive at {cell.target.name}, and no answer comes back to {cell.source.name}"
        )
    if not largest:
        return f"no packet of any size arrives at {cell.target.name}'s listener"
    lost = next((r for r in seen.rungs if r.size_bytes == wanted), None)
    first = f"{largest:,} bytes is the longest that passes (ping -s {largest - 28}), of {wanted:,}"
    if lost is None:
        return first
    if lost.ends.get(TOO_LONG):
        return f"{first}: longer ones are too long, {error_words(lost)}"
    if lost.arrived:
        return f"{first}: longer ones arrive at {cell.target.name}, but no answer comes back"
    return f"{first}: longer ones are lost, and nobody says why"


def error_words(rung: Rung) -> str:
    """Who says that it is too long, and what fits."""
    fits = f" (MTU {rung.mtu:,})" if rung.mtu else ""
    told = next((w for w in rung.words if ", says " in w), "")
    if told:
        return f"as {told.rpartition(', says ')[2]} says on the way{fits}"
    return f"for the source's own link{fits}"


def not_heard(cell: Cell, lost: list[Cast]) -> str:
    """Which forms of a cast did not come, and whether they came as far as the target's link."""
    one, _ = COUNTED[cell.probe]
    forms = " and ".join(cast.form for cast in lost)
    words = f"no {one} {forms} came to {cell.target.name}"
    if any(cast.at_link and any(cast.at_link) for cast in lost):
        words += "'s socket, though they arrived at its link: dropped by its own firewall"
    return words


def next_command(cell: Cell) -> str:
    """What a person types to see the like with his own eyes. Nobody listens once the run is over."""
    address, size = cell.target.address, cell.expectation.size_bytes or 1500
    ask = {
        Probe.TCP: f"nc -v -w 2 {address} PORT",
        Probe.IPV6: "ping -6 -c 3 ADDRESS",
        Probe.IPV6_NAME: f"nslookup -type=AAAA {cell.target.name}",
        Probe.UDP: f"nc -u -v -w 2 {address} PORT",
        Probe.MTU: f"ping -M do -c 3 -s {size - 28} {address}",
    }.get(cell.probe, "ping -b -c 3 BROADCAST_ADDRESS")
    inside = cell.source.kind is EndpointKind.CONTAINER
    if cell.probe is Probe.MTU and inside:
        # A container's busybox cannot set DF; the host's ping can, in the container's namespace.
        pid = f"$(docker inspect -f '{{{{.State.Pid}}}}' {cell.source.name})"
        return f'ssh {cell.source.host} "nsenter -t {pid} -n {ask}"'.replace("$", "\\$")
    return f"ssh {cell.source.host} {f'docker exec {cell.source.name} ' if inside else ''}{ask}"
