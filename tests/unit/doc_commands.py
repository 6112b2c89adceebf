"""The commands of README.md and docs/: where they stand, and how each of them is run by a test.

Rule 1: every line of a code block is a command, text of a language that is named at the fence, or
part of a block that ``SHOWN`` names. Nothing is passed over: what no table knows is a fault.
Rule 2: ``WAYS`` says of each command how it is run. The first way that fits the whole line counts.
Rule 3: pages that are made from code are held to it by tests of their own; only what stands above
their first section is read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMENT = re.compile(r"\s+#.*$")
PROGRAMS = (
    ".", "pytest", "python", ".tox/lab/bin/python", "./toxw", "vagrant", "ssh", "ssh-keygen", "tar",
    "sed", "mkdir",
)  # fmt: skip
MADE = {
    "docs/behaviour.md": "tests/unit/test_behaviour.py",
    "docs/causes.md": "tests/unit/test_reports_causes.py",
    "docs/doctor.md": "tests/unit/test_preflight.py",
    "docs/faults.md": "tests/lab/test_lab_faults.py",
    "docs/remedies.md": "tests/lab/test_lab_remedies.py",
}
"""Pages that are made from code, and the test that holds their sections to what happens."""


class How(StrEnum):
    """How a command is run."""

    QUICK = "tests/lab/test_lab_docs.py"
    THOROUGH = "tests/lab/test_lab_docs.py, by ./toxw run -e thorough"
    ELSEWHERE = "by another test or environment"
    NEVER = "by no test"


@dataclass(frozen=True, slots=True)
class Way:
    """How the commands that fit a pattern are run.

    ``where`` is the file or the tox environment that runs it, for ELSEWHERE; ``why`` is the reason
    that it is not simply typed here. ``page`` is the only one that has such commands.
    """

    pattern: str
    how: How
    why: str = ""
    where: str = ""
    page: str = ""


WAYS = (
    Way(
        r"python -m reports merge .*",
        How.ELSEWHERE,
        "three runs of parts come first, and that test has them",
        "tests/lab/test_lab_exports.py",
    ),
    # A fault, and a whole run that finds it.
    Way(r"(pytest|python -m fixtures\.lab .*)", How.THOROUGH, page="docs/faults.md"),
    # The lab's own commands, and what asks hosts without building.
    Way(r"pytest --collect-only", How.QUICK),
    Way(r"pytest --site mysite\.toml --(collect-only|plan)", How.QUICK),
    Way(r"python -m fixtures (doctor|plan|cleanup) .*", How.QUICK),
    Way(r"python -m fixtures\.lab (up|status|ssh-config|faults|mend|shell \S+|break .*)", How.QUICK),
    Way(r"python -m reports .*", How.QUICK),
    Way(r"tar xf ID\.tar && .*", How.QUICK, page="docs/audit.md"),
    Way(r"ssh-keygen -Y verify .*", How.QUICK, page="docs/audit.md"),
    # Whole runs that take long, or that are one more of the same.
    Way(r"pytest( -m vlan| -k .*)?", How.THOROUGH),
    Way(r"pytest --(prober exec|keep|coverage \S+|group-above .*)", How.THOROUGH),
    Way(r"pytest --site mysite\.toml( --wait=600| --ssh-config ssh_config)?", How.THOROUGH),
    Way(r"pytest --site mysite\.toml -m isolation", How.THOROUGH),
    Way(r"pytest --site sites/lab-\S+( -m parent| --plan)?", How.THOROUGH),
    Way(
        r"pytest -m lifecycle --site sites/lab-lifecycle\.toml( -k parent-bounce)?",
        How.ELSEWHERE,
        "it takes two minutes, and that test has its events in parts",
        "tests/lab/test_lab_lifecycle.py",
    ),
    Way(r"pytest --site big\.toml --shard 1/3", How.THOROUGH),
    Way(r"pytest --(probe|echoes) .*", How.THOROUGH, page="docs/protocols.md"),
    # What is run by others.
    Way(
        r"python -m fixtures\.lab down",
        How.ELSEWHERE,
        "the lab is that of all commands",
        "tests/lab/test_lab_capsule.py",
    ),
    Way(
        r"\. \.tox/lab/bin/activate",
        How.ELSEWHERE,
        "venv's own, in the environment of the main job",
        "lab",
    ),
    Way(r"\./toxw run -e lab( --notest)?", How.ELSEWHERE, "it makes its environment first", "lab"),
    Way(r"\./toxw run -e test", How.ELSEWHERE, "these tests are what it runs", "test"),
    Way(r"\./toxw run -e bench", How.ELSEWHERE, "it wants the machine for itself", "bench"),
    Way(r"\./toxw run -e report", How.ELSEWHERE, "it installs a browser", "report"),
    Way(
        r"\./toxw run -e vm", How.ELSEWHERE, "it makes an image for minutes", "vm", "docs/vm.md"
    ),
    Way(r"python -m fixtures\.vm .*", How.ELSEWHERE, "the same", "vm", "docs/vm.md"),
    Way(r"python -m reports\.agreement .*", How.ELSEWHERE, "the same", "vm", "docs/vm.md"),
    Way(
        r"\.tox/lab/bin/python -m reports .*",
        How.ELSEWHERE,
        "as in docs/reports.md, by the Python of an environment that the test has not",
        "tests/lab/test_lab_docs.py",
        "docs/ci.md",
    ),
    # What cannot run here: Vagrant, and what is about its machines.
    Way(r"vagrant up .*", How.NEVER, "no machine of ours has VirtualBox or libvirt", page="docs/ci.md"),
    Way(
        r"\.tox/lab/bin/python -m pytest --site sites/vagrant\.toml .*",
        How.NEVER,
        "it needs Vagrant's machines",
        page="docs/ci.md",
    ),
    Way(r"mkdir -p /etc/vbox .*", How.NEVER, "VirtualBox's own file", page="docs/vagrant.md"),
    Way(r"sed -i .* ssh_config", How.NEVER, "Vagrant's own file", page="docs/vagrant.md"),
    Way(r"ssh -F ssh_config .*", How.NEVER, "Vagrant's machines", page="docs/vagrant.md"),
)  # fmt: skip

SHOWN = {
    ("docs/audit.md", "auditor@example.com"): "a line of allowed_signers",
    ("docs/hosts.md", "dev-node-01: 6 changes"): "what --plan prints",
    ("docs/hosts.md", "another run works on"): "what a second run is told",
    ("docs/isolation.md", "LEAK between segments"): "a headline",
}
"""Blocks that show something else than commands: page and first words, and what they are."""


@dataclass(frozen=True, slots=True)
class Block:
    """A code block: the page, the line of its first line, the fence's language ("" for none)."""

    page: str
    line: int
    language: str
    lines: tuple[str, ...]

    @property
    def commands(self) -> tuple[str, ...]:
        """Its commands, without comments."""
        bare = (COMMENT.sub("", line).strip() for line in self.lines)
        return tuple(line for line in bare if is_command(line))


