"""The table of checks, in the order in which a person would look; and running it over the hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from matrix.preflight import addresses, docker, machine, parent
from matrix.preflight.look import Finding, Level, Look, Said, Ward
from matrix.topology import Scenario, Topology


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it looks at, why that matters, when it warns, when it refuses, what to do."""

    name: str
    looks: str
    why: str
    warns: str
    refuses: str
    fix: str
    run: Callable[[Ward], Iterator[Said]] | None = None


CHECKS = (
    Check("ssh", "the host answers by its name in the OpenSSH configuration, shows the key that "
          "known_hosts has, and lets us in without a password",
          "everything is done over this one connection", "",
          "no answer, an unknown, changed or revoked key, a refused login",
          "make `ssh HOST true` work first; compare a new key's fingerprint with the host's own"),
    Check("root", "we are root there, directly or by `sudo -n`, with CAP_NET_ADMIN, CAP_NET_RAW and "
          "CAP_SYS_ADMIN", "links are changed and containers' namespaces entered", "",
          "no root, or root without those (a container)",
          "log in as root, or: `USER ALL=(ALL) NOPASSWD: ALL` in a file of /etc/sudoers.d",
          machine.root),
    Check("python", "python3 is there, 3.8 or later", "the agent is a Python program that is sent "
          "over and leaves nothing", "", "none, or an older one", "install python3", machine.python),
    Check("kernel", "the kernel's release", "macvlan networks of Docker need one after 3.9", "",
          "3.8 or older", "update it", machine.kernel),
    Check("macvlan", "the macvlan module, loaded, built in or loadable (/sys/module, the kernel's "
          "configuration, /lib/modules, modprobe.d)", "every network of a site is a macvlan network",
          "it cannot be told", "missing, or kept out by an install line of modprobe.d",
          "install the package with the kernel's modules; `modprobe macvlan`", machine.macvlan),
    Check("8021q", "the 8021q module, where the site names a VLAN (the embedded lab has another way)",
          "a VLAN sub-interface is made by it", "it cannot be told",
          "missing, or kept out by an install line of modprobe.d",
          "install the package with the kernel's modules; `modprobe 8021q`", machine.dot1q),
    Check("parent", "the link that the site names", "networks sit on it", "", "there is none of that "
          "name", "write the NIC's name in the site file; `ip link` shows them", parent.exists),
    Check("parent state", "it is up and has a carrier", "on a link that is down nobody reaches "
          "anybody", "no carrier", "it is down", "`ip link set PARENT up`; plug the cable in",
          parent.state),
    Check("parent kind", "it is an Ethernet link of its own: not wireless, no bridge port, no bond "
          "slave, no macvlan or ipvlan link, and carries no ipvlan or passthru link",
          "macvlan takes over the link's receive handler, and needs many MAC addresses on it", "",
          "any of these", "name the bridge, the bond or the NIC below as parent", parent.kind),
    Check("promiscuous", "promiscuous mode can be set on it, as far as that is known without setting "
          "it: virtual functions need their physical host's trust",
          "frames for containers carry other MAC addresses than the NIC's", "a virtual function", "",
          "`ip link set PF vf N trust on spoofchk off` on the physical host", parent.promiscuity),
    Check("vlan link", "a link of the sub-interface's name is that sub-interface, and its id is no "
          "other link's", "an existing link is used only if it is what the site says", "",
          "another link has the name, or another name has the id",
          "rename or delete that link, or write another VLAN id", parent.vlan_links),
    Check("docker", "the engine answers, over the SSH connection as well; 20.10 or later; not "
          "rootless", "it makes networks and containers", "", "any of these is not so",
          "`systemctl status docker`; `usermod -aG docker USER`; AllowStreamLocalForwarding yes in "
          "sshd_config", docker.engine),
    Check("image", "the containers' image is there", "without it the run pulls it",
          "it is missing", "", "`docker save IMAGE | ssh HOST docker load`", docker.image),
    Check("networks on parent", "other macvlan and ipvlan networks on the same link",
          "Docker up to 26 allows one macvlan network on a parent; ipvlan and passthru share with "
          "nobody", "another macvlan network (Docker 27 and later)",
          "another macvlan network (up to Docker 26), ipvlan, passthru",
          "`docker network rm NAME`, or another parent", docker.networks_on_parent),
    Check("names", "the names of the site's networks and containers", "what has not our label is "
          "never touched", "", "somebody else's network or container has the name",
          "write another name in the site file", docker.names),
    Check("subnets", "Docker networks with a subnet that overlaps a scenario's",
          "Docker refuses a second pool for the same addresses", "", "there is one",
          "`docker network rm NAME`, or another subnet", addresses.pools),
    Check("own address", "the address that the site gives to the host is on its parent",
          "the host itself is asked, and asks, by it", "it is not there", "",
          "write the address that `ip addr show PARENT` shows", addresses.own),
    Check("free addresses", "no address of a container is the host's own; no VLAN's subnet is on "
          "another link", "a second owner of an address takes its traffic, ours over SSH included",
          "another link leads to a VLAN's subnet", "an address of the site is on another link",
          "write another address or subnet", addresses.free_on_host),
    Check("addresses in use", "who answers ARP for the containers' addresses (RFC 5227: a probe "
          "without a sender, three times in 0.3 s), and for the gateway. A run asks by itself, when "
          "its links stand", "two machines with one address take each other's traffic",
          "a gateway that is not as declared; an address of an earlier run's container",
          "somebody has a container's address", "write a free address", addresses.in_use),
    Check("ranges", "macvlan and ipvlan networks of two hosts that give out the same addresses",
          "an engine knows its own containers only", "there are such", "",
          "`docker network create --ip-range ...`, a range for each host", addresses.disjoint),
    Check("arp table", "gc_thresh3 and the pairs that the site asks on this host",
          "the kernel refuses entries beyond it: pings fail that should not",
          "it holds fewer than the site has pairs (we ask in waves)", "",
          "`sysctl -w net.ipv4.neigh.default.gc_thresh3=...`", machine.neighbours),
    Check("clock", "the host's clock against ours", "captures and logs of several hosts are read side "
          "by side", "more than 2 s apart", "", "`timedatectl status`", machine.clock),
    Check("virtual", "DMI, the CPU's hypervisor flag, container marks",
          "a hypervisor's virtual switch often drops the frames of other MAC addresses",
          "a hypervisor or container, with what it is known for", "WSL",
          "allow promiscuous mode and forged MAC addresses for that adapter", machine.virtual),
    Check("memory", "free memory, at 16 MiB a container", "a container that does not start is a cell "
          "that does not run", "less than that", "", "`free -m`", machine.memory),
    Check("journal", "/run can be written", "no step is done before its undo is written", "",
          "it is full or read-only", "`df -h /run`", machine.run_folder),
    Check("lease", "no other run works there", "two runs would undo each other's steps",
          "one does, and who", "", "`pytest --wait`", machine.lease),
    Check("leftovers", "what an earlier run left there", "the next run puts it back first",
          "there is some", "", "`python -m fixtures cleanup`", machine.leftovers),
)  # fmt: skip
"""Every check, in order."""

BY_NAME = {check.name: check for check in CHECKS}


def examine(
    topology: Topology, scenarios: tuple[Scenario, ...], looks: Mapping[str, Look]
) -> tuple[Finding, ...]:
    """What all checks say of the hosts that were looked at, host by host."""
    found: list[Finding] = []
    for host in topology.hosts:
        if host.name not in looks:
            continue
        ward = Ward(topology, scenarios, host, looks[host.name], looks)
        for check in CHECKS:
            if check.run is not None:
                found += [_finding(check, host.name, said) for said in check.run(ward)]
    return tuple(found)


def unreachable(host: str, check: str, what: str, fix: str) -> Finding:
    """The finding of a host that was not looked at, because this check failed."""
    return _finding(BY_NAME[check], host, Said(Level.REFUSE, what, fix))


def reached(host: str, what: str) -> Finding:
    """The finding of a host that SSH leads to."""
    return _finding(BY_NAME["ssh"], host, Said(Level.OK, what))


def _finding(check: Check, host: str, said: Said) -> Finding:
    why = "" if said.level is Level.OK else said.why or check.why
    return Finding(check.name, host, said.level, said.what, why, said.fix, said.scenario)
