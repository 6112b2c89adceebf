"""Drawing a grid of one-character marks as text. Knows nothing of verdicts, runs or plans.

Rule 1: no line is wider than asked, whatever the names are. Named columns are tried first; then
numbered ones, where the rows' own numbers are the key; then the grid is cut into bands.
Rule 2: a text that comes from elsewhere is shown by ``plain`` only. A container's name or a ping's
words must not move the cursor, clear the screen or turn the direction of writing around
(CWE-150; Unicode Technical Report 36, bidirectional text spoofing).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

_NAMED_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me"})
"""Unicode general categories of characters that a terminal obeys, hides or piles up."""

_LABEL_LIMIT = 28
_LEAST_WIDTH = 60
_INDENT = 2


@dataclass(frozen=True, slots=True)
class Heading:
    """A row or a column. ``key`` is what the two have in common; the rest is for the eye.

    ``group`` is what neighbours share (the host they live on), ``section`` a wider band of columns
    ("by address"), ``note`` something said behind a row's name where there is room.
    """

    key: str
    name: str
    group: str = ""
    section: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands in a cell: one or two characters, their meaning, and SGR parameters (ECMA-48)."""

    symbol: str
    meaning: str
    sgr: str = ""


NO_CELL = Mark(".", "not asked", "2")

EXPECTED_MARKS = {
    "reply": Mark("+", "reply", "32"),
    "silence": Mark("-", "silence", "36"),
    "no-such-name": Mark("n", "no such name", "36"),
}
"""For a grid of what is expected, by the values of ``matrix.probes.Expected``."""

MarkOf = Callable[[Heading, Heading], Mark | None]
"""From a row and a column to its mark; None where there is no such cell."""


def plain(text: str, limit: int = 0, keep: str = "") -> str:
    r"""The text with everything that is not to be seen made visible: ESC becomes ``\x1b``.

    Args:
        text: from a file, a host, a container: not trusted.
        limit: most characters to give back; 0 for all. What is cut ends in an ellipsis.
        keep: characters that stay as they are, such as a line feed.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(char if char in keep else _visible(char) for char in text)
    return shorten(text, limit) if limit else text


def _visible(char: str) -> str:
    if unicodedata.category(char) not in _HIDDEN:
        return char
    if char in _NAMED_ESCAPES:
        return _NAMED_ESCAPES[char]
    code = ord(char)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004  one byte


def columns_of(text: str) -> int:
    """How many terminal columns the text takes (Unicode Standard Annex 11: wide takes two)."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` terminal columns of it. Both ends stay: they tell names apart."""
    if columns_of(text) <= limit:
        return text
    if limit <= 1:
        return "…"[:limit]
    tail = (limit - 1) // 3 if limit <= _LEAST_WIDTH else 0
    head = limit - 1 - tail
    # No character is narrower than one column, so cutting by count first loses nothing.
    first, last = text[:head], text[len(text) - tail :]
    while columns_of(first) > head:
        first = first[:-1]
    while columns_of(last) > tail:
        last = last[1:]
    return f"{first}…{last}"


def paint(text: str, sgr: str, *, colour: bool) -> str:
    """The text between SGR codes, or as it is."""
    return f"\x1b[{sgr}m{text}\x1b[0m" if colour and sgr and text else text


def legend(marks: Iterable[Mark], *, width: int = 100, colour: bool = False) -> list[str]:
    """What the marks mean, in as few lines as fit."""
    lines: list[str] = []
    at = width + 1
    for mark in marks:
        length = columns_of(mark.symbol) + 1 + columns_of(mark.meaning)
        shown = f"{paint(mark.symbol, mark.sgr, colour=colour)} {mark.meaning}"
        if at + 3 + length > width:
            lines.append(" " * _INDENT + shown)
            at = _INDENT + length
        else:
            lines[-1] += f"   {shown}"
            at += 3 + length
    return lines


