"""Which cells may be swept: only those whose answer is all that a sweep can find out."""

from __future__ import annotations

from datetime import date
from typing import cast

import pytest

from fixtures.agent_sweep import can_sweep
from fixtures.host import HostSession
from fixtures.prober import Live, World
from matrix.plan import plan
from matrix.probes import Expected
from matrix.site import read_site
from tests.unit.sample_run import SITE


@pytest.mark.parametrize(("by", "swept"), [("address", True), ("name", False)])
def test_a_silent_name_is_looked_up_and_never_swept(by: str, *, swept: bool) -> None:
    """An override may silence a name: the resolver's answer is a part of that cell."""
    name = f"bridge:c1:c3:{by}"
    text = f'{SITE.read_text()}\n[[override]]\ncells = "{name}"\nexpect = "silence"\n'
    site = read_site(text + 'ticket = "NET-1"\nuntil = 2026-12-31\n', name="x")
    cells = {cell.id: cell for cell in plan(site, date(2026, 12, 31))}
    cell = cells[name]
    assert cell.expectation.expected is Expected.SILENCE
    sessions = cast("dict[str, HostSession]", {host.name: None for host in site.hosts})
    live = {
        (cell.scenario, end.name): Live(end.name, end.host, 1, ("02:00:00:00:00:01",))
        for end in (cell.source, cell.target)
    }
    assert can_sweep(cell, World(site, sessions, live)) is swept
