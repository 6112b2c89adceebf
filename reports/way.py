"""The way of a cell's frames as a picture: a column for each station, a row for each kind of frame.

Rule: colour never stands alone. Each spot has a symbol and a number, and where frames vanished
stands a cross at the station that should have seen them next.
"""

from __future__ import annotations

from dataclasses import dataclass

from matrix.record import CellRecord
from matrix.way import Leg, Passage, Trace

SEEN, FEWER, GONE, DARK, UNWATCHED = "seen", "fewer", "gone", "dark", "unwatched"
SYMBOLS = {
    SEEN: "\N{CHECK MARK}",
    FEWER: "!",
    GONE: "\N{BALLOT X}",
    DARK: "\N{MIDDLE DOT}",
    UNWATCHED: "?",
}
LEGEND = (
    f"{SYMBOLS[SEEN]} how many were seen there, {SYMBOLS[FEWER]} fewer than before, "
    f"{SYMBOLS[GONE]} none, where they should have come next, {SYMBOLS[DARK]} none, further on, "
    f"{SYMBOLS[UNWATCHED]} not watched"
)


@dataclass(frozen=True, slots=True)
class Spot:
    """A station of one kind of frame: its state, how many were seen, with which VLAN tag."""

    state: str
    count: str
    tag: str
    wrong_tag: bool

    @property
    def symbol(self) -> str:
        """What stands there, beside the colour."""
        return SYMBOLS[self.state]


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of frame; ``spots`` in the order of the columns, also where it goes ``back``."""

    name: str
    back: bool
    spots: tuple[Spot, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """``columns`` are (whose, which link); "" where it is not ours."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]


def picture(cell: CellRecord) -> Picture | None:
    """The picture of a cell that was asked again; None where there is nothing to draw."""
    trace: Trace | None = cell.trace
    there = next((s for s in trace.passages if not s.back), None) if trace else None
    if trace is None or there is None:
        return None
    return Picture(
        tuple((leg.who, leg.link) for leg in there.legs),
        tuple(_row(passage) for passage in trace.passages),
    )


def way_words(cell: CellRecord) -> tuple[str, ...]:
    """What the witnesses saw, in words; nothing where there were none."""
    return cell.trace.words if cell.trace else ()


def _row(passage: Passage) -> Row:
    gone = passage.lost_at
    if passage.last < 0:
        gone = next((i for i, leg in enumerate(passage.legs) if leg.seen is not None), -1)
    spots: list[Spot] = []
    most = 0
    for place, leg in enumerate(passage.legs):
        spots.append(_spot(leg, most, gone=place == gone))
        most = max(most, leg.seen or 0)
    return Row(passage.kind, passage.back, tuple(reversed(spots)) if passage.back else tuple(spots))


def _spot(leg: Leg, most: int, *, gone: bool) -> Spot:
    tags = " and ".join("untagged" if tag is None else f"VLAN {tag}" for tag in leg.tags)
    wrong = bool(leg.tags) and leg.tags != (leg.vlan,)
    tag = tags if wrong or leg.vlan is not None else ""
    if leg.seen is None:
        return Spot(UNWATCHED, "", tag, wrong)
    if not leg.seen:
        return Spot(GONE if gone else DARK, "0" if gone else "", tag, wrong)
    return Spot(FEWER if leg.seen < most else SEEN, str(leg.seen), tag, wrong)
