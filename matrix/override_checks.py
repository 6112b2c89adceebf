"""Faults of a site's overrides against the cells that the site has.

Works on the raw TOML values, and passes over what it cannot read, as ``matrix.site_checks`` does.
An override that names nothing, or changes nothing, is a mistake that would hide: it is said.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from matrix.overrides import names
from matrix.probes import By, Cell, Expected
from matrix.site_checks import Fault, tables
from matrix.toml_lines import Lines

_SHOWN = 3


def override_checks(site: dict[str, Any], cells: Sequence[Cell], lines: Lines) -> Iterator[Fault]:
    """Every fault, as (path of the key, words).

    Args:
        site: the raw TOML.
        cells: the site's whole matrix, by the physics.
        lines: where things stand in the file, to say which other override is meant.
    """
    taken: dict[str, int] = {}
    for number, override in enumerate(tables(site, "override")):
        pattern = override.get("cells")
        if not isinstance(pattern, str):
            continue
        named = [cell for cell in cells if names(pattern, cell.id)]
        where = ("override", number, "cells")
        if not named:
            close = difflib.get_close_matches(pattern, [c.id for c in cells], _SHOWN, cutoff=0.0)
            yield where, f"{pattern!r} names no cell of this site; the closest are {_ids(close)}"
            continue
        if clash := [cell.id for cell in named if cell.id in taken]:
            before = f"named by the override in line {taken[clash[0]]} already"
            yield where, f"{_ids(clash)}: {before}; write one override for a cell"
        taken.update(dict.fromkeys((c.id for c in named), lines.of(("override", number))))
        if words := _useless(named, override.get("expect")):
            yield ("override", number, "expect"), words


def _useless(named: list[Cell], expect: object) -> str:
    """Words for an expectation that these cells cannot have, or have already; or ""."""
    by_address = [cell.id for cell in named if cell.by is not By.NAME]
    if expect == Expected.NO_SUCH_NAME and by_address:
        return (
            f"'no-such-name' is the answer to a look-up, not to {_ids(by_address)} by address; "
            "write a pattern that ends in ':name', or expect = \"silence\""
        )
    if all(cell.expectation.expected == expect for cell in named):
        return (
            f"the physics says {str(expect)!r} of {_ids([c.id for c in named])} already; write "
            "another value, or remove the override"
        )
    return ""


def _ids(found: Sequence[str]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
