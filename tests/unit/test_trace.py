"""From sightings to words: where frames vanished, what is odd, and which cells are asked again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.packet import Kind, Place, Saying, Sighting
from matrix.plan import plan
from matrix.probes import Cell, Judgement, NotRun, Observation, Outcome, Verdict
from matrix.second_pass import representatives, traceable
from matrix.site import read_site
from matrix.trace import trace
from matrix.way import OUT, Station, Trace, back, way
from tests.unit.sample_run import SITE

TOPOLOGY = read_site(SITE.read_text(), name="lab.toml")
CELLS = {cell.id: cell for cell in plan(TOPOLOGY)}
LINKS = {
    c.name: Place(c.host, 100 + int(c.name[1:]), "eth0")
    for scenario in TOPOLOGY.scenarios
    for c in scenario.containers
}
OWNERS = {f"02:00:00:00:00:0{name[1]}": name for name in LINKS} | {
    "02:00:00:00:01:00": "dev-master-01",
    "02:00:00:00:02:00": "dev-node-01",
}
MAC = {name: mac for mac, name in OWNERS.items()}
STRANGER = "02:00:00:00:00:99"
NUMBER = 5
REMOTE, TAGGED, LOCAL = "bridge:c1:c3:address", "vlan:c5:c7:address", "bridge:c1:c2:address"


def stations(cell: Cell) -> tuple[Station, ...]:
    """The cell's way with all containers standing."""
    return way(cell, TOPOLOGY, LINKS)


def passing(
    cell_id: str,
    kind: Kind,
    upto: int = 99,
    *,
    since: int = 0,
    attempts: Iterable[int] = (0, 1, 2),
    turned: bool = False,
    mac: str = "",
    tag: dict[int, int | None] | None = None,
    number: int = NUMBER,
) -> list[Sighting]:
    """Sightings of frames that pass the stations from ``since`` until before ``upto``.

    ``turned``: they are sent by the target, which asks in its turn. ``tag``: other tags, by station.
    """
    cell = CELLS[cell_id]
    replies = kind in (Kind.ARP_REPLY, Kind.ECHO_REPLY)
    from_target = replies is not turned
    ends = (cell.target, cell.source) if from_target else (cell.source, cell.target)
    there = stations(cell)
    path = back(there) if from_target else there
    sender = mac or MAC.get(ends[0].name, STRANGER)
    found = []
    for attempt in attempts:
        for place, station in enumerate(path):
            if station.place is None or not since <= place < upto:
                continue
            echo = kind in (Kind.ECHO_REQUEST, Kind.ECHO_REPLY)
            says = Saying(
                kind,
                str(ends[0].address),
                str(ends[1].address),
                claimed="" if echo else sender,
                number=number if echo else None,
                attempt=attempt if echo else None,
            )
            vlan = (tag or {}).get(place, station.vlan)
            outgoing = station.direction == OUT
            to = MAC.get(ends[1].name, STRANGER)
            found.append(Sighting(station.place, outgoing, vlan, sender, to, 0, says))
    return found


def arp(cell_id: str) -> list[Sighting]:
    """ARP as it should be."""
    return passing(cell_id, Kind.ARP_REQUEST, attempts=(0,)) + passing(
        cell_id, Kind.ARP_REPLY, attempts=(0,)
    )


def told(cell_id: str, sightings: Iterable[Sighting], unwatched: Iterable[Place] = ()) -> Trace:
    """The trace of a cell whose way is watched everywhere but at some places."""
    cell = CELLS[cell_id]
    places = {s.place for s in stations(cell) if s.place is not None} - set(unwatched)
    return trace(cell, NUMBER, stations(cell), sightings, places, OWNERS)


