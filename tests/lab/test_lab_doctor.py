"""The doctor and the plan on hosts that are broken for real, and what they leave: nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from fixtures.agent_channel import start_agent
from fixtures.doctor import examine_hosts
from fixtures.lab import Lab, faults
from fixtures.lease import owner, take
from fixtures.links import LAB_VLAN_SOCKET
from fixtures.planning import plan_of
from fixtures.ssh import connect
from matrix.changes import Change, Kind
from matrix.preflight.look import Finding, Level
from matrix.topology import Topology
from tests.lab.conftest import ROOT, MatrixRun, environment, on_host
from tests.lab.test_lab_meddling import SITE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab's VLANs by eBPF need root")

MASTER, NODE = "dev-master-01", "dev-node-01"
Look = Callable[[], list[str]]
Matrix = Callable[..., MatrixRun]


def not_ok(lab: Lab, site: Topology = SITE, **more: Any) -> list[Finding]:
    """What the doctor does not call ok."""
    found = examine_hosts(site, lab.ssh_config, **more).findings
    return [one for one in found if one.level is not Level.OK]


@contextmanager
def typed(lab: Lab, host: str, do: str, undo: str) -> Iterator[None]:
    """What a person typed on a host, and typed back."""
    try:
        assert on_host(lab, host, f"{{ {do}; }} >/dev/null && echo -n done") == "done"
        yield
    finally:
        assert on_host(lab, host, f"{{ {undo}; }} >/dev/null && echo -n done") == "done"


def command(lab: Lab, *arguments: str) -> tuple[int, str]:
    """``python -m fixtures`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "fixtures", *arguments],
        cwd=ROOT,
        env=environment(lab),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


_MORE = (
    "cat /proc/modules; docker image ls -aq; docker network ls -q; docker ps -aq; ip -4 neigh; "
    "ip rule; find /run/l2matrix /etc/docker /root /tmp -newermt '-60 seconds' 2>/dev/null; sysctl -a "
    "2>/dev/null | grep -E 'conf.(all|default|enp0s5).(forwarding|rp_filter|arp_|proxy_arp)'"
)


def test_a_whole_lab_is_ready_and_unchanged(lab: Lab, fingerprint: Look) -> None:
    """Every check on both hosts, no warning, exit code 0; the hosts are as before, also after --plan."""
    # What other tests have left in the neighbour table ages by itself; without it nothing may come.
    on_host(lab, NODE, "ip neigh | while read ip _ link _; do ip neigh del $ip dev $link; done")
    before = [*fingerprint(), on_host(lab, NODE, _MORE)]
    code, said = command(lab, "doctor")
    assert code == 0, said
    assert "  refuse" not in said
    assert "  warn" not in said
    assert "2 hosts are ready; warnings: 0. Nothing was changed." in said
    code, said = command(lab, "plan")
    assert code == 0, said
    assert said.count("undo: ip link set enp0s5 promisc off") == 2
    assert [*fingerprint(), on_host(lab, NODE, _MORE)] == before


LINK_P9 = "ip link add p9 link enp0s5 type macvlan mode"
OWN = "ip addr add 192.168.2.211/24 dev enp0s5 broadcast +"
BREAKAGES = {
    "parent-down": (
        ("ip link set enp0s5 down", "ip link set enp0s5 up"),
        ("parent state", Level.REFUSE, "the link 'enp0s5' is down", "ip link set enp0s5 up"),
    ),
    "parent-a-bridge-port": (
        (
            "ip link add br9 type bridge && ip link set enp0s5 master br9",
            "ip link set enp0s5 nomaster && ip link del br9",
        ),
        ("parent kind", Level.REFUSE, "enp0s5 is a port of br9 (bridge)", 'parent = "br9"'),
    ),
    "passthru-on-parent": (
        (f"{LINK_P9} passthru", "ip link del p9"),
        ("parent kind", Level.REFUSE, "carries p9, a macvlan link in passthru", "ip link del p9"),
    ),
    "second-network-on-parent": (
        (
            "docker network create -d macvlan -o parent=enp0s5 --subnet 10.9.0.0/24 other",
            "docker network rm other",
        ),
        ("networks on parent", Level.REFUSE, "'other' sits on enp0s5 already", "network rm other"),
    ),
    "pool-taken": (
        (
            "docker network create -d macvlan -o parent=p9 --subnet 192.168.200.0/25 pool",
            "docker network rm pool",
        ),
        ("subnets", Level.REFUSE, "'pool' has the subnet 192.168.200.0/25", "network rm pool"),
    ),
    "container-of-that-name": (
        ("docker create --name c7 --network none busybox true", "docker rm c7"),
        ("names", Level.REFUSE, "a container named 'c7' exists and is not ours", "write another"),
    ),
    "network-of-that-name": (
        ("docker network create -d macvlan -o parent=p9 --subnet 10.9.0.0/24 macnet",
         "docker network rm macnet"),
        ("names", Level.REFUSE, "a network named 'macnet' exists and is not ours", "write another"),
    ),
    "container-address-is-the-hosts": (
        ("ip addr add 192.168.200.102/32 dev lo", "ip addr del 192.168.200.102/32 dev lo"),
        ("free addresses", Level.REFUSE, "the address of c7, is this host's own on lo", "for c7"),
    ),
    "vlan-subnet-elsewhere": (
        ("ip addr add 192.168.200.77/24 dev enp0s5", "ip addr del 192.168.200.77/24 dev enp0s5"),
        ("free addresses", Level.WARN, "192.168.200.77/24 on enp0s5 lies in the subnet", "another"),
    ),
    "own-address-elsewhere": (
        (
            "ip addr del 192.168.2.211/24 dev enp0s5; ip addr add 192.168.2.99/24 dev enp0s5",
            f"ip addr del 192.168.2.99/24 dev enp0s5; {OWN}",
        ),
        ("own address", Level.WARN, "192.168.2.211/24 is not on enp0s5", '"192.168.2.99/24"'),
    ),
    "no-image": (
        ("docker tag busybox:latest keep:it && docker rmi busybox:latest",
         "docker tag keep:it busybox:latest && docker rmi keep:it"),
        ("image", Level.WARN, "busybox:latest is not there", "docker load"),
    ),
}  # fmt: skip


TOGETHER = ("second-network-on-parent", "pool-taken", "container-of-that-name", "no-image",
            "container-address-is-the-hosts", "vlan-subnet-elsewhere")  # fmt: skip
"""Those that leave room for each other."""


def breakage(name: str) -> tuple[str, str]:
    """What breaks it, and what mends it."""
    (do, undo), _ = BREAKAGES[name]
    if "parent=p9" in do:
        # A network on a link of its own, so that nothing else than its name or subnet is in the way.
        return f"ip link add p9 type veth peer name q9 && {do}", f"{undo} && ip link del p9"
    return do, undo


def check_said(name: str, found: list[Finding]) -> None:
    """That finding, on that host and no other, with its fix."""
    _, (check, level, what, fix) = BREAKAGES[name]
    hits = [one for one in found if one.check == check and what in one.what]
    assert [(one.host, one.level) for one in hits] == [(NODE, level)], found
    assert fix in hits[0].fix
    assert hits[0].why


def test_all_that_is_broken_is_said_at_once(lab: Lab, fingerprint: Look) -> None:
    """Six things at once on one host: six findings there, none on the other."""
    before = fingerprint()
    with contextlib.ExitStack() as stack:
        for name in TOGETHER:
            stack.enter_context(typed(lab, NODE, *breakage(name)))
        found = not_ok(lab)
    for name in TOGETHER:
        check_said(name, found)
    assert [one.host for one in found] == [NODE] * len(TOGETHER)
    assert fingerprint() == before


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.thorough] if n in TOGETHER else []) for n in BREAKAGES],
)
def test_what_is_broken_is_said(lab: Lab, name: str) -> None:
    """Each by itself: that finding, and nothing is said of the other host."""
    with typed(lab, NODE, *breakage(name)):
        found = not_ok(lab)
    check_said(name, found)
    assert {one.host for one in found} == {NODE}


def test_a_parent_that_is_none(lab: Lab) -> None:
    """No such link, or one that is itself a macvlan link: said with what to write instead."""
    wrong = replace(SITE, hosts=(SITE.hosts[0], replace(SITE.hosts[1], parent="eth9")))
    (found,) = not_ok(lab, wrong)
    assert (found.host, found.check, found.level) == (NODE, "parent", Level.REFUSE)
    assert "it has enp0s5" in found.fix
    wrong = replace(SITE, hosts=(SITE.hosts[0], replace(SITE.hosts[1], parent="p9")))
    with typed(lab, NODE, f"{LINK_P9} bridge && ip link set p9 up", "ip link del p9"):
        kinds = [one for one in not_ok(lab, wrong) if one.check == "parent kind"]
    assert [(one.host, one.what) for one in kinds] == [(NODE, "p9 is itself a macvlan link")]
    assert 'write parent = "enp0s5"' in kinds[0].fix


def test_a_vlan_link_of_another_id(lab: Lab) -> None:
    """The sub-interface's name is taken by a link of another VLAN: refused for that scenario alone."""
    with connecting(lab, NODE) as agent:
        add = {"do": "add", "parent": "enp0s5", "name": "enp0s5.200", "vlan": 300}
        assert agent.call("ask", path=LAB_VLAN_SOCKET, line=add) == {"ok": True}
        try:
            (found,) = not_ok(lab)
        finally:
            agent.call("ask", path=LAB_VLAN_SOCKET, line={"do": "del", "name": "enp0s5.200"})
    assert (found.host, found.check, found.scenario) == (NODE, "vlan link", "vlan")
    assert "exists and is 802.1Q id 300 on enp0s5" in found.what


def test_an_address_in_use(lab: Lab) -> None:
    """Somebody on the wire has a container's address: both hosts hear it, and say whose MAC it is."""
    with faults.broken(lab, "address-taken", address="192.168.2.222") as broken:
        broken.built()
        found = not_ok(lab)
    assert {(one.host, one.check, one.level) for one in found} == {
        (MASTER, "addresses in use", Level.REFUSE),
        (NODE, "addresses in use", Level.REFUSE),
    }
    assert all("the address of c3, is in use: " in one.what for one in found)


def test_somebody_who_answers_for_everybody(lab: Lab) -> None:
    """Proxy ARP takes no container's address: one warning on each host, and no refusal."""
    with faults.broken(lab, "proxy-arp") as broken:
        broken.built()
        found = not_ok(lab)
    assert {(one.host, one.level) for one in found} == {(MASTER, Level.WARN), (NODE, Level.WARN)}
    assert all("answers ARP for addresses that nobody has" in one.what for one in found)


def test_a_gateway_that_is_not_as_declared(lab: Lab) -> None:
    """The site says that a router owns an address, and nobody answers for it."""
    bridge = SITE.scenarios[0]
    segment = replace(bridge.segment, gateway=IPv4Address("192.168.2.9"))
    wrong = replace(SITE, scenarios=(replace(bridge, segment=segment),))
    found = not_ok(lab, wrong)
    assert {one.what for one in found} == {"the gateway 192.168.2.9 answers no ARP"}
    assert {one.level for one in found} == {Level.WARN}


def test_two_engines_that_give_out_the_same(lab: Lab) -> None:
    """The same subnet on both hosts and no range: each is told of the other; with ranges it is well."""
    make = "docker network create -d macvlan -o parent=enp0s5 --subnet 10.9.0.0/24"
    for ranges, clash in ((("", ""), True), (("10.9.0.0/26", "10.9.0.64/26"), False)):
        given = [f"{make} {f'--ip-range {r}' if r else ''} lan" for r in ranges]
        remove = "docker network rm lan"
        with typed(lab, MASTER, given[0], remove), typed(lab, NODE, given[1], remove):
            found = [one for one in not_ok(lab) if one.check == "ranges"]
        assert {one.host for one in found} == ({MASTER, NODE} if clash else set())
        assert all("both give out addresses of 10.9.0.0/24" in one.what for one in found)


@pytest.mark.thorough
def test_a_run_that_is_there_and_what_one_left(lab: Lab, matrix: Matrix) -> None:
    """A held lease and leftovers are warnings, with who and what."""
    assert matrix("--keep", "-m", "bridge").code == 0
    found = not_ok(lab)
    left = [one for one in found if one.check == "leftovers"]
    assert [one.host for one in left] == [MASTER, NODE]
    assert left[1].what == "an earlier run left c3, c4, macnet, 2 changes in its journal"
    held = [one for one in found if one.check == "addresses in use"]
    assert {one.level for one in held} == {Level.WARN}
    plans = plan_of(SITE, SITE.scenarios, lab.ssh_config)
    assert [len(plan.changes) for plan in plans] == [10, 10]
    assert command(lab, "cleanup")[0] == 0
    with connecting(lab, NODE) as agent:
        take(agent, owner("20260101T000000Z-0000", datetime.now(UTC)))
        (found_held,) = not_ok(lab)
    assert (found_held.check, found_held.level) == ("lease", Level.WARN)
    assert "run 20260101T000000Z-0000" in found_held.what


def test_what_ssh_says(lab: Lab, tmp_path: Path) -> None:
    """An unknown key on one host is that host's refusal; the other is looked at all the same."""
    known = (lab.state_dir / "known_hosts").read_text().splitlines()
    (tmp_path / "known").write_text(next(k for k in known if k.startswith(MASTER)) + "\n")
    config = lab.ssh_config.read_text().replace(
        str(lab.state_dir / "known_hosts"), str(tmp_path / "known")
    )
    (tmp_path / "config").write_text(config)
    code, said = command(lab, "doctor", "--ssh-config", str(tmp_path / "config"), "--json")
    found = json.loads(said)
    assert (code, found["refused"], found["warnings"]) == (1, 1, 0)
    (bad,) = [one for one in found["findings"] if one["level"] == "refuse"]
    assert (bad["host"], bad["check"]) == (NODE, "ssh")
    assert "its host key is unknown" in bad["what"]
    assert "accept it once by hand" in bad["fix"]
    assert [one["check"] for one in found["findings"] if one["host"] == NODE] == ["ssh"]
    assert "docker" in [one["check"] for one in found["findings"] if one["host"] == MASTER]


def test_a_run_says_all_refusals_at_once_and_builds_the_rest(
    lab: Lab, matrix: Matrix, fingerprint: Look
) -> None:
    """Two names are taken on one host: its bridge scenario is not begun, the VLAN's runs as ever."""
    before = fingerprint()
    with typed(
        lab,
        NODE,
        "docker create --name c3 --network none busybox true && "
        "docker create --name c4 --network none busybox true",
        "docker rm c3 c4",
    ):
        run = matrix()
    assert run.code == 1
    reason = run.cell("bridge:c1:c3:address")["reason"]
    assert "'c3' exists and is not ours; a container named 'c4' exists and is not ours" in reason
    assert {v for k, v in run.verdicts().items() if k.startswith("vlan:")} == {"PASS", "BLOCKED"}
    made = [step["what"] for step in run.record["timeline"] if step["host"] == NODE]
    assert not [what for what in made if "macnet" in what or what.endswith("set enp0s5 promisc on")]
    assert fingerprint() == before


def test_the_plan_is_what_is_done(lab: Lab, matrix: Matrix) -> None:
    """Printed before a run: the changes that its log and dockerd then tell of, in that order."""
    since = on_host(lab, NODE, "date +%s.%N").strip()
    plan = matrix("--plan", "-q")
    assert plan.code == 0, plan.text
    assert not plan.record
    plans = {one.host: one.changes for one in plan_of(SITE, SITE.scenarios, lab.ssh_config)}
    for change in plans[NODE]:
        assert f" {shlex.join(change.do[0])}\n" in plan.text
        assert f" undo: {shlex.join(change.undo[0])}\n" in plan.text
    run = matrix()
    assert run.code == 0, run.text
    for host, changes in plans.items():
        steps = [step["what"] for step in run.record["timeline"] if step["host"] == host]
        planned = [one.typed for one in changes if one.do[0][0] == "ip"]
        assert [step for step in steps if step.startswith("ip ")] == planned
    assert _told_by_docker(lab, since) == _as_docker_tells(plans[NODE])


def _told_by_docker(lab: Lab, since: str) -> list[tuple[str, frozenset[str]]]:
    """Networks and containers that dockerd made, by its own events; containers of a network as one."""
    script = (
        f"docker events --since {since} --until $(date +%s.%N) --filter event=create "
        "--format '{{.Type}} {{.Actor.Attributes.name}}'"
    )
    found: list[tuple[str, frozenset[str]]] = []
    for line in on_host(lab, NODE, script).splitlines():
        kind, name = line.split()
        if found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] | {name})
        else:
            found.append((kind, frozenset({name})))
    return found


def _as_docker_tells(changes: tuple[Change, ...]) -> list[tuple[str, frozenset[str]]]:
    found: list[tuple[str, frozenset[str]]] = []
    for change in changes:
        if change.kind not in (Kind.NETWORK, Kind.CONTAINER):
            continue
        if found and found[-1][0] == change.kind:
            found[-1] = (change.kind, found[-1][1] | {change.name})
        else:
            found.append((str(change.kind), frozenset({change.name})))
    return found


_INSPECT = "docker network inspect macnet; docker inspect c3"


@pytest.mark.thorough
def test_the_plan_typed_by_hand_makes_the_same(lab: Lab, matrix: Matrix, fingerprint: Look) -> None:
    """The commands make what the harness makes, as Docker tells it, and their undo leaves nothing."""
    before = fingerprint()
    scenarios = [one for one in SITE.scenarios if one.name == "bridge"]
    plan = next(p for p in plan_of(SITE, scenarios, lab.ssh_config) if p.host == NODE)
    for change in plan.changes:
        on_host(lab, NODE, "; ".join(shlex.join(one) for one in change.do))
    by_hand = _essence(on_host(lab, NODE, _INSPECT), on_host(lab, NODE, "ip -d link show enp0s5"))
    for change in reversed(plan.changes):
        on_host(lab, NODE, "; ".join(shlex.join(one) for one in change.undo))
    assert fingerprint() == before
    assert matrix("--keep", "-m", "bridge").code == 0
    ours = _essence(on_host(lab, NODE, _INSPECT), on_host(lab, NODE, "ip -d link show enp0s5"))
    assert ours == by_hand
    assert command(lab, "cleanup")[0] == 0
    assert fingerprint() == before


def _essence(inspected: str, link: str) -> list[Any]:
    """What matters of a network and a container: what somebody chose, not what was counted."""
    decoder = json.JSONDecoder()
    (network,), end = decoder.raw_decode(inspected)
    (container,), _ = decoder.raw_decode(inspected[end:].lstrip())
    wanted = ("Name", "Driver", "Scope", "Internal", "IPAM", "Options", "Labels")
    network["IPAM"].pop("Options")  # null by the API, {} by the command: none either way
    return [
        {key: network[key] for key in wanted},
        container["Name"],
        container["Config"]["Cmd"],
        container["Config"]["Labels"],
        container["Config"]["Image"],
        container["HostConfig"]["NetworkMode"],
        container["NetworkSettings"]["Networks"]["macnet"]["IPAddress"],
        "PROMISC" in link,
    ]


@contextmanager
def connecting(lab: Lab, host: str) -> Iterator[Any]:
    """An agent on a host."""
    connection = connect(host, lab.ssh_config)
    try:
        agent = start_agent(connection)
        try:
            yield agent
        finally:
            agent.close()
    finally:
        connection.close()
