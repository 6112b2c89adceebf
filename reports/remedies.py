"""The remedies as text: ``docs/remedies.md``, and those that a run's blocked cells ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from matrix.probes import Verdict
from matrix.record import CellRecord
from matrix.remedies import BY_ANCHOR, REMEDIES, Remedy, Step

_HEAD = """\
# How to open what is blocked by design

A cell that is BLOCKED names its remedy, and its report holds the same sections as this page. The
commands are those of `sites/lab.toml`: put your own link, addresses and names in their place, and
run them as root. A run builds, proves and takes back the first four itself where the site says so:
[remedies-run.md](remedies-run.md).

This page is made from `matrix/remedies.py`: `python -m reports remedies > docs/remedies.md`.
"""


def remedies_of(cell: CellRecord) -> tuple[Remedy, ...]:
    """The remedies of a blocked cell; none for any other, and none where the site overrides it."""
    if cell.verdict != Verdict.BLOCKED:
        return ()
    return tuple(BY_ANCHOR[anchor] for anchor in cell.how if anchor in BY_ANCHOR)


def remedies_for(cells: Iterable[CellRecord]) -> tuple[Remedy, ...]:
    """The remedies that these cells ask for, each once, in the order of the docs."""
    asked = {remedy.anchor for cell in cells for remedy in remedies_of(cell)}
    return tuple(remedy for remedy in REMEDIES if remedy.anchor in asked)


def markdown() -> str:
    """The whole page ``docs/remedies.md``."""
    return "\n".join([_HEAD, *(line for remedy in REMEDIES for line in _section(remedy))])


def _section(remedy: Remedy) -> Iterator[str]:
    yield f'<a id="{remedy.anchor}"></a>\n\n## {remedy.title}\n\n{remedy.opens}\n'
    for step in remedy.steps:
        yield from _step(step)
    yield "**Undo.**\n"
    for step in remedy.undo:
        yield from _step(step)
    yield "**Beware.**\n"
    yield from (f"- {text}" for text in remedy.beware)
    yield f"\n**What the next run says.** {remedy.next_run}\n"
    yield f"**Checked.** {remedy.checked}\n"
    yield "**Sources.** " + "; ".join(remedy.sources) + ".\n"


def _step(step: Step) -> Iterator[str]:
    yield f"{step.words}\n"
    if step.commands:
        yield "\n".join(["```", *step.commands, "```", ""])
