"""``markdown``, ``csv`` and ``prometheus RUN``: a run for other programs, on stdout or in a file."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matrix.grid import plain
from reports.commands import Answer
from reports.commands.reading import RUN, read_run
from reports.compare import compare
from reports.csv_table import csv_table
from reports.files import write_whole
from reports.markdown import markdown
from reports.prometheus import prometheus


def declare(commands: Any) -> None:
    """Our arguments."""
    made = _parser(commands, "markdown", _markdown, "for a pull request or $GITHUB_STEP_SUMMARY")
    made.add_argument("--against", metavar="RUN", type=Path, help="say what changed since that run")
    _parser(commands, "csv", _csv, "a line for each cell")
    made = _parser(commands, "prometheus", _prometheus, "for node_exporter's textfile collector")
    made.add_argument("--cells", action="store_true", help="a series for each cell, too")


def _parser(
    commands: Any, name: str, make: Callable[[argparse.Namespace], bytes], words: str
) -> argparse.ArgumentParser:
    def act(asked: argparse.Namespace) -> Answer:
        data = make(asked)
        if asked.out:
            write_whole(asked.out, data)
            return Answer((plain(str(asked.out)),))
        text = data.decode().replace("\r\n", "\n").removesuffix("\n")
        return Answer(tuple(text.split("\n")))

    parser: argparse.ArgumentParser = commands.add_parser(name, help=f"the run as {name}: {words}")
    parser.add_argument("run", metavar="RUN", type=Path, help=RUN)
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write it there, whole or not at all"
    )
    parser.set_defaults(act=act)
    return parser


def _markdown(asked: argparse.Namespace) -> bytes:
    run = read_run(asked.run)
    return markdown(run, compare(read_run(asked.against), run) if asked.against else None)


def _csv(asked: argparse.Namespace) -> bytes:
    return csv_table(read_run(asked.run))


def _prometheus(asked: argparse.Namespace) -> bytes:
    return prometheus(read_run(asked.run), cells=asked.cells)
