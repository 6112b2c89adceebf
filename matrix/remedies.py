"""How to open what is blocked by design: exact commands, their undo, and what else they do.

Rule 1: this is the one place. The report embeds these sections, ``docs/remedies.md`` is made from
them (``python -m reports remedies``), and a test runs their commands on the embedded lab.
Rule 2: the commands are those of the example site ``sites/lab.toml``; no command opens a cell
without another that closes it again.
Rule 3: what was only read and never run is said in ``checked``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, in words, and what to type for it, one command a line."""

    words: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way to open cells. ``anchor`` names its section in the report and in the docs."""

    anchor: str
    title: str
    opens: str
    steps: tuple[Step, ...]
    undo: tuple[Step, ...]
    beware: tuple[str, ...]
    next_run: str
    checked: str
    sources: tuple[str, ...]


_MACVLAN_C = "Linux drivers/net/macvlan.c (macvlan_queue_xmit, macvlan_handle_frame)"
_DOCKER_MACVLAN = "https://docs.docker.com/engine/network/drivers/macvlan/"
_DOCKER_NETWORK = "https://docs.docker.com/engine/network/"
_LAB = "On the embedded lab, Linux 6.18 and Docker 20.10.24: "

HOST_SHIM = Remedy(
    anchor="how-host-shim",
    title="A macvlan link of the host's own (a shim)",
    opens="The host and its own containers reach each other, the containers by the shim's address. "
    "Two bridge-mode links of one parent hand frames to each other inside the kernel, so the "
    "host takes part as one more of them.",
    steps=(
        Step(
            "On the host, with an address that nobody else on the LAN has (here .250). On a VLAN the "
            "link is the sub-interface, enp0s5.200. The two sysctls come before the link is up: see "
            "the trap below.",
            (
                "ip link add shim0 link enp0s5 type macvlan mode bridge",
                "sysctl -w net.ipv4.conf.shim0.arp_ignore=1",
                "sysctl -w net.ipv4.conf.shim0.arp_announce=2",
                "ip addr add 192.168.2.250/32 dev shim0",
                "ip link set shim0 up",
            ),
        ),
        Step(
            "A route to each container of this host; one route is enough where the Docker network "
            "has an --ip-range.",
            (
                "ip route add 192.168.2.220/32 dev shim0",
                "ip route add 192.168.2.221/32 dev shim0",
            ),
        ),
        Step(
            "See that it works, both ways.",
            ("ping -c 1 192.168.2.220", "docker exec c1 ping -c 1 192.168.2.250"),
        ),
    ),
    undo=(
        Step(
            "Its address, routes and sysctls go with it. Nothing else was changed.",
            ("ip link del shim0",),
        ),
    ),
    beware=(
        (
            "The ARP trap: without arp_ignore=1 on the shim, the host answers ARP for its own address "
            "by two MAC addresses, the NIC's and the shim's (Linux answers for any address it has, on "
            "any link). Others on the LAN, and your own SSH connection, may settle on the shim's, and "
            "are cut off when the shim goes."
        ),
        (
            "The price of arp_ignore=1: the containers reach the host by the shim's address alone, "
            "not by the host's own."
        ),
        (
            "/32 and routes, never the LAN's own prefix on the shim: two links with the same prefix "
            "compete, and the NIC's route wins. Without the routes, replies leave by the NIC and are "
            "lost."
        ),
        (
            "The mode must be bridge, as the Docker network's; a private or vepa link hands nothing "
            "over."
        ),
        (
            "Take the address out of Docker's reach: --aux-address host=192.168.2.250 when the network "
            "is made, and out of the LAN's DHCP range."
        ),
        (
            "It is gone after a reboot, and with its parent; make it again from your network "
            "configuration."
        ),
    ),
    next_run="The cells from the host to its own containers answer then, and are a LEAK until the "
    'site says so by an [[override]] with expect = "reply". The cells from a container to its '
    "host ask for the host's own address, and stay BLOCKED.",
    checked=f"{_LAB}without routes nothing answered; with them host and containers reached each "
    "other; another host saw two ARP answers for the host's address without arp_ignore=1, one "
    "with it; remote containers, even inside the routed range, stayed reachable; afterwards "
    "links and routes were as before.",
    sources=(
        _MACVLAN_C,
        "https://docs.kernel.org/networking/ip-sysctl.html (arp_ignore, arp_announce)",
        "ip-link(8), ip-route(8)",
        _DOCKER_MACVLAN,
    ),
)

SECOND_NETWORK = Remedy(
    anchor="how-second-network",
    title="A second network, of the bridge driver, for host and container",
    opens="The host and the container reach each other, by addresses of the second network. The "
    "macvlan addresses stay as closed to each other as they were.",
    steps=(
        Step(
            "On the container's host. --internal leaves the container's default route alone.",
            (
                "docker network create --driver bridge --internal hostside",
                "docker network connect hostside c1",
            ),
        ),
        Step(
            "The container's address, for the host; and the host's, for the container.",
            (
                "docker inspect -f '{{.NetworkSettings.Networks.hostside.IPAddress}}' c1",
                "docker network inspect -f '{{(index .IPAM.Config 0).Gateway}}' hostside",
            ),
        ),
    ),
    undo=(
        Step(
            "For each container; then the network.",
            ("docker network disconnect hostside c1", "docker network rm hostside"),
        ),
    ),
    beware=(
        (
            "Without --internal the container's default route may move to the bridge, and with it "
            "everything that it sends beyond the LAN (Docker 28 and later: set gw-priority on the "
            "macvlan network instead)."
        ),
        (
            "What listens on the host must listen on the bridge's address as well, and the host's "
            "firewall (INPUT) decides about these packets."
        ),
        (
            "All containers on hostside reach each other on it, whatever VLAN they are on: use one "
            "network for each group that may meet."
        ),
    ),
    next_run="Nothing changes: the harness asks for the macvlan addresses, from containers that it "
    "makes itself.",
    checked=f"{_LAB}host and container reached each other, and the default route stayed; without "
    "--internal the default route moved to the bridge, whatever the network's name, and came "
    "back with the disconnect.",
    sources=(
        f"{_DOCKER_NETWORK} (connecting to multiple networks)",
        "https://docs.docker.com/reference/cli/docker/network/create/ (--internal)",
        _DOCKER_MACVLAN,
    ),
)

ADD_HOST = Remedy(
    anchor="how-add-host",
    title="The other container's name in /etc/hosts (--add-host)",
    opens="This one container knows that one name. Docker writes it to the container's /etc/hosts, "
    "which is read before any name server is asked.",
    steps=(
        Step(
            "It can be said only when the container is made: stop it, and make it again with your "
            "own options, image and volumes. (Compose: extra_hosts.)",
            (
                "docker rm -f c1",
                (
                    "docker run -d --name c1 --network macnet --ip 192.168.2.220 "
                    "--add-host c3:192.168.2.222 IMAGE"
                ),
            ),
        ),
        Step("See that it works.", ("docker exec c1 ping -c 1 c3",)),
    ),
    undo=(Step("Make the container again without --add-host."),),
    beware=(
        "docker rm stops the container, and what is not in a volume is lost.",
        (
            "The address is written down once: when c3 moves, c1 keeps asking the old address, and "
            "whoever has it then may answer."
        ),
    ),
    next_run="Nothing changes: the harness makes its own containers, without --add-host.",
    checked=f"{_LAB}the line stood in /etc/hosts, and the name resolved.",
    sources=("https://docs.docker.com/reference/cli/docker/container/run/ (--add-host)",),
)

LAN_DNS = Remedy(
    anchor="how-lan-dns",
    title="A name server on the LAN",
    opens="Every container that asks it knows every name. Docker's own server (127.0.0.11) answers "
    "for the containers of its engine, and forwards every other name.",
    steps=(
        Step(
            "On a machine of the LAN that is none of the Docker hosts, a record for each container; "
            "with dnsmasq (here at 192.168.2.53):",
            (
                "echo host-record=c3,c3.lan,192.168.2.222 >> /etc/dnsmasq.d/containers.conf",
                "systemctl restart dnsmasq",
            ),
        ),
        Step(
            "For one container, when it is made:",
            ("docker run -d --network macnet --dns 192.168.2.53 IMAGE",),
        ),
        Step(
            "Or for all containers of a host, in its /etc/docker/daemon.json (then restart Docker, "
            "which stops containers unless live-restore is on):",
            ('"dns": ["192.168.2.53"]',),
        ),
    ),
    undo=(
        Step(
            "Take the lines out again, restart dnsmasq and Docker; make containers again that were "
            "made with --dns."
        ),
    ),
    beware=(
        (
            "The question leaves from the container's own namespace, by its macvlan link: a server on "
            "the container's own host is never reached (that is the very silence that this report is "
            "about), and one on another VLAN needs a router."
        ),
        "Docker's server answers first: a local container of the same name hides the record.",
        "Nothing keeps records and containers in step; give containers fixed addresses.",
    ),
    next_run="With daemon.json, the harness's containers know the names as well: their cells are a "
    'LEAK until the site says so by an [[override]] with expect = "reply". With --dns nothing '
    "changes.",
    checked=f"{_LAB}a name server at another machine's address was asked from the container's "
    "macvlan address, for c3 and for c3.lan, and the names resolved. dnsmasq and daemon.json "
    "were not run.",
    sources=(
        f"{_DOCKER_NETWORK} (DNS services)",
        "https://docs.docker.com/reference/cli/docker/container/run/ (--dns)",
        "dnsmasq(8), --host-record",
    ),
)

ROUTER = Remedy(
    anchor="how-router",
    title="A router on the segment",
    opens="The gateway's address answers, and, if the machine forwards, what is behind it can be "
    "reached. The containers have their default route by this address already.",
    steps=(
        Step(
            "On a Linux machine that is none of the Docker hosts, and whose switch port carries the "
            "VLAN tagged. (On the NIC's own LAN the address alone is enough, without a link of its "
            "own.) First see that nobody has the address: no answer may come.",
            (
                "ip link add link enp0s5 name enp0s5.200 type vlan id 200",
                "ip link set enp0s5.200 up",
                "arping -D -c 3 -I enp0s5.200 192.168.200.1",
                "ip addr add 192.168.200.1/24 dev enp0s5.200",
            ),
        ),
        Step(
            "Only if it is to forward to other networks; note first what it says now.",
            ("sysctl net.ipv4.ip_forward", "sysctl -w net.ipv4.ip_forward=1"),
        ),
    ),
    undo=(
        Step("The address goes with the link.", ("ip link del enp0s5.200",)),
        Step("If it was 0 before:", ("sysctl -w net.ipv4.ip_forward=0",)),
    ),
    beware=(
        (
            "A router ends the isolation that the VLAN was made for: filter what it forwards before you "
            "switch forwarding on."
        ),
        (
            "The way back needs a route as well: other networks must send 192.168.200.0/24 to this "
            "machine, or it must translate addresses."
        ),
        "On one of the Docker hosts it would be out of reach of that host's own containers.",
        "It is gone after a reboot; make it again from your network configuration.",
    ),
    next_run="Write gateway_present = true into the site file: then the gateway must answer. Until "
    "then its cells are a LEAK.",
    checked="On the embedded lab, with sites/lab-vlan-gateway.toml: a machine with the address on the "
    "VLAN answers every container and host. The commands themselves were not run there: its "
    "kernel has no 8021q module, and the lab makes the VLAN otherwise.",
    sources=(
        "ip-link(8), type vlan",
        "https://docs.kernel.org/networking/ip-sysctl.html (ip_forward)",
        _DOCKER_MACVLAN,
    ),
)

BRIDGE_MODE = Remedy(
    anchor="how-bridge-mode",
    title="The network in mode bridge",
    opens="Siblings reach each other inside the kernel, and the host keeps its NIC. (To the host's own "
    "containers no mode leads; see the shim.)",
    steps=(
        Step(
            "A network's mode cannot be changed: take its containers off, remove it, make it again "
            "with the same subnet, gateway and parent.",
            (
                "docker network disconnect macnet c1",
                "docker network rm macnet",
                (
                    "docker network create -d macvlan --subnet 192.168.2.0/24 --gateway 192.168.2.1 "
                    "-o parent=enp0s5 -o macvlan_mode=bridge macnet"
                ),
                "docker network connect --ip 192.168.2.220 macnet c1",
            ),
        ),
        Step("See the mode of a container's link.", ("docker exec c1 ip -d link",)),
    ),
    undo=(Step("The same once more, with the mode that it had: docker network inspect says it."),),
    beware=(
        "Who chose private wanted siblings apart; in bridge mode nothing on this host keeps them so.",
        "Containers lose their connections, and, without --ip, maybe their addresses.",
    ),
    next_run='Write mode = "bridge" into the site file.',
    checked=f"{_LAB}private, vepa, bridge and passthru one after another, sites/lab-modes.toml.",
    sources=(_MACVLAN_C, _DOCKER_MACVLAN),
)

HAIRPIN = Remedy(
    anchor="how-hairpin",
    title="A switch port that reflects (hairpin, 802.1Qbg)",
    opens="In mode vepa siblings reach each other by way of the switch, and, in modes bridge and vepa, "
    "the host and its own containers do.",
    steps=(
        Step(
            "On the switch. A Linux bridge, for the port that the host is plugged into:",
            ("bridge link set dev PORT hairpin on",),
        ),
    ),
    undo=(Step("On the switch:", ("bridge link set dev PORT hairpin off",)),),
    beware=(
        (
            "The host gets its own broadcasts back as well: of another stack than Linux's that may be "
            "taken for a duplicate address."
        ),
        "On most physical switches it is called reflective relay or VEPA, and most have none.",
        "In mode private siblings stay apart all the same.",
    ),
    next_run="Write hairpin = true for that host into the site file; until then its cells are a LEAK.",
    checked=f"{_LAB}sites/lab-modes.toml has it on one of its two ports.",
    sources=(_MACVLAN_C, "IEEE 802.1Qbg (reflective relay)", "bridge(8), hairpin"),
)

REMEDIES = (HOST_SHIM, SECOND_NETWORK, ADD_HOST, LAN_DNS, ROUTER, BRIDGE_MODE, HAIRPIN)
BY_ANCHOR = {remedy.anchor: remedy for remedy in REMEDIES}
