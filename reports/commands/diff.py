"""``python -m reports diff A B``: what changed; exit code 1 where something is worse."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from matrix.grid import plain
from reports.commands import NOTHING_WRONG, SOMETHING_WRONG, Answer
from reports.commands.reading import RUN, read_run
from reports.compare import MAY_BE_WORSE, compare
from reports.diff import diff_json, diff_lines
from reports.diff_html import diff_html
from reports.files import write_whole


def declare(commands: Any) -> None:
    """Our arguments."""
    parser = commands.add_parser(
        "diff",
        help="what changed from run A to run B; exit code 0: nothing worse, 1: something, 2: bad input",
    )
    parser.add_argument("before", metavar="A", type=Path, help=f"the earlier run: {RUN}")
    parser.add_argument("after", metavar="B", type=Path, help=f"the later run: {RUN}")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write it as a page, too")
    parser.add_argument("--json", action="store_true", help="print it as JSON, with everything")
    parser.add_argument(
        "--worse",
        metavar="WHAT",
        choices=tuple(MAY_BE_WORSE),
        action="append",
        default=[],
        help="count this as worse, too: rtt (round trips that grew beyond noise), gone (cells that "
        "the later run did not ask); may be given twice",
    )
    parser.set_defaults(act=act)


def act(asked: argparse.Namespace) -> Answer:
    """Compare, print, and write the page if asked."""
    found = compare(read_run(asked.before), read_run(asked.after))
    also = tuple(MAY_BE_WORSE[word] for word in asked.worse)
    if asked.json:
        lines = diff_json(found, also).decode().splitlines()
    else:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        lines = diff_lines(found, also, colour=colour)
    if asked.html:
        write_whole(asked.html, diff_html(found, also))
        if not asked.json:
            lines.append(plain(f"page: {asked.html}"))
    return Answer(tuple(lines), SOMETHING_WRONG if found.worse(also) else NOTHING_WRONG)
