"""Reading a site file: what is right becomes a topology, what is wrong is all said at once."""

from __future__ import annotations

from datetime import date
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from matrix.errors import ConfigError
from matrix.site import read_site
from matrix.topology import Container, Override

SITES = Path(__file__).parents[2] / "sites"

GOOD = """\
[[host]]
name = "h1"
parent = "eth1"
address = "10.0.0.1/24"

[[host]]
name = "h2"
parent = "eth1"
address = "10.0.0.2/24"

[[scenario]]
name = "bridge"
network = "macnet"
subnet = "10.0.0.0/24"
gateway = "10.0.0.254"
[scenario.containers.h1]
c1 = "10.0.0.11"
[scenario.containers.h2]
c2 = "10.0.0.12"

[[scenario]]
name = "vlan"
network = "macvlan200"
vlan = 200
subnet = "10.0.200.0/24"
gateway = "10.0.200.254"
gateway_present = false
[scenario.host_addresses]
h1 = "10.0.200.1"
[scenario.containers.h1]
c3 = "10.0.200.11"
"""

VLAN = '[[scenario]]\nname = "vlan"'
_MORE = '[[scenario]]\nname = "p"\nnetwork = "pp"\nsubnet = "10.0.0.0/24"\ngateway = "10.0.0.254"\n'
P_THRU = f'{_MORE}mode = "passthru"\n[scenario.containers.h1]\nx1 = "10.0.0.30"\nx2 = "10.0.0.31"\n{VLAN}'
TWICE = f'{_MORE}[scenario.containers.h1]\nx1 = "10.0.0.11"\n{VLAN}'


def faults(text: str) -> list[str]:
    """The lines that reading this site says."""
    with pytest.raises(ConfigError) as caught:
        read_site(text, name="s.toml")
    return str(caught.value).splitlines()


def test_a_good_site_becomes_a_topology() -> None:
    """Hosts, scenarios and addresses come out as declared, with the defaults filled in."""
    site = read_site(GOOD, name="s.toml")
    bridge, vlan = site.scenarios
    assert [h.name for h in site.hosts] == ["h1", "h2"]
    assert bridge.containers == (
        Container("c1", "h1", IPv4Address("10.0.0.11")),
        Container("c2", "h2", IPv4Address("10.0.0.12")),
    )
    assert bridge.address_of("h2") == IPv4Interface("10.0.0.2/24")
    assert bridge.parent_on(site.host("h1")) == "eth1"
    assert bridge.segment.gateway_present
    assert vlan.parent_on(site.host("h1")) == "eth1.200"
    assert vlan.address_of("h1") == IPv4Interface("10.0.200.1/24")
    assert vlan.address_of("h2") is None
    assert (bridge.kind, vlan.kind) == ("bridge", "vlan")
    assert site.timing.echoes == 3


@pytest.mark.parametrize("path", sorted(SITES.glob("*.toml")), ids=lambda p: p.name)
def test_the_examples_are_good(path: Path) -> None:
    """Every example site in the repository reads without a fault."""
    assert read_site(path.read_text(), name=path.name).scenarios


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('subnet = "10.0.0.0/24"', 'subnet = "10.0.0.1/24"', "s.toml:14: scenario[0].subnet: "),
        ("vlan = 200", "vlan = 4095", "s.toml:24: scenario[1].vlan: 4095 is wrong"),
        ("vlan = 200", "vlan = 0", "s.toml:24: scenario[1].vlan: 0 is wrong"),
        ("vlan = 200", 'vlan = "200"', "s.toml:24: scenario[1].vlan: '200' is wrong"),
        ("vlan = 200\n", 'mode = "brigde"\n', "s.toml:24: scenario[1].mode: 'brigde' is wrong"),
        ('subnet = "10.0.200.0/24"', 'subnet = "10.0.0.0/24"', "overlaps 10.0.0.0/24 of scenario"),
        (VLAN, P_THRU, "passthru takes one container a host, here are 2"),
        (VLAN, TWICE, "is the address of container 'c1' of scenario 'bridge'"),
        ('c1 = "10.0.0.11"', 'c1 = "10.0.1.11"', "s.toml:17: scenario[0].containers.h1.c1: 10.0."),
        ('c1 = "10.0.0.11"', 'c1 = "10.0.0.2"', "is the address of host 'h2' already"),
        ('c1 = "10.0.0.11"', 'c1 = "10.0.0.254"', "is the address of the gateway already"),
        ('c1 = "10.0.0.11"', 'c1 = "10.0.0.255"', "is the network or broadcast address"),
        ('c2 = "10.0.0.12"', 'c2 = "10.0.0.11"', "is the address of container 'c1' already"),
        ('c2 = "10.0.0.12"', 'c1 = "10.0.0.12"', "'c1' is taken already (a container)"),
        ('c2 = "10.0.0.12"', 'h1 = "10.0.0.12"', "'h1' is taken already (a host)"),
        ('c2 = "10.0.0.12"', 'gateway = "10.0.0.12"', "'gateway' is taken already"),
        ('network = "macvlan200"', 'network = "macnet"', "'macnet' is taken already"),
        ('subnet = "10.0.200.0/24"', 'subnet = "10.0.0.0/16"', "10.0.0.0/16 overlaps 10.0.0.0/24"),
        ('parent = "eth1"', 'parent = "enx001122334455"', "has 19 characters"),
        ('network = "macnet"', 'netwrk = "macnet"', "s.toml:13: scenario[0].netwrk: unknown key"),
        ('network = "macnet"', 'netwrk = "macnet"', "did you mean 'network'?"),
        ('name = "h1"', 'name = "-oProxyCommand=x"', "is wrong; write a name of letters"),
        ("[scenario.containers.h2]", "[scenario.containers.h3]", "'h3' is no host of this site"),
        ("gateway_present = false", 'gateway_present = "no"', "'no' is wrong; write gateway_pres"),
        ('parent = "eth1"\naddress = "10.0.0.2/24"', 'address = "10.0.0.2/24"',
         "s.toml:6: host[1].parent: is missing"),
    ],
)  # fmt: skip
def test_a_fault_is_said_with_its_line_and_what_to_write(old: str, new: str, said: str) -> None:
    """One thing wrong gives a line that names file, line, key and what to write."""
    assert old in GOOD
    found = faults(GOOD.replace(old, new, 1))
    assert any(said in line for line in found), found


