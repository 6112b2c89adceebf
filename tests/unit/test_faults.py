"""The catalogue of the lab's faults: every line can be carried out and taken back, and is documented."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fixtures.lab import programs
from fixtures.lab.faults import CATALOGUE, Fault, places
from fixtures.lab.faults.catalogue import find, page
from fixtures.lab.faults.effects import EFFECTS
from fixtures.lab.faults.fault import OPTIONS, choices
from fixtures.lab.programs import FAULT_PACKAGES, PACKAGES
from matrix.errors import ConfigError, WorldError
from matrix.plan import plan
from matrix.site import read_site

ROOT = Path(__file__).parents[2]
CELLS = plan(read_site((ROOT / "sites" / "lab.toml").read_text(), name="lab.toml"))
EACH = pytest.mark.parametrize("fault", CATALOGUE.values(), ids=lambda f: f.name)
NAME = re.compile(r"(?<!\$)\$([a-z_]+)")


def test_the_page_is_as_the_faults_are() -> None:
    """docs/faults.md is what ``python -m fixtures.lab faults --markdown`` prints."""
    assert (ROOT / "docs" / "faults.md").read_text() == page()


@EACH
def test_every_name_in_a_line_has_a_value(fault: Fault) -> None:
    """A line names what ``places`` explains, its options, or ``$old`` in the undo of a step with one."""
    known = set(NAME.findall(places.__doc__ or ""))
    known |= {option.replace("-", "_") for option in fault.options}
    for step in fault.steps:
        for line in step.lines():
            extra = {"old"} if step.old and line == step.undo else set()
            assert set(NAME.findall(line)) <= known | extra
            assert shlex.split(line)
    for default in fault.options.values():
        assert set(NAME.findall(default)) <= known


@EACH
def test_every_step_can_be_taken_back(fault: Fault) -> None:
    """A step without an undo is about the fault's own machine, which an earlier step's undo removes."""
    for number, step in enumerate(fault.steps):
        if not step.undo:
            assert "$machine" in step.do or "$plug" in step.do
            assert any("$machine" in s.undo or "$plug" in s.undo for s in fault.steps[:number])


@EACH
def test_every_program_has_a_package(fault: Fault) -> None:
    """Where a program is missing, the message names what to install."""
    assert set(fault.programs()) <= {*PACKAGES, *FAULT_PACKAGES}


def test_a_missing_program_is_named_with_its_package(tmp_path: Path) -> None:
    """The lab itself needs no nft, so no check at its start names it."""
    with pytest.raises(WorldError) as caught:
        programs.find("nft", str(tmp_path))
    assert str(caught.value) == "the lab needs the program 'nft'\n  -> apt install nftables"


@EACH
def test_every_option_is_one(fault: Fault) -> None:
    """A default that is a value passes the check that a person's value has to pass."""
    for name, default in fault.options.items():
        assert name in OPTIONS
        if default and "$" not in default:
            assert choices(fault, {name: default})[name] == default


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("vlan-missing", {"vlan": "0"}, "--vlan takes a number from 1 to 4094, not '0'"),
        ("vlan-missing", {"vlan": "-1"}, "--vlan takes a number from 1 to 4094, not '-1'"),
        ("mtu-small", {"mtu": "1500"}, "--mtu takes a number from 68 to 1499, not '1500'"),
        ("address-taken", {"address": "10.0.0.0/8"}, "--address takes an IPv4 address"),
        ("gateway-gone", {"host": "x"}, "gateway-gone has no option --host; it has: none"),
        ("loss", {"vlan": "1"}, "loss has no option --vlan; it has: --host, --percent"),
    ],
)
def test_a_bad_choice_is_refused(name: str, options: dict[str, str], words: str) -> None:
    """In one sentence that says what would do."""
    with pytest.raises(ConfigError) as caught:
        choices(find(name), options)
    assert words in str(caught.value)


@EACH
def test_every_fault_has_an_effect(fault: Fault) -> None:
    """What it does to the matrix is written down, about cells that there are, and it is named."""
    effect = EFFECTS[fault.name]
    assert effect.causes
    for change in effect.changes:
        found = [cell for cell in CELLS if change.matches(cell.id)]
        assert found, change
        for cell in found:
            healthy = "PASS" if cell.expectation.expected == "reply" else "BLOCKED"
            assert healthy not in change.to
