"""``python -m reports rejudge RUN``: today's rules on an old run's evidence, and what they change.

Exit code 0: nothing changes; 1: some cell or cause does. The run itself is never touched.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from matrix.errors import ConfigError
from matrix.grid import plain
from matrix.record import dump, load
from matrix.rejudge import rejudge
from reports.commands import NOTHING_WRONG, SOMETHING_WRONG, Answer
from reports.commands.reading import RUN, read_bytes, record_path
from reports.compare import compare
from reports.diff import change_lines
from reports.files import write_reports, write_whole


def declare(commands: Any) -> None:
    """Our arguments."""
    parser = commands.add_parser(
        "rejudge",
        help="judge an old run by today's rules; exit code 1 where that changes a verdict or a cause",
    )
    parser.add_argument("run", metavar="RUN", type=Path, help=RUN)
    parser.add_argument(
        "--write", metavar="DIR", type=Path, help="write the run as it is judged today there"
    )
    parser.set_defaults(act=act)


def act(asked: argparse.Namespace) -> Answer:
    """Judge again, and tell the differences."""
    path = record_path(asked.run)
    old = load(read_bytes(asked.run), name=str(path))
    new = rejudge(old, name=str(path))
    found = compare(old, new)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    lines = change_lines(found, colour=colour)
    changed = bool(found.cells or found.new_causes or found.gone_causes)
    told = {change.cell.id for change in found.cells}
    words = [
        cell.id
        for cell, was in zip(new.cells, old.cells, strict=True)
        if (cell.reason, cell.cause) != (was.reason, was.cause) and cell.id not in told
    ]
    if words:
        lines.append(f"{len(words)} cells keep their verdict, and say it in other words")
    lines.append(
        "Today's rules judge this run otherwise."
        if changed
        else f"Today's rules judge all {len(new.cells)} cells of this run as they were judged then."
    )
    if asked.write:
        target = asked.write / "run.json"
        if target.exists():
            raise ConfigError(f"{target}: is there already; name a folder of its own with --write")
        note = f"judged again, from the record of run {old.id}, by the rules of another day"
        asked.write.mkdir(parents=True, exist_ok=True)
        data = dump(replace(new, notes=(*new.notes, note)))
        write_whole(target, data)
        lines.append(plain(f"written: {target}, report: {write_reports(data, target)}"))
    return Answer(tuple(lines), SOMETHING_WRONG if changed else NOTHING_WRONG)
