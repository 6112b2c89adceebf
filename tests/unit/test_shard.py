"""Parts of a site: every cell in exactly one, whatever the number of parts."""

from __future__ import annotations

from collections import Counter

import pytest

from matrix.coverage import choose, read_coverage
from matrix.errors import ConfigError
from matrix.plan import plan
from matrix.shard import Shard, pair_of, parts, read_shard, share
from matrix.site import read_site
from tests.unit.sample_run import SITE, big_site

CELLS = plan(read_site(big_site(14), name="big.toml"))
PLACE = {cell.id: place for place, cell in enumerate(CELLS)}
LAB = plan(read_site(SITE.read_text(), name="lab.toml"))


@pytest.mark.parametrize("of", range(1, 11))
def test_every_cell_is_in_exactly_one_part(of: int) -> None:
    """Of four hosts' ten pairs, in any number of parts; none is empty."""
    shares = [share(CELLS, CELLS, Shard(part, of)) for part in range(1, of + 1)]
    assert all(shares)
    assert Counter(c.id for some in shares for c in some) == Counter(c.id for c in CELLS)
    for some in shares:
        places = [PLACE[cell.id] for cell in some]
        assert places == sorted(places)


@pytest.mark.parametrize("of", [2, 3, 5])
def test_a_pair_of_hosts_is_in_one_part_whatever_is_asked(of: int) -> None:
    """Both ways, every day, with every coverage, in any order of the site file."""
    where = parts(CELLS, of)
    assert where == parts(reversed(CELLS), of)
    chosen = choose(CELLS, read_coverage("sample=2"), 739_000)
    for part in range(1, of + 1):
        assert all(where[pair_of(c)] == part for c in share(chosen, CELLS, Shard(part, of)))


def test_parts_are_balanced() -> None:
    """The largest is no more than half again the smallest, on four hosts in three parts."""
    sizes = [len(share(CELLS, CELLS, Shard(part, 3))) for part in (1, 2, 3)]
    assert max(sizes) < 1.5 * min(sizes)


@pytest.mark.parametrize("text", ["1/1", "2/3", "9999/9999"])
def test_a_part_reads_as_it_is_written(text: str) -> None:
    """What is shown in the record is what was typed."""
    assert str(read_shard(text)) == text


@pytest.mark.parametrize(
    "text", ["", "0/3", "4/3", "1", "1/", "/3", "1/0", "-1/3", "1/3 ", "\u0661/\u0663", "\x1b"]
)
def test_what_is_no_part_is_said_in_one_line(text: str) -> None:
    """And moves no cursor."""
    with pytest.raises(ConfigError, match="such as 2/3") as caught:
        read_shard(text)
    assert str(caught.value).isprintable()


def test_more_parts_than_pairs_are_refused() -> None:
    """A job that asks nothing and is green would be a trap."""
    with pytest.raises(ConfigError, match="3 pairs of hosts only"):
        share(LAB, LAB, Shard(1, 4))
