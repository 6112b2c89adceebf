"""The plan: which cells there are, what is expected of them, and which prove their silence."""

from __future__ import annotations

import csv
from datetime import date
from io import StringIO
from pathlib import Path

import pytest

from matrix.overrides import expired
from matrix.plan import ENOUGH, controls, plan
from matrix.probes import Cell, Expected
from matrix.site import read_site
from tests.unit.sample_run import big_site

SITES = Path(__file__).parents[2] / "sites"
CELLS = plan(read_site((SITES / "lab.toml").read_text(), name="lab.toml"))
BY_ID = {cell.id: cell for cell in CELLS}

# The pings of the article that this project began with, in the order it made them, with what it
# saw (reply TTLs of 255 aside: its hypervisor's).
ARTICLE = """\
bridge,c1,gateway,address,reply
bridge,c1,c1,name,reply
bridge,c1,c1,address,reply
bridge,c1,c3,address,reply
bridge,c1,c3,name,no-such-name
bridge,dev-master-01,c1,address,silence
bridge,dev-master-01,c3,address,reply
bridge,c2,dev-node-01,address,reply
vlan,c5,gateway,address,silence
vlan,c5,dev-master-01,address,silence
vlan,c5,dev-node-01,address,reply
vlan,c5,c5,address,reply
vlan,c5,c7,address,reply
vlan,c5,c6,name,reply
vlan,c5,c7,name,no-such-name
vlan,dev-master-01,c5,address,silence
vlan,dev-master-01,c7,address,reply
"""


@pytest.mark.parametrize("row", list(csv.reader(StringIO(ARTICLE))), ids=",".join)
def test_the_article_s_pings_are_cells_and_expected_as_seen(row: list[str]) -> None:
    """Each ping of the article is a cell, and the rules expect what the article saw."""
    scenario, source, target, by, expected = row
    assert BY_ID[f"{scenario}:{source}:{target}:{by}"].expectation.expected == expected


def test_the_matrix_is_whole() -> None:
    """Everybody asks everybody: containers 28 by address and 16 by name, hosts 12, a scenario."""
    for scenario in ("bridge", "vlan"):
        mine = [c for c in CELLS if c.scenario == scenario]
        assert len(mine) == 28 + 16 + 12
        pairs = {(c.source.name, c.target.name) for c in mine if c.by == "address"}
        names = {c.source.name for c in mine}
        assert pairs == {
            (s, t) for s in names for t in (*names, "gateway") if s != t or s.startswith("c")
        }


def test_ids_are_unique_and_safe_to_paste() -> None:
    """An id names one cell, and holds nothing that a shell would act on."""
    assert len(BY_ID) == len(CELLS)
    assert not any(set(cell_id) & set(" '\"$`\\|&;<>()*?!~#") for cell_id in BY_ID)


def test_every_expectation_has_its_reason_and_silence_its_remedy() -> None:
    """No cell is without a because; what is blocked by design says what opens it."""
    for cell in CELLS:
        assert cell.expectation.because
        assert "{" not in cell.expectation.because + cell.expectation.remedy
        if cell.expectation.expected is not Expected.REPLY:
            assert cell.expectation.remedy, cell.id


def test_a_present_gateway_must_answer() -> None:
    """The same site with a router on the VLAN expects a reply from it, and nothing else changes."""
    other = plan(read_site((SITES / "lab-vlan-gateway.toml").read_text(), name="x"))
    changed = [
        (old.id, new.expectation.expected)
        for old, new in zip(CELLS, other, strict=True)
        if old.expectation.expected != new.expectation.expected
    ]
    assert changed == [
        (f"vlan:{who}:gateway:address", Expected.REPLY)
        for who in ("c5", "c6", "c7", "c8", "dev-master-01", "dev-node-01")
    ]


def test_a_negative_cell_brings_its_controls_along() -> None:
    """For c1 -> own host: replies over the wire from c1, and replies of that host to others."""
    found = controls(CELLS, ["bridge:c1:dev-master-01:address"])
    assert found == {
        "bridge:c1:c3:address",
        "bridge:c1:c4:address",
        "bridge:c1:dev-node-01:address",
        "bridge:c1:gateway:address",
        "bridge:c3:dev-master-01:address",
        "bridge:c4:dev-master-01:address",
        "bridge:dev-node-01:dev-master-01:address",
    }


def test_a_sibling_proves_nothing_about_the_wire() -> None:
    """With the cable pulled a sibling still answers, so it is no control of a wire's silence."""
    found = controls(CELLS, ["vlan:c5:gateway:address"])
    assert "vlan:c5:c6:address" not in found
    assert "vlan:c5:c5:address" not in found
    assert "vlan:c5:c7:address" in found


def test_a_positive_cell_needs_no_control() -> None:
    """A reply proves itself."""
    assert not controls(CELLS, ["bridge:c1:c3:address"])


def test_a_few_controls_are_enough_and_come_from_every_host() -> None:
    """On a big site a negative cell brings four controls a proof, not every cell that could be."""
    cells = plan(read_site(big_site(40), name="x"))
    by_id = {cell.id: cell for cell in cells}
    found = controls(cells, ["bridge:production-web-frontend-000:machine-0:address"])
    from_it = [by_id[c] for c in found if by_id[c].source.name == "production-web-frontend-000"]
    to_it = [by_id[c] for c in found if by_id[c].target.name == "machine-0"]
    assert len(found) == len(from_it) + len(to_it)
    assert 2 * ENOUGH >= len(found) >= ENOUGH
    assert {c.target.host for c in from_it} == {"machine-1", "machine-2", "machine-3", ""}
    assert {c.source.host for c in to_it} == {"machine-1", "machine-2", "machine-3"}


