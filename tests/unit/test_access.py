"""What could cut our own way to a host, and the site's key for its default route."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from matrix.access import Access, cuts
from matrix.errors import ConfigError
from matrix.record import LinkFact
from matrix.site import read_site
from matrix.topology import Container

TEXT = (Path(__file__).parents[2] / "sites" / "lab.toml").read_text()
SITE = read_site(TEXT, name="lab.toml")
HOST = SITE.hosts[0]
BRIDGE, VLAN = SITE.scenarios
OVER_NIC = Access("192.168.2.9", "192.168.2.210", "enp0s5", "", ("enp0s5",))


def link(name: str, *addresses: str) -> LinkFact:
    """A link with these addresses."""
    return LinkFact(name, "vlan", "02:00:00:00:00:01", 1500, "UP", 0, addresses=addresses)


def test_what_the_article_builds_cuts_nothing() -> None:
    """Over the NIC, over a gateway behind it, over no network, over an unknown way."""
    for access in (
        OVER_NIC,
        replace(OVER_NIC, client="10.0.0.1", gateway="192.168.2.1"),
        replace(OVER_NIC, client="fd00::7", server="fd00::1"),
        Access(),
        Access(unknown="no process that started us has SSH_CONNECTION"),
    ):
        for scenario in (BRIDGE, VLAN):
            assert list(cuts(HOST, scenario, access, [link("enp0s5")])) == []


@pytest.mark.parametrize(
    ("access", "words"),
    [
        (OVER_NIC, "passthru on enp0s5 makes the host deaf there"),
        (
            # A bridge carries our connection, and the NIC is a port of it.
            replace(OVER_NIC, link="br0", links=("br0", "enp0s5")),
            "our SSH connection from 192.168.2.9 comes by it",
        ),
        (Access(unknown="it comes from the host itself"), "cannot be told: it comes from the host"),
    ],
)
def test_passthru_on_our_way_is_refused(access: Access, words: str) -> None:
    """A deaf NIC is a lost host."""
    (said,) = cuts(HOST, replace(BRIDGE, mode="passthru"), access, [])
    assert words in said


def test_passthru_elsewhere_is_not() -> None:
    """On a NIC that carries something else, or where there is no container to make it deaf."""
    deaf = replace(BRIDGE, mode="passthru")
    assert list(cuts(HOST, deaf, replace(OVER_NIC, link="eth9", links=("eth9",)), [])) == []
    assert list(cuts(HOST, replace(deaf, containers=()), OVER_NIC, [])) == []


def test_an_address_on_our_way_is_refused_unless_it_is_there() -> None:
    """A site may name the VLAN that carries our connection."""
    access = Access("192.168.200.77", "192.168.200.10", "enp0s5.200", "", ("enp0s5", "enp0s5.200"))
    (said,) = cuts(HOST, VLAN, access, [link("enp0s5.200")])
    assert "192.168.200.10/24 would be one more address on it" in said
    assert list(cuts(HOST, VLAN, access, [link("enp0s5.200", "192.168.200.10/24")])) == []


def test_a_route_that_would_swallow_us_is_refused() -> None:
    """The new address brings a route to its subnet, and we are in there."""
    (said,) = cuts(HOST, VLAN, replace(OVER_NIC, client="192.168.200.77"), [])
    assert "would bring a route to 192.168.200.0/24" in said
    assert "no more by enp0s5" in said


@pytest.mark.parametrize("address", ["192.168.2.9", "192.168.2.210"])
def test_a_container_with_an_address_of_our_way_is_refused(address: str) -> None:
    """Neither the host's address that we come to, nor ours."""
    container = Container("c1", HOST.name, IPv4Address(address))
    (said,) = cuts(HOST, replace(BRIDGE, containers=(container,)), OVER_NIC, [])
    assert f"address {address}" in said


def test_a_site_may_ask_for_the_default_route() -> None:
    """As the article has it, by the VLAN's gateway."""
    text = TEXT.replace("vlan = 200\n", "vlan = 200\nreplace_default_route = true\n")
    found = read_site(text, name="x.toml")
    assert [s.replace_default_route for s in found.scenarios] == [False, True]
    assert found.scenarios[1].address_of(HOST.name) == IPv4Interface("192.168.200.10/24")


ASKED = TEXT.replace("vlan = 200\n", "vlan = 200\nreplace_default_route = true\n")


def another_vlan(text: str) -> str:
    """The site with its VLAN scenario once more, under other names."""
    second = text[text.index('[[scenario]]\nname = "vlan"') :]
    for old, new in (
        ('"vlan"', '"other"'),
        ("macvlan200", "macvlan201"),
        ("vlan = 200", "vlan = 201"),
        ("192.168.200.", "192.168.201."),
        *((f"\nc{number} =", f"\nd{number} =") for number in "5678"),
    ):
        second = second.replace(old, new)
    return text + second


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            TEXT.replace('"macnet"\n', '"macnet"\nreplace_default_route = true\n'),
            "x.toml:24: scenario[0].replace_default_route: is for a scenario with a VLAN",
        ),
        (
            ASKED.replace('dev-node-01 = "192.168.200.11"\n', ""),
            "replace_default_route: dev-node-01 has no address in this scenario",
        ),
        (another_vlan(ASKED), "scenario 'vlan' replaces the default route already"),
        (ASKED.replace("route = true", "route = 1"), "1 is wrong; write replace_default_route"),
    ],
    ids=["no VLAN", "no address", "two", "no boolean"],
)
def test_a_default_route_that_cannot_be_is_said(text: str, words: str) -> None:
    """With the line, what is wrong, and what to write."""
    with pytest.raises(ConfigError) as caught:
        read_site(text, name="x.toml")
    assert words in str(caught.value), str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
