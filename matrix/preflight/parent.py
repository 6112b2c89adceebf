"""Checks of the links: the NIC that networks sit on, and the sub-interfaces on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from matrix.driver import Driver
from matrix.preflight.look import LinkSeen, Look, Said, Ward, ok, refuse, warn
from matrix.topology import Scenario

LAB_ALIAS = "l2matrix-lab:"


def exists(ward: Ward) -> Iterator[Said]:
    """The link that the site names is there."""
    name = ward.host.parent
    if ward.look.link(name) is None:
        others = ", ".join(link.name for link in ward.look.links if link.name != "lo") or "none"
        yield refuse(
            f"there is no link {name!r}",
            f"write this host's NIC as parent in the site file; it has {others}",
        )
    else:
        yield ok(name)


def state(ward: Ward) -> Iterator[Said]:
    """It is up, and somebody is at the other end."""
    link = ward.look.link(ward.host.parent)
    if link is None:
        return
    if not link.up:
        yield refuse(
            f"the link {link.name!r} is down, and we do not start other people's links",
            f"on the host: ip link set {link.name} up",
        )
    elif not link.carrier:
        yield warn(
            f"{link.name} has no carrier",
            "plug the cable in; see the switch port",
            why="what sits on it reaches nobody, not even its siblings",
        )
    else:
        yield ok("up, with carrier")


def kind(ward: Ward) -> Iterator[Said]:
    """It is a link that macvlan can sit on."""
    link = ward.look.link(ward.host.parent)
    if link is None:
        return
    said = list(_unfit(ward.look, link, ward.scenarios))
    yield from said or [
        ok(link.kind or (f"a NIC ({ward.look.driver})" if ward.look.driver else "a NIC"))
    ]


def _unfit(look: Look, link: LinkSeen, scenarios: Iterable[Scenario]) -> Iterator[Said]:
    name = link.name
    another = "write another link as parent in the site file"
    if look.wireless:
        yield refuse(
            f"{name} is wireless",
            f"{another}; or use ipvlan, which has one MAC address",
            why="an access point takes frames only from the MAC address that associated "
            "(IEEE 802.11, three-address frames)",
        )
    if not link.ethernet:
        yield refuse(f"{name} is no Ethernet link ({link.kind or 'loopback'})", another,
                     why="macvlan needs MAC addresses")  # fmt: skip
    if link.port_of:
        master = look.name_of(link.master) or "a bridge or bond"
        yield refuse(
            f"{name} is a port of {master} ({link.port_of})",
            f'write parent = "{master}" in the site file',
            why="its frames go to its master, and macvlan on it gets none",
        )
    if link.kind in ("macvlan", "macvtap", "ipvlan", "ipvtap"):
        below = look.name_of(link.link)
        yield refuse(
            f"{name} is itself a {link.kind} link",
            f'write parent = "{below}", the link below it' if below else another,
            why="Docker would put the network on the link below it (the kernel allows no stack)",
        )
    for other in look.links:
        if other.link != link.index or other.name == name:
            continue
        if other.kind in ("ipvlan", "ipvtap"):
            yield refuse(
                f"{name} carries the {other.kind} link {other.name}",
                f"remove it (ip link del {other.name}), or {another}",
                why="a link has one receive handler: macvlan's or ipvlan's",
            )
        for scenario in (s for s in scenarios if s.driver is Driver.IPVLAN):
            if other.kind in ("macvlan", "macvtap"):
                yield refuse(
                    f"{name} carries the {other.kind} link {other.name}",
                    f"remove it (ip link del {other.name}), or {another}",
                    why="a link has one receive handler: macvlan's or ipvlan's",
                    scenario=scenario.name,
                )
        if other.mode == "passthru":
            yield refuse(
                f"{name} carries {other.name}, a macvlan link in passthru mode",
                f"remove it (ip link del {other.name}), or {another}",
                why="passthru allows no other macvlan link beside it, and makes the host deaf",
            )


def promiscuity(ward: Ward) -> Iterator[Said]:
    """Promiscuous mode can be set, as far as that is known without setting it."""
    link = ward.look.link(ward.host.parent)
    if link is None:
        return
    if ward.look.virtual_function:
        yield warn(
            f"{link.name} is an SR-IOV virtual function",
            "on its physical host: ip link set PF vf N trust on spoofchk off",
            why="the physical function delivers only the MAC addresses that it knows of, unless "
            "the virtual function is trusted",
        )
    elif link.promisc:
        yield ok("on already, and stays on")
    else:
        yield ok("can be set, as far as the host knows; what its switch does is seen by the run")


def vlan_links(ward: Ward) -> Iterator[Said]:
    """A link of a sub-interface's name is that sub-interface."""
    for scenario in ward.vlans():
        vlan, name = scenario.segment.vlan, scenario.parent_on(ward.host)
        link = ward.look.link(name)
        if link is None:
            if (same := _same_vlan(ward, vlan)) is not None:
                yield refuse(
                    f"802.1Q id {vlan} on {ward.host.parent} is the link {same} already",
                    f"rename it to {name} if nobody needs that name, or write another VLAN id in "
                    "the site file",
                    why="the kernel has one link for an id on a parent",
                    scenario=scenario.name,
                )
            else:
                yield ok(f"{name} will be made")
            continue
        below = ward.look.name_of(link.link)
        right = link.kind == "vlan" and link.vlan == vlan and below == ward.host.parent
        if right or link.alias == f"{LAB_ALIAS} 802.1Q id {vlan} on {ward.host.parent} by eBPF":
            yield ok(f"{name} is there, and stays")
            continue
        what = link.alias.partition(LAB_ALIAS)[2].strip() or link.kind or "a NIC"
        if link.kind == "vlan":
            what = f"802.1Q id {link.vlan} on {below}"
        yield refuse(
            f"the link {name!r} exists and is {what}, not 802.1Q id {vlan} on {ward.host.parent}",
            "rename or delete it, or write another VLAN id in the site file",
            scenario=scenario.name,
        )
    if not ward.vlans():
        yield ok("none needed")


def _same_vlan(ward: Ward, vlan: int | None) -> str | None:
    parent = ward.look.link(ward.host.parent)
    for link in ward.look.links:
        same = link.kind == "vlan" and link.vlan == vlan
        if parent is not None and same and link.link == parent.index:
            return link.name
    return None
