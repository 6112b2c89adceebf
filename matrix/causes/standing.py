"""Causes in what should stand: addresses that are taken, endpoints that were not made, or died.

Sources: RFC 5227 (an ARP probe before an address is used); docker-ps(1).
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.cause import DOWN, Cause, Confidence, Rule, Scene
from matrix.causes.frames import touches_end
from matrix.probes import Verdict


def taken(scene: Scene) -> Iterator[Cause]:
    """Addresses that somebody had before we gave them to a container, which was not started then."""
    for (scenario, name), macs in sorted(scene.taken.items()):
        endpoint = scene.endpoint(scenario, name)
        parent = scene.parent(scenario, endpoint.host)
        yield Cause(
            "address-taken",
            f"{endpoint.address} {scenario}",
            f"{endpoint.address}, which {name} on {endpoint.host} was to get, is somebody's already: "
            f"MAC {', '.join(macs)} answers for it; {name} was not started, lest there be two",
            Confidence.CERTAIN,
            (f"ARP probe (RFC 5227) on {endpoint.host}'s {parent}: answered by {', '.join(macs)}",),
            tuple(c.id for c in scene.bad() if touches_end(c, scenario, name) and scene.not_run(c)),
            f"ssh {endpoint.host} arping -D -c 3 -I {parent} {endpoint.address}",
            f"give {name} another address in the site file, or take it from the other machine",
        )


def not_standing(scene: Scene) -> Iterator[Cause]:
    """Endpoints that could not be made, by host and reason."""
    down = {h.name for h in scene.topology.hosts if (k := scene.link(h.name)) and k.state == DOWN}
    by_reason: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for key, why in scene.missing.items():
        if key not in scene.taken:
            endpoint = scene.endpoint(*key)
            if endpoint.host in down:
                continue  # the link that is down says it
            by_reason.setdefault((endpoint.host, why), []).append(key)
    for (host, why), keys in sorted(by_reason.items()):
        names = sorted({name for _, name in keys})
        cells = tuple(c.id for c in scene.bad() if any(touches_end(c, s, n) for s, n in keys))
        if cells:
            yield Cause(
                "not-standing",
                host,
                f"{', '.join(names)} on {host} could not be made: {why}",
                Confidence.CERTAIN,
                (),
                cells,
                fix=scene.fixes.get(keys[0]) or "see what the report says of this host",
            )


def states(scene: Scene) -> Iterator[Cause]:
    """Containers that do not run any more, or are paused."""
    for (scenario, name), state in sorted(scene.states.items()):
        if state == "running":
            continue
        host = scene.endpoint(scenario, name).host
        cells = tuple(
            c.id
            for c in scene.bad()
            if touches_end(c, scenario, name)
            and (name in scene.not_run(c) or scene.verdict(c) is Verdict.FAIL)
        )
        yield Cause(
            "container-paused" if state == "paused" else "container-stopped",
            f"{name} on {host}",
            f"the container {name} on {host} is {state}"
            + ("; its kernel still answers, it cannot ask" if state == "paused" else ""),
            Confidence.CERTAIN,
            (f"docker on {host}: {name} is {state}",),
            cells,
            f"ssh {host} docker ps -a --filter name={name}; ssh {host} docker logs {name}",
            f"on {host}: docker {'unpause' if state == 'paused' else 'start'} {name}",
        )


RULES = (
    Rule(
        "address-taken",
        "An address is somebody's already",
        "An ARP probe before the container is made is answered.",
        "Give the container another address.",
        ("RFC 5227",),
        taken,
    ),
    Rule(
        "not-standing",
        "A scenario could not be made on a host",
        "The harness says which step failed.",
        "See the trouble of that host.",
        (),
        not_standing,
    ),
    Rule(
        "container-stopped",
        "A container does not run",
        "Docker says so.",
        "Start it; look at its log.",
        ("docker-ps(1)",),
        states,
    ),
)
