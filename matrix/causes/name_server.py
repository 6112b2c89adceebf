"""Causes of what a name server on the LAN does not say, where the site has one (``name_server``).

Rule: the engine's own server must have answered the same container for another name, so that what is
missing is missing beyond it. Sources: Docker documentation (embedded DNS server: it forwards what it
does not know), RFC 1035 (NXDOMAIN).
"""

from __future__ import annotations

from collections.abc import Iterator

from matrix.cause import Cause, Confidence, Rule, Scene
from matrix.causes.beyond import ENGINE_DNS, NO_ANSWER
from matrix.probes import By, Cell, Relation, Resolution

UNKNOWN = "NXDOMAIN"


def name_server(scene: Scene) -> Iterator[Cause]:
    """A name server on the LAN that gives no answer, or does not know the containers."""
    for scenario in scene.topology.scenarios:
        server = scenario.remedies.name_server
        if server is None:
            continue
        cells = [c for c in scene.cells if c.scenario == scenario.name and c.by is By.NAME]
        bad = {cell.id for cell in scene.bad()}
        sound = {c.source.name for c in cells if _said(scene, c, ("NOERROR",))}
        asked = [
            c
            for c in cells
            if c.id in bad and c.relation is Relation.REMOTE and c.source.name in sound
        ]
        silent = [c for c in asked if _said(scene, c, NO_ANSWER)]
        unknown = [c for c in asked if _said(scene, c, (UNKNOWN,))]
        if silent:
            first = silent[0]
            askers = sorted({c.source.name for c in silent})
            yield Cause(
                "name-server-silent",
                f"{server} for {scenario.name}",
                f"the name server {server} gives {', '.join(askers)} no answer; Docker's own server "
                "answers them for local names",
                Confidence.LIKELY,
                tuple(f"{c.id}: {_code(scene, c)}" for c in silent[:3]),
                tuple(c.id for c in silent),
                f"ssh {first.source.host} docker exec {first.source.name} "
                f"nslookup {first.target.name} {server}",
                f"see that {server} runs, answers on {scenario.segment.subnet} and is no Docker host of "
                "these containers; or write another name_server",
            )
        if unknown:
            first = unknown[0]
            names = sorted({c.target.name for c in unknown})
            yield Cause(
                "name-server-lacks-names",
                f"{server} for {scenario.name}",
                f"the name server {server} does not know {', '.join(names)} (NXDOMAIN)",
                Confidence.LIKELY,
                tuple(f"{c.id}: {_code(scene, c)}" for c in unknown[:3]),
                tuple(c.id for c in unknown),
                f"ssh {first.source.host} docker exec {first.source.name} "
                f"nslookup {first.target.name} {server}",
                "give it a record for each: "
                + ", ".join(sorted({f"{c.target.name} {c.target.address}" for c in unknown})),
            )


def _said(scene: Scene, cell: Cell, codes: tuple[str, ...]) -> bool:
    found = _resolution(scene, cell)
    return found is not None and found.server == ENGINE_DNS and found.code in codes


def _code(scene: Scene, cell: Cell) -> str:
    found = _resolution(scene, cell)
    return found.code if found is not None else "?"


def _resolution(scene: Scene, cell: Cell) -> Resolution | None:
    outcome = scene.outcomes.get(cell.id)
    return outcome.resolution if outcome is not None else None


RULES = (
    Rule(
        "name-server",
        "The name server on the LAN gives no answer, or lacks names",
        "Docker's own server answers the same container for a local name, and for the remote one it "
        "has nothing from the server that the site names.",
        "Mend the server, or its records.",
        ("Docker documentation: embedded DNS server", "RFC 1035"),
        name_server,
    ),
)
