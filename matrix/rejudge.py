"""An old run by today's rules: the same evidence, judged and diagnosed anew. Pure.

Rule 1: nothing is asked again and nothing is guessed. A record that did not keep all its evidence (an
earlier version's, or one merged of parts) is refused: a verdict from half of it could be untrue.
Rule 2: the day is that of the run, as overrides were in force then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from matrix.cause import Cause, Scene
from matrix.diagnose import diagnose, together
from matrix.errors import ConfigError
from matrix.exchange import Asked
from matrix.judge import judge
from matrix.plan import plan
from matrix.probes import (
    Cell,
    Crossing,
    Judgement,
    Neighbour,
    NotRun,
    Observation,
    Outcome,
    Resolution,
    Seen,
)
from matrix.protocol_judge import judge_protocols
from matrix.record import ObservedRecord, Run
from matrix.record_of import cause_record, cell_records
from matrix.scene_record import not_run, rounds_of, scene_values
from matrix.site import read_site
from matrix.topology import Probe, Topology
from matrix.way import Trace


def rejudge(run: Run, *, name: str = "run.json") -> Run:
    """The run with today's expectations, verdicts and causes. ``name`` is for messages.

    Raises:
        ConfigError: the record does not have what it takes, or today's plan of its site lacks cells.
    """
    if run.evidence is None or not run.site.text:
        raise ConfigError(
            f"{name}: this record did not keep all of its evidence (an earlier version wrote it, it "
            "was merged of parts, or it ended before anything was asked), so it cannot be judged again"
        )
    topology = read_site(run.site.text, name=f"{name}: site file {run.site.path}")
    asked_by = {cell.probe for cell in run.cells}
    topology = replace(topology, probes=tuple(probe for probe in Probe if probe in asked_by))
    planned = {cell.id: cell for cell in plan(topology, day_of(run, name))}
    lost = [cell.id for cell in run.cells if cell.id not in planned]
    if lost:
        raise ConfigError(
            f"{name}: today's plan of its site lacks {len(lost)} of its cells, such as {lost[0]}; "
            "judge it with the version of the harness that wrote it"
        )
    cells = tuple(planned[cell.id] for cell in run.cells)
    found = _Again()
    for scenarios, evidence in rounds_of(run.evidence):
        mine = tuple(c for c in cells if scenarios is None or c.scenario in scenarios)
        _round(run, evidence, topology, mine, found, name)
    never = tuple(cell for cell in cells if cell.id not in found.judgements)
    # A round that asked nothing kept no evidence.
    found.judgements |= judge((c for c in never if c.probe is Probe.ICMP), {})
    found.judgements |= judge_protocols(tuple(c for c in never if c.probe is not Probe.ICMP), {})
    selected = frozenset(cell.id for cell in run.cells if cell.selected)
    return replace(
        run,
        cells=cell_records(
            cells,
            selected,
            {**found.outcomes, **found.asked},
            found.judgements,
            found.traces,
            found.crossings,
        ),
        causes=tuple(cause_record(cause) for cause in together(found.causes)),
    )


@dataclass(slots=True)
class _Again:
    """What the rounds come to, judged again."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    judgements: dict[str, Judgement] = field(default_factory=dict)
    traces: dict[str, Trace] = field(default_factory=dict)
    crossings: dict[str, Crossing] = field(default_factory=dict)
    causes: list[tuple[Cause, ...]] = field(default_factory=list)


def _round(
    run: Run,
    evidence: Mapping[str, Any],
    topology: Topology,
    cells: tuple[Cell, ...],
    found: _Again,
    name: str,
) -> None:
    """Judge one round by its own evidence: a host may have looked otherwise in another."""
    records = {record.id: record for record in run.cells}
    kept = not_run(evidence, name=name)
    outcomes: dict[str, Outcome] = {}
    asked: dict[str, Asked] = {}
    for cell in cells:
        record = records[cell.id]
        if cell.probe is not Probe.ICMP:
            if record.exchange is not None:
                asked[cell.id] = record.exchange
            elif record.not_run:
                asked[cell.id] = NotRun(cell.id, record.not_run)
        elif record.observed is not None:
            outcomes[cell.id] = observation(cell, record.observed)
        elif record.not_run:
            outcomes[cell.id] = kept.get(cell.id, NotRun(cell.id, record.not_run))
    echoes = tuple(cell for cell in cells if cell.probe is Probe.ICMP)
    others = tuple(cell for cell in cells if cell.probe is not Probe.ICMP)
    values = scene_values(evidence, name=name)
    crossings = values.get("crossings", {})
    who, claims = values.get("identities", ()), values.get("claims", {})
    judgements = judge(echoes, outcomes, who, claims, crossings)
    judgements |= judge_protocols(others, asked, who, claims)
    traces = {cell.id: t for cell in cells if (t := records[cell.id].trace) is not None}
    scene = Scene(
        topology, echoes, outcomes, judgements, traces, others=others, asked=asked, **values
    )
    causes, judgements = diagnose(scene)
    found.outcomes |= outcomes
    found.asked |= asked
    found.judgements |= judgements
    found.traces |= traces
    found.crossings |= crossings
    found.causes.append(causes)


def day_of(run: Run, name: str) -> date:
    """The day on which the run started (UTC). Raises ConfigError where it does not say."""
    try:
        return date.fromisoformat(run.started_at[:10])
    except ValueError as error:
        raise ConfigError(
            f"{name}: started_at: {run.started_at!r} is no time; the file was changed by hand or "
            "damaged"
        ) from error


def observation(cell: Cell, seen: ObservedRecord) -> Observation:
    """What came back for a cell, out of its record: the reverse of what ``matrix.record_of`` does."""
    entry = None
    if seen.neighbour_mac or seen.neighbour_state:
        entry = Neighbour(seen.neighbour_mac, seen.neighbour_state)
    found = None
    if seen.resolved is not None:
        found = Resolution(
            cell.target.name, seen.resolved, seen.resolver_code, seen.resolver, seen.resolver_ms or 0.0
        )  # fmt: skip
    return Observation(
        cell=cell.id,
        address=seen.address,
        sent=seen.sent,
        received=seen.received,
        rtts_ms=seen.rtts_ms,
        ttls=seen.ttls,
        repliers=seen.repliers,
        duplicates=seen.duplicates,
        request_seen=Seen(seen.request_seen),
        requests_seen=seen.requests_seen,
        neighbour=entry,
        resolution=found,
        error=seen.error,
        raw=seen.raw,
        command=seen.command,
        rivals=seen.rivals,
        reply_macs=seen.reply_macs,
        replies_left=seen.replies_left,
        by_frames=seen.by_frames,
        through_macs=seen.through_macs,
        no_route=seen.no_route,
    )
