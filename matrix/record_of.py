"""From the nouns of a run to its record. Pure; the record's shape is in ``matrix.record``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from matrix.cause import Cause
from matrix.exchange import Asked, Exchange
from matrix.parent_rule import Finding, Question
from matrix.preflight.features import Missing
from matrix.probes import (
    Cell,
    Crossing,
    Judgement,
    NotRun,
    Observation,
    Outcome,
    Overridden,
    Resolution,
)
from matrix.record import (
    CauseRecord,
    CellRecord,
    CrossingRecord,
    EngineRecord,
    HostRecord,
    NotRunRecord,
    ObservedRecord,
    OverrideRecord,
    ScenarioRecord,
    SiteRecord,
)
from matrix.remedy_lines import remedy_lines
from matrix.rounds import rounds
from matrix.spread import spread
from matrix.topology import Scenario, Topology
from matrix.way import Trace


def site_record(topology: Topology, *, path: str, sha256: str, text: str = "") -> SiteRecord:
    """The site as it stands in the record."""
    return SiteRecord(
        path=path,
        sha256=sha256,
        image=topology.image,
        echoes=topology.timing.echoes,
        reply_deadline_s=topology.timing.reply_deadline_s,
        name_deadline_s=topology.timing.name_deadline_s,
        scenarios=tuple(
            _scenario(topology, scenario, number)
            for number, together in enumerate(rounds(topology.scenarios), 1)
            for scenario in together
        ),
        text=text,
    )


def engine_record(question: Question, found: Finding | None) -> EngineRecord:
    """A question to an engine, as far as it has come."""
    kind = question.kind
    if found is None:
        return EngineRecord(question.id, question.host, kind.name, kind.asks)
    row = found.row
    return EngineRecord(
        id=question.id,
        host=question.host,
        question=kind.name,
        asks=kind.asks,
        version=found.version,
        expected=row.answer,
        since=row.since,
        means=row.means,
        fix=row.fix,
        answer=found.said.answer or "",
        said=found.said.words,
        status=found.status,
        reason=found.reason,
    )


def not_run_record(
    missing: Missing, cells: Iterable[Cell], selected: frozenset[str]
) -> NotRunRecord:
    """A scenario that was not run, with those of its cells that were selected."""
    mine = tuple(c.id for c in cells if c.scenario == missing.scenario and c.id in selected)
    return NotRunRecord(
        missing.scenario, missing.feature, missing.hosts, missing.said, missing.fix, mine
    )


def host_records(topology: Topology) -> tuple[HostRecord, ...]:
    """The hosts before anything is known of them."""
    return tuple(
        HostRecord(h.name, h.parent, str(h.address), hairpin=h.hairpin) for h in topology.hosts
    )


def cause_record(cause: Cause) -> CauseRecord:
    """A cause as it stands in the record."""
    return CauseRecord(
        rule=cause.rule,
        where=cause.where,
        line=cause.line,
        confidence=cause.confidence,
        evidence=cause.evidence,
        cells=cause.cells,
        look=cause.look,
        fix=cause.fix,
    )


def cell_records(
    cells: Iterable[Cell],
    selected: frozenset[str],
    outcomes: Mapping[str, Outcome | Asked],
    judgements: Mapping[str, Judgement],
    traces: Mapping[str, Trace],
    crossings: Mapping[str, Crossing] | None = None,
) -> tuple[CellRecord, ...]:
    """The cells, as far as they have come."""
    return tuple(
        _cell(
            cell,
            selected=cell.id in selected,
            outcome=outcomes.get(cell.id),
            judgement=judgements.get(cell.id),
            trace=traces.get(cell.id),
            crossing=(crossings or {}).get(cell.id),
        )
        for cell in cells
    )


def _scenario(topology: Topology, scenario: Scenario, number: int) -> ScenarioRecord:
    segment = scenario.segment
    return ScenarioRecord(
        name=scenario.name,
        kind=scenario.kind,
        network=scenario.network,
        mode=scenario.mode,
        subnet=str(segment.subnet),
        gateway=str(segment.gateway),
        gateway_present=segment.gateway_present,
        vlan=segment.vlan,
        parents={host.name: scenario.parent_on(host) for host in topology.hosts},
        round=number,
        internal=scenario.internal,
        mtu=scenario.mtu,
        remedies=tuple(remedy_lines(scenario)),
        driver=scenario.driver,
        subnets={host: str(subnet) for host, subnet in scenario.host_subnets},
    )


def _cell(
    cell: Cell,
    *,
    selected: bool,
    outcome: Outcome | Asked | None,
    judgement: Judgement | None,
    trace: Trace | None,
    crossing: Crossing | None,
) -> CellRecord:
    return CellRecord(
        id=cell.id,
        scenario=cell.scenario,
        source=cell.source.name,
        source_kind=cell.source.kind,
        source_host=cell.source.host,
        target=cell.target.name,
        target_kind=cell.target.kind,
        target_host=cell.target.host,
        by=cell.by,
        relation=cell.relation,
        address=str(cell.target.address),
        expected=cell.expectation.expected,
        expected_ttl=cell.expectation.ttl,
        because=cell.expectation.because,
        remedy=cell.expectation.remedy,
        selected=selected,
        verdict=judgement.verdict if judgement else "",
        reason=judgement.reason if judgement else "",
        cause=judgement.cause if judgement else "",
        next_command=judgement.next_command if judgement else "",
        controls=judgement.controls if judgement else (),
        observed=_observed(outcome) if isinstance(outcome, Observation) else None,
        not_run=outcome.why if isinstance(outcome, NotRun) else "",
        trace=trace,
        how=cell.expectation.how,
        target_scenario=cell.target_scenario,
        crossing=_crossing(crossing) if crossing else None,
        override=override_record(cell.overridden) if cell.overridden else None,
        probe=cell.probe,
        exchange=outcome if isinstance(outcome, Exchange) else None,
        expected_bytes=cell.expectation.size_bytes,
    )


def _crossing(found: Crossing) -> CrossingRecord:
    return CrossingRecord(found.sent, found.seen, found.heard_by, found.hears, found.doubt)


def override_record(found: Overridden) -> OverrideRecord:
    """The override on a cell as it stands in the record."""
    one = found.override
    return OverrideRecord(
        ticket=one.ticket,
        expect=one.expect,
        until=one.until.isoformat(),
        because=one.because,
        line=one.line,
        in_force=found.in_force,
        physics=found.physics.expected,
        physics_because=found.physics.because,
    )


def _observed(seen: Observation) -> ObservedRecord:
    found: Resolution | None = seen.resolution
    return ObservedRecord(
        sent=seen.sent,
        received=seen.received,
        rtts_ms=seen.rtts_ms,
        ttl=seen.ttls[0] if seen.ttls else None,
        ttls=seen.ttls,
        repliers=seen.repliers,
        duplicates=seen.duplicates,
        request_seen=seen.request_seen,
        requests_seen=seen.requests_seen,
        neighbour_mac=seen.neighbour.mac if seen.neighbour else "",
        neighbour_state=seen.neighbour.state if seen.neighbour else "",
        resolved=found.addresses if found else None,
        resolver=found.server if found else "",
        resolver_code=found.code if found else "",
        resolver_ms=found.took_ms if found else None,
        error=seen.error,
        raw=seen.raw,
        command=seen.command,
        rivals=seen.rivals,
        reply_macs=seen.reply_macs,
        replies_left=seen.replies_left,
        by_frames=seen.by_frames,
        address=seen.address,
        spread=spread(seen.rtts_ms, seen.sent),
        through_macs=seen.through_macs,
        no_route=seen.no_route,
    )
