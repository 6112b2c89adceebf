"""The runs of a folder, as ``--report-dir`` leaves them: a folder for each, named by the run's id."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from matrix.errors import ConfigError
from matrix.record import load
from reports.history import Night, night


@dataclass(slots=True)
class Nights:
    """The nights of an archive, the folder of each by its id, and what could not be read, in words."""

    folders: dict[str, Path] = field(default_factory=dict)
    nights: list[Night] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def read_nights(folder: Path) -> Nights:
    """All runs of the folder. Raises ConfigError where there is no such folder."""
    found = Nights()
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise ConfigError(
            f"{folder}: {error.strerror or error}; RUNS is the folder that --report-dir named"
        ) from error
    for entry in entries:
        path = entry / "run.json"
        if entry.is_symlink() or not path.is_file():
            continue
        try:
            run = load(path.read_bytes(), name=str(path))
        except (ConfigError, OSError) as error:
            found.skipped.append(f"skipped: {error}")
            continue
        if run.id != entry.name:
            found.skipped.append(f"skipped: {path} is run {run.id!r}, in another run's folder")
            continue
        found.folders[run.id] = entry
        found.nights.append(night(run))
    return found
