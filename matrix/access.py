"""What of a site could cut the way by which we reach a host: pure rules on measured facts.

The way is that of our own SSH connection, as the host itself sees it: who the client is, by which
link the answers leave, and which links carry that link. What would cut it is refused before
anything is changed. Sources: macvlan_handle_frame in the kernel's drivers/net/macvlan.c (passthru),
and longest prefix match (ip-route(8)).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface

from matrix.record import LinkFact
from matrix.topology import Host, Scenario


@dataclass(frozen=True, slots=True)
class Access:
    """How our SSH connection comes to a host.

    ``client`` and ``server`` are the addresses of its two ends there, "" where it comes over no
    network. ``link`` is the one the answers leave by, and ``links`` all that carry it. ``unknown``
    says why it cannot be told, "" where it can. ``lab``: the host is one of the embedded lab.
    """

    client: str = ""
    server: str = ""
    link: str = ""
    gateway: str = ""
    links: tuple[str, ...] = ()
    unknown: str = ""
    lab: bool = False


def cuts(
    host: Host, scenario: Scenario, access: Access, links: Sequence[LinkFact]
) -> Iterator[str]:
    """Why building the scenario could cut us off from the host, a sentence for each reason.

    Args:
        host: the host.
        scenario: what is to be built there.
        access: how our connection comes in.
        links: the host's links as they are.
    """
    parent = scenario.parent_on(host)
    containers = scenario.containers_on(host.name)
    if scenario.mode == "passthru" and containers:
        if access.unknown:
            yield (
                f"passthru on {parent} could make the host deaf, and by which link our SSH "
                f"connection comes cannot be told: {access.unknown}"
            )
        elif parent in access.links:
            yield (
                f"passthru on {parent} makes the host deaf there, and our SSH connection from "
                f"{access.client} comes by it"
            )
    yield from _address(host, scenario, access, links)
    yield from _remedies(host, scenario, access, links)
    for container in containers:
        for what, address in (
            ("this host's own", access.server),
            ("this machine's", access.client),
        ):
            if address and ip_address(address) == container.address:
                yield (
                    f"container {container.name} would have {what} address {address}, by which we "
                    "reach the host"
                )


def _remedies(
    host: Host, scenario: Scenario, access: Access, links: Sequence[LinkFact]
) -> Iterator[str]:
    """A second network, or a bridge's, brings a route to its subnet; a shim takes an address."""
    ours = {
        "this machine's": access.client,
        "this host's own": access.server,
        "the router's on our way": access.gateway,
    }
    ends = {what: ip_address(address) for what, address in ours.items() if address}
    shim = scenario.remedies.shim_of(host.name)
    for what, address in ends.items():
        if address == shim:
            yield f"the shim would have {what} address {address}, by which we reach the host"
    for whose, subnet in (
        ("the second network", scenario.remedies.second_of(host.name)),
        ("the bridge network", dict(scenario.host_subnets).get(host.name)),
    ):
        if subnet is None:
            continue
        for what, address in ends.items():
            if address in subnet:
                yield (
                    f"{whose} would bring a route to {subnet}, and {what} address "
                    f"{address}, by which we reach the host, is in there"
                )
        for link in links:
            for text in link.addresses:
                there = ip_interface(text)
                if there.version == subnet.version and there.network.overlaps(subnet):
                    yield (
                        f"{whose}'s subnet {subnet} overlaps {text} of {link.name}, and "
                        "would take what is sent there"
                    )


def _address(
    host: Host, scenario: Scenario, access: Access, links: Sequence[LinkFact]
) -> Iterator[str]:
    """The host's own address on a VLAN is the one thing that we would give to one of its links."""
    own = scenario.address_of(host.name)
    parent = scenario.parent_on(host)
    if own is None or scenario.segment.vlan is None:
        return
    if any(str(own) in link.addresses for link in links if link.name == parent):
        return  # it is there already, and so is its route
    if parent in access.links:
        yield (
            f"our SSH connection from {access.client} comes by {parent}, and {own} would be one "
            "more address on it, by which the host might answer"
        )
    elif access.client and ip_address(access.client) in own.network and access.link != "lo":
        yield (
            f"{own} on {parent} would bring a route to {own.network}, and this machine, "
            f"{access.client}, is in there: the host would answer us by {parent} and no more by "
            f"{access.link}"
        )
