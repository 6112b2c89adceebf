"""Which earlier run a run is compared with, and where that comparison is kept.

Rule: the choice is made once and then kept. ``since.json`` beside run.json holds the comparison; a
report made again uses it, so its bytes are equal on any later day, also when the earlier run has been
removed or others have come. It is made anew only when asked for (``render --since``), or when it
belongs to another run.json.

By itself the newest earlier good run of the same site file is taken, of those whose folders stand
beside this one's: one that asked half of this run's cells or more before one that asked fewer.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

from matrix.errors import ConfigError
from matrix.record import Run, load
from reports.headline import headline
from reports.since import Since, compare, load_since, nothing_earlier

SINCE = "since.json"
NONE = "none"
"""What to give to ``--since`` for a report that compares with nothing."""

MOST_RUNS = 100
MOST_BYTES = 120_000_000
"""How far back is looked: a month of bad nights of 40,000 cells must not take minutes."""

_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]+")


def since_of(run: Run, data: bytes, path: Path, given: str = "") -> Since:
    """What ``run`` (of these bytes, at that path) is compared with.

    Args:
        run: the run.
        data: the bytes of its run.json.
        path: where that stands.
        given: a run's folder or its run.json, ``none``, or "" for what was kept or is found.

    Raises:
        ConfigError: what is given is no run.
        OSError: what is given cannot be read.
    """
    digest = sha256(data).hexdigest()
    if given == NONE:
        return nothing_earlier(digest, "not compared with an earlier run, as asked")
    if given:
        place = Path(given)
        place = place / "run.json" if place.is_dir() else place
        bytes_ = place.read_bytes()
        before = load(bytes_, name=str(place))
        return compare(
            run, digest, before, sha256(bytes_).hexdigest(), how="the run that was named"
        )
    try:
        kept = load_since(path.with_name(SINCE).read_bytes(), digest)
    except OSError:
        kept = None
    return kept or _found(run, digest, path)


def _found(run: Run, digest: str, path: Path) -> Since:
    folder = path.parent.resolve()  # runs/latest is a link
    looked_at, read, fewer = 0, 0, None
    for other in _earlier(folder, run.id):
        if looked_at == MOST_RUNS or read > MOST_BYTES:
            break
        try:
            data = other.read_bytes()
        except OSError:
            continue
        looked_at, read = looked_at + 1, read + len(data)
        if json.dumps(run.site.path, ensure_ascii=False).encode(errors="replace") not in data:
            continue  # of another site: not worth parsing
        try:
            before = load(data, name=str(other))
        except ConfigError:
            continue
        if before.site.path != run.site.path or not headline(before).good:
            continue
        if run.cells and not before.cells:
            continue  # it made events happen and asked no cell
        mine = {cell.id for cell in run.cells}
        shared = sum(cell.id in mine for cell in before.cells)
        how = "the newest earlier good run of this site beside it"
        if 2 * shared >= len(mine):
            return compare(run, digest, before, sha256(data).hexdigest(), how=how)
        if shared and fewer is None:
            fewer = compare(run, digest, before, sha256(data).hexdigest(), how=how)
    runs = f"{looked_at} earlier run{'s' * (looked_at != 1)}"
    return fewer or nothing_earlier(
        digest, f"no earlier good run of this site stood beside it ({runs} looked at)"
    )


def _earlier(folder: Path, run_id: str) -> list[Path]:
    """The run.json of earlier runs beside that folder, newest first; none where it is no archive."""
    if folder.name != run_id or not _RUN_ID.fullmatch(run_id):
        return []
    try:
        names = sorted(
            (f.name for f in folder.parent.iterdir() if _RUN_ID.fullmatch(f.name)), reverse=True
        )
    except OSError:
        return []
    return [folder.parent / name / "run.json" for name in names if name < run_id]
