"""Splits a batch so that it fits into the neighbour tables of the kernels it runs on.

The kernel's ARP table is one for all network namespaces of a machine and holds
``net.ipv4.neigh.default.gc_thresh3`` entries (1024 by default; Linux net/core/neighbour.c). A full
mesh of 2 x 25 containers needs 2,450, and the table then refuses new ones: two thirds of the cells
would come out "unreachable", by the prober's own fault. So it is counted first: asking costs an
entry at the source, and, where the target is ours, one at the target, which must answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Place = tuple[str, str]
"""A neighbour entry's owner: the kernel (its boot id), and the namespace on it."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One cell as the neighbour tables see it. ``target`` is None where it is not ours.

    ``silent`` is True where no reply is expected: such cells wait a whole deadline, so they are put
    into as few waves as can be.
    """

    source: Place
    source_address: str
    target: Place | None
    target_address: str
    silent: bool = False

    def entries(self) -> set[tuple[Place, str]]:
        """The neighbour entries that asking makes: owner and address."""
        if self.source == self.target:
            return set()  # answered inside one namespace, by lo
        found = {(self.source, self.target_address)}
        if self.target is not None:
            found.add((self.target, self.source_address))
        return found


def waves(cells: Sequence[Asking], room: Mapping[str, int]) -> list[list[int]]:
    """Positions of the cells, in waves that fit.

    Args:
        cells: what is to be asked.
        room: free entries by kernel. A kernel that is not named has no limit. A cell that fits
            nowhere gets a wave of its own: it is asked all the same.

    Returns:
        Every position once. Both directions of a pair stand together, as they share entries.
    """
    pairs: dict[tuple[bool, frozenset[object]], list[int]] = {}
    for position, cell in enumerate(cells):
        ends = frozenset({(cell.source, cell.source_address), (cell.target, cell.target_address)})
        pairs.setdefault((not cell.silent, ends), []).append(position)
    found: list[list[int]] = []
    held: set[tuple[Place, str]] = set()
    used: dict[str, int] = {}
    for _, positions in sorted(pairs.items(), key=lambda pair: pair[0][0]):
        wanted = set().union(*(cells[p].entries() for p in positions))
        more = _count(wanted - held)
        if not found or any(k in room and used.get(k, 0) + n > room[k] for k, n in more.items()):
            found.append([])
            held, used = set(), {}
            more = _count(wanted)
        for kernel, number in more.items():
            used[kernel] = used.get(kernel, 0) + number
        held |= wanted
        found[-1] += positions
    return found


def _count(entries: set[tuple[Place, str]]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for (kernel, _), _address in entries:
        counted[kernel] = counted.get(kernel, 0) + 1
    return counted
