"""Every fault that the lab can make changes the cells that it must, and is named; nothing else is.

Held to the table ``fixtures.lab.faults.effects``. A wrong cause is worse than none, and a cell that a
fault breaks must never be PASS or BLOCKED. Each fault is named by a run of the whole matrix, and by
one of every scenario that it can be told from (``pytest -m bridge``, ``-m vlan``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from fixtures.lab import Lab
from fixtures.lab.faults import CATALOGUE, When, broken
from fixtures.lab.faults.effect import BRIDGE, VLAN, Effect, Named
from fixtures.lab.faults.effects import EFFECTS, M, N
from fixtures.prober import Prober, World
from fixtures.prober_agent import AgentProber
from matrix.probes import Expected, Verdict
from matrix.record import CellRecord, Run
from matrix.topology import Timing
from tests.lab.test_lab_meddling import SITE, Meddler, run_scenario

BOTH = (BRIDGE, VLAN)
BEYOND = pytest.mark.skipif(
    "L2MATRIX_TEST_BEYOND" not in os.environ,
    reason="it would break every network of this machine; L2MATRIX_TEST_BEYOND=1 runs it",
)
GOOD = {Expected.REPLY: Verdict.PASS}


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault with its options, as ``broken`` takes them."""

    name: str
    options: tuple[tuple[str, str], ...] = ()


def run_broken(
    lab: Lab,
    reports: Path,
    faults: Iterable[Broken],
    scenarios: tuple[str, ...] = BOTH,
    asks: Callable[[Timing], Prober] = AgentProber,
) -> Run:
    """Run these scenarios' cells on the lab with these faults."""
    with ExitStack() as stack:
        made = [stack.enter_context(broken(lab, f.name, **dict(f.options))) for f in faults]

        def break_containers(_world: World) -> None:
            for one in made:
                one.built()

        prober = Meddler(asks(SITE.timing), break_containers)
        return run_scenario(lab, reports, scenarios, prober)


def wrong(run: Run, effect: Effect, scenarios: tuple[str, ...] = BOTH) -> list[str]:
    """What of a run is not as the table says."""
    by_spared = [list(_wrong_cells(run, effect, spared)) for spared in effect.spared or ("",)]
    cells = min(by_spared, key=len)
    return [*cells, *_wrong_lines(run), *_wrong_causes(run, effect.causes, scenarios)]


def _wrong_cells(run: Run, effect: Effect, spared: str) -> Iterator[str]:
    for cell in run.cells:
        change = effect.change(cell.id, spared)
        may = set(change.to) if change else set()
        if change is None or not change.always:
            may.add(_good(cell))
        if cell.verdict not in may:
            yield f"{cell.id} is {cell.verdict} ({cell.reason}); it should be {' or '.join(may)}"


def _wrong_lines(run: Run) -> Iterator[str]:
    """Every cell that is not as expected has a cause, and no other cell has."""
    named = {cell_id for cause in run.causes for cell_id in cause.cells}
    for cell in run.cells:
        if {cell.id in named, bool(cell.cause)} != {cell.verdict != _good(cell)}:
            yield f"{cell.id} is {cell.verdict}, and its cause is {cell.cause or 'not named'}"


def _good(cell: CellRecord) -> Verdict:
    return GOOD.get(Expected(cell.expected), Verdict.BLOCKED)


def _wrong_causes(run: Run, named: Iterable[Named], scenarios: tuple[str, ...]) -> Iterator[str]:
    found = list(run.causes)
    for one in named:
        if not set(one.scenarios) & set(scenarios):
            continue
        mine = [c for c in found if c.rule == one.rule and fnmatchcase(c.where, one.where)]
        if len(mine) != 1:
            yield f"{one.rule} at {one.where} is named {len(mine)} times"
        found = [c for c in found if c not in mine]
    for cause in found:
        yield f"{cause.rule} at {cause.where} is named, and should not be: {cause.line}"


