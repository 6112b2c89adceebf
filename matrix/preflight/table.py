"""The table of checks, in the order in which a person would look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from matrix.preflight import addresses, docker, features, machine, parent
from matrix.preflight.look import Said, Ward


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it looks at, why that matters, when it warns, when it refuses, what to do."""

    name: str
    looks: str
    why: str
    fix: str
    warns: str = ""
    refuses: str = ""
    run: Callable[[Ward], Iterator[Said]] | None = None


CHECKS = (
    Check(
        "ssh",
        looks="the host answers by its name in the OpenSSH configuration, shows the key that "
        "known_hosts has, and lets us in without a password",
        why="everything is done over this one connection",
        refuses="no answer, an unknown, changed or revoked key, a refused login",
        fix="make `ssh HOST true` work first; compare a new key's fingerprint with the host's own",
    ),
    Check(
        "root",
        looks="we are root there, directly or by `sudo -n`, with CAP_NET_ADMIN, CAP_NET_RAW and "
        "CAP_SYS_ADMIN",
        why="links are changed and containers' namespaces entered",
        warns="what root may do could not be read",
        refuses="no root, or root without those (a container)",
        fix="log in as root, or: `USER ALL=(ALL) NOPASSWD: ALL` in a file of /etc/sudoers.d",
        run=machine.root,
    ),
    Check(
        "python",
        looks="python3 is there, 3.8 or later",
        why="the agent is a Python program that is sent over and leaves nothing",
        refuses="none, or an older one",
        fix="install python3",
        run=machine.python,
    ),
    Check(
        "kernel",
        looks="the kernel's release",
        why="macvlan networks of Docker need one after 3.9",
        refuses="3.8 or older",
        fix="update it",
        run=machine.kernel,
    ),
    Check(
        "macvlan",
        looks="the macvlan module, loaded, built in or loadable (/sys/module, the kernel's "
        "configuration, /lib/modules, modprobe.d)",
        why="every network of a site is a macvlan network, but for contrast scenarios",
        warns="it cannot be told",
        refuses="missing, or kept out by an install line of modprobe.d",
        fix="install the package with the kernel's modules; `modprobe macvlan`",
        run=machine.macvlan,
    ),
    Check(
        "drivers",
        looks="what the drivers of contrast scenarios need: links of type ipvlan, bridge and veth (the "
        "kernel's lists; where they name none, the kernel itself, in a network namespace that is gone at "
        "once), and the engine's own list of network drivers",
        why="a scenario whose driver is missing is not run, and the others are",
        warns="one is missing",
        fix="a kernel with that module; a newer Docker",
        run=features.drivers,
    ),
    Check(
        "8021q",
        looks="the 8021q module, where the site names a VLAN (the embedded lab has another way)",
        why="a VLAN sub-interface is made by it",
        warns="it cannot be told",
        refuses="missing, or kept out by an install line of modprobe.d",
        fix="install the package with the kernel's modules; `modprobe 8021q`",
        run=machine.dot1q,
    ),
    Check(
        "parent",
        looks="the link that the site names",
        why="networks sit on it",
        refuses="there is none of that name",
        fix="write the NIC's name in the site file; `ip link` shows them",
        run=parent.exists,
    ),
    Check(
        "parent state",
        looks="it is up and has a carrier",
        why="on a link that is down nobody reaches anybody",
        warns="no carrier",
        refuses="it is down",
        fix="`ip link set PARENT up`; plug the cable in",
        run=parent.state,
    ),
    Check(
        "parent kind",
        looks="it is an Ethernet link of its own: not wireless, no bridge port, no bond slave, no"
        " macvlan or ipvlan link, and carries no ipvlan or passthru link",
        why="macvlan takes over the link's receive handler, and needs many MAC addresses on it",
        refuses="any of these",
        fix="name the bridge, the bond or the NIC below as parent",
        run=parent.kind,
    ),
    Check(
        "promiscuous",
        looks="promiscuous mode can be set on it, as far as that is known without setting it: "
        "virtual functions need their physical host's trust",
        why="frames for containers carry other MAC addresses than the NIC's",
        warns="a virtual function",
        fix="`ip link set PF vf N trust on spoofchk off` on the physical host",
        run=parent.promiscuity,
    ),
    Check(
        "vlan link",
        looks="a link of the sub-interface's name is that sub-interface, and its id is no other "
        "link's",
        why="an existing link is used only if it is what the site says",
        refuses="another link has the name, or another name has the id",
        fix="rename or delete that link, or write another VLAN id",
        run=parent.vlan_links,
    ),
    Check(
        "docker",
        looks="the engine answers, over the SSH connection as well; 20.10 or later; not rootless",
        why="it makes networks and containers",
        refuses="any of these is not so",
        fix="`systemctl status docker`; `usermod -aG docker USER`; AllowStreamLocalForwarding "
        "yes in sshd_config",
        run=docker.engine,
    ),
    Check(
        "image",
        looks="the containers' image is there",
        why="without it the run pulls it",
        warns="it is missing",
        fix="`docker save IMAGE | ssh HOST docker load`",
        run=docker.image,
    ),
    Check(
        "networks on parent",
        looks="other macvlan and ipvlan networks on the same link",
        why="Docker up to 26 allows one macvlan network on a parent; ipvlan and passthru share "
        "with nobody",
        warns="another macvlan network (Docker 27 and later)",
        refuses="another macvlan network (up to Docker 26), ipvlan, passthru",
        fix="`docker network rm NAME`, or another parent",
        run=docker.networks_on_parent,
    ),
    Check(
        "names",
        looks="the names of the site's networks and containers",
        why="what has not our label is never touched",
        refuses="somebody else's network or container has the name",
        fix="write another name in the site file",
        run=docker.names,
    ),
    Check(
        "subnets",
        looks="Docker networks with a subnet that overlaps a scenario's",
        why="Docker refuses a second pool for the same addresses",
        refuses="there is one",
        fix="`docker network rm NAME`, or another subnet",
        run=addresses.pools,
    ),
    Check(
        "own address",
        looks="the address that the site gives to the host is on its parent",
        why="the host itself is asked, and asks, by it",
        warns="it is not there",
        fix="write the address that `ip addr show PARENT` shows",
        run=addresses.own,
    ),
    Check(
        "free addresses",
        looks="no address of a container is the host's own; no VLAN's subnet is on another link",
        why="a second owner of an address takes its traffic, ours over SSH included",
        warns="another link leads to a VLAN's subnet",
        refuses="an address of the site is on another link",
        fix="write another address or subnet",
        run=addresses.free_on_host,
    ),
    Check(
        "addresses in use",
        looks="who answers ARP for the containers' addresses (RFC 5227: a probe without a sender,"
        " three times in 0.3 s), and for the gateway. A run asks by itself, when its links "
        "stand",
        why="two machines with one address take each other's traffic",
        warns="a gateway that is not as declared; somebody answers for addresses that nobody has; an "
        "address of an earlier run's container",
        refuses="somebody has a container's address",
        fix="write a free address",
        run=addresses.in_use,
    ),
    Check(
        "ranges",
        looks="macvlan and ipvlan networks of two hosts that give out the same addresses",
        why="an engine knows its own containers only",
        warns="there are such",
        fix="`docker network create --ip-range ...`, a range for each host",
        run=addresses.disjoint,
    ),
    Check(
        "arp table",
        looks="gc_thresh3 and the pairs that the site asks on this host",
        why="the kernel refuses entries beyond it: pings fail that should not",
        warns="it holds fewer than the site has pairs (we ask in waves)",
        fix="`sysctl -w net.ipv4.neigh.default.gc_thresh3=...`",
        run=machine.neighbours,
    ),
    Check(
        "clock",
        looks="the host's clock against ours",
        why="captures and logs of several hosts are read side by side",
        warns="more than 2 s apart",
        fix="`timedatectl status`",
        run=machine.clock,
    ),
    Check(
        "virtual",
        looks="DMI, the CPU's hypervisor flag, container marks",
        why="a hypervisor's virtual switch often drops the frames of other MAC addresses",
        warns="a hypervisor or container, with what it is known for",
        refuses="WSL",
        fix="allow promiscuous mode and forged MAC addresses for that adapter",
        run=machine.virtual,
    ),
    Check(
        "memory",
        looks="free memory, at 16 MiB a container",
        why="a container that does not start is a cell that does not run",
        warns="less than that",
        fix="`free -m`",
        run=machine.memory,
    ),
    Check(
        "journal",
        looks="/run can be written",
        why="no step is done before its undo is written",
        warns="its free room could not be read",
        refuses="it is full or read-only",
        fix="`df -h /run`",
        run=machine.run_folder,
    ),
    Check(
        "lease",
        looks="no other run works there",
        why="two runs would undo each other's steps",
        warns="one does, and who; or nobody could tell",
        fix="`pytest --wait`",
        run=machine.lease,
    ),
    Check(
        "leftovers",
        looks="what an earlier run left there",
        why="the next run puts it back first",
        warns="there is some, or the journal could not be read",
        fix="`python -m fixtures cleanup`",
        run=machine.leftovers,
    ),
)
"""Every check, in order."""