@pytest.mark.parametrize(
    ("cell_id", "expected"),
    [
        (REMOTE, "c1 eth0 out, dev-master-01 enp0s5 out, dev-node-01 enp0s5 in, c3 eth0 in"),
        (LOCAL, "c1 eth0 out, c2 eth0 in"),
        ("bridge:c1:c1:address", ""),
        (
            "bridge:c1:dev-master-01:address",
            "c1 eth0 out, dev-master-01 enp0s5 out, dev-master-01 enp0s5 in",
        ),
        (
            "bridge:dev-master-01:c1:address",
            "dev-master-01 enp0s5 out, dev-master-01 enp0s5 in, c1 eth0 in",
        ),
        ("bridge:c1:gateway:address", "c1 eth0 out, dev-master-01 enp0s5 out, gateway - in"),
        (
            TAGGED,
            (
                "c5 eth0 out, dev-master-01 enp0s5.200 out, dev-master-01 enp0s5 out 200, "
                "dev-node-01 enp0s5 in 200, dev-node-01 enp0s5.200 in, c7 eth0 in"
            ),
        ),
    ],
)
def test_the_way_that_physics_prescribes(cell_id: str, expected: str) -> None:
    """Siblings never touch the wire; a host's own frames do; a tag is on the NIC alone."""
    found = ", ".join(
        f"{s.who} {s.place.link if s.place else '-'} {s.direction} {s.vlan or ''}".strip()
        for s in stations(CELLS[cell_id])
    )
    assert found == expected
    assert back(back(stations(CELLS[cell_id]))) == stations(CELLS[cell_id])


def test_all_came_through() -> None:
    """Nothing to find: it says that it was answered, and whose MAC the reply had."""
    seen = arp(TAGGED) + passing(TAGGED, Kind.ECHO_REQUEST) + passing(TAGGED, Kind.ECHO_REPLY)
    found = told(TAGGED, seen)
    assert found.words == ("asked again with witnesses, 3 of 3 echo requests were answered",)
    assert (found.sent, found.answered, found.reply_macs) == (3, 3, (MAC["c7"],))
    assert [s.kind for s in found.passages] == [
        "ARP request", "ARP reply", "echo request", "echo reply",
    ]  # fmt: skip
    assert [leg.tags for leg in found.passages[2].legs[1:4]] == [(None,), (200,), (200,)]


LOST = [
    (
        arp(TAGGED) + passing(TAGGED, Kind.ECHO_REQUEST, 3),
        ("echo requests left dev-master-01's enp0s5 tagged VLAN 200, "
        "never arrived at dev-node-01's enp0s5"),
    ),
    (
        passing(TAGGED, Kind.ECHO_REQUEST) + passing(TAGGED, Kind.ECHO_REPLY, 3),
        ("echo replies left dev-node-01's enp0s5 tagged VLAN 200, "
        "never arrived at dev-master-01's enp0s5"),
    ),
    (
        passing(TAGGED, Kind.ECHO_REQUEST, 4),
        ("echo requests arrived at dev-node-01's enp0s5 tagged VLAN 200, "
        "never arrived at dev-node-01's enp0s5.200"),
    ),
    (
        passing(TAGGED, Kind.ECHO_REQUEST, 5),
        "echo requests arrived at dev-node-01's enp0s5.200, never arrived at c7's eth0",
    ),
    (
        passing(TAGGED, Kind.ECHO_REQUEST, 1),
        "echo requests left c5's eth0, never went out by dev-master-01's enp0s5.200",
    ),
    (passing(TAGGED, Kind.ECHO_REQUEST), "echo requests arrived at c7's eth0, and it sent no echo reply"),
    (
        passing(TAGGED, Kind.ARP_REQUEST, 3),
        ("ARP requests for 192.168.200.102 left dev-master-01's enp0s5 tagged VLAN 200, "
        "never arrived at dev-node-01's enp0s5"),
    ),
    (
        passing(TAGGED, Kind.ARP_REQUEST),
        "ARP requests for 192.168.200.102 arrived at c7's eth0, and it sent no ARP reply",
    ),
    (
        passing(TAGGED, Kind.ARP_REQUEST) + passing(TAGGED, Kind.ARP_REPLY, 1),
        "ARP replies left c7's eth0, never went out by dev-node-01's enp0s5.200",
    ),
    (arp(TAGGED), "ARP was answered, but no echo request left c5's eth0"),
    ([], "nothing left c5's eth0: neither an ARP request nor an echo request"),
]  # fmt: skip


@pytest.mark.parametrize(("seen", "words"), LOST, ids=[words[:50] for _, words in LOST])
def test_where_frames_vanished(seen: list[Sighting], words: str) -> None:
    """Behind which station, before which, and with which tag."""
    assert told(TAGGED, seen).words == (words,)


