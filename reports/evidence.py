"""One cell's evidence as label and value, in the order in which a doubter asks.

Rule: a line appears only where there is something to say, and a number comes with its unit. Raw
output, and the same words again and again, are what makes a report of thousands of cells too big to
mail: there the first stands only where something is wrong, and the second in one place. Of very many
thousands only what is wrong has evidence there at all. run.json always has all of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType

from matrix.grid import plain
from matrix.record import CellRecord, CrossingRecord, ObservedRecord, OverrideRecord
from matrix.spread import Spread
from reports.exchanges import exchange_lines
from reports.lines import Line
from reports.marks import holds
from reports.remedies import remedies_of

MANY_CELLS = 1_000
"""From this many cells on, commands and raw output stand only where a cell is not as expected."""

HUGE = 5_000
"""From this many cells on, a page has only evidence of what is not as expected."""

MOST_EVIDENCE = 1_000
"""Cells that a page of so many has evidence for, and links to."""

_RAW_MOST = 4_000
_SHARED = 10
"""So many cells have a reason in common before it is told once for all of them."""


def evidence(
    cell: CellRecord,
    *,
    many: bool = False,
    reasons: Mapping[str, int] = MappingProxyType({}),
    explained: Container[str] = (),
) -> tuple[Line, ...]:
    """All that is known about the cell; ``many``: it is one of very many, so be short.

    Then a reason that has a number in ``reasons`` is told elsewhere, once, and so are the causes of
    cells that are ``explained``, by their ids.
    """
    told = many and cell.id in explained
    return (_expected(cell, reasons), *_judged(cell, told=told), *_lines(cell, many=many))


def reasons_of(cells: Sequence[CellRecord]) -> dict[str, int]:
    """On a page of very many cells, the reasons that many of them share: each a number."""
    if len(cells) < MANY_CELLS:
        return {}
    found = Counter(cell.because for cell in cells)
    return {r: n for n, r in enumerate((r for r, c in found.items() if c >= _SHARED), 1)}


def with_evidence(
    cells: Sequence[CellRecord], told: Iterable[Sequence[CellRecord]]
) -> tuple[CellRecord, ...]:
    """The cells whose evidence fits on a page, in their order: all of them, unless they are huge.

    Of a huge run as many of each group that is ``told`` (a cause's cells, a finding's) as there is
    room for, so that none is without.
    """
    if len(cells) < HUGE:
        return tuple(cells)
    shown: set[str] = set()
    for rank in zip_longest(*told):
        shown.update(cell.id for cell in rank if cell is not None)
        if len(shown) >= MOST_EVIDENCE:
            break
    return tuple(cell for cell in cells if cell.id in shown)


def _expected(cell: CellRecord, reasons: Mapping[str, int]) -> Line:
    ttl = f" with TTL {cell.expected_ttl}" if cell.expected_ttl is not None else ""
    if why := reasons.get(cell.because, 0):
        return Line("Expected", f"{cell.expected}{ttl}", why=why)
    return Line("Expected", f"{cell.expected}{ttl}, because {cell.because}")


def _judged(cell: CellRecord, *, told: bool) -> Iterator[Line]:
    """What it was judged by, and the verdict; ``told``: its cause is told elsewhere."""
    if cell.override is not None:
        yield Line("Override", override_words(cell.override))
        yield Line("Physics", f"{cell.override.physics}, because {cell.override.physics_because}")
    if cell.reason:
        yield Line("Verdict", f"{cell.verdict}: {cell.reason}")
    if cell.cause:
        yield Line("Cause", "" if told else cell.cause, "cause")
    if cell.not_run and cell.not_run not in cell.reason:
        yield Line("Did not run", cell.not_run)


def _lines(cell: CellRecord, *, many: bool) -> Iterator[Line]:
    yield from _came(cell, many=many)
    yield from _below(cell)
    if cell.controls:
        yield Line("Controls", "\n".join(cell.controls), "cells")
    if (not many and cell.remedy) or remedies_of(cell):
        yield Line("To open it", "" if many else cell.remedy, "remedy")
    if cell.next_command:
        yield Line("Try", cell.next_command, "code")


def _below(cell: CellRecord) -> Iterator[Line]:
    """What was seen of frames, beside the echo."""
    if cell.crossing is not None:
        yield Line("Below IP", _below_ip(cell.crossing))
    if cell.trace is not None:
        yield Line("Asked again", "; ".join(cell.trace.words))


def _below_ip(found: CrossingRecord) -> str:
    words = f"sent on its own segment: {', '.join(found.sent) or 'nothing'}"
    words += f"; seen at the target's link: {', '.join(found.seen) or 'none of it'}"
    words += f"; heard at home by {', '.join(found.heard_by) or 'nobody'}"
    words += f"; the target heard {', '.join(found.hears) or 'nobody'}"
    return f"{words}; {found.doubt}" if found.doubt else words


def _came(cell: CellRecord, *, many: bool) -> Iterator[Line]:
    """What came back: of an echo, or of another kind of probe."""
    full = not many or not holds(cell)
    if cell.exchange is not None:
        other = tuple(exchange_lines(cell.exchange, full=full))
        yield from _in_one(other) if many else other
    if cell.observed is not None:
        seen = tuple(_observed(cell.observed))
        yield from _in_one(seen) if many else seen
        if cell.observed.command and (not many or (full and cell.observed.raw)):
            yield Line("Asked by", cell.observed.command, "code")
        if full and cell.observed.raw:
            yield Line("As it came", _cut(cell.observed.raw), "raw")


def override_words(one: OverrideRecord) -> str:
    """Ticket, date, place and reason of an override, and whether it held."""
    held = "in force until" if one.in_force else "EXPIRED on"
    because = f": {one.because}" if one.because else ""
    return (
        f"{one.ticket} expects {one.expect}, {held} {one.until} "
        f"(line {one.line} of the site file){because}"
    )


def _in_one(lines: Sequence[Line]) -> Iterator[Line]:
    """The same in one line: of thousands of cells the labels alone would fill a page."""
    if lines:
        yield Line("Seen", "; ".join(f"{line.label.lower()}: {line.value}" for line in lines))


def _observed(seen: ObservedRecord) -> Iterator[Line]:
    if seen.sent or seen.received:
        yield Line("Echoes", _echoes(seen))
    if seen.spread is not None:
        yield from _spread(seen.spread)
    elif seen.rtts_ms:
        yield Line("Round trip", ", ".join(f"{rtt:g}" for rtt in seen.rtts_ms) + " ms")
    if seen.sent:
        arrived = f", {seen.requests_seen} of {seen.sent}" if seen.requests_seen else ""
        left = f"; replies that left: {seen.replies_left}" if seen.replies_left is not None else ""
        yield Line("Arrived there", f"{seen.request_seen}{arrived}{left}")
    if seen.neighbour_mac or seen.neighbour_state:
        yield Line("Neighbour", f"{seen.neighbour_mac or 'no MAC'}, {seen.neighbour_state}")
    if seen.through_macs:
        came = f"to the address of the source's host, from {', '.join(seen.through_macs)}"
        yield Line("Replies came", f"{came}; it sent them on to the source (masqueraded)")
    if seen.resolver or seen.resolver_code:
        found = ", ".join(seen.resolved or ()) or "no address"
        took = f" in {seen.resolver_ms:g} ms" if seen.resolver_ms is not None else ""
        yield Line("Resolver", f"{seen.resolver} said {seen.resolver_code}{took}: {found}")
    if seen.error and seen.error != seen.raw:
        yield Line("Its words", seen.error)


def _spread(found: Spread) -> Iterator[Line]:
    percentiles = ", ".join(f"{name} {ms:g}" for name, ms in found.percentiles.items())
    yield Line(
        "Round trip",
        f"{found.least_ms:g} to {found.most_ms:g} ms, mean {found.mean_ms:g}"
        + (f", {percentiles}" if percentiles else "")
        + f" ({found.samples} of them; the first, with ARP, {found.first_ms:g} ms)",
    )
    yield Line("Jitter, loss", f"{found.jitter_ms:g} ms, {found.loss_percent:g} % lost")


def _cut(raw: str) -> str:
    shown = plain(raw.strip("\n"), keep="\n")
    more = len(shown) - _RAW_MOST
    return f"{shown[:_RAW_MOST]}\n[{more} more characters are in run.json]" if more > 0 else shown


def _echoes(seen: ObservedRecord) -> str:
    replies = f"{seen.sent} sent, {seen.received} received"
    if seen.duplicates:
        replies += f", {seen.duplicates} duplicates"
    if seen.repliers:
        replies += f", from {', '.join(seen.repliers)}"
    if seen.ttls:
        replies += f", TTL {', '.join(str(ttl) for ttl in seen.ttls)}"
    return replies
