"""Running the checks over the hosts that were looked at."""

from __future__ import annotations

from collections.abc import Mapping

from matrix.preflight.look import Finding, Level, Look, Said, Ward
from matrix.preflight.table import CHECKS, Check
from matrix.topology import Scenario, Topology

BY_NAME = {check.name: check for check in CHECKS}


def examine(
    topology: Topology, scenarios: tuple[Scenario, ...], looks: Mapping[str, Look]
) -> tuple[Finding, ...]:
    """What all checks say of the hosts that were looked at, host by host."""
    found: list[Finding] = []
    for host in topology.hosts:
        if host.name not in looks:
            continue
        ward = Ward(topology, scenarios, host, looks[host.name], looks)
        for check in CHECKS:
            if check.run is not None:
                found += [_finding(check, host.name, said) for said in check.run(ward)]
    return tuple(found)


def unreachable(host: str, check: str, what: str, fix: str) -> Finding:
    """The finding of a host that was not looked at, because this check failed."""
    return _finding(BY_NAME[check], host, Said(Level.REFUSE, what, fix))


def reached(host: str, what: str) -> Finding:
    """The finding of a host that SSH leads to."""
    return _finding(BY_NAME["ssh"], host, Said(Level.OK, what))


def _finding(check: Check, host: str, said: Said) -> Finding:
    why = "" if said.level is Level.OK else said.why or check.why
    return Finding(check.name, host, said.level, said.what, why, said.fix, said.scenario)