def test_an_impostor_s_reply_is_told_with_its_mac() -> None:
    """The request never arrived, and yet replies came in: from whom."""
    seen = passing(REMOTE, Kind.ECHO_REQUEST, 2)
    seen += passing(REMOTE, Kind.ECHO_REPLY, since=2, mac=STRANGER)
    found = told(REMOTE, seen)
    assert found.words[0].endswith("enp0s5, never arrived at dev-node-01's enp0s5")
    assert found.words[1] == (
        f"yet echo replies arrived at dev-master-01's enp0s5, from MAC {STRANGER}"
    )
    assert f"echo replies came from {STRANGER} (none of ours), not from c3 alone" in found.words
    assert found.reply_macs == (STRANGER,)


def test_replies_that_nobody_sent() -> None:
    """The request arrived; the reply did not come from where it arrived."""
    seen = passing(REMOTE, Kind.ECHO_REQUEST)
    seen += passing(REMOTE, Kind.ECHO_REPLY, since=2, mac=MAC["dev-node-01"])
    words = told(REMOTE, seen).words
    assert words[0].endswith("though none left c3's eth0")
    assert "(dev-node-01)" in words[1]


def test_arp_answered_by_two() -> None:
    """Both are named, with whose they are."""
    seen = arp(REMOTE) + passing(REMOTE, Kind.ARP_REPLY, since=2, mac=STRANGER, attempts=(0,))
    seen += passing(REMOTE, Kind.ECHO_REQUEST) + passing(REMOTE, Kind.ECHO_REPLY)
    expected = (
        f"ARP for 192.168.2.222 was answered by {MAC['c3']} (c3) and {STRANGER} (none of ours)"
    )
    assert expected in told(REMOTE, seen).words


def test_a_frame_sent_to_another_machine() -> None:
    """A wrong neighbour entry: the request is addressed to somebody else."""
    seen = [replace(s, mac_to=MAC["c4"]) for s in passing(REMOTE, Kind.ECHO_REQUEST, 3)]
    words = told(REMOTE, seen).words
    assert f"echo requests were addressed to {MAC['c4']} (c4), which is not c3" in words


def test_another_tag_than_it_left_with() -> None:
    """What is between the hosts changed it."""
    seen = passing(TAGGED, Kind.ECHO_REQUEST, 4, tag={3: 300})
    words = told(TAGGED, seen).words
    assert words[0].startswith("echo requests arrived at dev-node-01's enp0s5 tagged VLAN 300, ")
    assert words[1] == (
        "echo requests arrived at dev-node-01's enp0s5 tagged VLAN 300, "
        "where tagged VLAN 200 is right"
    )
    seen = passing(TAGGED, Kind.ECHO_REQUEST, 4, tag={3: None})
    assert "enp0s5 untagged, where tagged VLAN 200 is right" in told(TAGGED, seen).words[1]
    seen = passing(REMOTE, Kind.ECHO_REQUEST, 3, tag={2: 7})
    assert "tagged VLAN 7, where untagged is right" in told(REMOTE, seen).words[1]


def test_some_were_lost() -> None:
    """On which leg, and how many."""
    seen = passing(REMOTE, Kind.ECHO_REQUEST, 2) + passing(
        REMOTE, Kind.ECHO_REQUEST, since=2, attempts=(0, 2)
    )
    seen += passing(REMOTE, Kind.ECHO_REPLY, attempts=(0,))
    assert told(REMOTE, seen).words == (
        "1 of 3 echo requests were lost between dev-master-01's enp0s5 and dev-node-01's enp0s5",
        "c3 answered 1 of the 2 that arrived there",
    )


def test_where_nobody_watched_nothing_is_lost() -> None:
    """A station without a witness is no place to vanish at, and its number is none."""
    blind = Place("dev-node-01", 0, "enp0s5")
    seen = [s for s in passing(REMOTE, Kind.ECHO_REQUEST, 2) if s.place != blind]
    found = told(REMOTE, seen, unwatched=[blind])
    assert found.words == (
        (
            "echo requests left dev-master-01's enp0s5, never arrived at c3's eth0 "
            "(nobody watched at dev-node-01's enp0s5)"
        ),
    )
    assert [leg.seen for leg in found.passages[0].legs] == [3, 3, None, 0]
    # Who has lost frames can say what passed there, but not what did not.
    found = told(REMOTE, passing(REMOTE, Kind.ECHO_REQUEST, 3), unwatched=[blind])
    assert [leg.seen for leg in found.passages[0].legs] == [3, 3, 3, 0]
    everywhere = [s.place for s in stations(CELLS[REMOTE]) if s.place]
    words = told(REMOTE, [], unwatched=everywhere).words
    assert words == ("nobody watched at c1's eth0, and nothing was seen further on",)


