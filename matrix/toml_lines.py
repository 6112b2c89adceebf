"""Which line of a TOML file a key stands on.

tomllib gives positions for syntax errors only, and a fault in a site file must be said as
``file:line``. This scanner knows just enough of TOML v1.0 (https://toml.io/en/v1.0.0) for that:
table headers, arrays of tables, plain and dotted keys, quoted keys, multi-line strings. A key
inside an inline table or an array answers with the line of the key that holds it.
"""

from __future__ import annotations

import re

Path = tuple[str | int, ...]

_PART = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"^\s*(\[\[?)\s*({_DOTTED})\s*\]")
_KEY = re.compile(rf"^\s*({_DOTTED})\s*=(.*)$")


class Lines:
    """Line numbers (from 1) of the keys of one TOML text."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {(): 1}
        self._count: dict[Path, int] = {}
        table: Path = ()
        closing = ""
        for number, line in enumerate(text.splitlines(), 1):
            if closing:
                closing = "" if closing in line else closing
            elif header := _HEADER.match(line):
                table = self._enter(_parts(header[2]), array=header[1] == "[[")
                self._lines.setdefault(table, number)
            elif key := _KEY.match(line):
                path = table
                for part in _parts(key[1]):
                    path = (*path, part)
                    self._lines.setdefault(path, number)
                closing = _opens_multiline(key[2])

    def of(self, path: Path) -> int:
        """The line of that key, or of the nearest thing around it that has one."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def _enter(self, parts: list[str], *, array: bool) -> Path:
        """The full path of a header, with the index of each array of tables on the way."""
        path: Path = ()
        for position, part in enumerate(parts, 1):
            path = (*path, part)
            if array and position == len(parts):
                self._count[path] = self._count.get(path, -1) + 1
            if path in self._count:
                path = (*path, self._count[path])
        return path


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_PART, dotted)]


def _opens_multiline(value: str) -> str:
    """The delimiter that will close a multi-line string which this value leaves open, or ""."""
    for quote in ('"""', "'''"):
        if value.strip().startswith(quote) and value.count(quote) == 1:
            return quote
    return ""
