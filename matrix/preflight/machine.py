"""Checks of the machine itself: who we are there, kernel, modules, room, clock, hypervisor."""

from __future__ import annotations

import re
from collections.abc import Iterator

from matrix.driver import Driver
from matrix.preflight.look import Said, Ward, ok, refuse, warn

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_ADMIN": 21}
"""linux/capability.h: change links, send raw frames, enter a container's namespace (setns(2))."""

OLDEST_PYTHON = (3, 8)
OLDEST_KERNEL = (3, 9)
"""Docker's own condition for macvlan (docs.docker.com/engine/network/drivers/macvlan)."""

CLOCK_S = 2.0
MIB = 1 << 20
CONTAINER_BYTES, SPARE_BYTES = 16 * MIB, 64 * MIB
"""What a sleeping busybox (1.4 MB resident) and its containerd-shim (12.4 MB) take, and spare."""

JOURNAL_BYTES = MIB

# Vendor words (DMI, /sys/hypervisor, systemd), the product, and what macvlan meets there.
_MACS = "its virtual switch delivers only the MAC addresses that it gave out itself"
HYPERVISORS = (
    (r"vmware", "VMware", ("a vSwitch port needs Promiscuous mode = Accept and Forged transmits = "
     "Accept (both are Reject by default); with teamed uplinks set Net.ReversePathFwdCheckPromisc=1")),
    (r"virtualbox|innotek", "VirtualBox", ("the adapter needs Promiscuous Mode = Allow All (Deny is "
     "the default); bridged to Wi-Fi it rewrites MAC addresses; some adapters strip VLAN tags")),
    (r"microsoft|hyper-v", "Hyper-V", "the VM's adapter needs MacAddressSpoofing On "
     "(Set-VMNetworkAdapter), and for VLANs -Trunk (Set-VMNetworkAdapterVlan); on Azure " + _MACS),
    (r"parallels", "Parallels", ("a bridged network may answer for every address of a segment by "
     "itself: trust only the cells that both ends prove")),
    (r"amazon|\bec2\b", "Amazon EC2", _MACS + ": macvlan across instances cannot work"),
    (r"google", "Google Compute Engine", "its network routes by IP and answers ARP itself; " + _MACS),
    (r"openstack", "OpenStack", ("port security drops foreign MAC addresses: "
     "allowed-address-pairs or port_security_enabled=False")),
    (r"proxmox|qemu|kvm|bochs|rhev|ovirt", "KVM", ("libvirt's no-mac-spoofing filter and Proxmox's "
     "firewall drop foreign MAC addresses; a vhost/macvtap NIC needs trustGuestRxFilters=yes")),
    (r"xen", "Xen", "a vif with locking mode drops foreign MAC addresses"),
)  # fmt: skip


def root(ward: Ward) -> Iterator[Said]:
    """Root, with the capabilities that links and probes need."""
    held = ward.look.capabilities
    lacks = [n for n, bit in CAPABILITIES.items() if held is not None and not held >> bit & 1]
    if lacks:
        yield refuse(
            f"root there lacks {', '.join(lacks)}",
            "is the host itself a container? Run it with these capabilities, or name the real host",
        )
    elif held is None:
        yield warn(
            "what root may do there could not be read", "on the host: grep CapEff /proc/self/status"
        )
    else:
        yield ok(f"root, logged in as {ward.look.user}" if ward.look.user else "root")


def python(ward: Ward) -> Iterator[Said]:
    """A python3 that the agent runs on."""
    if _numbers(ward.look.python)[:2] < OLDEST_PYTHON:
        yield refuse(f"python3 there is {ward.look.python}", "install python 3.8 or later there")
    else:
        yield ok(ward.look.python)


def kernel(ward: Ward) -> Iterator[Said]:
    """A kernel that Docker's macvlan driver works with."""
    if _numbers(ward.look.kernel)[:2] < OLDEST_KERNEL:
        yield refuse(f"the kernel is {ward.look.kernel}", "update it to 3.9 or later")
    else:
        yield ok(ward.look.kernel)


def macvlan(ward: Ward) -> Iterator[Said]:
    """The module of every macvlan network."""
    if all(scenario.driver is not Driver.MACVLAN for scenario in ward.scenarios):
        yield ok("not needed: no scenario is of driver macvlan")
        return
    yield _module(ward, "macvlan")


def dot1q(ward: Ward) -> Iterator[Said]:
    """The module of VLAN sub-interfaces, where the site names one."""
    if not ward.vlans():
        yield ok("not needed: the site names no VLAN")
    elif ward.look.modules.get("8021q") != "there" and ward.look.vlan_helper:
        yield ok("missing; the embedded lab makes its VLAN links by eBPF")
    else:
        yield _module(ward, "8021q")


def _module(ward: Ward, name: str) -> Said:
    match ward.look.modules.get(name, "unknown"):
        case "there":
            return ok("in the kernel")
        case "loadable":
            return ok("a module, loaded when it is first used")
        case "blocked":
            return refuse(
                f"the module {name} is there, and an install line of modprobe.d keeps it out",
                f"see which: grep -r 'install {name}' /etc/modprobe.d",
            )
        case "missing":
            return refuse(
                f"the kernel has no module {name}",
                f"install the package with the kernel's modules (Debian: linux-image-..., Ubuntu: "
                f"linux-modules-extra-$(uname -r)), then: modprobe {name}",
            )
        case _:
            return warn(f"cannot be told from outside: no list of modules for {ward.look.kernel}",
                        f"on the host: modprobe --dry-run --verbose {name}")  # fmt: skip