OVERRIDE = """
[[override]]
cells = "bridge:*:h1:address"
expect = "reply"
ticket = "NET-123"
until = 2026-12-31
because = "the switch reflects"
"""


def test_an_override_is_read_with_its_line() -> None:
    """Cells, expectation, ticket, last day, reason, and where it stands."""
    site = read_site(GOOD + OVERRIDE, name="s.toml")
    line = GOOD.count("\n") + 2
    assert site.overrides == (
        Override(
            "bridge:*:h1:address",
            "reply",
            "NET-123",
            date(2026, 12, 31),
            "the switch reflects",
            line,
        ),
    )


SECOND = """[[override]]
cells = "bridge:c1:h*:address"
expect = "reply"
ticket = "NET-9"
until = 2026-12-31
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"bridge:*:h1:address"', '"bridge:c1:h11:address"',
         "'bridge:c1:h11:address' names no cell of this site; the closest are bridge:c1:h1:addr"),
        ('"bridge:*:h1:address"', '"x"', "s.toml:34: override[0].cells: 'x' names no cell of"),
        ('"bridge:*:h1:address"', '"*:h9:*"', "'*:h9:*' names no cell of this site; the closest"),
        ('"reply"', '"no-such-name"', "s.toml:35: override[0].expect: 'no-such-name' is the answer"),
        ('"bridge:*:h1:address"', '"bridge:c1:c2:address"',
         "s.toml:35: override[0].expect: the physics says 'reply' of bridge:c1:c2:address already"),
        ('"reply"', '"maybe"', "s.toml:35: override[0].expect: 'maybe' is wrong; write expect ="),
        ('ticket = "NET-123"\n', "", "s.toml:33: override[0].ticket: is missing"),
        ('"NET-123"', '""', "s.toml:36: override[0].ticket: '' is wrong"),
        ("2026-12-31", '"2026-12-31"', "s.toml:37: override[0].until: '2026-12-31' is wrong"),
        ("2026-12-31", "2026-12-31T00:00:00", "s.toml:37: override[0].until: 2026-12-31 00:00:00"),
        ("until = 2026-12-31\n", "", "s.toml:33: override[0].until: is missing"),
        ("because", "becuase", "did you mean 'because'?"),
        ("because = ", f"{SECOND}because = ",
         "s.toml:39: override[1].cells: bridge:c1:h1:address: named by the override in line 33 al"),
    ],
)  # fmt: skip
def test_a_fault_of_an_override_is_said(old: str, new: str, said: str) -> None:
    """Names nothing, changes nothing, twice on one cell, no ticket, no date: each in one line."""
    assert old in OVERRIDE
    found = faults(GOOD + OVERRIDE.replace(old, new, 1))
    assert any(said in line for line in found), found


def test_faults_of_overrides_are_said_with_the_others() -> None:
    """A clash of addresses does not hide an override that names nothing, nor a wrong date."""
    text = (GOOD + OVERRIDE).replace('c2 = "10.0.0.12"', 'c2 = "10.0.0.11"')
    found = faults(text.replace("*:h1", "*:h7").replace("2026-12-31", "true"))
    assert [line.split(":")[1] for line in found] == ["19", "34", "37"], found


def test_all_faults_are_said_in_one_go() -> None:
    """A wrong type, an unknown key and two clashes: four lines, in the order of the file."""
    text = GOOD.replace("vlan = 200", "vlan = 9000").replace('parent = "eth1"', "parnt = 1", 1)
    text = text.replace('c2 = "10.0.0.12"', 'c2 = "10.0.0.11"').replace('10.0.200.1"', '10.9.9.9"')
    found = faults(text)
    numbers = [int(line.split(":")[1]) for line in found]
    assert numbers == sorted(numbers)
    assert {3, 19, 24, 29} <= set(numbers), found


def test_what_is_no_toml_is_said_with_its_place() -> None:
    """A syntax error names the line."""
    assert "line 1" in faults("[[host]")[0]


def test_a_hostile_key_cannot_write_to_the_terminal() -> None:
    """Control characters in a key come out escaped."""
    found = faults(GOOD + '\n["\\u001b[2J"]\nx = 1\n')
    assert not any("\x1b" in line for line in found)
