"""No deadline by the time of day: a clock that is set meanwhile must neither end nor stall a run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOW = {
    "time.time",
    "time.time_ns",
    "datetime.now",
    "datetime.utcnow",
    "date.today",
    "datetime.today",
}


def reckoned(source: str) -> list[str]:
    """Where the time of day is compared, or something is taken from it: what makes a deadline."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if (
            isinstance(node, ast.Compare)
            or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub))
        )
        and any(
            isinstance(part, ast.Call) and ast.unparse(part.func) in NOW for part in ast.walk(node)
        )
    ]


@pytest.mark.parametrize("room", ["fixtures", "matrix", "reports"])
def test_nothing_is_reckoned_by_the_time_of_day(room: str) -> None:
    """It is for people to read; what waits asks ``time.monotonic``."""
    sources = sorted((ROOT / room).rglob("*.py"))
    assert sources
    found = {
        str(path.relative_to(ROOT)): words
        for path in sources
        if "time" in (text := path.read_text()) and (words := reckoned(text))
    }
    assert not found


def test_a_deadline_by_the_time_of_day_is_seen() -> None:
    """So that the test above can fail."""
    assert reckoned("while time.time() < end: pass")
    assert reckoned("took = (datetime.now(UTC) - began).total_seconds()")
    assert not reckoned("while time.monotonic() < end: began = datetime.now(UTC)")
