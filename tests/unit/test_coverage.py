"""Coverage: what a night asks of a large site, and what many nights ask together."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from matrix.coverage import Coverage, Mode, choose, read_coverage
from matrix.errors import ConfigError
from matrix.judge import judge
from matrix.plan import controls, plan
from matrix.probes import (
    By,
    Cell,
    Expected,
    Neighbour,
    Observation,
    Relation,
    Resolution,
    Seen,
    Verdict,
)
from matrix.site import read_site
from tests.unit.sample_run import big_site

TODAY = date(2026, 11, 25).toordinal()
CELLS = plan(read_site(big_site(22), name="big.toml"))
# The same with nobody at the gateway's address: its cells are negatives, and need controls.
NO_GATEWAY = plan(
    read_site(big_site(22).replace('"10.0.0.1"', '"10.0.0.1"\ngateway_present = false'), name="x")
)


@pytest.mark.parametrize("text", ["full", "pairs", "sample=1", "sample=30"])
def test_a_coverage_reads_as_it_is_written(text: str) -> None:
    """What is shown in the record is what was typed."""
    assert str(read_coverage(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "sample", "sample=", "sample=0", "sample=x", "sample=-1", "sample=1.5", "sample=1e9",
     "sample=٣", "sample=3 ", "sample=3\n", "Pairs", "sample=99999999999999999999", "\x1b[2J"],
)  # fmt: skip
def test_what_is_no_coverage_is_said_in_one_line(text: str) -> None:
    """A bad value gets one clear line that says what to write, and moves no cursor."""
    with pytest.raises(ConfigError, match="such as sample=3") as caught:
        read_coverage(text)
    assert str(caught.value).isprintable()


def test_full_is_everything() -> None:
    """The default leaves nothing out."""
    assert choose(CELLS, Coverage(), TODAY) == CELLS


def kinds(cells: tuple[Cell, ...]) -> Counter[tuple[str, ...]]:
    """How many cells there are of each ordered pair of hosts, relation, by, and kind of source."""
    return Counter(
        (c.scenario, c.source.host, c.target.host, c.relation, c.by, c.source.kind) for c in cells
    )


def test_pairs_asks_each_kind_between_each_two_hosts_once() -> None:
    """No ordered pair of hosts and no kind of question is left out, and none is asked twice."""
    chosen = choose(CELLS, Coverage(Mode.PAIRS), TODAY)
    assert kinds(chosen) == dict.fromkeys(kinds(CELLS), 1)
    assert len(chosen) < len(CELLS) / 10
    hosts = {f"machine-{n}" for n in range(4)}
    across = {(c.source.host, c.target.host) for c in chosen if c.relation is Relation.REMOTE}
    assert across == {(a, b) for a in hosts for b in hosts if a != b}


@pytest.mark.parametrize("peers", [1, 3, 7, 21])
def test_sample_asks_k_peers_of_each_source(peers: int) -> None:
    """K siblings, remote containers and other hosts, by address and by name; all of the rest."""
    chosen = choose(CELLS, Coverage(Mode.SAMPLE, peers), TODAY)
    peer = (Relation.SIBLING, Relation.REMOTE, Relation.OTHER_HOST)
    asked = Counter((c.source.name, c.by) for c in chosen if c.relation in peer)
    there = Counter((c.source.name, c.by) for c in CELLS if c.relation in peer)
    assert asked == {key: min(peers, number) for key, number in there.items()}
    rest = [c for c in CELLS if c.relation not in peer]
    assert [c for c in chosen if c.relation not in peer] == rest
    assert len(set(chosen)) == len(chosen)


@pytest.mark.parametrize("coverage", ["pairs", "sample=1", "sample=4", "sample=5"])
@pytest.mark.parametrize("first", [TODAY, 1, 738_000])
def test_nights_add_up_to_everything(coverage: str, first: int) -> None:
    """Over ceil(N/K) days in a row, whichever is the first, every cell is asked."""
    asking = read_coverage(coverage)
    size = asking.peers or 1
    most = (
        max(kinds(CELLS).values())
        if asking.mode is Mode.PAIRS
        # A container's peers by address: 21 other containers and three other hosts.
        else 21 + 3
    )
    nights = -(-most // size)
    asked = [set(choose(CELLS, asking, first + night)) for night in range(nights)]
    assert set().union(*asked) == set(CELLS)
    # And not sooner: no night is spent on what the night before has asked.
    assert set().union(*asked[:-1]) != set(CELLS)


def test_the_next_night_asks_other_peers() -> None:
    """While there are others left, no peer is asked on two nights in a row."""
    asking = Coverage(Mode.SAMPLE, 3)
    first, second = (
        {c.id for c in choose(CELLS, asking, day) if c.relation is Relation.REMOTE}
        for day in (TODAY, TODAY + 1)
    )
    assert first
    assert not first & second


def test_a_choice_depends_on_ids_alone() -> None:
    """Whatever the order of the site file, the same cells are asked on the same day."""
    asking = Coverage(Mode.SAMPLE, 3)
    forward = choose(CELLS, asking, TODAY)
    assert set(choose(reversed(CELLS), asking, TODAY)) == set(forward)
    assert forward == tuple(sorted(forward, key=CELLS.index))


@pytest.mark.parametrize("coverage", ["pairs", "sample=1", "sample=3"])
@pytest.mark.parametrize("cells", [CELLS, NO_GATEWAY], ids=["gateway", "no-gateway"])
def test_what_is_chosen_can_be_judged(coverage: str, cells: tuple[Cell, ...]) -> None:
    """With its controls every choice is judged whole, on a healthy network; and they are few."""
    for day in range(TODAY, TODAY + 20):
        chosen = {c.id for c in choose(cells, read_coverage(coverage), day)}
        wanted = chosen | controls(cells, chosen)
        asked = [c for c in cells if c.id in wanted]
        found = judge(asked, {c.id: healthy(c) for c in asked})
        assert all(judgement.verdict.holds for judgement in found.values())
        assert {j.verdict for j in found.values()} == {Verdict.PASS, Verdict.BLOCKED}
        endpoints = {c.target.name for c in cells}
        assert len(wanted - chosen) <= 4 * 2 * len(endpoints)


def healthy(cell: Cell) -> Observation:
    """What a healthy network shows for a cell."""
    address = str(cell.target.address)
    ours = bool(cell.target.host)
    said = None
    if cell.by is By.NAME:
        known = cell.expectation.expected is Expected.REPLY
        said = Resolution(
            cell.target.name, (address,) if known else (), "NOERROR" if known else "NXDOMAIN",
            "127.0.0.11", 1.0,
        )  # fmt: skip
    if cell.expectation.expected is Expected.REPLY:
        return Observation(
            cell.id, address, 3, 3, (0.1, 0.1, 0.1), (64,), (address,), 0,
            Seen.YES if ours else Seen.NOT_OURS, 3 if ours else 0,
            Neighbour("02:42:00:00:00:01", "REACHABLE"), said,
        )  # fmt: skip
    seen = Seen.NO if ours else Seen.NOT_OURS
    return Observation(
        cell.id, address, 0 if said else 3, 0, request_seen=seen, resolution=said,
        neighbour=Neighbour("", "INCOMPLETE"),
    )  # fmt: skip
