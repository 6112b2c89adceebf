"""Two segments below IP, in words: what crossed, what proves that nothing did, what leaves it open.

Rule: frames that nobody saw prove something only where each kind of them was heard by others: the
source's on its own segment, and such frames of the target's own segment by the target.
"""

from __future__ import annotations

from matrix.probes import Cell, Crossing


def crossed_words(cell: Cell, found: Crossing | None) -> str:
    """Words for frames that were seen on another segment than they were sent on; "" for none."""
    if found is None or not found.seen:
        return ""
    return (
        f"frames that {cell.source.name} sent on its own segment ({cell.scenario}) were seen at "
        f"{cell.target.name}'s link, on another one ({cell.there}): {', '.join(found.seen)}"
    )


def apart_doubt(cell: Cell, found: Crossing | None) -> str:
    """What keeps the frames that were not seen from proving anything; "" where they prove it."""
    source, target = cell.source.name, cell.target.name
    if found is None:
        return "no frames were sent to see whether the segments are apart below IP"
    if found.doubt:
        return f"below IP: {found.doubt}"
    if not found.sent:
        return f"{source} sent no frames on its own segment"
    if not found.heard_by:
        return f"nobody on {source}'s own segment heard its frames over the wire"
    if not found.hears:
        return f"{target} heard no frames of its own segment over the wire"
    return ""


def apart_words(cell: Cell, found: Crossing | None) -> str:
    """What shows that the segments are apart below IP, where there is no doubt."""
    if found is None:
        return ""
    return (
        f"below IP {cell.target.name}'s link saw none of the frames that {cell.source.name} sent on its "
        f"own segment ({', '.join(found.sent)}), which {_few(found.heard_by)} heard there, while it "
        f"heard those of {_few(found.hears)}"
    )


def _few(names: tuple[str, ...]) -> str:
    more = len(names) - 2
    return ", ".join(names[:2]) + (f" and {more} more" if more > 0 else "")
