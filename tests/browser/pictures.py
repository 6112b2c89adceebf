"""``python -m tests.browser.pictures``: the pictures of a report in docs/, made anew.

A lab of its own, a good run, a fault, a second run; then the second run's report as it is seen on a
desk by day and by night, on a phone, and on paper. Needs what ``./toxw run -e report`` installs, and
what the lab needs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.browser.chromium import chromium

DOCS = Path(__file__).parents[2] / "docs"
FAULT = ("promiscuous-refused", "--host", "dev-node-01")
MOST_BYTES = 250_000
PAPER_DPI = "80"


def main(out: Path) -> None:
    """Make all pictures in that folder."""
    with tempfile.TemporaryDirectory(prefix="l2p-") as folder:
        pages = Path(folder)
        report = _broken_run(pages)
        with chromium() as browser:
            for name, dark, width, height, phone in (
                ("report", False, 1280, 900, False),
                ("report-dark", True, 1280, 900, False),
                ("report-phone", False, 390, 844, True),
            ):
                browser.look(width=width, height=height, dark=dark, phone=phone)
                browser.open(report)
                _keep(out / f"{name}.png", browser.picture())
            browser.look(width=1280, height=900)
            browser.open(report)
            browser.run("document.getElementById('matrix').scrollIntoView()")
            _keep(out / "report-matrix.png", browser.picture())
            (pages / "report.pdf").write_bytes(browser.pdf())
        argv = ["pdftoppm", "-r", PAPER_DPI, "-f", "1", "-l", "1", "-singlefile", "-png"]
        subprocess.run([*argv, pages / "report.pdf", pages / "paper"], check=True)
        _keep(out / "report-print.png", (pages / "paper.png").read_bytes())


def _broken_run(folder: Path) -> Path:
    """A good run and one with a fault on a lab of our own. Returns the second one's report."""
    world = {**os.environ, "L2MATRIX_LAB_DIR": str(folder / "lab")}

    def python(*arguments: str, codes: tuple[int, ...] = (0,)) -> None:
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=DOCS.parent,
            env=world,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode not in codes:
            sys.exit(f"python -m {' '.join(arguments)}: exit code {done.returncode}")

    python("fixtures.lab", "up")
    try:
        runs = f"--report-dir={folder / 'runs'}"
        python("pytest", "-q", runs)
        python("fixtures.lab", "break", *FAULT)
        python("pytest", "-q", runs, codes=(1,))
    finally:
        python("fixtures.lab", "down")
    return (folder / "runs/latest/report.html").resolve()


def _keep(path: Path, picture: bytes) -> None:
    if len(picture) > MOST_BYTES:
        sys.exit(f"{path.name} has {len(picture):,} bytes; {MOST_BYTES:,} is the most for docs/")
    path.write_bytes(picture)
    sys.stdout.write(f"{path}: {len(picture):,} bytes\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
