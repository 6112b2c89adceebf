"""From judgements and facts to causes. A wrong cause is worse than none.

Each rule of ``matrix.causes`` looks at the whole scene and yields the faults it finds, with the
cells that each explains. Rule 1: where a certain fault explains a cell, likely ones are not put
beside it. Rule 2: where several fit equally, all are named. Rule 3: a negative that proves nothing
because its control failed has the control's cause. Rule 4: what nothing explains is *unknown*, with
what was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from matrix.cause import Cause, Confidence, Scene
from matrix.causes import RULES
from matrix.causes.protocols import flapping, hosts_of
from matrix.driver import Driver
from matrix.probes import Cell, Expected, Judgement, Verdict
from matrix.protocol_rules import echo_of, twin_of
from matrix.topology import Probe

K = TypeVar("K", bound=tuple[str, ...])
T = TypeVar("T")
MOST_LINES = 2
_SOMEBODY_ELSE = ("duplicate-address", "duplicate-mac", "proxy-arp", "gateway-proxy-arp")
_ORDER = {one: place for place, one in enumerate(Confidence)}


def diagnose(scene: Scene) -> tuple[tuple[Cause, ...], dict[str, Judgement]]:
    """The causes, what to mend first first, and the judgements with a cause line each.

    A scene in which every cell is as expected, and no fact speaks against it, has no cause.
    """
    known = of_macvlan(scene)
    found = merged([cause for rule in RULES for cause in rule.find(known)])
    found = _settled([_with_dependents(scene, cause) for cause in _settled(found)])
    found = _settled([_with_others(scene, cause) for cause in found])
    explained = {cell for cause in found for cell in cause.cells}
    rest = [c for c in (*scene.bad(), *scene.bad_others()) if c.id not in explained]
    causes = sorted(
        (c for c in found if c.cells or c.confidence is not Confidence.UNKNOWN),
        key=_first_first,
    )
    if rest:
        causes.append(_unknown(scene, rest))
    judgements = dict(scene.judgements)
    lines: dict[str, list[str]] = {}
    for cause in causes:
        for cell_id in cause.cells:
            lines.setdefault(cell_id, []).append(cause.line)
    for cell_id, said in lines.items():
        if cell_id in judgements:
            judgements[cell_id] = replace(
                judgements[cell_id], cause="; or: ".join(said[:MOST_LINES])
            )
    return tuple(causes), judgements


def of_macvlan(scene: Scene) -> Scene:
    """The scene without contrast scenarios: every rule is about macvlan, and would guess of another's."""
    others = {s.name for s in scene.topology.scenarios if s.driver is not Driver.MACVLAN}
    if not others:
        return scene
    kept = tuple(s for s in scene.topology.scenarios if s.name not in others)

    def ours(found: Mapping[K, T]) -> dict[K, T]:
        return {key: one for key, one in found.items() if key[0] not in others}

    return replace(
        scene,
        topology=replace(scene.topology, scenarios=kept),
        cells=tuple(c for c in scene.cells if c.scenario not in others),
        inner=ours(scene.inner),
        states=ours(scene.states),
        missing=ours(scene.missing),
        fixes=ours(scene.fixes),
        taken=ours(scene.taken),
        canaries=ours(scene.canaries),
        claims=ours(scene.claims),
        large=ours(scene.large),
    )


def together(rounds: Iterable[Iterable[Cause]]) -> tuple[Cause, ...]:
    """The causes of several rounds of one run as one list, what to mend first first."""
    found = merged([cause for causes in rounds for cause in causes])
    return tuple(sorted(found, key=_first_first))


def _first_first(cause: Cause) -> tuple[int, int, str, str]:
    return _ORDER[cause.confidence], -len(cause.cells), cause.rule, cause.where


def merged(causes: list[Cause]) -> list[Cause]:
    """The same fault found twice (on two scenarios, by two rules) is one cause."""
    by_key: dict[tuple[str, str, str], Cause] = {}
    for cause in causes:
        key = cause.rule, cause.where, cause.line
        there = by_key.get(key)
        by_key[key] = (
            cause
            if there is None
            else replace(
                there,
                cells=tuple(dict.fromkeys((*there.cells, *cause.cells))),
                evidence=tuple(dict.fromkeys((*there.evidence, *cause.evidence)))[:4],
            )
        )
    return list(by_key.values())


