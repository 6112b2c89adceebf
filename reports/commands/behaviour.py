"""``python -m reports behaviour RUN...``: the truth table of macvlan, as these runs show it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from matrix.errors import ConfigError
from reports.behaviour import markdown
from reports.commands import Answer
from reports.commands.reading import RUN, read_run

MOST = 26


def declare(commands: Any) -> None:
    """Our arguments."""
    parser = commands.add_parser(
        "behaviour", help="print the truth table of macvlan, with these runs as its evidence"
    )
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help=RUN)
    parser.set_defaults(act=act)


def act(asked: argparse.Namespace) -> Answer:
    """Print the page, in the order that the runs are named in."""
    if len(asked.runs) > MOST:
        raise ConfigError(f"{len(asked.runs)} runs: a page has letters for {MOST}; name fewer")
    return Answer(tuple(markdown([read_run(named) for named in asked.runs]).splitlines()))
