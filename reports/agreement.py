"""``python -m reports.agreement A B``: do two worlds say the same of every cell that both were asked?

For two runs of one matrix in different worlds, such as the embedded lab and a pair of machines:
only expectation and verdict are held to one another, for round trips, MAC addresses and links are
each world's own. Exit code 0: they agree; 1: they do not; 2: there is nothing to compare.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from matrix.errors import ConfigError
from matrix.grid import plain
from matrix.record import CellRecord, Run, load


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two runs say of the same cells.

    Attributes:
        both: how many cells both runs asked.
        apart: of those, the ones with another expectation or verdict: A's and B's record.
        only_a: ids of the cells that A alone asked.
        only_b: ids of the cells that B alone asked.
    """

    both: int
    apart: tuple[tuple[CellRecord, CellRecord], ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


def compare(a: Run, b: Run) -> Agreement:
    """Hold the cells of two runs to one another, by their ids."""
    of_a, of_b = ({cell.id: cell for cell in run.cells if cell.selected} for run in (a, b))
    both = [one for one in of_a if one in of_b]
    return Agreement(
        both=len(both),
        apart=tuple(
            (of_a[one], of_b[one])
            for one in both
            if (of_a[one].expected, of_a[one].verdict) != (of_b[one].expected, of_b[one].verdict)
        ),
        only_a=tuple(one for one in of_a if one not in of_b),
        only_b=tuple(one for one in of_b if one not in of_a),
    )


def lines(found: Agreement) -> list[str]:
    """The agreement in words, a line each."""
    said = []
    for ours, theirs in found.apart:
        said.append(f"{ours.id}:")
        for name, cell in (("A", ours), ("B", theirs)):
            said.append(f"  {name}: expected {cell.expected}, {cell.verdict}: {cell.reason}")
    for name, some in (("A", found.only_a), ("B", found.only_b)):
        if some:
            more = f", ... and {len(some) - 3} more" if len(some) > 3 else ""  # noqa: PLR2004
            said.append(f"only {name} asked {len(some)} cells: {', '.join(some[:3])}{more}")
    different = len(found.apart)
    said.append(
        f"{found.both} cells in both, "
        + (f"{different} DIFFERENT" if different else "the same expectation and verdict in each")
    )
    return [plain(line) for line in said]


def main(argv: list[str]) -> int:
    """Compare two runs. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m reports.agreement",
        description="Do two runs say the same of every cell that both asked?",
    )
    for name in ("A", "B"):
        parser.add_argument(name, type=Path, help="a run's folder, or its run.json")
    asked = parser.parse_args(argv)
    runs = []
    for path in (asked.A, asked.B):
        file = path / "run.json" if path.is_dir() else path
        try:
            runs.append(load(file.read_bytes()))
        except (OSError, ConfigError) as error:
            sys.stderr.write(f"{file}: cannot read this run: {error}\n")
            return 2
    found = compare(*runs)
    sys.stdout.write("\n".join(lines(found)) + "\n")
    if not found.both:
        sys.stderr.write("the two runs have no cell in common\n")
        return 2
    return 1 if found.apart else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
