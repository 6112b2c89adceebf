"""From sightings to the way of a cell's frames: which station saw them, how often, with which tag.

A pure function. A station that nobody watched is told apart from one that saw nothing; a frame that
was seen behind a station that missed it has passed there. What it all shows is put into words by
``matrix.trace_words``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from matrix.packet import Kind, Place, Sighting
from matrix.probes import Cell
from matrix.trace_words import ASKS_BACK, TOLD_BACK, Story, words
from matrix.way import OUT, Leg, Passage, Station, Trace, back

MOST_MACS = 4
"""Most Ethernet address pairs kept of a leg: evidence, bounded."""


def trace(
    cell: Cell,
    number: int,
    stations: tuple[Station, ...],
    sightings: Iterable[Sighting],
    watched: Collection[Place],
    owners: Mapping[str, str],
) -> Trace:
    """How far the cell's frames came.

    Args:
        cell: the question that was asked again.
        number: the cell's number in that batch: its echoes carry it.
        stations: its way (``matrix.way.way``).
        sightings: all of the batch, of any cell.
        watched: where somebody listened all the time, so that not seen means not passed.
        owners: whose a MAC address is, by MAC address; none for a gateway, which is not ours.
    """
    source, target = str(cell.source.address), str(cell.target.address)
    there, back_again = stations, back(stations)
    seen: dict[str, list[Sighting]] = {}
    for sighting in sightings:
        if name := _passage_of(sighting, number, source, target):
            seen.setdefault(name, []).append(sighting)

    def passage(name: str, way: tuple[Station, ...]) -> Passage:
        return Passage(name, way is back_again, tuple(_legs(way, seen.get(name, []), watched)))

    story = Story(
        cell=cell,
        stations=stations,
        arp=passage(Kind.ARP_REQUEST, there),
        arp_reply=passage(Kind.ARP_REPLY, back_again),
        echo=passage(Kind.ECHO_REQUEST, there),
        echo_reply=passage(Kind.ECHO_REPLY, back_again),
        asks_back=passage(ASKS_BACK, back_again),
        told_back=passage(TOLD_BACK, there),
        sightings=seen,
        owners=owners,
    )
    at_home = [s for s in seen.get(Kind.ECHO_REPLY, []) if _is_at(s, back_again[-1])]
    return Trace(
        words=words(story),
        passages=tuple(_worth_telling(story)),
        sent=story.echo.most,
        answered=len({s.says.attempt for s in at_home}),
        reply_macs=tuple(sorted({s.mac_from for s in at_home}))[:MOST_MACS],
    )


def _passage_of(sighting: Sighting, number: int, source: str, target: str) -> str:
    """Which passage of the cell the frame is; "" where it is none of its frames."""
    says = sighting.says
    if says.number is not None:
        return says.kind if says.number == number else ""
    forward, backward = (source, target), (target, source)
    pair = (says.sender, says.target)
    if says.kind is Kind.ARP_REQUEST and pair in (forward, backward):
        return Kind.ARP_REQUEST if pair == forward else ASKS_BACK
    if says.kind is Kind.ARP_REPLY and pair in (forward, backward):
        return Kind.ARP_REPLY if pair == backward else TOLD_BACK
    return ""


def _legs(
    stations: tuple[Station, ...], sightings: list[Sighting], watched: Collection[Place]
) -> Iterator[Leg]:
    for station in stations:
        place = station.place
        if place is None:
            yield Leg(station.who, "", "", station.direction, None)
            continue
        here = [s for s in sightings if _is_at(s, station)]
        marks = {s.says.attempt for s in here}
        count = len(here) if marks == {None} else len(marks)
        yield Leg(
            who=station.who,
            host=place.host,
            link=place.link,
            direction=station.direction,
            seen=count if count or place in watched else None,
            frames=len(here),
            tags=tuple(sorted({s.vlan for s in here}, key=lambda tag: tag or 0)),
            macs=tuple(sorted({f"{s.mac_from} > {s.mac_to}" for s in here}))[:MOST_MACS],
            vlan=station.vlan,
        )


def _is_at(sighting: Sighting, station: Station) -> bool:
    return sighting.place == station.place and sighting.outgoing is (station.direction == OUT)


def _worth_telling(story: Story) -> Iterator[Passage]:
    """The passages that say something: what was seen, and what should have come next and did not."""
    asked, replied = story.echo.last >= 0, story.echo_reply.last >= 0
    arp, told = story.arp.last >= 0, story.arp_reply.last >= 0
    if arp or not asked:
        yield story.arp
    if told or (not asked and story.arp.arrived):
        yield story.arp_reply
    if asked or not arp or (told and story.arp_reply.arrived):
        yield story.echo
    if story.echo.arrived and not replied and story.asks_back.last >= 0:
        yield story.asks_back
        yield story.told_back
    if replied or story.echo.arrived:
        yield story.echo_reply