def test_a_station_that_missed_what_came_further_lost_nothing() -> None:
    """A driver may hide frames from witnesses: what is seen behind it has passed it."""
    hidden = Place("dev-node-01", 0, "enp0s5")
    seen = [
        s
        for kind in (Kind.ECHO_REQUEST, Kind.ECHO_REPLY)
        for s in passing(REMOTE, kind)
        if s.place != hidden
    ]
    assert told(REMOTE, seen).words == (
        "asked again with witnesses, 3 of 3 echo requests were answered",
    )


def test_what_a_reflecting_switch_does() -> None:
    """A container reaches its own host: by the wire, or by something inside the host."""
    leak = "bridge:c1:dev-master-01:address"
    out_and_in = passing(leak, Kind.ECHO_REQUEST) + passing(leak, Kind.ECHO_REPLY)
    assert told(leak, out_and_in).words[1] == (
        "they left dev-master-01 on the wire, and something out there sent them back"
    )
    nic = Place("dev-master-01", 0, "enp0s5")
    inside = [s for s in out_and_in if s.place != nic or not s.outgoing]
    assert told(leak, inside).words[1] == (
        "they never left dev-master-01: something inside it passes them on"
    )
    silent = told(leak, passing(leak, Kind.ARP_REQUEST, 2)).words
    assert silent == (
        "ARP requests for 192.168.2.210 left dev-master-01's enp0s5, and nothing sent them back",
    )
    back_in = replace(passing(REMOTE, Kind.ECHO_REQUEST)[1], outgoing=False)
    words = told(REMOTE, [*passing(REMOTE, Kind.ECHO_REQUEST), back_in]).words
    assert "echo requests came back in at dev-master-01's enp0s5" in words


def test_a_target_that_cannot_answer_for_want_of_arp() -> None:
    """The request arrived; the target asked in vain who the source is."""
    seen = passing(REMOTE, Kind.ECHO_REQUEST)
    seen += passing(REMOTE, Kind.ARP_REQUEST, 2, turned=True, attempts=(0,))
    found = told(REMOTE, seen)
    assert found.words == (
        "echo requests arrived at c3's eth0, and it sent no echo reply",
        (
            "ARP requests of the target left dev-node-01's enp0s5, "
            "never arrived at dev-master-01's enp0s5"
        ),
    )
    assert "ARP request of the target" in [s.kind for s in found.passages]


def test_a_gateway_is_watched_from_this_side_only() -> None:
    """Its end is not ours: what went out and did not come back, and no more."""
    gateway = "bridge:c1:gateway:address"
    words = told(gateway, passing(gateway, Kind.ARP_REQUEST)).words
    assert words == (
        (
            "ARP requests for 192.168.2.1 left dev-master-01's enp0s5, and no ARP reply came back "
            "to dev-master-01's enp0s5"
        ),
    )
    seen = passing(gateway, Kind.ECHO_REQUEST) + passing(gateway, Kind.ECHO_REPLY, 2)
    assert told(gateway, seen).words == (
        "echo replies arrived at dev-master-01's enp0s5, never arrived at c1's eth0",
    )


def test_copies_and_icmp_errors_are_told() -> None:
    """Frames that arrive twice, and what a router says."""
    seen = passing(REMOTE, Kind.ECHO_REQUEST) + passing(REMOTE, Kind.ECHO_REPLY)
    seen.append(passing(REMOTE, Kind.ECHO_REPLY)[3])
    error = Saying(Kind.ICMP_ERROR, "192.168.2.1", "", number=NUMBER, words="From 192.168.2.1 no")
    seen.append(replace(seen[0], outgoing=False, says=error))
    words = told(REMOTE, seen).words
    assert "From 192.168.2.1 no" in words
    assert "4 echo replies arrived at c1's eth0, copies of 3" in words


