"""What a contrast scenario needs of kernel and engine, and whether a host has it.

A scenario whose driver a host lacks is *not run*, with the feature and the words of who said so: that
is no verdict, and never counted as one. (What else a site declares and cannot have is INCONCLUSIVE.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from matrix.driver import Driver
from matrix.preflight.look import Look, Said, Ward, ok, warn
from matrix.topology import Scenario


@dataclass(frozen=True, slots=True)
class Missing:
    """What hosts lack for a scenario, as kernel or engine said it, and what to do."""

    scenario: str
    feature: str
    hosts: tuple[str, ...]
    said: str
    fix: str

    @property
    def words(self) -> str:
        """All of it in a sentence."""
        return f"{', '.join(self.hosts)}: no {self.feature} ({self.said})"


def missing_features(
    scenarios: Iterable[Scenario], looks: Mapping[str, Look]
) -> tuple[Missing, ...]:
    """The scenarios that are not run, each with the first feature that is missing."""
    found: list[Missing] = []
    for scenario in scenarios:
        lacks = [
            (host, *lack)
            for host, look in looks.items()
            if scenario.containers_on(host)
            for lack in list(_lacks(scenario, look))[:1]
        ]
        if lacks:
            _, feature, said, fix = lacks[0]
            hosts = tuple(host for host, other, _, _ in lacks if other == feature)
            found.append(Missing(scenario.name, feature, hosts, said, fix))
    return tuple(found)


def _lacks(scenario: Scenario, look: Look) -> Iterator[tuple[str, str, str]]:
    """Feature, words and what to do, for each that this host lacks. Of macvlan another check says it."""
    if scenario.driver is Driver.MACVLAN:
        return
    for kind in scenario.driver.link_kinds:
        state, words = look.kinds.get(kind, ("unknown", ""))
        feature = f"links of type {kind} in the kernel"
        if state == "missing":
            said = f"Linux {look.kernel} says: {words}"
            fix = f"run it on hosts whose kernel has the module {kind} (Debian's own kernels do)"
            yield feature, said, fix
        elif state == "blocked":
            said = f"an install line of modprobe.d keeps the module {kind} out"
            yield feature, said, f"see which: grep -r 'install {kind}' /etc/modprobe.d"
    docker = look.docker
    if docker is not None and docker.drivers and scenario.driver not in docker.drivers:
        said = f"Docker {docker.version} has {', '.join(docker.drivers)}"
        yield f"network driver {scenario.driver} in Docker's engine", said, "update Docker there"


def drivers(ward: Ward) -> Iterator[Said]:
    """What the drivers of contrast scenarios need is there."""
    wanted = [s for s in ward.scenarios if s.driver is not Driver.MACVLAN]
    if not wanted:
        yield ok("not needed: every scenario is of driver macvlan")
    for scenario in wanted:
        lacks = list(_lacks(scenario, ward.look)) if scenario.containers_on(ward.host.name) else []
        for feature, said, fix in lacks[:1]:
            yield warn(f"no {feature} ({said})", fix, scenario=scenario.name)
        if not lacks:
            yield ok(f"scenario {scenario.name}: {scenario.driver} is there")
