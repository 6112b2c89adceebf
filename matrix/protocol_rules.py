"""What TCP, UDP, large packets, broadcasts and multicasts should do, and why: the cells besides echoes.

Rule 1: what holds for an echo between two decides for every unicast probe between the same two: one
Ethernet carries them all. So each row here begins with what ``matrix.rules`` says of the echo, and
adds what is its own. Rule 2: a cell is asked only where both ends are ours: a gateway runs no listener
of ours, so nothing could be proven there; and nobody is asked by himself, for that never leaves lo.
Rule 3: where no packet passes at all there is no largest one: such a pair has no ``mtu`` cell.

Sources: Linux drivers/net/macvlan.c. ``macvlan_broadcast`` copies a frame that an endpoint sends to all
bridge-mode endpoints of its parent and puts it on the wire, never up to the parent's own stack; what
comes from the wire goes to every endpoint and to the host, once (``macvlan_handle_frame``). In
passthru mode a host hears broadcasts, though no unicast. RFC 1112: everybody belongs to 224.0.0.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from matrix.errors import ConfigError
from matrix.probes import By, Cell, Expectation, Expected, Relation
from matrix.topology import EndpointKind, Probe, Scenario, Topology

UNICAST = (Probe.TCP, Probe.UDP)
CASTS = (Probe.BROADCAST, Probe.MULTICAST)
SIXES = (Probe.IPV6, Probe.IPV6_NAME)
WORDS = {
    Probe.TCP: "a TCP connection",
    Probe.UDP: "a UDP echo",
    Probe.MTU: "a large packet",
    Probe.BROADCAST: "a broadcast",
    Probe.MULTICAST: "a multicast",
    Probe.IPV6: "an ICMPv6 echo",
    Probe.IPV6_NAME: "an ICMPv6 echo by name",
}


@dataclass(frozen=True, slots=True)
class ProtocolRule:
    """One row: when it fits an echo's cell and a probe, what is expected, and why."""

    name: str
    fits: Callable[[Cell, Scenario, Probe], bool]
    expected: Expected
    because: str


def _echo_passes(cell: Cell) -> bool:
    return cell.expectation.expected is Expected.REPLY


RULES: tuple[ProtocolRule, ...] = (
    ProtocolRule(
        "unicast as the echo",
        lambda cell, _scenario, probe: probe in UNICAST and _echo_passes(cell),
        Expected.REPLY,
        "{what} is carried by the same frames as an echo: {echo}",
    ),
    ProtocolRule(
        "no unicast where there is no echo",
        lambda _cell, _scenario, probe: probe in UNICAST,
        Expected.SILENCE,
        "{what} needs the same frames as an echo: {echo}",
    ),
    ProtocolRule(
        "IPv6 name as IPv4 name",
        lambda cell, _scenario, probe: probe is Probe.IPV6_NAME and _echo_passes(cell),
        Expected.REPLY,
        "Docker's DNS gives a container's IPv6 address (AAAA) as it gives the other: {echo}",
    ),
    ProtocolRule(
        "no IPv6 name where there is no IPv4 name",
        lambda _cell, _scenario, probe: probe is Probe.IPV6_NAME,
        Expected.NO_SUCH_NAME,
        "{echo}",
    ),
    ProtocolRule(
        "IPv6 as IPv4",
        lambda cell, _scenario, probe: probe is Probe.IPV6 and _echo_passes(cell),
        Expected.REPLY,
        "{what} is found by neighbour discovery, which needs multicast, and then carried by the same "
        "frames as an echo over IPv4: {echo}",
    ),
    ProtocolRule(
        "no IPv6 where there is no IPv4",
        lambda _cell, _scenario, probe: probe is Probe.IPV6,
        Expected.SILENCE,
        "{what} needs the same frames as an echo over IPv4: {echo}",
    ),
    ProtocolRule(
        "full size",
        lambda cell, _scenario, probe: probe is Probe.MTU and _echo_passes(cell),
        Expected.REPLY,
        "the segment's MTU is {mtu}: an IP packet of {mtu} bytes passes whole, DF set (ping -M do "
        "-s {payload}), and a VLAN tag's 4 bytes come on top of that, not out of it",
    ),
    ProtocolRule(
        "cast between a host and its own containers",
        lambda cell, _scenario, probe: (
            probe in CASTS and cell.relation in (Relation.OWN_HOST, Relation.OWN_CONTAINER)
        ),
        Expected.SILENCE,
        "macvlan: what an endpoint sends to everybody goes to its siblings and to the wire, never up "
        "to the parent's own stack, and what the parent sends goes to the wire alone",
    ),
    ProtocolRule(
        "cast to siblings in bridge mode",
        lambda cell, scenario, probe: (
            probe in CASTS and cell.relation is Relation.SIBLING and scenario.mode == "bridge"
        ),
        Expected.REPLY,
        "bridge mode copies {what} to all endpoints of one parent inside the kernel, once",
    ),
    ProtocolRule(
        "cast to siblings in other modes",
        lambda cell, _scenario, probe: (
            probe in CASTS and cell.relation is Relation.SIBLING and not _echo_passes(cell)
        ),
        Expected.SILENCE,
        "{what} goes to the wire alone, as an echo does: {echo}",
    ),
    ProtocolRule(
        "cast over the wire",
        lambda _cell, _scenario, probe: probe in CASTS,
        Expected.REPLY,
        "{what} goes to everybody on {segment}, once: to the other hosts and to their containers",
    ),
)


