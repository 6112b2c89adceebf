"""The pages about reports name commands that exist, and all of them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from reports.__main__ import parser

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("reports.md", "audit.md")
COMMAND = re.compile(r"python -m reports ([^`#\n|]+)")


INNER = re.compile(r'"\$\((.*?)\)"')


def commands(page: str) -> list[list[str]]:
    """The arguments of each command of a page, redirections aside; those within others, too."""
    text = (DOCS / page).read_text()
    outer = INNER.sub("RUN", text)
    found = [*COMMAND.findall(outer), *COMMAND.findall("\n".join(INNER.findall(text)))]
    return [shlex.split(one.partition(">>")[0]) for one in found]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_understood(page: str) -> None:
    """With all its options; a bare name stands for the command."""
    for arguments in commands(page):
        if len(arguments) > 1:
            assert parser().parse_args(arguments).command == arguments[0]


def test_every_command_stands_on_a_page() -> None:
    """None is left out of the docs."""
    told = {arguments[0] for page in PAGES for arguments in commands(page)}
    usage = parser().format_help()
    known = set(re.findall(r"^    ([a-z-]+) ", usage, re.MULTILINE))
    assert {"diff", "history", "seal", "verify", "rejudge", "merge"} <= known
    assert known - told == {"remedies", "causes"}, "those two make pages of their own"
