"""Grouping: one test for many cells must hide none of them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from matrix.grouping import MOST_TOLD, grouped, judgements_of, tally, told, worst
from matrix.plan import plan
from matrix.probes import Cell, Judgement, Verdict
from matrix.site import read_site
from tests.unit.sample_run import SITE, big_site

LAB = plan(read_site(SITE.read_text(), name="lab.toml"))
BIG = plan(read_site(big_site(30), name="big.toml"))


@pytest.mark.parametrize("cells", [LAB, BIG], ids=["lab", "big"])
def test_every_cell_is_in_one_group_of_its_kind(cells: tuple[Cell, ...]) -> None:
    """Groups share no cell and miss none; in a group all have scenario, hosts and kind in common."""
    groups = grouped(cells)
    assert sorted(c.id for g in groups for c in g.cells) == sorted(c.id for c in cells)
    for group in groups:
        kinds = {(c.scenario, c.source.host, c.target.host, c.relation, c.by) for c in group.cells}
        assert len(kinds) == 1
    assert len({g.id for g in groups}) == len(groups)


def test_ids_are_readable_and_safe_to_paste() -> None:
    """An id says scenario, both hosts, relation and by, and nothing in it acts on a shell."""
    ids = {group.id for group in grouped(LAB)}
    assert "bridge:dev-master-01:dev-node-01:remote-container:address" in ids
    assert "vlan:dev-node-01:gateway:gateway:address" in ids
    assert "bridge:dev-master-01:dev-master-01:itself:name" in ids
    assert not any(set(group_id) & set(" '\"$`\\|&;<>()*?!~#[]") for group_id in ids)


def test_a_group_knows_everybody_in_it() -> None:
    """By these names -k finds it."""
    group = next(g for g in grouped(LAB) if g.id == "vlan:dev-node-01:gateway:gateway:address")
    assert group.names == {"c7", "c8", "dev-node-01", "gateway"}


def judged(*verdicts: Verdict) -> tuple[Judgement, ...]:
    """A judgement for each verdict, with an id and a reason of its own."""
    return tuple(
        Judgement(f"bridge:c{n}:c0:address", verdict, f"reason {n}")
        for n, verdict in enumerate(verdicts)
    )


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([Verdict.PASS, Verdict.PASS], Verdict.PASS),
        ([Verdict.BLOCKED, Verdict.BLOCKED], Verdict.BLOCKED),
        ([Verdict.BLOCKED, Verdict.PASS], Verdict.PASS),
        ([Verdict.PASS, Verdict.INCONCLUSIVE], Verdict.INCONCLUSIVE),
        ([Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.PASS], Verdict.FAIL),
        ([Verdict.INCONCLUSIVE, Verdict.FLAPPING], Verdict.FLAPPING),
        ([Verdict.FAIL, Verdict.LEAK, Verdict.IMPOSTOR], Verdict.IMPOSTOR),
    ],
)
def test_a_group_is_what_its_worst_cell_is(verdicts: Iterable[Verdict], whole: Verdict) -> None:
    """An error of its own only where nothing is known to be wrong: a FAIL beside it weighs more."""
    assert worst(judged(*verdicts)) is whole


def test_a_message_names_the_worst_and_counts_the_rest() -> None:
    """Ten cells, the worst first, and how many more there are."""
    found = judged(*[Verdict.PASS] * 5, *[Verdict.FAIL] * 240, Verdict.LEAK, Verdict.INCONCLUSIVE)
    head, *lines = told(found).splitlines()
    assert head == (
        "242 of 247 cells are not as expected (1 LEAK, 240 FAIL, 1 INCONCLUSIVE, 5 PASS)"
    )
    assert lines[0] == "LEAK bridge:c245:c0:address: reason 245"
    assert lines[1] == "FAIL bridge:c5:c0:address: reason 5"
    assert lines[-1] == "and 232 more: see the report"
    assert len(lines) == MOST_TOLD + 1


def test_a_short_message_leaves_nothing_out() -> None:
    """Where all fit, no more are promised."""
    assert "more" not in told(judged(Verdict.PASS, *[Verdict.FAIL] * MOST_TOLD))
    assert tally(judged(Verdict.PASS, Verdict.FAIL)) == "1 FAIL, 1 PASS"


def test_a_cell_without_a_judgement_is_not_passed_over() -> None:
    """A group is judged whole or not at all."""
    group = grouped(LAB)[0]
    known = {c.id: Judgement(c.id, Verdict.PASS, "") for c in group.cells}
    assert judgements_of(group, known) == tuple(known.values())
    known.popitem()
    with pytest.raises(KeyError):
        judgements_of(group, known)
