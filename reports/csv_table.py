"""A run's cells as CSV (RFC 4180), a line for each, for spreadsheets and data frames.

Rule: no text of a run becomes a formula of a spreadsheet (CWE-1236). One that begins as a formula does,
blanks aside, gets an apostrophe first, as OWASP's page "CSV Injection" advises; numbers stay numbers.
"""

from __future__ import annotations

import csv
import io
from statistics import median

from matrix.exchange import Exchange
from matrix.grid import plain
from matrix.record import CellRecord, Run

COLUMNS = (
    "run", "started_at", "scenario", "cell", "source", "source_host", "target", "target_host", "by",
    "relation", "address", "expected", "verdict", "selected", "sent", "received", "rtt_min_ms",
    "rtt_median_ms", "rtt_max_ms", "reply_ttl", "neighbour_mac", "causes", "reason", "because",
)  # fmt: skip

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a formula begins with, and the full-width forms that some spreadsheets take for it."""

Value = str | int | float


def csv_table(run: Run) -> bytes:
    """The run as CSV, UTF-8, with a header line and CR LF line ends."""
    causes: dict[str, list[str]] = {}
    for cause in run.causes:
        for cell_id in cause.cells:
            causes.setdefault(cell_id, []).append(f"{cause.rule} at {cause.where}")
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for cell in run.cells:
        row = _row(run, cell, "; ".join(causes.get(cell.id, ())))
        writer.writerow([safe(value) if isinstance(value, str) else value for value in row])
    return text.getvalue().encode()


def safe(text: str) -> str:
    """The text, with nothing in it that a spreadsheet or a terminal would obey."""
    shown = plain(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def _mac(seen: Exchange | None) -> str:
    return seen.neighbour.mac if seen and seen.neighbour else ""


def _row(run: Run, cell: CellRecord, causes: str) -> tuple[Value, ...]:
    seen = cell.observed
    other = cell.exchange
    rtts = seen.rtts_ms if seen else other.rtts_ms if other else ()
    spread: tuple[Value, ...] = (min(rtts), median(rtts), max(rtts)) if rtts else ("", "", "")
    return (
        run.id,
        run.started_at,
        cell.scenario,
        cell.id,
        cell.source,
        cell.source_host,
        cell.target,
        cell.target_host,
        cell.asked_by,
        cell.relation,
        cell.address,
        cell.expected,
        cell.verdict,
        "yes" if cell.selected else "no, a control",
        seen.sent if seen else other.sent if other else "",
        seen.received if seen else other.came if other else "",
        *spread,
        seen.ttl if seen and seen.ttl is not None else "",
        seen.neighbour_mac if seen else _mac(other),
        causes,
        cell.reason or cell.not_run,
        cell.because,
    )
