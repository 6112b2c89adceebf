"""``python -m reports history [RUNS]``: a page of all runs of a folder, and which of them stay."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from matrix.grid import plain
from reports.commands import Answer
from reports.commands.nights import Nights, read_nights
from reports.commands.seal import SEALED_MARK
from reports.files import write_whole
from reports.history import Night, SiteStory, stories
from reports.history_html import history_html
from reports.retention import fates

_OURS = ("run.json", "since.json", "report.html", "junit.xml", "diff.html", SEALED_MARK)
_PACKETS = "packets*.pcapng"
MOST_FLAKY = 10


def declare(commands: Any) -> None:
    """Our arguments."""
    parser = commands.add_parser(
        "history", help="a page of all runs: nights, flaky cells, a sparkline for each cell"
    )
    parser.add_argument(
        "runs", metavar="RUNS", type=Path, nargs="?", default=Path("runs"),
        help="the folder with the runs' folders. Default: runs",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="the page. Default: index.html in that folder"
    )
    parser.add_argument("--keep", metavar="N", type=int, help="delete all runs but the newest N")
    parser.add_argument(
        "--keep-days", metavar="D", type=int,
        help="delete runs that began more than D days before the newest. With --keep, a run goes "
        "only where both let it. Sealed runs and a site's only good run stay",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be deleted, and touch nothing"
    )
    parser.set_defaults(act=act)


def act(asked: argparse.Namespace) -> Answer:
    """Read all runs, let go of those whose time is over, write the page of the rest."""
    archive = read_nights(asked.runs)
    lines = list(archive.skipped)
    sealed = frozenset(
        name
        for name, path in archive.folders.items()
        if (path / SEALED_MARK).exists() or (asked.runs / "sealed" / f"{name}.tar").exists()
    )
    stay = []
    for fate in fates(archive.nights, keep=asked.keep, days=asked.keep_days, sealed=sealed):
        why = fate.why or (_must_stay(archive, fate.night, asked.runs) if fate.goes else "")
        if why:
            lines.append(f"kept {fate.night.id}, although its time is over: {why}")
        if why or not fate.goes:
            stay.append(fate.night)
            continue
        lines.append(f"{'would delete' if asked.dry_run else 'deleted'} {fate.night.id}")
        if not asked.dry_run:
            _delete(archive.folders[fate.night.id])
    told = stories(stay)
    out = asked.out or asked.runs / "index.html"
    for story in told:
        lines += _summary(story)
    if not asked.dry_run:
        write_whole(out, history_html(told))
        lines.append(f"page: {out}")
    return Answer(tuple(map(plain, lines)))


def _must_stay(archive: Nights, one: Night, runs: Path) -> str:
    """Why a run's folder cannot be deleted, "" where it can: we delete what we wrote, only."""
    folder = archive.folders[one.id]
    if (runs / "latest").resolve() == folder.resolve():
        return "latest points at it"
    foreign = sorted(path.name for path in folder.iterdir() if path not in set(_ours(folder)))
    return f"it holds what is not ours: {', '.join(foreign)}" if foreign else ""


def _ours(folder: Path) -> list[Path]:
    known = [folder / name for name in _OURS]
    return [p for p in (*known, *folder.glob(_PACKETS)) if p.is_file() and not p.is_symlink()]


def _delete(folder: Path) -> None:
    # run.json last: a run that is half deleted is still one that the next call can delete.
    for path in sorted(_ours(folder), key=lambda path: path.name == "run.json"):
        path.unlink()
    folder.rmdir()


def _summary(story: SiteStory) -> list[str]:
    last = story.nights[-1]
    lines = [f"site {story.site}: {len(story.nights)} nights, last {last.id}: {last.sentence}"]
    lines += [
        f"  flaky: {cell.id}: {cell.wrong} of {cell.asked} nights, {cell.spells} spells"
        for cell in story.flaky[:MOST_FLAKY]
    ]
    if len(story.flaky) > MOST_FLAKY:
        lines.append(f"  and {len(story.flaky) - MOST_FLAKY} flaky cells more")
    return lines
