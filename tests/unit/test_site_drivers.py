"""Site files with other drivers: what does not go together is said where it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from matrix.errors import ConfigError
from matrix.site import read_site
from tests.unit.sample_nat import (
    SITE,
    TOPOLOGY,
)

GOOD = SITE.read_text()


MISTAKES = {
    "overlay": ('driver = "bridge"', 'driver = "overlay"', "needs a swarm"),
    "a driver that is none": ('driver = "bridge"', 'driver = "brigde"', 'write driver = "macvlan"'),
    "a mode of another": ('mode = "l2"', 'mode = "vepa"', 'write mode = "l2"'),
    "a mode of a bridge": ('driver = "bridge"', 'driver = "bridge"\nmode = "bridge"', "has no mode"),
    "l2 of macvlan": ('name = "macvlan"', 'name = "macvlan"\nmode = "l2"', "no mode of driver macvlan"),
    "a VLAN": ('mode = "l2"', 'mode = "l2"\nvlan = 200', "is for driver macvlan"),
    "no subnet": ('dev-node-01 = "172.30.2.0/24"\n', "", "no subnet for dev-node-01"),
    "the LAN's subnet": ("172.30.2.0/24", "192.168.2.0/25", "overlaps 192.168.2.0/24"),
    "one subnet twice": ("172.30.2.0/24", "172.30.1.0/25", "overlaps 172.30.1.0/24"),
    "outside its subnet": ('n3 = "172.30.2.2"', 'n3 = "172.30.1.9"', "outside the subnet"),
    "the bridge's address": ('n3 = "172.30.2.2"', 'n3 = "172.30.2.1"', "the bridge of 'dev-node-01'"),
    "a host that is none": ('dev-node-01 = "172.30', 'dev-nod-01 = "172.30', "no host of this site"),
    "subnets without a bridge": ('driver = "bridge"\n', "", "is for driver bridge"),
    "isolation": ("[timing]", "[isolation]\n[timing]", "make two site files"),
    "other probes": ("[timing]", '[probes]\nask = ["icmp", "tcp"]\n[timing]', "by echo alone"),
    "a port that reflects": (
        'address = "192.168.2.211/24"', 'address = "192.168.2.211/24"\nhairpin = true', "of our rules",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_what_does_not_go_together(name: str) -> None:
    """One clear line, at the line of the key that is at fault."""
    old, new, words = MISTAKES[name]
    assert old in GOOD
    with pytest.raises(ConfigError) as error:
        read_site(GOOD.replace(old, new, 1), name="s.toml")
    lines = [line for line in str(error.value).splitlines() if words in line]
    assert lines, error.value
    assert all(line.startswith("s.toml:") for line in lines)


def test_sites_of_contrast_are_the_same_but_for_their_world() -> None:
    """The lab's and Vagrant's ask the same cells."""
    other = SITE.with_name("vagrant-contrast.toml")
    assert Path(other).exists()
    theirs = read_site(other.read_text(), name=other.name)
    assert [s.name for s in theirs.scenarios] == [s.name for s in TOPOLOGY.scenarios]
    assert [c for s in theirs.scenarios for c in s.containers] == [
        c for s in TOPOLOGY.scenarios for c in s.containers
    ]
