"""The runs of ``--shard`` parts as one run, with no cell missing and none twice.

Rule 1: what must be there is computed from the site file in the records, never from what is there.
Every part that was narrowed (``-k``, ``-m``), lost or given twice is refused, and cells are named.
Rule 2: a cell stands as the part that was to ask it found it. Where it also ran as the control of
another part, that part's verdicts rest on what it saw itself, which may be another verdict: every
such cell is told in the notes.
Rule 3: evidence of several windows is not that of one, so a merged run cannot be judged again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from matrix.coverage import choose, read_coverage
from matrix.errors import ConfigError
from matrix.plan import plan
from matrix.probes import Cell
from matrix.record import (
    CauseRecord,
    CellRecord,
    CoverageRecord,
    HostRecord,
    NotRunRecord,
    Run,
    Step,
)
from matrix.rejudge import day_of
from matrix.shard import Shard, read_shard, share
from matrix.site import read_site

MOST_NAMED = 10
"""Cells that a message names, and that a note is made for."""

_PHASES = ("planned", "observed", "judged")


@dataclass(frozen=True, slots=True)
class Part:
    """A run of one part, and what a person calls it."""

    name: str
    run: Run
    shard: Shard
    coverage: CoverageRecord


def merged(runs: Iterable[tuple[str, Run]]) -> Run:
    """The whole run.

    Args:
        runs: those of all parts, in any order, each with its name for messages.

    Raises:
        ConfigError: they are not all parts of one site, or not all of its cells once; names them.
    """
    parts = sorted((_part(name, run) for name, run in runs), key=lambda part: part.shard.part)
    if not parts:
        raise ConfigError("no run to merge; name the runs of all parts")
    faults = list(_unlike(parts)) or list(_count(parts))
    if faults:
        raise ConfigError("\n".join(faults))
    cells, notes = _cells(parts)
    first = min(parts, key=lambda part: part.run.started_at)
    ended = [part.run.finished_at for part in parts if part.run.finished_at]
    name = sha256(" ".join(part.run.id for part in parts).encode()).hexdigest()[:4]
    own = [
        f"merged of {len(parts)} parts: "
        + ", ".join(f"{part.shard} is {part.run.id}" for part in parts),
        *notes,
    ]
    return replace(
        first.run,
        id=f"{first.run.id.partition('-')[0]}-{name}",
        phase=min((part.run.phase for part in parts), key=_PHASES.index),
        finished_at=max(ended) if len(ended) == len(parts) else None,
        cells=cells,
        hosts=tuple(_hosts(parts)),
        notes=tuple(dict.fromkeys((*own, *(n for part in parts for n in part.run.notes)))),
        trouble=tuple(dict.fromkeys(_labelled(parts))),
        timeline=tuple(_timeline(parts, first.run)),
        coverage=replace(first.coverage, shard="", cells_chosen=sum(c.selected for c in cells)),
        causes=tuple(_causes(parts)),
        engines=tuple(
            {one.id: one for part in reversed(parts) for one in part.run.engines}.values()
        ),
        not_run=tuple(_not_run(parts)),
        evidence=None,
    )


def _part(name: str, run: Run) -> Part:
    if run.coverage is None or not run.coverage.shard:
        raise ConfigError(f"{name}: run {run.id} is not one of a part (it ran without --shard)")
    if run.phase not in _PHASES:
        raise ConfigError(f"{name}: phase {run.phase!r} is none; the file was changed by hand")
    return Part(name, run, read_shard(run.coverage.shard), run.coverage)


def _unlike(parts: Sequence[Part]) -> Iterator[str]:
    """How these are no parts of one whole."""
    first = parts[0]
    for part in parts[1:]:
        for what, here, there in (
            ("the site file", first.run.site, part.run.site),
            ("the number of parts", first.shard.of, part.shard.of),
            ("--coverage", first.coverage.mode, part.coverage.mode),
            ("the day that cells were chosen for", first.coverage.day, part.coverage.day),
            ("the prober", first.run.prober.get("name"), part.run.prober.get("name")),
        ):
            if here != there:
                yield f"{first.name} and {part.name} differ in {what}: they are not of one whole"
    by_number: dict[int, Part] = {}
    for part in parts:
        if part.shard.part in by_number:
            yield f"part {part.shard} is there twice: {by_number[part.shard.part].name}, {part.name}"
        by_number[part.shard.part] = part
    missing = [str(n) for n in range(1, first.shard.of + 1) if n not in by_number]
    if missing:
        yield f"of {first.shard.of} parts these are missing: {', '.join(missing)}"


def _count(parts: Sequence[Part]) -> Iterator[str]:
    """Cells that no part asked, or one that was not to."""
    first = parts[0]
    topology = read_site(first.run.site.text, name=f"{first.name}: its site file")
    days = {day_of(part.run, part.name) for part in parts}
    if topology.overrides and len(days) > 1:
        yield (
            "the parts began on different days (UTC), and the site has overrides, which end by the "
            "day; run all parts on one"
        )
    whole = plan(topology, min(days))
    asking = read_coverage(first.coverage.mode)
    day = datetime.fromisoformat(first.coverage.day).toordinal() if first.coverage.day else 0
    chosen = choose(whole, asking, day)
    for part in parts:
        asked = {cell.id for cell in part.run.cells if cell.selected}
        asked |= {cell for one in part.run.not_run for cell in one.cells}
        wanted = [cell.id for cell in share(chosen, whole, part.shard)]
        label = f"part {part.shard} ({part.name})"
        if missing := [cell for cell in wanted if cell not in asked]:
            yield f"{label} lacks {_named(missing)}: it was narrowed by -k or -m, or cut short"
        if extra := sorted(asked - set(wanted)):
            yield f"{label} has {_named(extra)} that it was not to ask: not the same harness?"
        if len({cell.id for cell in part.run.cells}) != len(part.run.cells):
            yield f"{label} has a cell twice: the file was changed by hand"


def _named(cells: Sequence[str]) -> str:
    more = f" and {len(cells) - MOST_NAMED} more" if len(cells) > MOST_NAMED else ""
    many = f"{len(cells)} cell{'s' * (len(cells) > 1)}"
    return f"{many} ({', '.join(cells[:MOST_NAMED])}{more})"


def _cells(parts: Sequence[Part]) -> tuple[tuple[CellRecord, ...], list[str]]:
    """All cells in the order of the plan, and notes on those that two parts saw differently."""
    found: dict[str, CellRecord] = {}
    seen: dict[str, dict[str, str]] = {}
    for part in parts:
        for cell in part.run.cells:
            seen.setdefault(cell.id, {})[str(part.shard)] = cell.verdict
            if cell.selected or cell.id not in found:
                found[cell.id] = cell
    notes = [
        f"{cell} was not the same in all parts that asked it: "
        + ", ".join(f"{verdict or 'not judged'} in {part}" for part, verdict in by_part.items())
        for cell, by_part in seen.items()
        if len(set(by_part.values())) > 1
    ]
    if len(notes) > MOST_NAMED:
        more = (
            f"{len(notes) - MOST_NAMED} cells more were not the same in all parts that asked them"
        )
        notes = [*notes[:MOST_NAMED], more]
    place = {cell.id: n for n, cell in enumerate(_plan(parts[0]))}
    return tuple(sorted(found.values(), key=lambda cell: place[cell.id])), notes


def _plan(part: Part) -> tuple[Cell, ...]:
    topology = read_site(part.run.site.text, name=f"{part.name}: its site file")
    return plan(topology, day_of(part.run, part.name))


def _hosts(parts: Sequence[Part]) -> Iterator[HostRecord]:
    """Each host from before the first part until after the last."""
    in_time = sorted(parts, key=lambda part: part.run.started_at)
    by_host: dict[str, list[tuple[Part, HostRecord]]] = {}
    for part in in_time:
        for host in part.run.hosts:
            by_host.setdefault(host.name, []).append((part, host))
    for some in by_host.values():
        trouble = [f"part {part.shard}: {host.trouble}" for part, host in some if host.trouble]
        yield replace(
            some[0][1],
            before=next((host.before for _, host in some if host.before), None),
            after=next((host.after for _, host in reversed(some) if host.after), None),
            trouble="; ".join(trouble),
            difference=tuple(dict.fromkeys(line for _, host in some for line in host.difference)),
        )


def _not_run(parts: Sequence[Part]) -> Iterator[NotRunRecord]:
    """The scenarios that no part could run, each once, with the cells of all parts."""
    found: dict[str, NotRunRecord] = {}
    for one in (one for part in parts for one in part.run.not_run):
        there = found.get(one.scenario, replace(one, cells=(), hosts=()))
        hosts = tuple(dict.fromkeys((*there.hosts, *one.hosts)))
        cells = tuple(dict.fromkeys((*there.cells, *one.cells)))
        found[one.scenario] = replace(there, hosts=hosts, cells=cells)
    yield from found.values()


def _labelled(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        for text in part.run.trouble:
            yield f"part {part.shard}: {text}"


def _timeline(parts: Sequence[Part], first: Run) -> list[Step]:
    """What happened when, in seconds since the first part began."""
    steps = []
    for part in parts:
        later = (_time(part.run, part.name) - _time(first, part.name)).total_seconds()
        steps += [
            replace(step, at_s=round(step.at_s + later, 3), what=f"part {part.shard}: {step.what}")
            for step in part.run.timeline
        ]
    return sorted(steps, key=lambda step: step.at_s)


def _time(run: Run, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(run.started_at)
    except ValueError as error:
        raise ConfigError(f"{name}: started_at: {run.started_at!r} is no time") from error
    if found.tzinfo is None:
        raise ConfigError(f"{name}: started_at: {run.started_at!r} has no zone")
    return found


def _causes(parts: Sequence[Part]) -> list[CauseRecord]:
    """The same fault found by several parts is one cause, as it is within a run."""
    order = {word: n for n, word in enumerate(("certain", "likely", "possible"))}
    found: dict[tuple[str, str, str], CauseRecord] = {}
    for part in parts:
        asked = {cell.id for cell in part.run.cells if cell.selected}
        for cause in part.run.causes:
            mine = replace(cause, cells=tuple(cell for cell in cause.cells if cell in asked))
            if cause.cells and not mine.cells:
                continue  # only controls of this part: the part that was to ask them tells of it
            key = cause.rule, cause.where, cause.line
            there = found.get(key)
            found[key] = (
                mine
                if there is None
                else replace(
                    there,
                    cells=tuple(dict.fromkeys((*there.cells, *mine.cells))),
                    evidence=tuple(dict.fromkeys((*there.evidence, *mine.evidence)))[:4],
                )
            )
    return sorted(
        found.values(),
        key=lambda c: (order.get(c.confidence, len(order)), -len(c.cells), c.rule, c.where),
    )
