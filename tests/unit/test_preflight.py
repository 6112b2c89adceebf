"""The checks of the doctor, each with a host that it refuses or warns of; and how they are told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fixtures.__main__ import main
from fixtures.doctor import _look
from fixtures.doctor_words import as_json, markdown, told
from fixtures.preflight import refusals, warnings
from matrix.preflight import CHECKS, examine, reached, unreachable
from matrix.preflight.look import DockerSeen, Finding, Level, Look
from matrix.preflight.machine import HYPERVISORS
from matrix.topology import Topology
from tests.unit.sample_hosts import (
    CASES,
    DOCKER,
    GOOD,
    LAB,
    LAN,
    MINE,
    OTHER,
    REAL,
    ROOT,
    A,
    B,
    and_link,
    with_docker,
)


def findings(look: Look = GOOD, site: Topology = REAL, other: Look = OTHER) -> list[Finding]:
    """What is said of the first host."""
    found = examine(site, site.scenarios, {A: look, B: other})
    return [one for one in found if one.host == A]


def test_a_good_host_is_all_ok() -> None:
    """Every check says something, and nothing but ok."""
    found = findings()
    assert {one.level for one in found} == {Level.OK}
    assert {one.check for one in found} == {c.name for c in CHECKS} - {"ssh"}


@pytest.mark.parametrize("name", CASES)
def test_each_fault_is_found(name: str) -> None:
    """By its check, at its level, with why and what to do; nothing else is refused for it."""
    check, level, words, look = CASES[name]
    (hit,) = [one for one in findings(look) if one.check == check and words in one.what]
    assert hit.level is level
    assert hit.why
    assert hit.fix
    refused = {one.check for one in findings(look) if one.level is Level.REFUSE}
    assert refused <= {check, *(["names"] if name == "network name" else [])}


def test_every_word_of_the_table_is_true() -> None:
    """What the table says a check refuses or warns of, a case shows; and the other way round."""
    shown = {(check, level) for check, level, _, _ in CASES.values()}
    # Below, and in tests/unit/test_contrast.py.
    shown |= {("ssh", Level.REFUSE), ("ranges", Level.WARN), ("drivers", Level.WARN)}
    claimed = {(c.name, Level.REFUSE) for c in CHECKS if c.refuses}
    claimed |= {(c.name, Level.WARN) for c in CHECKS if c.warns}
    assert shown == claimed


def test_engines_that_give_out_the_same_addresses() -> None:
    """The same subnet on two hosts without a range: a warning on both; with ranges apart, none."""
    here = replace(with_docker(networks=(LAN,)))
    there = replace(OTHER, docker=replace(DOCKER, networks=(LAN,)))
    hits = [one for one in findings(here, other=there) if one.check == "ranges"]
    assert [(one.level, "both give out addresses of 10.9.0.0/24" in one.what) for one in hits] == [
        (Level.WARN, True)
    ]

    def part(pool: str) -> DockerSeen:
        return replace(DOCKER, networks=(replace(LAN, pools=(("10.9.0.0/24", pool),)),))

    here, there = (
        replace(GOOD, docker=part("10.9.0.0/26")),
        replace(OTHER, docker=part("10.9.0.64/26")),
    )
    (hit,) = [one for one in findings(here, other=there) if one.check == "ranges"]
    assert hit.level is Level.OK


def test_an_address_of_our_own_is_no_stranger() -> None:
    """A container of a kept run answers on the other host: said, and not refused."""
    claims = {"enp0s5": {"192.168.2.1": ("02:00:00:00:00:01",), "192.168.2.220": MINE.macs}}
    other = replace(OTHER, docker=replace(DOCKER, containers=(MINE,)))
    hits = [
        o
        for o in findings(replace(GOOD, claims=claims), other=other)
        if o.check == "addresses in use"
    ]
    assert Level.REFUSE not in {one.level for one in hits}
    assert "held by c1 of an earlier run" in hits[0].what


def test_a_vlan_link_that_is_right_is_used() -> None:
    """The kernel's own, and the lab's; where the site names no VLAN nothing is needed."""
    there = and_link(name="enp0s5.200", kind="vlan", link=2, vlan=200)
    (hit,) = [one for one in findings(there) if one.check == "vlan link"]
    assert (hit.level, hit.what) == (Level.OK, "enp0s5.200 is there, and stays")
    plain = replace(REAL, scenarios=REAL.scenarios[:1])
    without = replace(GOOD, modules={"macvlan": "there", "8021q": "missing"})
    assert {one.level for one in findings(without, plain)} == {Level.OK}


def test_hypervisors_have_their_traps() -> None:
    """Each pattern finds its own product by what its machines say, and says what macvlan meets."""
    says = {
        "VMware": "VMware, Inc. VMware Virtual Platform",
        "VirtualBox": "innotek GmbH VirtualBox",
        "Hyper-V": "Microsoft Corporation Virtual Machine Hyper-V UEFI",
        "Parallels": "Parallels International GmbH. Parallels ARM Virtual Machine",
        "Amazon EC2": "Amazon EC2 t3.micro",
        "Google Compute Engine": "Google Google Compute Engine",
        "OpenStack": "OpenStack Foundation OpenStack Nova SeaBIOS QEMU",
        "KVM": "QEMU Standard PC (i440FX + PIIX, 1996) SeaBIOS",
        "Xen": "Xen HVM domU",
    }
    assert set(says) == {product for _, product, _ in HYPERVISORS}
    for product, words in says.items():
        look = replace(GOOD, machine={"sys_vendor": words, "cpu_says": "hypervisor"})
        (hit,) = [one for one in findings(look) if one.check == "virtual"]
        assert hit.what == f"a virtual machine of {product}"
    look = replace(GOOD, machine={"cpu_says": "hypervisor"})
    assert any("of which hypervisor it does not say" in one.what for one in findings(look))


def test_refusals_stop_what_they_are_about() -> None:
    """A scenario's own stops that one, a host's stops all, all of them are said; warnings are notes."""
    scenarios = REAL.scenarios
    found = findings(CASES["vlan name taken"][3])
    assert set(refusals(found, A, scenarios)) == {"vlan"}
    assert refusals(found, B, scenarios) == {}
    both = findings(replace(CASES["container name"][3], run_free_bytes=0))
    stopped = refusals(both, A, scenarios)
    assert set(stopped) == {"bridge", "vlan"}
    assert "named 'c2'" in str(stopped["bridge"])
    assert "/run is full" in str(stopped["bridge"])
    assert "named 'c2'" not in str(stopped["vlan"])
    (note,) = warnings(findings(CASES["memory"][3]))
    assert note.startswith(f"{A}: memory: 40 MiB are free")


def test_findings_are_told_in_columns() -> None:
    """Host by host; why and fix below what is not ok; the last line counts."""
    bad = unreachable(B, "ssh", "no answer", "ssh dev-node-01")
    lines = list(told((reached(A, "root@a:22"), *findings(CASES["old kernel"][3]), bad)))
    assert lines[0] == A
    assert "  refuse  kernel              the kernel is 3.8.13-rc1" in lines
    place = lines.index("  refuse  kernel              the kernel is 3.8.13-rc1")
    assert lines[place + 1].strip().startswith("why: macvlan networks of Docker")
    assert lines[place + 2].strip() == "fix: update it to 3.9 or later"
    assert lines[-1] == f"refused: 2 on {A}, {B}; warnings: 0. Nothing was changed."
    assert max(map(len, lines)) <= 130
    found = json.loads(as_json((bad,), "x.toml"))
    assert (found["schema"], found["refused"], found["findings"][0]["host"]) == (1, 1, B)


def test_the_page_is_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/doctor.md is what the command prints; make it again with it where this fails."""
    assert (ROOT / "docs" / "doctor.md").read_text() == markdown()
    assert main(["doctor", "--list"]) == 0
    assert capsys.readouterr().out == markdown()