MOST_ECHOES = 250
"""Requests of one cell: the agents count them in a byte."""


def asked_for(topology: Topology, probes: str, echoes: int) -> Topology:
    """The site as the command line wants it asked: ``--probe`` and ``--echoes``, "" and 0 for neither.

    Raises:
        ConfigError: it names no probe that there is, or no number of echoes.
    """
    if probes == "all":
        topology = replace(topology, probes=tuple(Probe))
    elif probes:
        wanted = {word.strip() for word in probes.split(",")}
        if unknown := sorted(wanted - set(Probe)):
            raise ConfigError(
                f"--probe {probes}: {', '.join(map(repr, unknown))} is no kind of probe; write some of "
                f"{', '.join(Probe)} with commas between them, or all"
            )
        topology = replace(topology, probes=tuple(probe for probe in Probe if probe in wanted))
    if echoes:
        if not 1 <= echoes <= MOST_ECHOES:
            raise ConfigError(
                f"--echoes {echoes}: write a number of requests from 1 to {MOST_ECHOES}, such as 100"
            )
        topology = replace(topology, timing=replace(topology.timing, echoes=echoes))
    return topology


def with_protocols(
    cells: Iterable[Cell], scenario: Scenario, probes: Iterable[Probe]
) -> Iterator[Cell]:
    """The scenario's cells for these probes; ``cells`` are those by echo."""
    wanted = tuple(probes)
    echoes = tuple(cells)
    if Probe.ICMP in wanted:
        yield from echoes
    pairs = [
        cell
        for cell in echoes
        if cell.by is By.ADDRESS
        and cell.target.kind is not EndpointKind.GATEWAY
        and cell.relation is not Relation.ITSELF
        and not (cell.source.of or cell.target.of)
    ]
    names = [cell for cell in echoes if cell.by is By.NAME]
    for probe in wanted:
        if probe is not Probe.ICMP:
            for cell in names if probe is Probe.IPV6_NAME else pairs:
                if probe in SIXES and not _has_ipv6(cell, scenario):
                    continue
                if _by_a_shim(cell, scenario):
                    continue
                found = protocol_expectation(cell, scenario, probe)
                if found is not None:
                    yield replace(
                        cell,
                        id=f"{cell.scenario}:{cell.source.name}:{cell.target.name}:{probe}",
                        expectation=found,
                        probe=probe,
                    )


def _by_a_shim(cell: Cell, scenario: Scenario) -> bool:
    """Between a host with a shim and its own containers only echoes are asked.

    The other probes are sent from the host's own address, for which the shim does not answer ARP; and
    whether it takes a cast in hangs on its other settings.
    """
    own = cell.relation in (Relation.OWN_HOST, Relation.OWN_CONTAINER)
    return own and scenario.remedies.shim_of(cell.source.host) is not None


def _has_ipv6(cell: Cell, scenario: Scenario) -> bool:
    """Only containers are given addresses; what hosts have on the segment is not ours to say."""
    kinds = {cell.source.kind, cell.target.kind}
    return scenario.subnet6 is not None and kinds == {EndpointKind.CONTAINER}


def protocol_expectation(cell: Cell, scenario: Scenario, probe: Probe) -> Expectation | None:
    """What should come of that probe between the two of an echo's cell; None where it is not asked."""
    for rule in RULES:
        if rule.fits(cell, scenario, probe):
            silent = rule.expected is not Expected.REPLY
            vlan = scenario.segment.vlan
            because = rule.because.format(
                what=WORDS[probe],
                echo=cell.expectation.because,
                mtu=scenario.mtu,
                payload=scenario.mtu - 28,
                segment=f"{scenario.segment.subnet}" + (f" (VLAN {vlan})" if vlan else ""),
            )
            return Expectation(
                rule.expected,
                because,
                remedy=cell.expectation.remedy if silent else "",
                how=cell.expectation.how if silent else (),
                size_bytes=scenario.mtu if probe is Probe.MTU else None,
            )
    return None


def echo_of(cell: Cell) -> str:
    """The id of the echo's cell between the same two, by address or by name as the cell is."""
    return f"{cell.scenario}:{cell.source.name}:{cell.target.name}:{cell.by}"


def twin_of(cell: Cell, probe: Probe) -> str:
    """The id of the cell of another probe, not an echo, between the same two."""
    return f"{cell.scenario}:{cell.source.name}:{cell.target.name}:{probe}"
