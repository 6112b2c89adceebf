"""Reads the tables of ``docs/behaviour.md``: what is said, without the runs behind it."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "behaviour.md"
EVIDENCE = re.compile(r" \([A-Z0-9:, ]+\)")


def tables(text: str) -> dict[str, dict[tuple[str, str], str]]:
    """By the title of its section: what stands in each row and column, with its evidence."""
    found: dict[str, dict[tuple[str, str], str]] = {}
    title, columns, inside = "", [""], False
    for line in text.splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ")
        inside = (inside or line.startswith("<details>")) and line != "</details>"
        if inside or not line.startswith("|") or line.startswith("|---"):
            columns = columns if line.startswith("|") else []
            continue
        row, *entries = (part.strip() for part in line.strip("|").split(" | "))
        if not columns:
            columns = entries
            continue
        table = found.setdefault(title, {})
        table.update({(row, column): entry for column, entry in zip(columns, entries, strict=True)})
    return found


def said(text: str, title: str) -> dict[tuple[str, str], str]:
    """What a table says, without its evidence."""
    table = tables(text)[title]
    return {key: EVIDENCE.sub("", entry) for key, entry in table.items()}
