"""Waves: every cell once, and never more neighbour entries than a kernel has room for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matrix.waves import Asking, waves


def mesh(hosts: int, each: int) -> list[Asking]:
    """A full mesh of endpoints on several hosts that share one kernel."""
    ends = [(f"h{h}", f"{h}.{n}") for h in range(hosts) for n in range(each)]
    return [
        Asking(("k", f"{h} {a}"), a, ("k", f"{g} {b}"), b)
        for h, a in ends
        for g, b in ends
        if a != b
    ]


def entries(cells: list[Asking], wave: list[int]) -> int:
    """How many neighbour entries a wave makes."""
    return len(set().union(*(cells[p].entries() for p in wave)))


@given(st.integers(1, 3), st.integers(1, 7), st.integers(2, 60))
def test_every_cell_stands_once_and_every_wave_fits(hosts: int, each: int, room: int) -> None:
    """Whatever the mesh and the room."""
    cells = mesh(hosts, each)
    found = waves(cells, {"k": room})
    assert sorted(p for wave in found for p in wave) == list(range(len(cells)))
    assert all(entries(cells, wave) <= room for wave in found)


def test_a_mesh_that_overflows_the_default_table_is_split() -> None:
    """2 x 25 endpoints: 2,450 entries, in a table that has room for 900."""
    cells = mesh(2, 25)
    assert len(cells) == 2450
    assert entries(cells, list(range(len(cells)))) == 2450
    assert len(waves(cells, {"k": 900})) == 3


def test_what_fits_is_one_wave() -> None:
    """No limit known, or room enough: everything at once."""
    cells = mesh(2, 4)
    assert len(waves(cells, {})) == 1
    assert len(waves(cells, {"k": 1000})) == 1


def test_both_directions_of_a_pair_stand_together() -> None:
    """They share their two entries."""
    cells = mesh(1, 6)
    for wave in waves(cells, {"k": 4}):
        pairs = {frozenset((cells[p].source_address, cells[p].target_address)) for p in wave}
        assert len(wave) == 2 * len(pairs)


def test_silent_cells_share_waves() -> None:
    """A silent cell costs its wave a whole deadline, so they come first, together."""
    loud = [Asking(("k", "a 1"), "a", ("k", "b 1"), f"b{n}") for n in range(6)]
    mute = [Asking(("k", "a 1"), "a", None, f"z{n}", silent=True) for n in range(4)]
    cells = [*loud, *mute]
    found = waves(cells, {"k": 4})
    assert {p for p in found[0] if cells[p].silent} == {6, 7, 8, 9}


def test_a_cell_that_fits_nowhere_is_asked_all_the_same() -> None:
    """Room for nothing: a wave for each pair, no cell lost."""
    cells = mesh(1, 3)
    assert sum(len(wave) for wave in waves(cells, {"k": 1})) == 6
