"""What a trace shows, in words: where frames vanished, and what is odd about those that came.

Rule: only what was seen is said, never why. "Left A's NIC, never arrived at B's" is a fact; which
switch is to blame is not ours to know. The main thing stands first; then what a person would
wonder at: another tag, another machine's MAC address, two answers, frames that come back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from matrix.packet import Kind, Sighting
from matrix.probes import Cell, Relation
from matrix.way import IN, OUT, Leg, Passage, Station

ASKS_BACK, TOLD_BACK = "ARP request of the target", "ARP reply to the target"
MOST_WORDS = 5
_MANY = {
    Kind.ARP_REQUEST: "ARP requests",
    Kind.ARP_REPLY: "ARP replies",
    Kind.ECHO_REQUEST: "echo requests",
    Kind.ECHO_REPLY: "echo replies",
    ASKS_BACK: "ARP requests of the target",
    TOLD_BACK: "ARP replies to the target",
}
_LOCAL = (Relation.OWN_HOST, Relation.OWN_CONTAINER)


@dataclass(frozen=True, slots=True)
class Story:
    """All that was seen of one cell, by passage. ``sightings`` are its frames, by name of the passage."""

    cell: Cell
    stations: tuple[Station, ...]
    arp: Passage
    arp_reply: Passage
    echo: Passage
    echo_reply: Passage
    asks_back: Passage
    told_back: Passage
    sightings: Mapping[str, list[Sighting]]
    owners: Mapping[str, str]


def words(story: Story) -> tuple[str, ...]:
    """What it shows, the main thing first; a few lines at most."""
    said = [*_main(story), *_wrong_tags(story), *_wrong_macs(story), *_others(story)]
    return tuple(dict.fromkeys(said))[:MOST_WORDS]


def leg_name(leg: Leg) -> str:
    """The leg's link and whose it is."""
    return f"{leg.who}'s {leg.link}" if leg.link else leg.who


def tag_words(tags: tuple[int | None, ...]) -> str:
    """``tagged VLAN 200``, ``untagged``; "" where no frame was."""
    return " and ".join("untagged" if tag is None else f"tagged VLAN {tag}" for tag in tags)


def _main(story: Story) -> Iterator[str]:
    if story.echo.last >= 0:
        yield from _exchange(story, story.echo, story.echo_reply)
    elif story.arp.last >= 0:
        yield from _exchange(story, story.arp, story.arp_reply)
    elif story.echo.legs[0].seen is None:
        yield f"nobody watched at {leg_name(story.echo.legs[0])}, and nothing was seen further on"
    else:
        source = leg_name(story.echo.legs[0])
        yield f"nothing left {source}: neither an ARP request nor an echo request"


def _exchange(story: Story, asked: Passage, answer: Passage) -> Iterator[str]:
    """Where a request or its answer was lost, or that it all came through."""
    many, what = _many(asked, story), str(answer.kind)
    if vanished := _vanished(asked, story):
        yield vanished
        if answer.last >= 0:
            yield f"yet {_first_seen(answer)}"
    elif answer.last < 0:
        end = asked.legs[-1]
        last = leg_name(asked.legs[asked.last])
        if end.seen:
            yield f"{many} arrived at {leg_name(end)}, and it sent no {what}"
            yield from _asked_back(story, answer)
        else:
            yield f"{many} {_passed(asked.legs[asked.last])}, and no {what} came back to {last}"
    elif answer.first > 0 and answer.legs[0].seen == 0 and story.cell.relation not in _LOCAL:
        yield f"{_first_seen(answer)}, though none left {leg_name(answer.legs[0])}"
        if vanished := _vanished(answer, story):
            yield vanished
    elif vanished := _vanished(answer, story):
        yield vanished
    elif asked is story.echo:
        yield from _came_through(story)
    else:
        yield f"ARP was answered, but no echo request left {leg_name(asked.legs[0])}"


def _came_through(story: Story) -> Iterator[str]:
    sent, answered = story.echo.most, story.echo_reply.legs[-1].seen
    if answered is None:
        yield f"{_first_seen(story.echo_reply)}; nobody watched at {story.echo.legs[0].who}"
    elif answered >= sent:
        yield f"asked again with witnesses, {answered} of {sent} echo requests were answered"
    else:
        yield from list(_thinned(story)) or [
            (
                f"asked again with witnesses, {answered} of {sent} echo requests were answered; "
                "where the others were lost, nobody watched"
            )
        ]
    if story.cell.relation in _LOCAL:
        host = story.cell.source.host
        went_out = any(
            leg.seen for leg in story.echo.legs if leg.who == host and leg.direction == OUT
        )
        yield (
            f"they left {host} on the wire, and something out there sent them back"
            if went_out
            else f"they never left {host}: something inside it passes them on"
        )


def _thinned(story: Story) -> Iterator[str]:
    """Where some of the frames were lost and others were not."""
    for passage in (story.echo, story.echo_reply):
        watched = [leg for leg in passage.legs if leg.seen is not None]
        for one, two in pairwise(watched):
            lost = (one.seen or 0) - (two.seen or 0)
            if lost > 0 and two.seen:
                yield (
                    f"{lost} of {one.seen} {_MANY[passage.kind]} were lost between "
                    f"{leg_name(one)} and {leg_name(two)}"
                )
    arrived, left = story.echo.legs[-1].seen, story.echo_reply.legs[0].seen
    if arrived is not None and left is not None and left < arrived:
        yield f"{story.cell.target.name} answered {left} of the {arrived} that arrived there"


