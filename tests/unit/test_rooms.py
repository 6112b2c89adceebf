"""The house's own rule: which room may import which. Walked from the source, nothing is run."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("matrix", "fixtures", "reports")
MAY_IMPORT = {
    "matrix": {"matrix"},
    "reports": {"reports", "matrix"},
    "fixtures": {"fixtures", "matrix"},
}
# What a pure room may use of the standard library is a list of what does no I/O and has no clock.
IMPURE = {
    "asyncio", "ctypes", "datetime", "fcntl", "http", "io", "multiprocessing", "os", "pathlib",
    "random", "secrets", "select", "shutil", "signal", "socket", "ssl", "subprocess", "tempfile",
    "threading", "time", "urllib",
}  # fmt: skip

TESTS = {"test_matrix.py", "test_lifecycle.py"}
"""The parametrized tests of the core."""

CLOCKS = {"today", "now", "utcnow", "fromtimestamp"}


def _sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def _values_of_time(path: Path) -> set[str]:
    """``{"datetime"}`` where of it only the value ``date`` is taken, and never asked for today."""
    tree = ast.parse(path.read_text())
    taken = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "datetime"
        for alias in node.names
    }
    clock = any(isinstance(n, ast.Attribute) and n.attr in CLOCKS for n in ast.walk(tree))
    whole = any(
        isinstance(node, ast.Import) and any(a.name == "datetime" for a in node.names)
        for node in ast.walk(tree)
    )
    return {"datetime"} if taken == {"date"} and not clock and not whole else set()


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_they_may(room: str) -> None:
    """The core imports no other room, reports only matrix, fixtures never reports."""
    sources = _sources(room)
    assert sources
    wrong = {
        (str(path.relative_to(ROOT)), name)
        for path in sources
        for name in _imports(path)
        if name.split(".")[0] in ROOMS and name.split(".")[0] not in MAY_IMPORT[room]
    }
    assert not wrong


def test_the_core_is_pure() -> None:
    """The core does no I/O and has no clock; its parametrized tests alone may know pytest."""
    wrong = {
        (path.name, name)
        for path in _sources("matrix")
        for name in _imports(path) - _values_of_time(path)
        if name.split(".")[0] in IMPURE
        or (name.split(".")[0] == "pytest" and path.name not in TESTS)
    }
    assert not wrong


def test_the_agent_needs_nothing_installed() -> None:
    """What runs on a host uses the standard library and its own package alone."""
    outside = {
        (path.name, name)
        for path in _sources("fixtures/agent")
        for name in _imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names
    }
    assert not outside


def test_one_file_of_the_reports_starts_a_program() -> None:
    """A report is a function of run.json: what renders one neither starts programs nor asks them.

    Signing is no rendering, and touches no host: it has a file of its own, which only the commands
    that sign and verify import.
    """
    by_path = {str(path.relative_to(ROOT)): _imports(path) for path in _sources("reports")}
    starts = {path for path, names in by_path.items() if names & {"subprocess", "multiprocessing"}}
    assert starts == {"reports/ssh_keygen.py"}
    asks = {path for path, names in by_path.items() if "reports.ssh_keygen" in names}
    assert asks == {"reports/commands/seal.py", "reports/commands/verify.py"}


def test_no_drawers() -> None:
    """No file or folder is named for leftovers."""
    drawers = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
    named = {path for room in (*ROOMS, "tests") for path in _sources(room) if path.stem in drawers}
    assert not named


def test_the_conftest_is_one_statement() -> None:
    """conftest.py registers the plugins and does nothing else."""
    body = ast.parse((ROOT / "conftest.py").read_text()).body
    assert [type(node) for node in body] == [ast.Expr, ast.Assign]