def _settled(causes: list[Cause]) -> list[Cause]:
    """A cell that a surer cause explains is not explained by a less sure one as well.

    A cause that is left without any of its cells was one that something else explains: it goes.
    """
    settled: list[Cause] = []
    taken: dict[str, Confidence] = {}
    for cause in sorted(causes, key=lambda c: _ORDER[c.confidence]):
        cells = tuple(
            c
            for c in cause.cells
            if _ORDER[taken.get(c, cause.confidence)] >= _ORDER[cause.confidence]
        )
        if cause.cells and not cells:
            continue
        settled.append(replace(cause, cells=cells))
        for cell in cells:
            taken.setdefault(cell, cause.confidence)
    return settled


def _with_dependents(scene: Scene, cause: Cause) -> Cause:
    """Add the negatives that prove nothing because this fault took their controls."""
    mine = set(cause.cells)
    sources = {
        (c.scenario, c.source.name) for c in scene.cells if c.id in mine and not _negative(c)
    }
    targets = {(c.there, c.target.name) for c in scene.cells if c.id in mine and not _negative(c)}
    more = [
        c.id
        for c in scene.bad()
        if c.id not in mine
        and _negative(c)
        and scene.verdict(c) is Verdict.INCONCLUSIVE
        and not scene.not_run(c)
        and (
            (c.scenario, c.source.name) in sources
            or (c.expectation.expected is Expected.SILENCE and (c.there, c.target.name) in targets)
        )
    ]
    return replace(cause, cells=(*cause.cells, *more))


def _with_others(scene: Scene, cause: Cause) -> Cause:
    """Add the cells that are no echoes, where their echo has this cause or it took their controls."""
    mine = set(cause.cells)
    held = _in_doubt(scene, cause)
    told = {
        c.id
        for c in scene.bad_others()
        if c.id not in mine
        and (
            echo_of(c) in mine
            or {c.source.name, c.target.name} & held
            or (cause.rule == "loss" and hosts_of(c) in flapping(scene))
            or (c.probe is Probe.IPV6_NAME and twin_of(c, Probe.IPV6) in mine)
            or _too_small_for_udp(scene, c, mine)
        )
    }
    ours = [c for c in scene.others if c.id in mine | told and not _negative(c)]
    sources = {(c.scenario, c.probe, c.source.name) for c in ours}
    targets = {(c.scenario, c.probe, c.target.name) for c in ours}
    told |= {
        c.id
        for c in scene.bad_others()
        if c.id not in mine
        and _negative(c)
        and scene.verdict(c) is Verdict.INCONCLUSIVE
        and scene.exchange(c) is not None
        and (
            (c.scenario, c.probe, c.source.name) in sources
            or (c.scenario, c.probe, c.target.name) in targets
        )
    }
    return replace(cause, cells=(*cause.cells, *(c.id for c in scene.others if c.id in told)))


def _in_doubt(scene: Scene, cause: Cause) -> set[str]:
    """In whose name somebody else answers, if the cause is that: their connections may end with him.

    Or the host whose own address is wrong: it takes no broadcast of the declared subnet for one.
    """
    if cause.rule == "host-address":
        return {cause.where.partition(" ")[0]}
    if cause.rule not in _SOMEBODY_ELSE:
        return set()
    cells = (c for c in scene.cells if c.id in cause.cells)
    return {c.target.name for c in cells if scene.verdict(c) is Verdict.IMPOSTOR}


def _too_small_for_udp(scene: Scene, cell: Cell, mine: set[str]) -> bool:
    """Is it a ladder of which no rung passes, for a reason that a UDP echo between the two has told?"""
    seen = scene.exchange(cell)
    return (
        cell.probe is Probe.MTU
        and seen is not None
        and not seen.largest_bytes
        and twin_of(cell, Probe.UDP) in mine
    )


def _negative(cell: Cell) -> bool:
    return cell.expectation.expected is not Expected.REPLY


def _unknown(scene: Scene, cells: list[Cell]) -> Cause:
    """What no rule explains, with what was seen of it."""
    seen: dict[str, None] = {}
    for cell in cells:
        trace = scene.trace(cell)
        words = trace.words[0] if trace and trace.words else scene.judgements[cell.id].reason
        seen[f"{cell.id}: {words}"] = None
    return Cause(
        "unknown",
        "",
        "unknown: no rule explains "
        f"{'this cell' if len(cells) == 1 else f'these {len(cells)} cells'}; what was seen: "
        f"{next(iter(seen)).partition(': ')[2]}",
        Confidence.UNKNOWN,
        tuple(seen)[:6],
        tuple(c.id for c in cells),
        scene.judgements[cells[0].id].next_command,
        "look at packets.pcapng beside run.json, and at the evidence of each cell",
    )