def _vanished(passage: Passage, story: Story) -> str:
    """Behind which station the frames were not seen any more; "" where they came to the end."""
    if passage.lost_at < 0:
        return ""
    last, missed = passage.legs[passage.last], passage.legs[passage.lost_at]
    said = f"{_many(passage, story)} {_passed(last)}, "
    if (last.host, last.link) == (missed.host, missed.link):
        return f"{said}and nothing sent them back"
    said += "never arrived at " if missed.direction == IN else "never went out by "
    said += leg_name(missed)
    if unwatched := [leg_name(leg) for leg in passage.legs[passage.last + 1 : passage.lost_at]]:
        said += f" (nobody watched at {' and '.join(unwatched)})"
    return said


def _many(passage: Passage, story: Story) -> str:
    if passage.kind == Kind.ARP_REQUEST:
        return f"ARP requests for {story.cell.target.address}"
    return _MANY[passage.kind]


def _passed(leg: Leg) -> str:
    """``left A's enp0s5 tagged VLAN 200``: untagged is worth no word where no tag should be."""
    said = f"{'left' if leg.direction == OUT else 'arrived at'} {leg_name(leg)}"
    plain = leg.vlan is None and leg.tags == (None,)
    return said if plain or not leg.tags else f"{said} {tag_words(leg.tags)}"


def _first_seen(answer: Passage) -> str:
    first = answer.legs[answer.first]
    macs = ", ".join(sorted({pair.partition(" ")[0] for pair in first.macs}))
    return f"{_MANY[answer.kind]} {_passed(first)}, from MAC {macs}"


def _asked_back(story: Story, answer: Passage) -> Iterator[str]:
    """The target could not answer: it asked in vain whose the source's address is."""
    if answer is story.echo_reply and story.asks_back.last >= 0:
        lost = _vanished(story.asks_back, story) or _vanished(story.told_back, story)
        if lost:
            yield lost


def _wrong_tags(story: Story) -> Iterator[str]:
    """The first station of each passage where frames had another tag than they should."""
    for passage in (story.arp, story.echo, story.arp_reply, story.echo_reply):
        for leg in passage.legs:
            if leg.seen and leg.tags != (leg.vlan,):
                yield (
                    f"{_MANY[passage.kind]} {_passed(leg)}"
                    f"{' untagged' if leg.tags == (None,) and leg.vlan is None else ''}, "
                    f"where {tag_words((leg.vlan,))} is right"
                )
                break


def _wrong_macs(story: Story) -> Iterator[str]:
    """Who answered ARP, who replied and to whom it was sent, where that is not the target alone."""
    target = story.cell.target.name
    right = {mac for mac, name in story.owners.items() if name == target}
    home = story.stations[0].place

    def at_home(passage: str, *, outgoing: bool) -> list[Sighting]:
        found = story.sightings.get(passage, [])
        return [s for s in found if s.place == home and s.outgoing is outgoing]

    claims = sorted({s.says.claimed for s in at_home(Kind.ARP_REPLY, outgoing=False)})
    address = story.cell.target.address
    if len(claims) > 1 and not right.issuperset(claims):
        yield f"ARP for {address} was answered by {_whose(claims, story)}"
    elif right and not right.issuperset(claims):
        yield f"ARP for {address} was answered by {_whose(claims, story)}, not by {target}"
    froms = sorted({s.mac_from for s in at_home(Kind.ECHO_REPLY, outgoing=False)})
    if right and not right.issuperset(froms):
        yield f"echo replies came from {_whose(froms, story)}, not from {target} alone"
    tos = sorted({s.mac_to for s in at_home(Kind.ECHO_REQUEST, outgoing=True)})
    if right and not right.issuperset(tos):
        yield f"echo requests were addressed to {_whose(tos, story)}, which is not {target}"


def _whose(macs: list[str], story: Story) -> str:
    return " and ".join(f"{mac} ({story.owners.get(mac, 'none of ours')})" for mac in macs)


def _others(story: Story) -> Iterator[str]:
    """ICMP errors, frames that come back to where they came from, and copies."""
    errors = {s.says.words for s in story.sightings.get(Kind.ICMP_ERROR, [])}
    yield from sorted(errors)[:2]
    if story.cell.relation not in (Relation.SIBLING, *_LOCAL):
        wire = [s for s in story.stations if s.direction == OUT][-1]
        requests = story.sightings.get(Kind.ECHO_REQUEST, [])
        if any(s.place == wire.place and not s.outgoing for s in requests) and wire.place:
            yield f"echo requests came back in at {wire.who}'s {wire.place.link}"
    for passage in (story.echo, story.echo_reply):
        end = passage.legs[-1]
        if end.seen and end.frames > end.seen:
            yield (
                f"{end.frames} {_MANY[passage.kind]} arrived at {leg_name(end)}, copies of {end.seen}"
            )
