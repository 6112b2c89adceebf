"""A host that is good, as the doctor sees it, and that host with one fault each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from matrix.preflight.look import (
    ContainerSeen,
    DockerSeen,
    Level,
    LinkSeen,
    Look,
    NetworkSeen,
)
from matrix.site import read_site

ROOT = Path(__file__).parents[2]
A, B = "dev-master-01", "dev-node-01"
LAB = read_site((ROOT / "sites" / "lab.toml").read_text(), name="lab.toml")
REAL = replace(LAB, embedded_lab=False)

NIC = LinkSeen(2, "enp0s5", True, "02:00:00:00:00:0a", True, True, "", "", 0, 0, None, "", False,
               "", ("192.168.2.210/24",))  # fmt: skip
LO = replace(NIC, index=1, name="lo", ethernet=False, mac="00:00:00:00:00:00", addresses=())
LAN = NetworkSeen("lan", "macvlan", "local", "enp0s5", "", False, (("10.9.0.0/24", ""),))
DOCKER = DockerSeen("27.1.2", "1.46", False, True, (), ())
GOOD = Look(
    kernel="6.1.0-25-amd64",
    python="3.11.2",
    user="root",
    capabilities=(1 << 41) - 1,
    modules={"macvlan": "loadable", "8021q": "there"},
    links=(LO, NIC),
    driver="e1000e",
    neighbour_limit=1024,
    memory_bytes=1 << 30,
    run_free_bytes=1 << 28,
    machine={"sys_vendor": "Dell Inc.", "cpu_says": "no"},
    docker=DOCKER,
    claims={"enp0s5": {"192.168.2.1": ("02:00:00:00:00:01",)}},
)
OTHER = replace(
    GOOD, links=(LO, replace(NIC, addresses=("192.168.2.211/24",), mac="02:00:00:00:00:0b"))
)


def with_docker(**changed: Any) -> Look:
    """The good host with another engine."""
    return replace(GOOD, docker=replace(DOCKER, **changed))


def with_nic(**changed: Any) -> Look:
    """The good host with another NIC."""
    return replace(GOOD, links=(LO, replace(NIC, **changed)))


def and_link(**changed: Any) -> Look:
    """The good host with one more link."""
    return replace(GOOD, links=(LO, NIC, replace(NIC, index=7, addresses=(), **changed)))


MINE = ContainerSeen(("c1",), True, ("02:42:c0:a8:02:dc",))
NETWORKS = {
    "ipvlan": replace(LAN, driver="ipvlan"),
    "passthru": replace(LAN, mode="passthru"),
    "pool": replace(LAN, driver="bridge", parent="", pools=(("192.168.2.0/25", ""),)),
    "name": replace(LAN, name="macnet", driver="bridge", parent=""),
}
REFUSE, WARN = Level.REFUSE, Level.WARN
Case = tuple[str, Level, str, Look]
CASES: dict[str, Case] = {
    "no capability": ("root", REFUSE, "CAP_SYS_ADMIN", replace(GOOD, capabilities=(1 << 21) - 1)),
    "old python": ("python", REFUSE, "3.7.3", replace(GOOD, python="3.7.3")),
    "old kernel": ("kernel", REFUSE, "3.8.13", replace(GOOD, kernel="3.8.13-rc1")),
    "no macvlan": (
        "macvlan",
        REFUSE,
        "no module",
        replace(GOOD, modules={"macvlan": "missing", "8021q": "there"}),
    ),
    "macvlan unknown": (
        "macvlan",
        WARN,
        "cannot be told",
        replace(GOOD, modules={"8021q": "there"}),
    ),
    "8021q blocked": (
        "8021q",
        REFUSE,
        "install line",
        replace(GOOD, modules={"macvlan": "there", "8021q": "blocked"}),
    ),
    "8021q unknown": ("8021q", WARN, "cannot be told", replace(GOOD, modules={"macvlan": "there"})),
    "no parent": ("parent", REFUSE, "no link 'enp0s5'", with_nic(name="eth0")),
    "parent down": ("parent state", REFUSE, "is down", with_nic(up=False, carrier=False)),
    "no carrier": ("parent state", WARN, "no carrier", with_nic(carrier=False)),
    "wireless": ("parent kind", REFUSE, "is wireless", replace(GOOD, wireless=True)),
    "a tunnel": (
        "parent kind",
        REFUSE,
        "no Ethernet link (wireguard)",
        with_nic(ethernet=False, kind="wireguard"),
    ),
    "bond slave": (
        "parent kind",
        REFUSE,
        "port of bond0 (bond)",
        replace(
            GOOD,
            links=(
                LO,
                replace(NIC, port_of="bond", master=9),
                replace(NIC, index=9, name="bond0", addresses=()),
            ),
        ),
    ),
    "ipvlan parent": (
        "parent kind",
        REFUSE,
        "carries the ipvlan link ipv0",
        and_link(name="ipv0", kind="ipvlan", link=2),
    ),
    "passthru parent": (
        "parent kind",
        REFUSE,
        "passthru mode",
        and_link(name="mv0", kind="macvlan", link=2, mode="passthru"),
    ),
    "a macvlan": ("parent kind", REFUSE, "itself a macvlan link", with_nic(kind="macvlan", link=7)),
    "virtual function": ("promiscuous", WARN, "SR-IOV", replace(GOOD, virtual_function=True)),
    "vlan name taken": (
        "vlan link",
        REFUSE,
        "802.1Q id 300 on enp0s5, not",
        and_link(name="enp0s5.200", kind="vlan", link=2, vlan=300),
    ),
    "vlan id taken": (
        "vlan link",
        REFUSE,
        "is the link v200 already",
        and_link(name="v200", kind="vlan", link=2, vlan=200),
    ),
    "no docker": (
        "docker",
        REFUSE,
        "Connection refused",
        replace(GOOD, docker=None, failed={"docker": "Connection refused"}),
    ),
    "old docker": ("docker", REFUSE, "19.03.15", with_docker(version="19.03.15", api="1.40")),
    "rootless": ("docker", REFUSE, "rootless", with_docker(rootless=True)),
    "docker not for us": (
        "docker",
        REFUSE,
        "sshd would not open",
        replace(GOOD, docker_channel="sshd would not open it\n  -> group docker"),
    ),
    "no image": ("image", WARN, "is not there", with_docker(image=False)),
    "second network": (
        "networks on parent",
        REFUSE,
        "sits on enp0s5 already",
        with_docker(version="26.1.5", networks=(LAN,)),
    ),
    "second network, new": ("networks on parent", WARN, "as well", with_docker(networks=(LAN,))),
    "ipvlan network": (
        "networks on parent",
        REFUSE,
        "ipvlan network",
        with_docker(networks=(NETWORKS["ipvlan"],)),
    ),
    "passthru network": (
        "networks on parent",
        REFUSE,
        "passthru",
        with_docker(networks=(NETWORKS["passthru"],)),
    ),
    "container name": (
        "names",
        REFUSE,
        "named 'c2'",
        with_docker(containers=(ContainerSeen(("c2",), False, ()),)),
    ),
    "network name": ("names", REFUSE, "named 'macnet'", with_docker(networks=(NETWORKS["name"],))),
    "pool": ("subnets", REFUSE, "192.168.2.0/25", with_docker(networks=(NETWORKS["pool"],))),
    "own address": (
        "own address",
        WARN,
        "it has 192.168.2.5/24",
        with_nic(addresses=("192.168.2.5/24",)),
    ),
    "address on lo": (
        "free addresses",
        REFUSE,
        "the address of c1",
        replace(GOOD, links=(replace(LO, addresses=("192.168.2.220/32",)), NIC)),
    ),
    "vlan address elsewhere": (
        "free addresses",
        REFUSE,
        "not on enp0s5.200",
        replace(
            GOOD,
            links=(LO, NIC, replace(NIC, index=7, name="eth1", addresses=("192.168.200.10/24",))),
        ),
    ),
    "subnet elsewhere": (
        "free addresses",
        WARN,
        "lies in the subnet",
        replace(
            GOOD,
            links=(LO, NIC, replace(NIC, index=7, name="eth1", addresses=("192.168.200.77/24",))),
        ),
    ),
    "address in use": (
        "addresses in use",
        REFUSE,
        "02:00:00:00:00:99 answers",
        replace(
            GOOD,
            claims={
                "enp0s5": {
                    "192.168.2.1": ("02:00:00:00:00:01",),
                    "192.168.2.222": ("02:00:00:00:00:99",),
                }
            },
        ),
    ),
    "gateway silent": (
        "addresses in use",
        WARN,
        "answers no ARP",
        replace(GOOD, claims={"enp0s5": {}}),
    ),
    "proxy arp": (
        "addresses in use",
        WARN,
        "answers ARP for addresses that nobody has",
        replace(
            GOOD,
            canaries=("192.168.2.254",),
            claims={
                "enp0s5": {
                    "192.168.2.1": ("02:00:00:00:00:01",),
                    "192.168.2.222": ("02:00:00:00:00:99",),
                    "192.168.2.254": ("02:00:00:00:00:99",),
                }
            },
        ),
    ),
    "small table": ("arp table", WARN, "holds 8 entries", replace(GOOD, neighbour_limit=8)),
    "clock": (
        "clock",
        WARN,
        "61.5 s behind ours",
        replace(GOOD, offset_s=-61.5, offset_within_s=0.01),
    ),
    "VMware": ("virtual", WARN, "VMware", replace(GOOD, machine={"sys_vendor": "VMware, Inc."})),
    "WSL": (
        "virtual",
        REFUSE,
        "WSL",
        replace(GOOD, machine={"version": "Linux 5.15 microsoft-standard-WSL2"}),
    ),
    "a container": ("virtual", WARN, "lxc", replace(GOOD, machine={"container": "lxc"})),
    "memory": ("memory", WARN, "40 MiB are free", replace(GOOD, memory_bytes=40 << 20)),
    "/run": ("journal", REFUSE, "full or read-only", replace(GOOD, run_free_bytes=0)),
    "capabilities unread": ("root", WARN, "could not be read", replace(GOOD, capabilities=None)),
    "/run unread": ("journal", WARN, "could not be read", replace(GOOD, run_free_bytes=None)),
    "lease unread": ("lease", WARN, "no socket", replace(GOOD, failed={"holder": "no socket"})),
    "journal unread": (
        "leftovers",
        WARN,
        "its size",
        replace(GOOD, failed={"journal": "its size"}),
    ),
    "lease": ("lease", WARN, "somebody", replace(GOOD, holder="somebody")),
    "leftovers": (
        "leftovers",
        WARN,
        "left c1, 3 changes",
        replace(with_docker(containers=(MINE,)), journal=3),
    ),
}
