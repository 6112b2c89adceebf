"""A run by the name that a person types: its folder, or its run.json."""

from __future__ import annotations

from pathlib import Path

from matrix.errors import ConfigError
from matrix.record import Run, load

RUN = "a run's folder, or its run.json"


def record_path(named: Path) -> Path:
    """Where the run's record stands."""
    return named / "run.json" if named.is_dir() else named


def read_bytes(named: Path) -> bytes:
    """The bytes of a run's record. Raises ConfigError where they cannot be read."""
    path = record_path(named)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror or error}; RUN is {RUN}, such as runs/latest"
        ) from error


def read_run(named: Path) -> Run:
    """The run. Raises ConfigError where it cannot be read or is none of this version's."""
    return load(read_bytes(named), name=str(record_path(named)))
