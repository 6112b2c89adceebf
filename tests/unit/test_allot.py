"""Containers by the dozen: their names and addresses, and what is wrong with a range."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrix.errors import ConfigError
from matrix.site import read_site
from matrix.topology import Topology

HEAD = """
[[host]]
name = "one"
parent = "eth1"
address = "10.0.0.33/24"

[[host]]
name = "two"
parent = "eth1"
address = "10.0.0.3/24"

[[scenario]]
name = "plain"
network = "net1"
subnet = "10.0.0.0/24"
gateway = "10.0.0.1"
"""
ONE = "[scenario.allot.one]\nrange = {one!r}\ncontainers = {n}\n"
TWO = '[scenario.allot.two]\nrange = {two!r}\ncontainers = 2\nprefix = "web"\n'


def site(
    one: str = "10.0.0.32/29", two: str = "10.0.0.64/29", n: int = 3, more: str = ""
) -> Topology:
    """A site of two hosts with these ranges."""
    return read_site(HEAD + more + ONE.format(one=one, n=n) + TWO.format(two=two), name="s.toml")


def test_names_and_addresses_are_allotted_in_order() -> None:
    """From the beginning of the range; the host's own address, and a container's, are passed over."""
    written = '[scenario.containers.two]\nmine = "10.0.0.64"\n'
    found = site(more=written).scenarios[0].containers
    assert [(c.host, c.name, str(c.address)) for c in found] == [
        ("one", "plain-one-1", "10.0.0.32"),
        ("one", "plain-one-2", "10.0.0.34"),
        ("one", "plain-one-3", "10.0.0.35"),
        ("two", "mine", "10.0.0.64"),
        ("two", "web1", "10.0.0.65"),
        ("two", "web2", "10.0.0.66"),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"two": "10.0.0.32/28"}, "s.toml:21: scenario[0].allot.two.range: 10.0.0.32/28 overlaps"),
        ({"one": "10.9.0.0/29"}, "10.9.0.0/29 is not inside the subnet 10.0.0.0/24"),
        ({"n": 8}, "s.toml:18: scenario[0].allot.one.range: 10.0.0.32/29 has 7 free addresses, not 8"),
        ({"n": 0}, "s.toml:19: scenario[0].allot.one.containers: 0 is wrong"),
        ({"one": "10.0.0.33/29"}, "s.toml:18: scenario[0].allot.one.range: '10.0.0.33/29' is wrong"),
        ({"more": '[scenario.allot.six]\nrange = "10.0.0.128/29"\ncontainers = 1\n'},
         "'six' is no host of this site"),
    ],
)  # fmt: skip
def test_a_wrong_range_is_said_with_its_line(change: dict[str, Any], said: str) -> None:
    """What is wrong, and what to write."""
    with pytest.raises(ConfigError) as error:
        site(**change)
    assert said in str(error.value)


@given(st.integers(0, 24), st.integers(24, 30), st.integers(1, 60))
def test_no_address_is_given_twice(step: int, length: int, n: int) -> None:
    """Whatever the ranges: either a complaint, or as many containers as wanted, all of their own."""
    one = IPv4Network((int(IPv4Address("10.0.0.0")) + (step << (32 - length)), length))
    try:
        found = site(one=str(one), n=n).scenarios[0]
    except ConfigError:
        return
    addresses = [c.address for c in found.containers]
    assert len(addresses) == n + 2 == len(set(addresses))
    assert {IPv4Address("10.0.0.1"), IPv4Address("10.0.0.33"), IPv4Address("10.0.0.3")}.isdisjoint(
        addresses
    )
    assert all(c.address in one for c in found.containers if c.host == "one")
