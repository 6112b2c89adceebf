"""The hosts side by side: what is the same on all of them, and what is not.

Rule: a difference is marked by a sign and by a word, for two kernels that differ in the last digit
look alike at two in the morning.
"""

from __future__ import annotations

from dataclasses import dataclass

from matrix.record import HostRecord, Run


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of each host, in the order of the hosts. ``differs``: they do not agree.

    ``own`` facts (an address, a boot id) are each host's own, and are never said to differ.
    """

    name: str
    values: tuple[str, ...]
    own: bool = False

    @property
    def differs(self) -> bool:
        """Is it to be pointed out?"""
        return not self.own and len({v for v in self.values if v}) > 1


def host_table(run: Run) -> tuple[Fact, ...]:
    """Versions and limits of all hosts, before the run."""
    hosts = run.hosts
    facts = (
        Fact("Address", tuple(f"{h.address} on {h.parent}" for h in hosts), own=True),
        _fact("Kernel", hosts, "kernel"),
        _fact("Docker", hosts, "docker_version"),
        _fact("Docker API", hosts, "docker_api"),
        _fact("Python", hosts, "python"),
        Fact(
            "Parent's MTU",
            tuple(
                ", ".join(
                    str(link.mtu)
                    for link in (host.before.links if host.before else ())
                    if link.name == host.parent
                )
                for host in hosts
            ),
        ),
        Fact("Neighbour limit", tuple(_limit(host) for host in hosts)),
        Fact("Boot id", tuple(h.before.boot_id if h.before else "" for h in hosts), own=True),
        Fact("After the run", tuple(after_words(run, host) for host in hosts), own=True),
    )
    return tuple(fact for fact in facts if any(fact.values))


def _fact(name: str, hosts: tuple[HostRecord, ...], field: str) -> Fact:
    return Fact(name, tuple(str(getattr(h.before, field)) if h.before else "" for h in hosts))


def _limit(host: HostRecord) -> str:
    return f"{host.before.neighbour_limit} entries" if host.before else ""


def after_words(run: Run, host: HostRecord) -> str:
    """Is a host as it was? Says so only where it was measured, and not left standing."""
    if host.difference:
        return "not as it was"
    if any(
        step.host == host.name and step.what.startswith("left standing") for step in run.timeline
    ):
        return "left standing, as asked"
    if host.before is None or host.after is None:
        return "not measured"
    return "as it was: no difference in links, routes, networks and containers"