def draw(
    rows: Sequence[Heading],
    columns: Sequence[Heading],
    mark: MarkOf,
    *,
    width: int = 100,
    colour: bool = False,
) -> list[str]:
    """The grid as lines of at most ``width`` columns (60 at least).

    Rows and columns stand in the order given; neighbours of one ``group`` stand together under
    its name. A row without any cell in a part of the grid is left out of that part.
    """
    width = max(width, _LEAST_WIDTH)
    sections = [tuple(part) for _, part in groupby(columns, key=lambda c: c.section)]
    together = [tuple(columns)] if len(sections) > 1 else sections
    wide = max((len(m.symbol) for r in rows for c in columns if (m := mark(r, c))), default=1)
    numbers = _numbers(columns)
    for style in _STYLES:
        if style.pitch and style.pitch < wide:
            continue
        parts = together if style.together else sections
        pages = [_Page(rows, part, mark, style, numbers) for part in parts]
        if all(page.width <= width for page in pages):
            return _lines(pages, rows, columns, numbers, style, width=width, colour=colour)
    bands = [
        _Page(rows, band, mark, _BANDS, numbers)
        for part in sections
        for band in _cut(rows, part, mark, numbers, width)
    ]
    return _lines(bands, rows, columns, numbers, _BANDS, width=width, colour=colour)


@dataclass(frozen=True, slots=True)
class _Style:
    """``pitch`` 0: columns carry names; else they carry numbers, ``pitch`` characters apart."""

    together: bool
    pitch: int
    stretch: bool
    notes: bool


_STYLES = (
    _Style(together=True, pitch=0, stretch=True, notes=True),
    _Style(together=True, pitch=0, stretch=False, notes=True),
    _Style(together=False, pitch=0, stretch=True, notes=True),
    _Style(together=False, pitch=0, stretch=False, notes=False),
    _Style(together=False, pitch=3, stretch=True, notes=True),
    _Style(together=False, pitch=3, stretch=False, notes=True),
    _Style(together=False, pitch=2, stretch=False, notes=True),
    _Style(together=False, pitch=1, stretch=False, notes=True),
    _Style(together=False, pitch=1, stretch=False, notes=False),
)
_BANDS = _Style(together=False, pitch=3, stretch=False, notes=False)


def _numbers(columns: Sequence[Heading]) -> dict[str, str]:
    keys = dict.fromkeys(column.key for column in columns)
    return {key: str(index) for index, key in enumerate(keys, 1)}


