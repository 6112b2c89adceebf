"""``python -m reports render RUN`` and ``show RUN``: a run's report again, on any later day.

``remedies`` prints how to open what is blocked by design: the text of ``docs/remedies.md``;
``causes`` what a run can name as a cause: that of ``docs/causes.md``. The commands of several runs,
of other formats and of evidence are in ``reports.commands``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from pathlib import Path

from matrix.errors import ConfigError, WorldError
from matrix.grid import plain
from matrix.record import load
from reports import causes, remedies
from reports.commands import (
    Act,
    behaviour,
    diff,
    formats,
    history,
    last_good,
    merge,
    rejudge,
    seal,
    verify,
)
from reports.files import write_reports
from reports.grid import matrix_lines, scenarios_of, summary_lines

_PAGES = {"remedies": remedies.markdown, "causes": causes.markdown}
"""The pages of docs/ that are made here."""

_COMMANDS = (behaviour, diff, history, last_good, formats, merge, seal, verify, rejudge)


def parser() -> argparse.ArgumentParser:
    """All commands with their arguments."""
    made = argparse.ArgumentParser(
        prog="python -m reports", description="Reports of a run, made from its run.json alone."
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    render = commands.add_parser("render", help="write report.html and junit.xml beside run.json")
    render.add_argument("run", metavar="RUN", type=Path, help="a run's folder, or its run.json")
    render.add_argument("--out", metavar="FILE", type=Path, help="write the HTML there instead")
    render.add_argument(
        "--since",
        metavar="OLD",
        default="",
        help="compare with this earlier run (a folder or a run.json); 'none': with nothing. By "
        "default what since.json keeps, or else the newest earlier good run beside this one",
    )
    show = commands.add_parser("show", help="print the matrices and what is not as expected")
    show.add_argument("run", metavar="RUN", type=Path, help="a run's folder, or its run.json")
    show.add_argument("-v", "--verbose", action="store_true", help="list the cells of each cause")
    commands.add_parser("remedies", help="print how to open what is blocked by design")
    commands.add_parser("causes", help="print what a run can name as the cause of a failure")
    for command in _COMMANDS:
        command.declare(commands)
    return made


def main(argv: list[str]) -> int:
    """Do what the arguments ask. Returns the exit code.

    0; 1 where a command found something wrong; 2 with one line on stderr where it could not look.
    """
    asked = parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that is not UTF-8 shows what it cannot print as an escape.
            stream.reconfigure(errors="backslashreplace")
    if asked.command in _PAGES:
        return _print(_PAGES[asked.command]().splitlines())
    if act := getattr(asked, "act", None):
        return _acted(act, asked)
    path = asked.run / "run.json" if asked.run.is_dir() else asked.run
    try:
        data = path.read_bytes()
    except OSError as error:
        advice = "RUN is a run's folder, such as runs/latest, or its run.json"
        return _refused(f"{path}: {error.strerror or error}; {advice}")
    try:
        lines = (
            _shown(data, path, verbose=asked.verbose)
            if asked.command == "show"
            else [_rendered(data, path, asked.out, asked.since)]
        )
    except ConfigError as error:
        return _refused(str(error))
    except OSError as error:
        where = error.filename or asked.out or path.parent
        return _refused(f"{where}: {error.strerror or error}")
    return _print(lines)


def _print(lines: list[str]) -> int:
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:
        # The reader of our output has left; nothing more to say, and nowhere to say it.
        _let_go_of_stdout()
    except OSError as error:
        _let_go_of_stdout()  # what is buffered would fail again at exit
        return _refused(f"standard output: {error.strerror or error}")
    return 0


def _acted(act: Act, asked: argparse.Namespace) -> int:
    try:
        answer = act(asked)
    except (ConfigError, WorldError) as error:
        return _refused(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _refused(f"{where}{error.strerror or error}")
    return _print(list(answer.lines)) or answer.code


def _refused(words: str) -> int:
    print(plain(words), file=sys.stderr)
    return 2


def _let_go_of_stdout() -> None:
    with contextlib.suppress(OSError):  # what stands in for it in a test has no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _rendered(data: bytes, path: Path, out: Path | None, since: str) -> str:
    return plain(str(write_reports(data, path, out=out, since=since)))


def _shown(data: bytes, path: Path, *, verbose: bool) -> list[str]:
    run = load(data, name=str(path))
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    lines: list[str] = []
    for scenario in scenarios_of(run):
        lines += ["", *matrix_lines(run, scenario, colour=colour)]
    return [*lines, "", *summary_lines(run, colour=colour, verbose=verbose)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