HOSTILE: tuple[dict[str, Any], ...] = (
    {},
    {"links": [1, {"name": "\x1b[31m<script>" * 500, "addresses": "x", "vlan": True}]},
    {"docker": {"networks": {"a": 1}, "containers": [None], "security": 5, "version": {}}},
    {"docker": {"networks": [{"pools": [["a"], 3, ["b", "c"]], "labels": None}]}},
    {"wire": {"enp0s5": {"192.168.2.222": 7}, "x": []}, "clock": [1, "2"], "parent": "no"},
    {
        "clock": [1e300, 1e300],
        "memory": "much",
        "holder": {"owner": {"who": "\x07" * 9999}},
    },
    {"failed": {"docker": "\x1b]0;x\x07"}, "modules": ["macvlan"], "machine": {"a": None}},
)


@pytest.mark.parametrize("said", HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_hostile_host_says_is_only_text(said: dict[str, Any]) -> None:
    """An answer of any shape becomes findings, bounded and without anything a terminal obeys."""
    look = _look(
        said, {"kernel": "\x1b[2J", "python": None}, (1.0, 2.0), user="root", holding=False
    )
    found = examine(LAB, LAB.scenarios, {A: look})
    text = "\n".join(told(found))
    assert text.isascii()
    assert all(line.isprintable() for line in text.splitlines())
    assert len(text) < 20000
