"""``python -m reports last-good [RUNS]``: the folder of the newest good run, to compare a night with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from matrix.errors import ConfigError
from reports.commands import Answer
from reports.commands.nights import read_nights
from reports.commands.reading import RUN, read_run
from reports.history import age, last_good, night


def declare(commands: Any) -> None:
    """Our arguments."""
    parser = commands.add_parser(
        "last-good", help="print the folder of the newest good run of a site, for diff and markdown"
    )
    parser.add_argument(
        "runs", metavar="RUNS", type=Path, nargs="?", default=Path("runs"),
        help="the folder with the runs' folders. Default: runs",
    )  # fmt: skip
    parser.add_argument(
        "--before", metavar="RUN", type=Path,
        help=f"the newest of the same site that began before this one: {RUN}. Default: before "
        "RUNS/latest",
    )  # fmt: skip
    parser.set_defaults(act=act)


def act(asked: argparse.Namespace) -> Answer:
    """Look for it; none is an error, so that no comparison is made with nothing."""
    now = night(read_run(asked.before or asked.runs / "latest"))
    archive = read_nights(asked.runs)
    found = last_good(one for one in archive.nights if one.site == now.site and age(one) < age(now))
    if found is None:
        raise ConfigError(
            f"{asked.runs}: no good run of site {now.site} began before {now.id}; nothing to compare with"
        )
    return Answer((str(archive.folders[found.id]),))
