"""The tables of ``docs/behaviour.md`` about Docker's versions: 20.10 to 29, run or marked as not run.

Rule: an entry without a run behind it says *not run* beside what its sources say. A run's answer that
is not that of the sources stands there instead, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from matrix.engine_versions import CHANGES, MAJORS
from matrix.parent_rule import KINDS, Kind, Status
from matrix.record import EngineRecord, Run
from reports.markdown import words

Lettered = list[tuple[str, Run]]


def engine_tables(runs: Lettered) -> Iterator[str]:
    """The parent rule by version, what was answered, and what else differs between versions."""
    names = ["20.10" if major == MAJORS[0] else str(major) for major in MAJORS]
    yield (
        "\n## The parent rule, Docker 20.10 to 29\n\nWhat the engine says to a network's parent "
        "([parent.md](parent.md)). An entry without a letter was *not run*: it is what moby's source and "
        "its tests say.\n"
    )
    yield f"| question | {' | '.join(names)} |\n|---|{'---|' * len(names)}"
    for kind in KINDS:
        entries = " | ".join(_entry(kind, major, runs) for major in MAJORS)
        yield f"| {kind.asks} | {entries} |"
    yield "\n<details><summary>the engines' own words</summary>\n"
    yield "| question | run | Docker | status | said |\n|---|---|---|---|---|"
    for kind in KINDS:
        for letter, one in _asked(kind, runs):
            told = words(one.said or one.reason)
            yield f"| {kind.name} | {letter} | {words(one.version)} | {one.status} | {told} |"
    yield "\n</details>"
    yield (
        "\nSources: moby, `daemon/libnetwork/drivers/macvlan/`, of 20.10 and of master (2026-08), and "
        "pull request 47318."
    )
    yield "\n## What else differs between Docker's versions\n"
    yield "| from | before | from then on | what it means here | source | run |"
    yield "|---|---|---|---|---|---|"
    for change in CHANGES:
        row = (change.since, change.before, change.after, change.matters, change.source)
        yield f"| {' | '.join(row)} | {_since(change.since, runs)} |"


def _asked(kind: Kind, runs: Lettered) -> Iterable[tuple[str, EngineRecord]]:
    return (
        (letter, one)
        for letter, run in runs
        for one in run.engines
        if one.question == kind.name and one.status
    )


def _entry(kind: Kind, major: int, runs: Lettered) -> str:
    expected = kind.row(str(major)).answer
    mine = [
        (letter, one) for letter, one in _asked(kind, runs) if _numbers(one.version)[:1] == (major,)
    ]
    shown = sorted({letter for letter, one in mine if one.status == Status.AS_EXPECTED})
    differs = sorted({letter for letter, one in mine if one.status == Status.DIFFERS})
    if differs:
        return f"**differs** from {expected} ({', '.join(differs)})"
    if shown:
        return f"{expected} ({', '.join(shown)})"
    return f"{expected}, *not run*"


def _since(release: str, runs: Lettered) -> str:
    """Which runs had an engine of that release or a later one."""
    found = sorted(
        {
            letter
            for letter, run in runs
            for host in run.hosts
            if host.before and _numbers(host.before.docker_version) >= _numbers(release)
        }
    )
    return f"engines of that time or later: {', '.join(found)}" if found else "*not run*"


def _numbers(version: str) -> tuple[int, ...]:
    """The release of a version such as ``20.10.24+dfsg1``."""
    found: list[int] = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        found.append(int(digits))
        if digits != part:
            break
    return tuple(found)
