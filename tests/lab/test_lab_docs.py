"""The commands of README.md and docs/, typed into a shell as they stand, on the lab.

A block is one session of a shell. Only what stands for the reader's own (``mysite.toml``, ``RUN``,
``ID``) is filled in, and what is run elsewhere (``tests/unit/doc_commands.py``) is left out. Exit codes
are those that the page promises.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fixtures.lab import Lab, running_lab
from matrix.record import dump, load
from tests.unit.doc_commands import ROOT, Block, How, blocks, pages, way_of

PROJECT = ("matrix", "fixtures", "reports", "sites", "conftest.py", "tox.ini", "Vagrantfile")
EXIT = {
    ("docs/faults.md", "pytest"): 1,  # "every cell that fails now fails because of it"
}
"""Commands that are to find something wrong."""


def of_page(page: str, how: How) -> list[Block]:
    """The blocks of a page that have a command to be run in this way."""
    return [b for b in blocks(page) if any(_is(b, command, how) for command in b.commands)]


def _is(block: Block, command: str, how: How) -> bool:
    way = way_of(command, block.page)
    return way is not None and way.how is how


LOOKS = re.compile(r" (doctor|plan) | --(plan|collect-only)$")
"""Commands that look and change nothing: what stands on two pages is typed once."""


@dataclass(slots=True)
class Desk:
    """A folder with the project, two runs and what a reader would have; and a shell in it."""

    folder: Path
    lab: Lab
    before: str = ""
    latest: str = ""
    typed: set[str] = field(default_factory=set)

    def sh(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script there. ``pytest`` and ``python`` are ours."""
        environment = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "L2MATRIX_LAB_DIR": str(self.lab.state_dir),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
        }
        return subprocess.run(
            ["sh", "-c", script],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    def run(self) -> str:
        """A whole run of the lab's site; the name of its folder."""
        done = self.sh("pytest -q --site mysite.toml")
        assert done.returncode == 0, done.stdout
        return (self.folder / "runs" / "latest").resolve().name

    def point_at(self, run: str) -> None:
        """Let ``runs/latest`` be that run."""
        latest = self.folder / "runs" / "latest"
        latest.unlink()
        latest.symlink_to(run)

    def day_before(self, run: str) -> str:
        """The same run, as if it had been made a day before; the name of its folder."""
        old = self.folder / "runs" / run
        record = load((old / "run.json").read_bytes())
        earlier = datetime.fromisoformat(record.started_at) - timedelta(days=1)
        name = f"{earlier:%Y%m%dT%H%M%SZ}-{run[-4:]}"
        shutil.copytree(old, old.parent / name)
        record = replace(record, id=name, started_at=earlier.isoformat(timespec="seconds"))
        (old.parent / name / "run.json").write_bytes(dump(record))
        return name

    def filled(self, command: str) -> str:
        """The command with what stands for the reader's own filled in."""
        words = {
            "RUN-BEFORE": f"runs/{self.before}",
            "RUN-AFTER": "runs/latest",
            "runs/ID": f"runs/{self.before}",
            "ID-BEFORE": self.before,
            "runs-judged-again/ID": f"runs-judged-again/{self.latest}",
            "ID": self.latest,
            "/var/lib/node_exporter/": "",
            "web-017": "c1",
            "web-042": "c3",
        }
        if "-m isolation" in command:
            words["mysite.toml"] = "sites/lab-isolation.toml"
        for stands, given in words.items():
            command = re.sub(rf"(?<![\w-]){re.escape(stands)}(?![\w-])", given, command) \
                if stands[0] != "/" else command.replace(stands, given)  # fmt: skip
        return command

    def type(self, block: Block, how: How) -> None:
        """Type a block's commands of one kind, one after another, in one shell."""
        script = []
        for command in block.commands:
            if _is(block, command, how) and not (command in self.typed and LOOKS.search(command)):
                self.typed.add(command)
                wanted = EXIT.get((block.page, command), 0)
                line = self.filled(command)
                if "sites/lab-" in line:  # a lab is made for a site, and this one for another
                    line = f"L2MATRIX_LAB_DIR={self.lab.state_dir}-other {line}"
                script += self.before_it(command)
                script += [f"echo '$' {shlex.quote(line)}", line, f"[ $? -eq {wanted} ] || exit 99"]
        done = self.sh("\n".join(script))
        self.sh("python -m fixtures.lab mend")
        assert done.returncode == 0, f"{block.page}:{block.line}\n{done.stdout}"

    def before_it(self, command: str) -> list[str]:
        """What the reader of that command has, or has not done yet."""
        if " seal " in command:
            return [f"rm -f runs/sealed/{self.latest}.tar"]  # one is never overwritten
        if command.startswith("tar "):
            return [f"cp runs/sealed/{self.latest}.tar ."]
        return []


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A lab of its own, for some commands break it, and a copy of the project with two good runs."""
    if os.geteuid() != 0:
        pytest.skip("the lab's VLANs need root where the kernel has no 8021q")
    folder = tmp_path_factory.mktemp("desk")
    for name in PROJECT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    programs = {"python": sys.executable, "pytest": f"{sys.executable} -m pytest"}
    (folder / "bin").mkdir()
    for name, argv in programs.items():
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec {argv} "$@"\n')
        (folder / "bin" / name).chmod(0o755)
    ssh = folder / "home" / ".ssh"
    ssh.mkdir(parents=True, mode=0o700)
    key = ssh / "id_ed25519"
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(keygen, check=True, stdin=subprocess.DEVNULL)
    public = key.with_suffix(".pub").read_text().split()[:2]
    signer = f'auditor@example.com namespaces="seal@l2matrix" {" ".join(public)}\n'
    (folder / "allowed_signers").write_text(signer)
    site = (ROOT / "sites" / "lab.toml").read_text()
    (folder / "big.toml").write_text(site)
    (folder / "mysite.toml").write_text(site)
    with running_lab(state_dir=Path(f"/tmp/l2d-{os.getpid()}")) as lab:  # noqa: S108  the lab checks it
        shutil.copy(lab.ssh_config, folder / "ssh_config")
        made = Desk(folder, lab)
        made.latest = made.run()
        made.before = made.day_before(made.latest)
        done = made.sh("python -m reports seal runs/" + made.before + " --key ~/.ssh/id_ed25519")
        assert done.returncode == 0, done.stdout
        yield made


def typed(page: str, how: How, desk: Desk) -> None:
    """Type the commands of a page, and leave the desk as it was."""
    for block in of_page(page, how):
        desk.type(block, how)
    desk.point_at(desk.latest)


@pytest.mark.parametrize("page", [page for page in pages() if of_page(page, How.QUICK)])
def test_the_commands_of_a_page(page: str, desk: Desk) -> None:
    """Each of them does what it says, with the exit code that it promises."""
    typed(page, How.QUICK, desk)


@pytest.mark.thorough
@pytest.mark.parametrize("page", [page for page in pages() if of_page(page, How.THOROUGH)])
def test_the_longer_commands_of_a_page(page: str, desk: Desk) -> None:
    """The same for whole runs."""
    typed(page, How.THOROUGH, desk)
