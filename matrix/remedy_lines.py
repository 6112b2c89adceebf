"""The remedies that a scenario is built with, in words: one line for each host or for all of them.

Rule: the words name addresses and networks as declared, so that a report can show them as they are.
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.topology import Scenario


def remedy_lines(scenario: Scenario) -> Iterator[str]:
    """Each remedy as a line; none for a scenario that opens nothing."""
    found = scenario.remedies
    for host, address in found.host_shims:
        yield f"host-shim: {host} has {address} on a macvlan link of its own"
    for host, subnet in found.second_networks:
        yield f"second-network: {host} and its containers meet on {subnet}, a bridge-driver network"
    if found.add_host:
        yield "add-host: every container is told the names of those on other hosts (--add-host)"
    if found.name_server is not None:
        yield f"lan-dns: every container asks {found.name_server} for names (--dns)"
