"""What changed from one run to another, cell by cell and around them. Pure; see ``reports.diff``.

Rule 1: *worse* is a cell that was as expected and is not now (new red), one whose verdict became a
more urgent one, one that came and is not as expected, trouble that the earlier run did not have, and
a later run that was not finished or asked nothing. Round trips and cells that are gone are worse only
where the caller says so: the first are weather, the second a choice (``-k``, ``--coverage``).
Rule 2: a cell is compared by its id, whether it was selected or ran as a control.
Rule 3: the same fault is the same rule at the same place, whatever numbers its sentence holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from matrix.grouping import WORST_FIRST
from matrix.probes import Verdict
from matrix.record import CauseRecord, CellRecord, Run
from matrix.way import Trace
from reports.findings import troubles
from reports.marks import NOT_JUDGED, holds
from reports.noise import Pace, pace
from reports.surroundings_of import FactChange, changes, declared, environment


class Kind(StrEnum):
    """What of a cell differs; in the order in which a report tells it."""

    NEW_RED = "new red"
    CAME = "came"
    GONE = "gone"
    VERDICT = "changed verdict"
    CAUSE = "changed cause"
    WAY = "changed way"
    TTL = "changed TTL"
    RTT = "changed round trip"
    EXPECTED = "changed expectation"
    FIXED = "fixed"


MAY_BE_WORSE = {"rtt": Kind.RTT, "gone": Kind.GONE}
"""What a caller may count as worse, by the word for it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing of one cell that differs, in words. ``cell`` is as the later run has it, if it does."""

    kind: Kind
    cell: CellRecord
    before: str
    after: str
    worse: bool = False


@dataclass(frozen=True, slots=True)
class MacChange:
    """An endpoint that others saw under another MAC address than before.

    ``cells`` are those whose source saw it.
    """

    scenario: str
    endpoint: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """All that changed from ``before`` to ``after``."""

    before: Run
    after: Run
    cells: tuple[Change, ...]
    macs: tuple[MacChange, ...]
    pace: Pace
    new_causes: tuple[CauseRecord, ...]
    gone_causes: tuple[CauseRecord, ...]
    new_trouble: tuple[str, ...]
    gone_trouble: tuple[str, ...]
    environment: tuple[FactChange, ...]
    site: tuple[FactChange, ...]

    def of(self, kind: Kind) -> tuple[Change, ...]:
        """The changes of one kind, in the order of the plan."""
        return tuple(change for change in self.cells if change.kind is kind)

    def worse(self, also: Iterable[Kind] = ()) -> tuple[str, ...]:
        """What is worse, a line for each sort of it; empty where nothing is."""
        counted = frozenset(also)
        found: list[str] = []
        for kind in Kind:
            bad = [c for c in self.of(kind) if c.worse or (kind in counted and _slower(c))]
            if bad:
                found.append(f"{len(bad)} {kind}")
        if self.new_trouble:
            found.append(f"{len(self.new_trouble)} new trouble")
        if self.after.phase != "judged":
            found.append(f"the later run ended in phase {self.after.phase}")
        elif not any(cell.selected for cell in self.after.cells):
            found.append("the later run asked no cell")
        return tuple(found)


def _slower(change: Change) -> bool:
    """A round trip that became shorter is no worse."""
    return change.kind is not Kind.RTT or _ms(change.after) > _ms(change.before)


def _ms(words: str) -> float:
    return float(words.removesuffix(" ms"))


def compare(before: Run, after: Run) -> Difference:
    """What changed from one run to the other."""
    old = {cell.id: cell for cell in before.cells}
    new = {cell.id: cell for cell in after.cells}
    both = [(old[cell.id], cell) for cell in after.cells if cell.id in old]
    rtts = pace(both)
    faults = _faults(before), _faults(after)
    found = [
        *(change for was, now in both for change in _cell(was, now, faults)),
        *(
            Change(Kind.CAME, cell, "", _verdict(cell), worse=not holds(cell))
            for cell in after.cells
            if cell.id not in old
        ),
        *(
            Change(Kind.GONE, cell, _verdict(cell), "")
            for cell in before.cells
            if cell.id not in new
        ),
        *(
            Change(Kind.RTT, new[o.cell], f"{o.before_ms:.3f} ms", f"{o.after_ms:.3f} ms")
            for o in rtts.outliers
        ),
    ]
    order = list(Kind)
    known, now_known = _by_fault(before), _by_fault(after)
    trouble = troubles(before), troubles(after)
    return Difference(
        before,
        after,
        tuple(sorted(found, key=lambda change: order.index(change.kind))),
        tuple(_macs(both)),
        rtts,
        tuple(cause for key, cause in now_known.items() if key not in known),
        tuple(cause for key, cause in known.items() if key not in now_known),
        tuple(text for text in trouble[1] if text not in trouble[0]),
        tuple(text for text in trouble[0] if text not in trouble[1]),
        changes(environment(before), environment(after)),
        changes(declared(before), declared(after)),
    )


Fault = tuple[str, str]
Faults = Mapping[str, frozenset[Fault]]


def _by_fault(run: Run) -> dict[Fault, CauseRecord]:
    return {(cause.rule, cause.where): cause for cause in run.causes}


def _faults(run: Run) -> Faults:
    found: dict[str, set[Fault]] = {}
    for cause in run.causes:
        for cell in cause.cells:
            found.setdefault(cell, set()).add((cause.rule, cause.where))
    return {cell: frozenset(some) for cell, some in found.items()}


def _cell(was: CellRecord, now: CellRecord, faults: tuple[Faults, Faults]) -> Iterator[Change]:
    if was.verdict != now.verdict:
        yield _turned(was, now)
    elif faults[0].get(was.id) != faults[1].get(now.id) and not holds(now):
        yield Change(Kind.CAUSE, now, was.cause or "no cause known", now.cause or "no cause known")
    if was.trace and now.trace and _path(was.trace) != _path(now.trace):
        yield Change(Kind.WAY, now, "; ".join(was.trace.words), "; ".join(now.trace.words))
    ttls = tuple(c.observed.ttls if c.observed else () for c in (was, now))
    if all(ttls) and ttls[0] != ttls[1]:
        yield Change(Kind.TTL, now, _listed(ttls[0]), _listed(ttls[1]))
    if (was.expected, was.expected_ttl) != (now.expected, now.expected_ttl):
        yield Change(Kind.EXPECTED, now, _expected(was), _expected(now))


def _turned(was: CellRecord, now: CellRecord) -> Change:
    verdicts = _verdict(was), _verdict(now)
    if holds(was) and not holds(now):
        return Change(Kind.NEW_RED, now, *verdicts, worse=True)
    if holds(now) and not holds(was):
        return Change(Kind.FIXED, now, *verdicts)
    return Change(Kind.VERDICT, now, *verdicts, worse=_urgency(now) < _urgency(was))


def _urgency(cell: CellRecord) -> int:
    """How soon to look at it, the smaller the sooner. What was not judged is like INCONCLUSIVE."""
    verdict = cell.verdict if cell.verdict in WORST_FIRST else Verdict.INCONCLUSIVE
    return WORST_FIRST.index(Verdict(verdict))


def _verdict(cell: CellRecord) -> str:
    return cell.verdict or NOT_JUDGED.meaning


def _expected(cell: CellRecord) -> str:
    ttl = f" with TTL {cell.expected_ttl}" if cell.expected_ttl is not None else ""
    return f"{cell.expected}{ttl}, because {cell.because}"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)


def _path(trace: Trace) -> tuple[object, ...]:
    """Where frames were seen, under which tag, and where not; how many is chance."""
    return tuple(
        (
            passage.kind,
            passage.back,
            tuple(
                (leg.who, leg.link, None if leg.seen is None else leg.seen > 0, leg.tags)
                for leg in passage.legs
            ),
        )
        for passage in trace.passages
    )


def _macs(both: Iterable[tuple[CellRecord, CellRecord]]) -> Iterator[MacChange]:
    """By endpoint, as one machine with another address is one change, whoever saw it."""
    seen: dict[tuple[str, str], tuple[set[str], set[str], list[str]]] = {}
    for was, now in both:
        old, new = _mac(was), _mac(now)
        if old and new and old != new:
            found = seen.setdefault((now.scenario, now.target), (set(), set(), []))
            found[0].add(old)
            found[1].add(new)
            found[2].append(now.id)
    for (scenario, endpoint), (before, after, cells) in seen.items():
        yield MacChange(
            scenario, endpoint, tuple(sorted(before)), tuple(sorted(after)), tuple(cells)
        )


def _mac(cell: CellRecord) -> str:
    return cell.observed.neighbour_mac.lower() if cell.observed else ""
