"""Rounds of another shape: two runs at once, no room for the report, a host that is gone for good.

And what needs no lab: malformed sites and replies, hostile names, which have tests of their own; the
soak counts them.
"""

from __future__ import annotations

import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chaos.arena import ROOT, arena
from chaos.rounds import Round, Rounds, traceback_in
from chaos.strikes import kill_host

Play = Callable[[Rounds], Round]


@dataclass(frozen=True, slots=True)
class Other:
    """A row of another shape."""

    name: str
    what: str
    play: Play
    rounds: int


def two_runs(rounds: Rounds) -> Round:
    """A second run begins at any moment of the first; it is refused, or waits where it is told to."""
    place, dice = rounds.arena, rounds.dice
    began, after_s, wait = time.monotonic(), dice.uniform(0.0, 6.0), dice.random() < 0.5  # noqa: PLR2004
    first = place.start()
    first.ends(after_s)
    second = place.start(*(["--wait"] if wait else []))
    troubles = []
    for run, name in ((first, "first"), (second, "second")):
        if not run.ends(90):
            run.process.kill()
            troubles.append(f"the {name} run hung\n{run.text[-2000:]}")
        troubles += traceback_in(run.text)
        troubles += rounds.untrue(run, "")
    refused = "another run works on this host now" in second.text
    if wait and second.process.returncode != 0:
        troubles.append(f"the second waited and ended with {second.process.returncode}")
    if not wait and second.process.returncode != 0 and not refused:
        troubles.append(f"the second ended with {second.process.returncode} and names nobody")
    # Who of two that start together comes first is not said; one must win or wait.
    if first.process.returncode != 0 and "another run works on this host now" not in first.text:
        troubles.append(f"the first ended with {first.process.returncode}: {first.text[-2000:]}")
    return rounds.end("two-runs", "waits" if wait else "refused", after_s, began, troubles)


def full_report_disk(rounds: Rounds) -> Round:
    """The report folder's disk has room for so many bytes only: between none and enough."""
    place = rounds.arena
    began = time.monotonic()
    pages = rounds.dice.randrange(1, 60)
    reports = place.next_reports()
    script = 'mkdir -p "$0" && mount -t tmpfs -o size=$1 chaos "$0" && shift && exec "$@"'  # as "$0" "$1"
    before = ("unshare", "--mount", "sh", "-c", script, str(reports), f"{pages * 4}k")
    run = place.start(before=before)
    troubles = []
    if not run.ends(90):
        run.process.kill()
        troubles.append("it hung")
    troubles += traceback_in(run.text)
    whole = "All 112 cells are as they should be" in run.text
    if run.process.returncode == 0 and not (whole and "cannot" not in run.text):
        troubles.append(f"it ended with 0: {run.text[-2000:]}")
    refused = ("could not be written", "cannot write", "cannot be written", "No space left")
    if run.process.returncode != 0 and not any(words in run.text for words in refused):
        troubles.append(f"it does not say that it could not write: {run.text[-3000:]}")
    if "74 PASS" not in run.text:
        troubles.append(f"the verdicts are not shown: {run.text[-3000:]}")
    return rounds.end("report-disk-full", f"{pages * 4} kB", 0.0, began, troubles)


def host_gone(rounds: Rounds) -> Round:
    """Every process of a host is killed at any moment; it does not come back. On a lab of its own."""
    dice, began = rounds.dice, time.monotonic()
    after_s = dice.uniform(0.0, 7.0)
    troubles: list[str] = []
    folder = rounds.arena.folder / "gone"
    with arena(folder) as place:
        host = dice.choice(sorted(place.hosts))
        run = place.start()
        run.ends(after_s)
        kill_host(place, host)
        if not run.ends(150):
            run.process.kill()
            troubles.append(f"it hung\n{run.text[-2000:]}")
        troubles += traceback_in(run.text)
        troubles += rounds.untrue(run, "")
        if run.process.returncode == 0 and host in run.text and "not put back" in run.text:
            troubles.append("something was not put back, and it ended with 0")
    troubles += [f"left: {one}" for one in place.left_here()]
    return rounds.end("host-gone", "any moment", after_s, began, troubles, host)


def _tests(name: str, what: str, node: str, tried: int, *arguments: str) -> Other:
    """Tests that are there already, as one round. ``tried``: examples that each run of it makes."""

    def play(rounds: Rounds) -> Round:
        began = time.monotonic()
        xml = rounds.arena.folder / f"{name}.xml"
        argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", node]
        done = subprocess.run(
            [*argv, f"--junit-xml={xml}", *arguments],
            cwd=ROOT, env=rounds.arena.environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=600,
        )  # fmt: skip
        troubles = [] if done.returncode == 0 and _passed(xml) else [done.stdout[-3000:]]
        took_s = round(time.monotonic() - began, 1)
        return Round(name, "input", "", 0.0, took_s, tuple(troubles), "", tried)

    return Other(name, what, play, 1)


def _passed(xml: Path) -> int:
    """How many tests passed."""
    return sum(
        not any(child.tag in ("failure", "error", "skipped") for child in case)
        for case in ET.parse(xml).iter("testcase")  # noqa: S314  our own pytest wrote it
    )


OTHERS = (
    Other("two-runs", "a second run begins while the first is under way", two_runs, 6),
    Other("report-disk-full", "the report's disk is full", full_report_disk, 6),
    Other("host-gone", "every process of a host is killed for good", host_gone, 4),
    _tests(
        "malformed-sites",
        "a site file with random damage",
        "tests/unit/test_hostile_site.py::test_a_thousand_malformed_sites_are_config_errors",
        1000,
    ),
    _tests(
        "malformed-replies",
        "a reply of an agent with random damage",
        "tests/unit/test_hostile_agent.py::test_a_malformed_reply_is_a_world_error",
        1000,
    ),
    _tests(
        "lying-agents",
        "two agents that answer every question with random damage",
        "tests/unit/test_hostile_agent.py::test_many_lying_agents",
        300,
    ),
    _tests(
        "hostile-words",
        "link names, DNS answers and secrets made of escapes, markup and a megabyte",
        "tests/lab/test_lab_safety.py::test_secrets_and_hostile_names_stay_where_they_are",
        1,
    ),
)
