"""Writes what is rendered from a run.json beside it, whole or not at all.

``since.json`` is written first: what the report says about an earlier run is kept there, so that
making the report again gives equal bytes. See ``reports.baseline``.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from matrix.record import load
from reports.baseline import SINCE, since_of
from reports.html import html
from reports.junit import junit
from reports.since import dump_since


def write_reports(data: bytes, path: Path, *, out: Path | None = None, since: str = "") -> Path:
    """Render ``data``, the bytes of the run.json at ``path``: report.html and junit.xml beside it.

    Args:
        data: the record's bytes.
        path: where the record stands (or would).
        out: another place for report.html; nothing else is then written.
        since: the earlier run to compare with, see ``reports.baseline.since_of``.

    Returns:
        Where report.html is.

    Raises:
        ConfigError: the bytes are no run that this version reads, or ``since`` is none.
        OSError: the disk refuses.
    """
    run = load(data, name=str(path))
    report = out or path.with_name("report.html")
    compared = since_of(run, data, path, since)
    if out is None:
        write_whole(path.with_name(SINCE), dump_since(compared))
    write_whole(report, html(run, compared))
    if out is None:
        write_whole(path.with_name("junit.xml"), junit(run))
    return report


def write_whole(path: Path, data: bytes | Callable[[], Iterable[bytes]]) -> None:
    """Write a file whole or not at all; a pipe or a device gets the bytes as they come.

    Args:
        path: where to.
        data: the bytes, or what makes them in pieces.

    Raises:
        OSError: the disk refuses.
    """
    pieces = (data,) if isinstance(data, bytes) else data()
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        with path.open("wb") as file:  # there is nothing to put in its place
            file.writelines(pieces)
        return
    path = path.resolve()
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.unlink(missing_ok=True)  # never through a link that somebody has put there
        with beside.open("xb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:  # Ctrl-C too must leave no part behind
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