class _Page:
    """One part of the grid with the place of every column worked out."""

    def __init__(
        self,
        rows: Sequence[Heading],
        columns: Sequence[Heading],
        mark: MarkOf,
        style: _Style,
        numbers: dict[str, str],
    ) -> None:
        self.columns = tuple(columns)
        self.mark = mark
        self.rows = tuple(r for r in rows if any(mark(r, c) for c in columns))
        digits = max(map(len, numbers.values()), default=1)
        upright = 0 < style.pitch <= digits
        self._digits = digits if style.pitch else 0
        self._name = min(max((columns_of(plain(r.name)) for r in rows), default=0), _LABEL_LIMIT)
        self._note = max((len(plain(r.note)) for r in rows), default=0) if style.notes else 0
        self.numbers = numbers
        self.heads = [
            tuple(numbers[c.key].rjust(digits))
            if upright
            else (numbers[c.key] if style.pitch else plain(c.name),)
            for c in columns
        ]
        self.starts: list[int] = []
        self.spans: list[tuple[str, str, int, int]] = []
        at = left = self.label_width + 2
        for (section, group), run in groupby(
            zip(columns, self.heads, strict=True), key=lambda pair: (pair[0].section, pair[0].group)
        ):
            begin = at
            for _, head in run:
                self.starts.append(at)
                at += style.pitch or max(columns_of(head[0]), 2) + 2
            end = at - (2 if not style.pitch else max(style.pitch - 1, 0))
            if style.stretch:
                end = max(end, begin + columns_of(plain(group)))
            self.spans.append((section, group, begin, end))
            at = end + (1 if style.pitch == 1 else 3)
        self.width = max((end for *_, end in self.spans), default=left)

    @property
    def label_width(self) -> int:
        """Columns that a row's number, name and note take."""
        number = self._digits + 1 if self._digits else 0
        note = self._note + 2 if self._note else 0
        return _INDENT + number + self._name + note

    def label(self, row: Heading) -> str:
        """What stands at the left of a row."""
        text = " " * _INDENT
        if self._digits:
            text += self.numbers.get(row.key, "").rjust(self._digits) + " "
        name = plain(row.name, self._name)
        text += name + " " * (self._name - columns_of(name))
        return f"{text}  {plain(row.note)}" if self._note else text

    def head_lines(self, *, colour: bool) -> Iterator[str]:
        """Section, group and column names, one line each; numbers may stand upright."""
        sections: list[tuple[int, str, str]] = []
        for section, run in groupby(self.spans, key=lambda span: span[0]):
            spans = list(run)
            room = spans[-1][3] - spans[0][2]
            sections.append((spans[0][2], plain(section, max(room, len("by address"))), "1"))
        if any(text for _, text, _ in sections):
            yield _line(sections, colour=colour)
        groups = [(b, plain(group, max(e - b, 1)), "1") for _, group, b, e in self.spans if group]
        if groups:
            yield _line(groups, colour=colour)
        for level in range(max((len(head) for head in self.heads), default=0)):
            yield _line(
                [
                    (start, head[level], "")
                    for start, head in zip(self.starts, self.heads, strict=True)
                    if head[level].strip()
                ],
                colour=colour,
            )

    def row_line(self, row: Heading, *, colour: bool) -> str:
        """One row: its label and its marks, each under the middle of its column's name."""
        pieces = [(0, self.label(row).rstrip(), "")]
        for start, head, column in zip(self.starts, self.heads, self.columns, strict=True):
            found = self.mark(row, column) or NO_CELL
            middle = (columns_of(head[0]) - 1) // 2 if len(head) == 1 else 0
            pieces.append((start + middle, found.symbol, found.sgr))
        return _line(pieces, colour=colour)


def _cut(
    rows: Sequence[Heading],
    columns: Sequence[Heading],
    mark: MarkOf,
    numbers: dict[str, str],
    width: int,
) -> Iterator[tuple[Heading, ...]]:
    """Bands of columns, each as wide as fits; at least one column a band."""
    band: tuple[Heading, ...] = ()
    for column in columns:
        longer = (*band, column)
        if band and _Page(rows, longer, mark, _BANDS, numbers).width > width:
            yield band
            longer = (column,)
        band = longer
    if band:
        yield band


def _lines(
    pages: Sequence[_Page],
    rows: Sequence[Heading],
    columns: Sequence[Heading],
    numbers: dict[str, str],
    style: _Style,
    *,
    width: int,
    colour: bool,
) -> list[str]:
    lines: list[str] = []
    for page in pages:
        if lines:
            lines.append("")
        lines.extend(page.head_lines(colour=colour))
        for group, members in groupby(page.rows, key=lambda row: row.group):
            if group:
                lines.append(paint(plain(group, width), "1", colour=colour))
            lines.extend(page.row_line(row, colour=colour) for row in members)
    if style.pitch:
        known = {row.key for row in rows}
        rest = {c.key: c for c in columns if c.key not in known}
        key = [Mark(numbers[c.key], plain(c.name, _LABEL_LIMIT)) for c in rest.values()]
        lines.extend(legend(key, width=width))
    return lines


def _line(pieces: Iterable[tuple[int, str, str]], *, colour: bool) -> str:
    """Pieces of text, each at its own place, in one line."""
    line = ""
    at = 0
    for start, text, sgr in pieces:
        line += " " * (start - at) + paint(text, sgr, colour=colour)
        at = max(start, at) + columns_of(text)
    return line
