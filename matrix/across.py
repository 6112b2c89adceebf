"""The cells between segments: every container asks the containers of the others.

Rule 1: only between scenarios that stand at the same time, and on different segments.
Rule 2: an ``--internal`` network takes no part. Its containers have no route to send by, so their echo
would never leave; that is no isolation (their own segment, and below IP, is as open as any).
Rule 3: silence here is never taken from an echo alone. Without a router an echo dies in the search for
the gateway, whatever the switch does; so frames are sent on the source's segment, too, and the target's
link must not see them (``fixtures/agent/crossing.py``). A router changes nothing about that.
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.probes import By, Cell, Expectation, Expected, Relation
from matrix.remedies import ROUTER
from matrix.rounds import rounds
from matrix.rule import LINUX_TTL
from matrix.topology import Endpoint, EndpointKind, Scenario, Topology


def across(topology: Topology, scenario: Scenario) -> Iterator[Cell]:
    """The cells from this scenario's containers to those of other segments."""
    for other in others(topology, scenario):
        for source in _containers(scenario):
            for target in _containers(other):
                yield Cell(
                    f"{scenario.name}:{source.name}:{target.name}:{By.ADDRESS}",
                    scenario.name,
                    source,
                    target,
                    By.ADDRESS,
                    Relation.OTHER_SEGMENT,
                    _expectation(topology, scenario, other, target),
                    target_scenario=other.name,
                )


def others(topology: Topology, scenario: Scenario) -> Iterator[Scenario]:
    """The scenarios on other segments that stand together with this one."""
    together = next(some for some in rounds(topology.scenarios) if scenario in some)
    for other in together:
        if other.segment.vlan != scenario.segment.vlan and not (
            other.internal or scenario.internal
        ):
            yield other


def segment_words(scenario: Scenario) -> str:
    """``VLAN 200``, or ``untagged``."""
    vlan = scenario.segment.vlan
    return "untagged" if vlan is None else f"VLAN {vlan}"


def _containers(scenario: Scenario) -> Iterator[Endpoint]:
    return (e for e in scenario.endpoints() if e.kind is EndpointKind.CONTAINER and not e.of)


def _expectation(
    topology: Topology, scenario: Scenario, other: Scenario, target: Endpoint
) -> Expectation:
    here, there = segment_words(scenario), segment_words(other)
    isolation = topology.isolation
    if isolation is not None and isolation.routes(scenario.name, other.name):
        return Expectation(
            Expected.REPLY,
            f"the site declares a router between {here} and {there}: {target.name} answers by way of "
            "it, which costs one hop of TTL; frames below IP stay where they are",
            LINUX_TTL - 1,
        )
    return Expectation(
        Expected.SILENCE,
        f"{here} and {there} are two broadcast domains, and the site declares no router that forwards "
        "between them: no frame of the one is ever seen in the other",
        remedy=f"a router on {here} and {there}, declared by routed under [isolation]",
        how=(ROUTER.anchor,),
    )