@pytest.mark.parametrize("turn", range(3))
def test_a_healthy_lab_has_no_cause(lab: Lab, tmp_path: Path, turn: int) -> None:
    """However often it is asked."""
    del turn
    run = run_broken(lab, tmp_path, [])
    assert not wrong(run, Effect((), ()))
    assert not run.trouble


# Six seconds a fault: every second one is left to the thorough tests, which have them all.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=[
                *([BEYOND] if fault.beyond else []),
                *([pytest.mark.thorough] if place % 2 else []),
            ],
        )
        for place, (name, fault) in enumerate(CATALOGUE.items())
    ],
)
def test_the_whole_matrix_names_the_fault(lab: Lab, tmp_path: Path, name: str) -> None:
    """The cells that the table says, the causes that it says, and no others."""
    assert not wrong(run_broken(lab, tmp_path, [Broken(name)]), EFFECTS[name])


ALONE = [
    (name, scenario)
    for name, fault in CATALOGUE.items()
    if fault.when is When.ANY_TIME and not fault.beyond
    for scenario in EFFECTS[name].scenarios()
]


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "scenario"), ALONE)
def test_one_scenario_alone_names_the_fault(
    lab: Lab, tmp_path: Path, name: str, scenario: str
) -> None:
    """With the half of the evidence it comes to the same."""
    run = run_broken(lab, tmp_path, [Broken(name)], (scenario,))
    assert not wrong(run, EFFECTS[name], (scenario,))


NIC = {M: f"{M} enp0s5", N: f"{N} enp0s5"}
PAIRS = [
    ("cable-out", "gateway-gone"),
    ("cable-out", "container-firewall"),
    ("vlan-missing", "container-firewall"),
    ("hairpin", "gateway-gone"),
    ("promiscuous-refused", "container-stopped"),
    ("promiscuous-refused", "vlan-missing"),
    ("proxy-arp", "vlan-missing"),
    ("loss", "gateway-gone"),
    ("duplicate-address", "gateway-gone"),
]
ON_BOTH = [
    (
        Broken("echo-replies-lost", (("host", M),)),
        Broken("loss", (("host", N),)),
        (Named("echo-replies-dropped", NIC[M]), Named("loss", f"*{N}")),
    ),
    (
        Broken("promiscuous-refused", (("host", M),)),
        Broken("forged-transmits-refused", (("host", N),)),
        (Named("promiscuous-refused", NIC[M]), Named("forged-transmits-refused", NIC[N])),
    ),
]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        pytest.param(*pair, id="+".join(pair), marks=[pytest.mark.thorough] if place % 2 else [])
        for place, pair in enumerate(PAIRS)
    ],
)
def test_two_faults_are_both_named(lab: Lab, tmp_path: Path, one: str, two: str) -> None:
    """And nothing else is; what either of them breaks is not PASS or BLOCKED."""
    run = run_broken(lab, tmp_path, [Broken(one), Broken(two)])
    effects = [EFFECTS[one], EFFECTS[two]]
    causes = [cause for effect in effects for cause in effect.causes]
    assert not [*_wrong_lines(run), *_wrong_causes(run, causes, BOTH)]
    for cell in run.cells:
        changes = [change for effect in effects if (change := effect.change(cell.id))]
        if any(change.always for change in changes):
            assert cell.verdict != _good(cell), cell
        elif not changes:
            # With fewer controls left, silence may prove less than it does with either of them.
            untold = set() if cell.expected == Expected.REPLY else {Verdict.INCONCLUSIVE}
            assert cell.verdict in {_good(cell), *untold}, cell


@pytest.mark.parametrize(("one", "two", "causes"), ON_BOTH, ids=lambda x: getattr(x, "name", ""))
def test_faults_of_both_hosts_are_both_named(
    lab: Lab, tmp_path: Path, one: Broken, two: Broken, causes: tuple[Named, ...]
) -> None:
    """Each at its own host."""
    run = run_broken(lab, tmp_path, [one, two])
    assert not [*_wrong_lines(run), *_wrong_causes(run, causes, BOTH)]
