"""Shows a run when pytest has made one: report.html and junit.xml beside run.json, the terminal.

Thin on purpose: everything shown is a function of the bytes that the run hands over. A disk that
refuses a report is said in one line; the terminal still shows the whole matrix.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from matrix.grid import plain
from matrix.record import Run, load
from reports.contrast import contrast_lines
from reports.engines import engine_lines
from reports.files import write_reports
from reports.grid import matrix_lines, scenarios_of, summary_lines

_RUN = pytest.StashKey[Run]()
_LINES = pytest.StashKey[list[str]]()


@pytest.hookimpl(optionalhook=True)
def pytest_run_recorded(config: pytest.Config, path: Path, data: bytes) -> None:
    """Keep the run for the terminal, write its reports."""
    config.stash[_RUN] = load(data, name=str(path))
    lines = config.stash.setdefault(_LINES, [])
    if not path.exists():
        return  # the disk refused run.json; the run says so itself
    try:
        written = write_reports(data, path)
    except OSError as error:
        lines.append(
            f"no report in {path.parent}: {error.strerror or error}; make room there, then: "
            f"python -m reports render {path}"
        )
    else:
        lines += [f"report: {written}", f"record: {path}"]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The matrices, the counts, the causes, what has none, and where the report is.

    ``-v`` lists the cells of each cause.
    """
    run = config.stash.get(_RUN, None)
    if run is None:
        return
    colour = bool(terminalreporter.hasmarkup)
    lines: list[str] = []
    for scenario in scenarios_of(run):
        lines += ["", *matrix_lines(run, scenario, colour=colour)]
    lines += contrast_lines(run, colour=colour)
    lines += engine_lines(run, colour=colour)
    verbose = config.get_verbosity() > 0
    lines += ["", *summary_lines(run, colour=colour, verbose=verbose)]
    for line in lines:
        terminalreporter.write_line(line)
    for line in config.stash.get(_LINES, []):
        terminalreporter.write_line(plain(line))
