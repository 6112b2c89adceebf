"""A remedy in the site file flips the cells that it opens, and no others; its clashes are said."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from fixtures.lab.name_server import answer
from fixtures.planning import plan_for_bare_hosts, plan_lines
from matrix.access import Access, cuts
from matrix.diagnose import diagnose
from matrix.errors import ConfigError
from matrix.judge import judge
from matrix.plan import plan
from matrix.probes import By, Expected, Observation, Relation, Resolution
from matrix.record import LinkFact
from matrix.site import read_site
from matrix.topology import Probe, Remedies, Topology
from tests.unit.sample_net import LAB, Net, scene

PATH = Path(__file__).parents[2] / "sites" / "lab-remedies.toml"
TEXT = PATH.read_text()
MASTER, NODE = "dev-master-01", "dev-node-01"
NAMES = {f"{a}:{b}" for a in "12" for b in "34"} | {f"{b}:{a}" for a in "12" for b in "34"}

FLIPPED = {
    *(f"shim:{MASTER}:s{n}:address" for n in (1, 2)),
    *(f"shim:{NODE}:s{n}:address" for n in (3, 4)),
    *(f"add-host:a{p[0]}:a{p[2]}:name" for p in NAMES),
    *(f"lan-dns:d{p[0]}:d{p[2]}:name" for p in NAMES),
}
ADDED = {
    *(f"shim:s{n}:{MASTER}.shim:address" for n in (1, 2)),
    *(f"shim:s{n}:{NODE}.shim:address" for n in (3, 4)),
    *(f"second:b{n}.second:{MASTER}.second:address" for n in (1, 2)),
    *(f"second:{MASTER}.second:b{n}.second:address" for n in (1, 2)),
    *(f"second:b{n}.second:{NODE}.second:address" for n in (3, 4)),
    *(f"second:{NODE}.second:b{n}.second:address" for n in (3, 4)),
}


def _site() -> tuple[Topology, Topology]:
    """The site, and the same without its remedies."""
    site = read_site(TEXT, name=PATH.name)
    bare = tuple(replace(s, remedies=Remedies()) for s in site.scenarios)
    return site, replace(site, scenarios=bare)


def test_exactly_the_cells_that_a_remedy_opens_are_flipped() -> None:
    """Silence becomes a reply there, an address more is asked, and nothing else is another."""
    opened, bare = ({c.id: c for c in plan(site)} for site in _site())
    flipped = {i for i in bare if opened[i].expectation.expected != bare[i].expectation.expected}
    assert flipped == FLIPPED
    assert {bare[i].expectation.expected for i in flipped} == {
        Expected.SILENCE,
        Expected.NO_SUCH_NAME,
    }
    assert set(opened) - set(bare) == ADDED
    assert {opened[i].expectation.expected for i in FLIPPED | ADDED} == {Expected.REPLY}
    for cell in opened.values():
        assert cell.expectation.because
        assert "{" not in cell.expectation.because + cell.expectation.remedy
    beside = opened[f"shim:s1:{MASTER}:address"].expectation
    assert beside.expected is Expected.SILENCE
    assert "192.168.2.250" in beside.remedy


def test_other_probes_ask_nothing_that_a_shim_leaves_open() -> None:
    """By the addresses of a remedy only echoes are asked, and so between a host and its own."""
    site = replace(_site()[0], probes=tuple(Probe))
    for cell in plan(site):
        if cell.probe is not Probe.ICMP:
            assert not cell.source.of
            assert not cell.target.of
    asked = {c.id for c in plan(site) if c.scenario == "shim"}
    for probe in ("tcp", "mtu", "broadcast"):
        assert f"shim:s1:{NODE}:{probe}" in asked
        assert f"shim:s1:{MASTER}:{probe}" not in asked
        assert f"shim:{MASTER}:s1:{probe}" not in asked


def test_the_plan_shows_each_step_with_its_undo() -> None:
    """``--plan`` has the commands that a person would type, in order."""
    site = _site()[0]
    text = "\n".join(plan_lines(plan_for_bare_hosts(site, site.scenarios)))
    for line in (
        "ip link add l2mshim0 link enp0s5 type macvlan mode bridge",
        "sysctl -w net.ipv4.conf.l2mshim0.arp_ignore=1",
        "ip route add 192.168.2.220/32 dev l2mshim0",
        "undo: ip link del l2mshim0",
        "--opt com.docker.network.bridge.name=l2mhost200 --subnet 10.77.1.0/24",
        "docker network connect --ip 10.77.1.2 mac-second-host b1",
        "undo: docker network disconnect mac-second-host b1",
        "--add-host a3:192.168.30.102 --add-host a4:192.168.30.103",
        "--dns 192.168.40.53",
    ):
        assert line in text
    assert "--add-host a1" not in text.partition(f"{NODE}: ")[0]
    assert text.index("arp_ignore") < text.index("ip link set l2mshim0 up")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"192.168.2.250"', '"192.168.2.220"', "192.168.2.220 is the address of container 's1'"),
        ('"192.168.2.250"', '"192.168.9.250"', "no address of a machine in 192.168.2.0/24"),
        (
            'network = "mac-shim"',
            'network = "mac-shim"\nmode = "vepa"',
            "opens nothing but in mode",
        ),
        ('"10.77.2.0/24"', '"10.77.1.0/25"', "10.77.1.0/25 overlaps 10.77.1.0/24"),
        ('"10.77.2.0/24"', '"192.168.2.0/24"', "overlaps 192.168.2.0/24"),
        ('"10.77.2.0/24"', '"10.77.2.0/30"', "no room for a host and its 2 containers"),
        ('"192.168.40.53"', '"192.168.40.11"', "never reaches a server on its own host"),
        ("add_host = true", "add_hosts = true", "did you mean 'add_host'?"),
        ('b1 = "', '"dev-node-01.second" = "', "is what the report calls an address of a remedy"),
        (
            "[timing]",
            '[[lifecycle]]\nevent = "restart"\ntarget = "s1"\n[timing]',
            "into a site without",
        ),
        ('dev-node-01 = "192.168.2.251"', 'dev-node = "192.168.2.251"', "is no host of this site"),
    ],
)
def test_a_clash_is_said_with_its_line(old: str, new: str, words: str) -> None:
    """And what to write instead."""
    assert TEXT.count(old) == 1
    with pytest.raises(ConfigError, match=r"lab-remedies\.toml:[0-9]+: scenario\[") as said:
        read_site(TEXT.replace(old, new), name=PATH.name)
    assert words in str(said.value)


@pytest.mark.parametrize(
    ("scenario", "access", "words"),
    [
        (
            "second",
            Access(client="10.77.1.9", server="192.168.2.210"),
            "this machine's address 10.77",
        ),
        ("second", Access(client="10.0.0.9", gateway="10.77.1.254"), "the router's on our way"),
        ("shim", Access(client="192.168.2.250"), "the shim would have this machine's address"),
        ("second", Access(), "overlaps 10.77.0.1/16 of wg0"),
    ],
)
def test_a_remedy_that_could_cut_us_off_is_refused(
    scenario: str, access: Access, words: str
) -> None:
    """Before anything is built; and one that could not is not."""
    site = _site()[0]
    link = LinkFact("wg0", "wireguard", "", 1420, "UNKNOWN", 0, addresses=("10.77.0.1/16",))
    links = (link,) if not access.client else ()
    reasons = [*cuts(site.hosts[0], site.scenario(scenario), access, links)]
    assert any(words in reason for reason in reasons), reasons
    harmless = Access(client="192.168.2.9", server="192.168.2.210", link="enp0s5")
    assert not [*cuts(site.hosts[0], site.scenario(scenario), harmless, ())]


def test_the_labs_name_server_answers_as_an_authority() -> None:
    """An address for a name that it has, NODATA for another type, NXDOMAIN for the rest."""
    names = {"c3": "192.168.2.222"}
    asked = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02C3\x00\x00\x01\x00\x01"
    said = answer(asked, names)
    assert said[:2] == b"\x12\x34"
    assert said[3] & 15 == 0
    assert said.endswith(bytes([0, 4, 192, 168, 2, 222]))
    aaaa = answer(asked[:-3] + b"\x1c\x00\x01", names)
    assert (aaaa[3] & 15, aaaa[6:8]) == (0, b"\0\0")
    assert answer(asked, {})[3] & 15 == 3
    with pytest.raises(ValueError, match="not one question"):
        answer(said, names)


@pytest.mark.parametrize(
    ("code", "rule", "words"),
    [
        ("SERVFAIL", "name-server-silent", "gives c5, c6, c7, c8 no answer"),
        ("NXDOMAIN", "name-server-lacks-names", "does not know c5, c6, c7, c8"),
    ],
)
def test_a_name_server_that_lets_us_down_is_named(code: str, rule: str, words: str) -> None:
    """Alone, with every cell that it opens; Docker's own server answers for the rest."""
    vlan = replace(
        LAB.scenario("vlan"), remedies=Remedies(name_server=IPv4Address("192.168.200.53"))
    )
    site = replace(LAB, scenarios=(LAB.scenario("bridge"), vlan))
    whole = scene(Net(LAB))
    cells = plan(site)
    outcomes = dict(whole.outcomes)
    for cell in cells:
        if cell.scenario == "vlan" and cell.by is By.NAME and cell.relation is Relation.REMOTE:
            found = Resolution(cell.target.name, (), code, "127.0.0.11", 4.0)
            outcomes[cell.id] = Observation(cell.id, "", 0, 0, resolution=found)
    judged = judge(cells, outcomes, whole.identities)
    causes, _ = diagnose(
        replace(whole, topology=site, cells=cells, outcomes=outcomes, judgements=judged)
    )
    assert [cause.rule for cause in causes] == [rule]
    assert words in causes[0].line
    assert len(causes[0].cells) == 8