def test_other_cells_frames_are_not_ours() -> None:
    """Another number, another pair of addresses."""
    seen = passing(REMOTE, Kind.ECHO_REQUEST, number=NUMBER + 1) + arp("bridge:c1:c4:address")
    assert told(REMOTE, seen).words == told(REMOTE, []).words


def test_loss_where_nobody_watched_is_told() -> None:
    """Both parents unwatched, one of two answered: that much is known, and no more."""
    cell_id = "bridge:c4:dev-master-01:address"
    home = stations(CELLS[cell_id])[0].place
    seen = [
        s
        for s in (
            *passing(cell_id, Kind.ECHO_REQUEST, attempts=(0, 1)),
            *passing(cell_id, Kind.ECHO_REPLY, attempts=(0,)),
        )
        if s.place == home
    ]
    parents = {s.place for s in stations(CELLS[cell_id]) if s.place and s.place != home}
    assert told(cell_id, seen, unwatched=parents).words == (
        (
            "asked again with witnesses, 1 of 2 echo requests were answered; "
            "where the others were lost, nobody watched"
        ),
    )


@given(st.data())
def test_any_sightings_make_some_words(data: st.DataObject) -> None:
    """Whatever was seen and wherever nobody watched: never an error, never silence."""
    cell_id = data.draw(st.sampled_from([i for i, c in CELLS.items() if stations(c)]))
    everything = [
        s
        for kind in (Kind.ARP_REQUEST, Kind.ARP_REPLY, Kind.ECHO_REQUEST, Kind.ECHO_REPLY)
        for turned in (False, True)
        for s in passing(cell_id, kind, turned=turned, attempts=(0, 1))
    ]
    places = sorted({s.place for s in everything}, key=str)
    blind = data.draw(st.sets(st.sampled_from(places)))
    chosen = data.draw(st.lists(st.sampled_from(everything), max_size=12))
    seen = [s for s in chosen if s.place not in blind]
    found = told(cell_id, seen, unwatched=blind)
    assert 1 <= len(found.words) <= 5
    assert all(found.words)
    assert found.passages
    assert found.answered <= 2


def outcomes_of(cells: Iterable[Cell]) -> dict[str, Outcome]:
    """Every cell asked, and nothing came back."""
    return {c.id: Observation(c.id, str(c.target.address), 3, 0) for c in cells}


def judged(cells: Iterable[Cell], verdict: Verdict) -> dict[str, Judgement]:
    """One verdict for all."""
    return {c.id: Judgement(c.id, verdict, "") for c in cells}


def test_which_cells_are_asked_again() -> None:
    """Those that are not as expected and really left; each pair once, the address before the name."""
    cells = tuple(CELLS.values())
    outcomes, judgements = outcomes_of(cells), judged(cells, Verdict.FAIL)
    judgements["bridge:c1:c2:address"] = Judgement("bridge:c1:c2:address", Verdict.PASS, "")
    outcomes["bridge:c1:c4:address"] = NotRun("bridge:c1:c4:address", "no route")
    outcomes["bridge:c1:c4:name"] = Observation("bridge:c1:c4:name", "10.9.9.9", 3, 0)
    found = {c.id for c in traceable(cells, outcomes, judgements)}
    assert "bridge:c1:c3:address" in found
    assert "bridge:c1:c3:name" not in found
    assert "bridge:c1:c2:name" in found  # by address it passed
    assert not {"bridge:c1:c2:address", "bridge:c1:c1:address"} & found
    assert not {"bridge:c1:c4:address", "bridge:c1:c4:name"} & found
    assert not traceable(cells, outcomes, judged(cells, Verdict.BLOCKED))


def test_every_pattern_is_covered_before_any_twice() -> None:
    """As many as asked for, each pattern first."""
    cells = tuple(CELLS.values())
    judgements = judged(cells, Verdict.FAIL)
    found = traceable(cells, outcomes_of(cells), judgements)

    def patterns(some: Iterable[Cell]) -> set[tuple[str, ...]]:
        return {(c.scenario, c.relation, c.source.host, c.target.host) for c in some}

    everything = patterns(found)
    chosen = representatives(found, judgements, len(everything))
    assert patterns(chosen) == everything
    assert len(representatives(found, judgements)) == 40
    assert len(set(representatives(found, judgements, 999))) == len(found)
    assert representatives((), {}) == ()