def clock(ward: Ward) -> Iterator[Said]:
    """The host's clock and ours."""
    off, within = ward.look.offset_s, ward.look.offset_within_s
    words = f"{abs(off):.1f} s {'ahead of' if off > 0 else 'behind'} ours"
    if abs(off) - within > CLOCK_S:
        yield warn(f"its clock is {words}", "is a time service running there? timedatectl status")
    else:
        yield ok(f"within {max(abs(off) + within, 0.1):.1f} s of ours")


def virtual(ward: Ward) -> Iterator[Said]:
    """Whether the NIC is a hypervisor's, and what that one is known to do to macvlan."""
    if ward.topology.embedded_lab:
        yield ok("the embedded lab: its wires do not leave this machine's kernel")
        return
    seen = ward.look.machine
    if inside := seen.get("container", ""):
        yield warn(
            f"the host is itself a container ({inside})",
            "its NIC is somebody else's link: see what that one lets through",
        )
        return
    if "microsoft" in seen.get("version", "").lower():
        yield refuse(
            "the host is WSL",
            "use a real Linux host or a VM: its virtual switch has no place for macvlan",
            why="WSL 2's NIC sits behind NAT; containers on macvlan reach nobody outside",
        )
        return
    keys = ("sys_vendor", "product_name", "product_version", "bios_vendor", "hypervisor",
            "device_tree", "board_vendor")  # fmt: skip
    words = " ".join(seen.get(key, "") for key in keys).lower()
    for pattern, product, trap in HYPERVISORS:
        if re.search(pattern, words):
            yield warn(f"a virtual machine of {product}", trap)
            return
    if seen.get("cpu_says") == "hypervisor":
        yield warn(
            "a virtual machine; of which hypervisor it does not say",
            "see that its virtual switch takes frames from, and to, MAC addresses of containers",
        )
    else:
        yield ok("no hypervisor")


def memory(ward: Ward) -> Iterator[Said]:
    """Room for the containers."""
    free = ward.look.memory_bytes
    number = sum(len(s.containers_on(ward.host.name)) for s in ward.scenarios)
    need = number * CONTAINER_BYTES + SPARE_BYTES
    if free is None:
        yield warn("free memory could not be read", "on the host: free -m")
    elif free < need:
        yield warn(
            f"{free // MIB} MiB are free; {number} containers take up to {need // MIB} MiB",
            "free some, or write fewer containers in the site file",
        )
    else:
        yield ok(f"{free // MIB} MiB free for {number} containers")


def run_folder(ward: Ward) -> Iterator[Said]:
    """Room in /run, for the journal."""
    free = ward.look.run_free_bytes
    if free is not None and free < JOURNAL_BYTES:
        yield refuse(
            "/run is full or read-only",
            "make room there: df -h /run",
            why="undo steps are written to /run/l2matrix before anything is changed",
        )
    elif free is None:
        yield warn("free room in /run could not be read", "on the host: df -h /run")
    else:
        yield ok("/run takes the journal")


def neighbours(ward: Ward) -> Iterator[Said]:
    """Room in the kernel's ARP table for every pair of the site at once."""
    limit = ward.look.neighbour_limit
    need = 0
    for scenario in ward.scenarios:
        everybody = scenario.endpoints()
        need += sum(len(everybody) - 1 for one in everybody if one.host == ward.host.name)
    if limit and need > limit:
        yield warn(
            f"the ARP table holds {limit} entries, the site's pairs need {need} on this host",
            f"nothing for us: we ask in waves; for what runs there later: sysctl -w "
            f"net.ipv4.neigh.default.gc_thresh3={2 * need}",
        )
    else:
        yield ok(f"{need} of {limit or 'an unknown number of'} entries (gc_thresh3)")


def lease(ward: Ward) -> Iterator[Said]:
    """Whether a run is at work there."""
    if ward.look.holder:
        yield warn(
            f"a run works there now: {ward.look.holder}",
            "wait until it has ended; pytest --wait does",
        )
    elif why := ward.look.failed.get("holder"):
        yield warn(f"who works there could not be asked: {why}", "look there: ps -ef")
    else:
        yield ok("nobody's")


def leftovers(ward: Ward) -> Iterator[Said]:
    """What a killed run left there."""
    if why := ward.look.failed.get("journal"):
        yield warn(
            f"the journal of an earlier run could not be read: {why}",
            "look at /run/l2matrix/journal.jsonl there; it is removed by hand or by a reboot",
        )
        return
    docker = ward.look.docker
    things = [c.names[0] for c in docker.containers if c.ours and c.names] if docker else []
    things += [n.name for n in docker.networks if n.ours] if docker else []
    if ward.look.holder or not (things or ward.look.journal):
        yield ok("none" if not ward.look.holder else "those of the run that works there")
        return
    changes = [f"{ward.look.journal} changes in its journal"] if ward.look.journal else []
    yield warn(
        f"an earlier run left {', '.join([*sorted(things), *changes])}",
        f"the next run puts it back; or now: python -m fixtures cleanup --host {ward.host.name}",
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])
