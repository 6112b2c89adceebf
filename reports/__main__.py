"""``python -m reports render RUN`` and ``show RUN``: a run's report again, on any later day."""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path

from matrix.errors import ConfigError
from matrix.grid import plain
from matrix.record import load
from reports.files import write_reports
from reports.grid import matrix_lines, scenarios_of, summary_lines


def main(argv: list[str]) -> int:
    """Do what the arguments ask. Returns the exit code: 0, or 2 with one line on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m reports", description="Reports of a run, made from its run.json alone."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    render = commands.add_parser("render", help="write report.html and junit.xml beside run.json")
    render.add_argument("run", metavar="RUN", type=Path, help="a run's folder, or its run.json")
    render.add_argument("--out", metavar="FILE", type=Path, help="write the HTML there instead")
    show = commands.add_parser("show", help="print the matrices and what is not as expected")
    show.add_argument("run", metavar="RUN", type=Path, help="a run's folder, or its run.json")
    asked = parser.parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that is not UTF-8 shows what it cannot print as an escape.
            stream.reconfigure(errors="backslashreplace")
    path = asked.run / "run.json" if asked.run.is_dir() else asked.run
    try:
        data = path.read_bytes()
        if asked.command == "render":
            print(plain(str(write_reports(data, path, out=asked.out))))
        else:
            _show(data, path)
    except ConfigError as error:
        print(plain(str(error)), file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our output has left; nothing more to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        words = f"{error.filename or path}: {error.strerror or error}; RUN is a run's folder, such"
        print(plain(f"{words} as runs/latest, or its run.json"), file=sys.stderr)
        return 2
    return 0


def _show(data: bytes, path: Path) -> None:
    run = load(data, name=str(path))
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for scenario in scenarios_of(run):
        print("\n".join(["", *matrix_lines(run, scenario, colour=colour)]))
    print("\n".join(["", *summary_lines(run, colour=colour)]))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
