"""``python -m reports merge RUN... --into DIR``: the runs of all ``--shard`` parts as one run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from matrix.errors import ConfigError
from matrix.grid import plain
from matrix.record import dump
from reports.commands import Answer
from reports.commands.reading import RUN, read_run, record_path
from reports.files import write_reports, write_whole
from reports.headline import headline
from reports.merge import merged

_PACKETS = ".pcapng"


def declare(commands: Any) -> None:
    """Our arguments."""
    parser = commands.add_parser(
        "merge", help="join the runs of all --shard parts into one, with no cell missing or twice"
    )
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help=f"of each part {RUN}")
    parser.add_argument(
        "--into",
        metavar="DIR",
        type=Path,
        required=True,
        help="the folder of the merged run: run.json, its reports, and the packets of each part",
    )
    parser.set_defaults(act=act)


def act(asked: argparse.Namespace) -> Answer:
    """Merge; nothing is written unless all of it fits."""
    target = asked.into / "run.json"
    if target.exists():
        raise ConfigError(f"{target}: is there already; name a folder of its own with --into")
    runs = {named: read_run(named) for named in asked.runs}
    if len(runs) != len(asked.runs):
        raise ConfigError("a run was named twice; name each part once")
    whole = merged((str(named), run) for named, run in runs.items())
    asked.into.mkdir(parents=True, exist_ok=True)
    data = dump(whole)
    write_whole(target, data)
    lines = [f"merged: {target}", f"report: {write_reports(data, target)}"]
    for named, run in runs.items():
        part = (run.coverage.shard if run.coverage else "").partition("/")[0]
        for packets in sorted(record_path(named).parent.glob(f"*{_PACKETS}")):
            copy = asked.into / f"{packets.name.removesuffix(_PACKETS)}-part-{part}{_PACKETS}"
            write_whole(copy, packets.read_bytes())
            lines.append(f"packets: {copy}")
    lines.append(headline(whole).sentence)
    return Answer(tuple(map(plain, lines)))
