"""More pairs than the neighbour table has room for, on endpoints without Docker.

200 endpoints on 4 segments: 9,800 pairs that must answer (19,600 entries; the table holds 1,024)
and 30,000 that must be silent, which are swept. A healthy lab gives no other verdict; a patch cable
between two segments, and a machine that answers ARP for everybody, are found in every pair.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.scale import Crowd, Scale
from fixtures.lab import DEFAULT_SPEC, Lab, running_lab
from matrix.topology import Timing


@pytest.fixture(scope="module")
def crowded() -> Iterator[Lab]:
    """A lab with 200 endpoints on 4 segments."""
    folder = Path(f"/tmp/l2c-{os.getpid()}")  # noqa: S108  checked and made private by the lab
    with running_lab(replace(DEFAULT_SPEC, endpoints=200, segments=4), state_dir=folder) as lab:
        yield lab


@pytest.fixture(scope="module")
def crowd(crowded: Lab) -> Iterator[Crowd]:
    """Its endpoints, ready to be asked."""
    with ExitStack() as stack:
        yield Crowd(stack, crowded, Timing(echoes=1))


def verdicts(crowd: Crowd, *, across: bool) -> tuple[Scale, Counter[str]]:
    """Ask all pairs: what it took, and the verdicts that are not the right ones."""
    found = Scale("test")
    crowd.ask(found, crowd.cells(across=across))
    wrong: Counter[str] = Counter()
    for words, count in found.wrongs.items():
        wrong[words.partition(":")[0]] += count
    return found, wrong


def in_switch(lab: Lab, *lines: str) -> None:
    """Type lines after ``ip`` in the switch."""
    argv = ["nsenter", f"--net={lab.status().switch.netns}", "ip", "-batch", "-"]
    subprocess.run(argv, input="\n".join(lines), text=True, check=True)


def test_all_pairs_get_the_right_verdict(crowd: Crowd) -> None:
    """39,800 pairs: 9,800 PASS, 30,000 BLOCKED, and no table overflows."""
    found, wrong = verdicts(crowd, across=True)
    assert found.pairs == 200 * 199
    assert not wrong, found.wrongs
    assert found.prober["swept"] == 30_000
    assert found.prober["suspected"] == 0
    assert found.prober["neighbour_shares"]


def test_a_patch_cable_between_two_segments_is_found_in_every_pair(
    crowd: Crowd, crowded: Lab
) -> None:
    """Segments 1 and 2 become one wire: 5,000 pairs that were silent are LEAKs, and no others."""
    in_switch(
        crowded,
        "link add patch1 type veth peer name patch2",
        "link set patch1 master segbr1 up",
        "link set patch2 master segbr2 up",
    )
    try:
        found, wrong = verdicts(crowd, across=True)
    finally:
        in_switch(crowded, "link del patch1")
    assert wrong == Counter({"LEAK": 2 * 50 * 50}), found.wrongs
    assert found.prober["suspected"] == 2 * 50 * 50


def test_a_machine_that_answers_for_everybody_is_found_in_every_pair(
    crowd: Crowd, crowded: Lab
) -> None:
    """It stands on segment 3 and answers for the other segments: 7,500 IMPOSTORs, no BLOCKED."""
    netns = crowded.status().switch.netns
    enter = ["nsenter", f"--net={netns}"]
    proxy = subprocess.Popen(
        [*enter, "unshare", "--net", "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE
    )
    try:
        assert proxy.stdout is not None
        proxy.stdout.readline()
        in_switch(
            crowded,
            f"link add proxy type veth peer name eth0 netns {proxy.pid}",
            "link set proxy master segbr3 up",
        )
        inside = ["nsenter", f"--net=/proc/{proxy.pid}/ns/net"]
        theirs = {int(e.address.split("/")[0].split(".")[3]): e.segment for e in crowd.endpoints}
        lines = "link set lo up\nlink set eth0 up\nroute add 10.64.0.0/16 dev eth0\n"
        lines += "".join(
            f"route add local 10.64.0.{n} dev lo\n" for n, segment in theirs.items() if segment != 3
        )
        subprocess.run([*inside, "ip", "-batch", "-"], input=lines, text=True, check=True)
        found, wrong = verdicts(crowd, across=True)
    finally:
        proxy.kill()
        proxy.communicate()
    foreign = 50 * 150
    assert found.prober["suspected"] == foreign
    assert wrong == Counter({"IMPOSTOR": foreign}), found.wrongs


def test_after_that_all_is_as_before(crowd: Crowd) -> None:
    """The table is given back, and no pair remembers what it was told."""
    found, wrong = verdicts(crowd, across=False)
    assert not wrong, found.wrongs


def test_a_busy_machine_makes_no_cell_false(crowd: Crowd) -> None:
    """With every core wanted by four others, all are answered, or not run with the reason; none FAIL."""
    spin = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spin) for _ in range(4 * (os.cpu_count() or 1))]
    try:
        _, wrong = verdicts(crowd, across=False)
    finally:
        for one in others:
            one.kill()
            one.wait()
    assert set(wrong) <= {"INCONCLUSIVE"}