def is_command(line: str) -> bool:
    """Does the line begin with a program that the pages use?"""
    return line.partition(" ")[0] in PROGRAMS


def pages() -> tuple[str, ...]:
    """README.md and every page of docs/, by their paths."""
    return ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """The code blocks of a page, fenced and indented (CommonMark 4.4 and 4.5)."""
    text = (ROOT / page).read_text()
    if page in MADE:
        text = text.partition("\n## ")[0]
    return tuple(_blocks(page, text.splitlines()))


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        if fence := re.match(r"\s*```(\w*)", lines[at]):
            end = next(n for n in range(at + 1, len(lines)) if lines[n].strip() == "```")
            yield Block(page, at + 2, fence[1], tuple(lines[at + 1 : end]))
            at = end + 1
        elif lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            found = "\n".join(lines[at:end]).rstrip().splitlines()
            yield Block(page, at + 1, "", tuple(found))
            at = end
        else:
            at += 1


def way_of(command: str, page: str) -> Way | None:
    """The way in which the command is run; None where no way fits."""
    fits = (w for w in WAYS if w.page in ("", page) and re.fullmatch(w.pattern, command))
    return next(fits, None)


def shown(block: Block) -> str:
    """What a block shows that holds no commands; "" where no table knows it."""
    return next(
        (
            words
            for (page, begins), words in SHOWN.items()
            if block.page == page and block.lines[0].strip().startswith(begins)
        ),
        "",
    )
