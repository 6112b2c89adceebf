"""A run as metrics for the textfile collector of Prometheus' node_exporter.

Rule 1: the text format 0.0.4 (prometheus.io, "Exposition formats"): HELP and TYPE once a family, its
samples together, label values escaped; no timestamps, which the collector refuses.
Rule 2: labels are few: scenario, hosts, verdict. A series for each cell would be one for each pair of
containers, so cells are series only where asked for.
Rule 3: a run that was not finished, or asked nothing, is not good, and its counts are there all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from statistics import median

from matrix.grid import plain
from matrix.record import CellRecord, Run
from reports.causes import causes_of, warnings_of
from reports.findings import troubles
from reports.headline import headline
from reports.marks import NOT_JUDGED, VERDICT_MARKS, holds

Sample = tuple[Mapping[str, str], float]
_MOST_LABEL = 200


def prometheus(run: Run, *, cells: bool = False) -> bytes:
    """The metrics, UTF-8; ``cells``: a series for each cell, too."""
    return "".join(line + "\n" for line in _lines(run, cells=cells)).encode()


def _lines(run: Run, *, cells: bool) -> Iterator[str]:
    asked = [cell for cell in run.cells if cell.selected]
    about = {
        "run": run.id,
        "site": run.site.path,
        "phase": run.phase,
        "version": run.tool.get("version", ""),
        "coverage": run.coverage.mode if run.coverage else "full",
    }
    yield from _family("run_info", "The run that these metrics are of.", [(about, 1)])
    good = headline(run).good
    yield from _family("run_good", "1 if all of the run is as it should be.", [({}, good)])
    for name, what, time in (
        ("started", "began", run.started_at),
        ("finished", "ended", run.finished_at),
    ):
        if (at := _seconds(time)) is not None:
            words = f"When the run {what}, in seconds since 1970."
            yield from _family(f"run_{name}_timestamp_seconds", words, [({}, at)])
    yield from _family("plan_cells", "Cells of the whole matrix.", [({}, run.cells_in_plan)])
    if run.not_run:
        left = [({"scenario": one.scenario}, len(one.cells)) for one in run.not_run]
        yield from _family("cells_not_run", "Cells of a driver that a host lacks.", left)
    yield from _family("cells", "Cells that were asked, by verdict.", _counted(asked))
    bad: Counter[tuple[str, str, str]] = Counter()
    for cell in asked:
        bad[cell.scenario, cell.source_host, cell.target_host] += not holds(cell)
    yield from _family(
        "cells_not_as_expected",
        "Cells between two hosts that are neither PASS nor BLOCKED.",
        [(_hosts(key), count) for key, count in bad.items()],
    )
    yield from _family(
        "cause_cells",
        "Cells that a named fault explains.",
        _summed(
            ({"rule": c.record.rule, "where": c.record.where, "confidence": c.record.confidence},
             len(c.cells)) for c in causes_of(run) if c.known
        ),
    )  # fmt: skip
    yield from _family("warnings", "Warnings of the run.", [({}, len(warnings_of(run)))])
    yield from _family("trouble", "What went wrong outside of cells.", [({}, len(troubles(run)))])
    rtts: dict[tuple[str, str, str], list[float]] = {}
    for cell in asked:
        if cell.observed and cell.observed.rtts_ms:
            key = cell.scenario, cell.source_host, cell.target_host
            rtts.setdefault(key, []).extend(rtt / 1000 for rtt in cell.observed.rtts_ms)
    for name, of in (("median", median), ("max", max)):
        yield from _family(
            f"round_trip_{name}_seconds",
            f"The {name} of the round trips between two hosts.",
            [(_hosts(key), of(some)) for key, some in rtts.items()],
        )
    if cells:
        yield from _family(
            "cell_as_expected",
            "1 if the cell is PASS or BLOCKED.",
            _summed(({"cell": c.id, "scenario": c.scenario}, holds(c)) for c in asked),
        )


def _counted(cells: Iterable[CellRecord]) -> list[Sample]:
    """Counts by scenario and verdict, zeros too: a series that comes and goes raises no alarm."""
    found: Counter[tuple[str, str]] = Counter()
    for cell in cells:
        for verdict in (*VERDICT_MARKS, NOT_JUDGED.meaning):
            found[cell.scenario, str(verdict)] += (cell.verdict or NOT_JUDGED.meaning) == verdict
    return [({"scenario": s, "verdict": v}, count) for (s, v), count in found.items()]


def _summed(samples: Iterable[Sample]) -> list[Sample]:
    """Samples whose labels differ, as seen by a reader: the rest of them added up."""
    found: dict[tuple[tuple[str, str], ...], float] = {}
    for labels, value in samples:
        key = tuple((name, _shown(text)) for name, text in labels.items())
        found[key] = found.get(key, 0) + value
    return [(dict(key), value) for key, value in found.items()]


def _hosts(key: tuple[str, str, str]) -> dict[str, str]:
    return {"scenario": key[0], "source_host": key[1], "target_host": key[2] or "gateway"}


def _family(name: str, words: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP l2matrix_{name} {words}"
    yield f"# TYPE l2matrix_{name} gauge"
    for labels, value in _summed(samples):
        told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield (
            f"l2matrix_{name}{{{told}}} {float(value)!r}"
            if told
            else (f"l2matrix_{name} {float(value)!r}")
        )


def _shown(text: str) -> str:
    return plain(text, _MOST_LABEL)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _seconds(time: str | None) -> float | None:
    try:
        return datetime.fromisoformat(time).timestamp() if time else None
    except ValueError:
        return None
