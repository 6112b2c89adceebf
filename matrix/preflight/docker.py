"""Checks of the Docker engine: what it is, what it holds already, whose names are taken."""

from __future__ import annotations

import re
from collections.abc import Iterator

from matrix.driver import Driver
from matrix.preflight.look import NetworkSeen, Said, Ward, ok, refuse, warn
from matrix.topology import Scenario

OLDEST_DOCKER = (20, 10)
SHARES_A_PARENT = 27
"""Since Docker 27.0 several macvlan networks may sit on one parent (moby 528ffa9, PR #47318)."""


def engine(ward: Ward) -> Iterator[Said]:
    """An engine that answers, new enough, and one of the host's own network namespace."""
    docker = ward.look.docker
    if docker is None:
        yield refuse(
            f"Docker does not answer: {ward.look.failed.get('docker', 'not asked')}",
            "is dockerd running on the host? systemctl status docker",
        )
        return
    words = f"{docker.version}, API {docker.api}"
    if _major(docker.version) < OLDEST_DOCKER:
        yield refuse(f"Docker there is {words}", "install Docker 20.10 or later there")
    # Without root the lab's engines are rootless as well, but in the namespaces of their hosts.
    rootless = docker.rootless and not ward.topology.embedded_lab
    if rootless:
        yield refuse(
            f"Docker {words} runs rootless",
            "use the engine that root runs",
            why="its networks live in a namespace of its own, where the NIC is not",
        )
    if ward.look.docker_channel:
        what, _, fix = ward.look.docker_channel.partition("\n  -> ")
        yield refuse(what, fix, why="networks and containers are made over the SSH connection")
    good = _major(docker.version) >= OLDEST_DOCKER and not rootless
    if good and not ward.look.docker_channel:
        yield ok(words)


def image(ward: Ward) -> Iterator[Said]:
    """The image of the containers."""
    docker, name = ward.look.docker, ward.topology.image
    if docker is None:
        return
    if docker.image:
        yield ok(f"{name} is there")
    else:
        yield warn(
            f"{name} is not there; the run pulls it, and it stays",
            f"without a way to a registry: docker save {name} | ssh {ward.host.name} docker load",
        )


def networks_on_parent(ward: Ward) -> Iterator[Said]:
    """What other Docker networks sit on the links that ours need."""
    docker = ward.look.docker
    if docker is None:
        return
    said: list[Said] = []
    for scenario in (s for s in ward.scenarios if s.driver.on_the_lan):
        parent = scenario.parent_on(ward.host)
        for other in docker.networks:
            if other.ours or other.driver not in ("macvlan", "ipvlan") or other.parent != parent:
                continue
            said += _beside(other, parent, scenario, docker.version)
    yield from said or [ok("no other network sits there")]


def _beside(other: NetworkSeen, parent: str, wanted: Scenario, version: str) -> Iterator[Said]:
    scenario = wanted.name
    remove = f"remove it, if nobody needs it: docker network rm {other.name}"
    if Driver.IPVLAN in (other.driver, wanted.driver):
        yield refuse(
            f"the {other.driver} network {other.name!r} sits on {parent}",
            f"{remove}; or write another parent",
            why="a link has one receive handler: containers of the second network do not start",
            scenario=scenario,
        )
    elif other.mode == "passthru":
        yield refuse(
            f"the macvlan network {other.name!r} on {parent} is in passthru mode",
            f"{remove}; or write another parent",
            why="passthru allows no other network beside it",
            scenario=scenario,
        )
    elif _major(version)[0] < SHARES_A_PARENT:
        yield refuse(
            f"the macvlan network {other.name!r} sits on {parent} already",
            f"{remove}; or update Docker to {SHARES_A_PARENT}, or write another parent",
            why=f"Docker {version} allows one macvlan network on a parent",
            scenario=scenario,
        )
    else:
        yield warn(
            f"the macvlan network {other.name!r} sits on {parent} as well",
            "nothing, if you know of it",
            why="one parent is one broadcast domain: its containers and ours see each other",
            scenario=scenario,
        )


def names(ward: Ward) -> Iterator[Said]:
    """Names of the site's networks and containers are free there."""
    docker = ward.look.docker
    if docker is None:
        return
    taken_networks = {n.name for n in docker.networks if not n.ours}
    taken = {name for c in docker.containers if not c.ours for name in c.names}
    said: list[Said] = []
    for scenario in ward.scenarios:
        if scenario.network in taken_networks:
            said.append(
                refuse(
                    f"a network named {scenario.network!r} exists and is not ours",
                    "write another network name in the site file",
                    scenario=scenario.name,
                )
            )
        said += [
            refuse(
                f"a container named {container.name!r} exists and is not ours",
                "write another container name in the site file, or remove that one",
                scenario=scenario.name,
            )
            for container in scenario.containers_on(ward.host.name)
            if container.name in taken
        ]
    yield from said or [ok("free")]


def _major(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:2]) or (0,)
