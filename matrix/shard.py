"""A site in parts, for several jobs: by pairs of hosts, so that no cell is in none or in two.

Rule 1: what part a pair of hosts is in depends on the site and the number of parts alone, not on the
day, on ``--coverage`` or on what ``-k`` leaves.
Rule 2: all cells between two hosts, both ways, are in one part; so are those within one host, and a
host's with the gateway. Parts are balanced by cells: the largest pair first, to the smallest part.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from matrix.errors import ConfigError
from matrix.probes import Cell

_SHARD = re.compile(r"0*([1-9][0-9]{0,3})/0*([1-9][0-9]{0,3})", re.ASCII)
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Shard:
    """Part number ``part`` (from 1) of ``of`` parts."""

    part: int
    of: int

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.part}/{self.of}"


def read_shard(text: str) -> Shard:
    """The part that ``text`` names, such as ``2/3``. Raises ConfigError: it names none."""
    found = _SHARD.fullmatch(text)
    if found and int(found[1]) <= int(found[2]):
        return Shard(int(found[1]), int(found[2]))
    raise ConfigError(
        f"--shard {text!r} is no part; write i/n, such as 2/3 for the second of three, from 1/n to "
        "n/n with n at most 9999"
    )


def parts(cells: Iterable[Cell], of: int) -> dict[Pair, int]:
    """Which part (from 1) each pair of hosts is in.

    Raises:
        ConfigError: the site has fewer pairs of hosts than parts.
    """
    sizes = Counter(map(pair_of, cells))
    if of > len(sizes):
        raise ConfigError(
            f"--shard with {of} parts: this site has {len(sizes)} pairs of hosts only (each host "
            f"with itself counts), so some parts would ask nothing; write {len(sizes)} parts at most"
        )
    filled = dict.fromkeys(range(1, of + 1), 0)
    found: dict[Pair, int] = {}
    for pair, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        found[pair] = min(filled, key=lambda part: (filled[part], part))
        filled[found[pair]] += size
    return found


def share(cells: Iterable[Cell], plan: Iterable[Cell], shard: Shard) -> tuple[Cell, ...]:
    """Those of the cells that are in that part, in their order.

    Args:
        cells: what is to be asked.
        plan: the site's whole plan.
        shard: the part.
    """
    where = parts(plan, shard.of)
    return tuple(cell for cell in cells if where[pair_of(cell)] == shard.part)


def pair_of(cell: Cell) -> Pair:
    """The hosts that the cell is between; a gateway is on no host, and counts as the source's."""
    first, second = sorted((cell.source.host, cell.target.host or cell.source.host))
    return first, second