def test_selected_cells_are_controls_themselves() -> None:
    """What is selected anyway need not be brought along: of the whole plan nothing is missing."""
    assert not controls(CELLS, BY_ID)
    negative, others = "bridge:c1:dev-master-01:address", ("c3", "c4", "dev-node-01", "gateway")
    found = controls(CELLS, [negative, *(f"bridge:c1:{other}:address" for other in others)])
    assert found
    assert not any(c.startswith("bridge:c1:") for c in found)


def cell(cell_id: str) -> Cell:
    """One cell of the plan."""
    return BY_ID[cell_id]


def test_relations_are_seen_from_the_source() -> None:
    """The same container is a sibling, a remote and an own container, by who asks."""
    assert cell("bridge:c2:c1:address").relation == "sibling"
    assert cell("bridge:c3:c1:address").relation == "remote container"
    assert cell("bridge:dev-master-01:c1:address").relation == "own container"
    assert cell("bridge:dev-node-01:c1:address").relation == "remote container"
    assert cell("bridge:c1:dev-node-01:address").relation == "other host"


OWN_HOST = "bridge:c1:dev-master-01:address"
REMOTE = "bridge:c1:c3:address"
DAY = date(2026, 12, 31)


def with_overrides(*overrides: tuple[str, str], today: date = DAY) -> dict[str, Cell]:
    """The lab's plan on a day, with an override until 2026-12-31 for each (cells, expect)."""
    text = (SITES / "lab.toml").read_text()
    for number, (cells, expect) in enumerate(overrides, 1):
        text += f'\n[[override]]\ncells = "{cells}"\nexpect = "{expect}"\n'
        text += f'ticket = "NET-{number}"\nuntil = 2026-12-31\nbecause = "so it is"\n'
    return {cell.id: cell for cell in plan(read_site(text, name="x"), today)}


def test_an_override_in_force_changes_the_expectation_and_keeps_the_physics() -> None:
    """On its last day it still holds; nobody else's expectation changes."""
    found = with_overrides((OWN_HOST, "reply"))
    cell = found[OWN_HOST]
    assert cell.expectation.expected is Expected.REPLY
    assert cell.expectation.ttl == 64
    assert "NET-1 says so until 2026-12-31: so it is" in cell.expectation.because
    assert cell.physics == BY_ID[OWN_HOST].expectation
    assert [i for i in found if found[i] != BY_ID[i]] == [OWN_HOST]


def test_an_expired_override_leaves_the_physics_and_is_trouble() -> None:
    """The day after, the physics decides again, and the run says what is to be done."""
    found = with_overrides((OWN_HOST, "reply"), today=date(2027, 1, 1))
    cell = found[OWN_HOST]
    assert cell.expectation == BY_ID[OWN_HOST].expectation
    assert cell.overridden is not None
    assert not cell.overridden.in_force
    (words,) = expired(found.values(), "s.toml")
    assert words.startswith("override NET-1 (s.toml:56) expired on 2026-12-31: its cell is")
    assert not expired(with_overrides((OWN_HOST, "reply")).values(), "s.toml")
    assert not expired([c for c in found.values() if c.id != OWN_HOST], "s.toml")


def test_a_pattern_overrides_every_cell_that_it_changes() -> None:
    """What the physics expects anyway is not noted as overridden."""
    found = with_overrides(("bridge:*:dev-master-01:address", "reply"))
    changed = [cell.id for cell in found.values() if cell.overridden]
    assert changed == [OWN_HOST, "bridge:c2:dev-master-01:address"]


def test_without_a_day_overrides_cannot_be_planned() -> None:
    """Whether an override is in force is never guessed."""
    text = (SITES / "lab.toml").read_text() + (
        f'\n[[override]]\ncells = "{OWN_HOST}"\nexpect = "reply"\nticket = "N"\n'
        "until = 2026-12-31\n"
    )
    with pytest.raises(ValueError, match="day of the run"):
        plan(read_site(text, name="x"))


def test_a_reply_against_the_physics_is_no_control() -> None:
    """A gateway that should not be there, and answers by override, proves nothing for others."""
    gateway = "vlan:c5:gateway:address"
    found = with_overrides((gateway, "reply"))
    assert found[gateway].expectation.expected is Expected.REPLY
    brought = controls(found.values(), ["vlan:c5:dev-master-01:address"])
    assert "vlan:c5:c7:address" in brought
    assert gateway not in brought
    names = with_overrides(("bridge:c1:c3:name", "reply"))
    assert "bridge:c1:c3:name" not in controls(names.values(), ["bridge:c1:c4:name"])


def test_a_reply_overridden_away_is_no_control_and_has_its_own() -> None:
    """Silence by override needs its proof like any other silence, from others than itself."""
    found = with_overrides((REMOTE, "silence"))
    assert REMOTE not in controls(found.values(), [OWN_HOST])
    assert found[REMOTE].expectation.remedy.startswith("mend what NET-1 is about")
    brought = controls(found.values(), [REMOTE])
    assert {"bridge:c1:c4:address", "bridge:dev-master-01:c3:address"} <= brought
    assert "bridge:c4:c3:address" not in brought  # a sibling's


def test_a_gateway_that_one_does_not_reach_must_answer_others() -> None:
    """Declared present and overridden for one source: the others vouch for it."""
    found = with_overrides(("bridge:c1:gateway:address", "silence"))
    assert "bridge:c3:gateway:address" in controls(found.values(), ["bridge:c1:gateway:address"])
