"""The physics of macvlan as one table: who should answer whom, and why.

Rule 1: everything that makes an expectation is in ``RULES``, or for another driver in its table of
``matrix.driver_rules``; the first row that fits decides.
Rule 2: every row carries its reason in words a person can check, and, where it is silence by
design, what opens it.
Rule 3: a row looks at what is declared, never at what was found.

Sources: Linux drivers/net/macvlan.c. ``macvlan_queue_xmit`` hands a frame over inside the kernel
only between two bridge-mode endpoints of one parent; everything else goes to the wire by
``dev_queue_xmit``, and a frame that left on the wire does not come back to the parent's own stack
unless something reflects it (hairpin). That, and no filter, is why a parent never reaches its own
endpoints. What a mode does with a frame that comes back from the wire is in
``macvlan_handle_frame``; passthru gives every unicast frame to its endpoint there. Docker: the
embedded DNS server (127.0.0.11) knows the containers of its own engine's networks; macvlan networks
have scope "local" (moby daemon/libnetwork/drivers/macvlan).
"""

from __future__ import annotations

from matrix.driver import Driver
from matrix.driver_rules import BRIDGE_RULES, IPVLAN_RULES
from matrix.probes import By, Expectation, Expected, Relation
from matrix.remedies import (
    BRIDGE_MODE,
    HAIRPIN,
    HOST_SHIM,
    SECOND_NETWORK,
)
from matrix.rule import LINUX_TTL, Rule, Situation
from matrix.shared_rules import ABSENT, GATEWAY, ITSELF, REMOTE_NAME
from matrix.topology import HOST_SHIM as BY_SHIM
from matrix.topology import SECOND_NETWORK as BY_SECOND
from matrix.topology import EndpointKind

_SHIM = (
    "give the host a macvlan link of its own on {parent} (a shim: /32 address and a route to the "
    "containers' range), or put the container on a second, bridge-driver network for host access"
)

_DEAF = (
    "use mode bridge there, or give the container a NIC of its own, so that {who} keeps this one"
)

RULES: tuple[Rule, ...] = (
    Rule(
        "name of a remote container, by --add-host",
        lambda s: (
            s.by is By.NAME and s.relation is Relation.REMOTE and s.scenario.remedies.add_host
        ),
        Expected.REPLY,
        "{source} was made with --add-host {target}:{address}: Docker wrote the name into its "
        "/etc/hosts, which is read before any name server is asked",
        ttl=LINUX_TTL,
    ),
    Rule(
        "name of a remote container, by a name server on the LAN",
        lambda s: (
            s.by is By.NAME
            and s.relation is Relation.REMOTE
            and s.scenario.remedies.name_server is not None
        ),
        Expected.REPLY,
        "{source} was made with --dns {name_server}: Docker's DNS does not know {target}, and forwards "
        "the question to that server, from the container's own link",
        ttl=LINUX_TTL,
    ),
    REMOTE_NAME,
    ITSELF,
    Rule(
        "from a host whose parent is in passthru",
        lambda s: s.source.kind is EndpointKind.HOST and s.source.name in s.deaf,
        Expected.SILENCE,
        "passthru: {parent} of {source_host} hands every unicast frame to its one endpoint. "
        "{source_host} can ask, and what answers it never comes up to its own stack",
        remedy=_DEAF.replace("{who}", "{source_host}"),
        how=(BRIDGE_MODE,),
    ),
    Rule(
        "to a host whose parent is in passthru",
        lambda s: (
            s.target.kind is EndpointKind.HOST
            and s.target.name in s.deaf
            and s.relation is not Relation.OWN_HOST
        ),
        Expected.SILENCE,
        "passthru: the NIC of {target_host} hands every unicast frame to its one endpoint. "
        "{target_host} hears broadcasts, so it answers ARP, and nothing else that is sent to it",
        remedy=_DEAF.replace("{who}", "{target_host}"),
        how=(BRIDGE_MODE,),
    ),
    ABSENT,
    Rule(
        "gateway of an internal network",
        lambda s: s.relation is Relation.GATEWAY and s.scenario.internal,
        Expected.REPLY,
        "--internal takes the default route away, and nothing else: the gateway is one more machine on "
        "{segment}, as is everybody there. It isolates nobody on a LAN",
    ),
    GATEWAY,
    Rule(
        "container to its own host by a reflecting port",
        lambda s: (
            s.relation is Relation.OWN_HOST
            and s.reflected
            and s.mode in ("bridge", "vepa")
            and not s.target.of
        ),
        Expected.REPLY,
        "the frame leaves {source_host} on the wire by {parent}, and the switch port, which is "
        "declared to reflect (hairpin), sends it back in",
        ttl=LINUX_TTL,
    ),
    Rule(
        "host to its own container by a reflecting port",
        lambda s: (
            s.relation is Relation.OWN_CONTAINER and s.reflected and not s.target.of and not s.shim
        ),
        Expected.REPLY,
        "what {source_host} sends by {parent} goes to the wire, and the switch port, which is "
        "declared to reflect (hairpin), sends it back in",
        ttl=LINUX_TTL,
    ),
    Rule(
        "container to its host's shim",
        lambda s: s.target.opened_by == BY_SHIM,
        Expected.REPLY,
        "{target_host} has a macvlan link of its own on {parent}, with {address}: two bridge-mode "
        "links of one parent hand frames over inside the kernel",
        ttl=LINUX_TTL,
    ),
    Rule(
        "host to its own container by a shim",
        lambda s: s.relation is Relation.OWN_CONTAINER and s.shim != "" and not s.target.of,
        Expected.REPLY,
        "{source_host} has a macvlan link of its own on {parent} ({shim}), and a route to {address} "
        "by it: two bridge-mode links of one parent hand frames over inside the kernel",
        ttl=LINUX_TTL,
    ),
    Rule(
        "host and container on a second network",
        lambda s: s.source.opened_by == s.target.opened_by == BY_SECOND,
        Expected.REPLY,
        "both are on a second network, of Docker's bridge driver, where {source_host} has the bridge "
        "itself; the macvlan parent is not in the way",
        ttl=LINUX_TTL,
    ),
    Rule(
        "container to its own host beside a shim",
        lambda s: s.relation is Relation.OWN_HOST and s.shim != "",
        Expected.SILENCE,
        "the shim of {source_host} answers ARP for its own address alone (arp_ignore=1, lest two MAC "
        "addresses answer for {address}), and {parent} does not reach its own children",
        remedy="ask {source_host} by its shim's address, {shim}",
        how=(HOST_SHIM,),
    ),
    Rule(
        "container to its own host",
        lambda s: s.relation is Relation.OWN_HOST,
        Expected.SILENCE,
        "macvlan: a parent does not reach its own children. The frame leaves {source_host} on the "
        "wire by {parent}, and nothing there sends it back",
        remedy=_SHIM,
        how=(HOST_SHIM, SECOND_NETWORK),
    ),
    Rule(
        "host to its own container",
        lambda s: s.relation is Relation.OWN_CONTAINER,
        Expected.SILENCE,
        "macvlan: a parent does not reach its own children. What {source_host} sends by {parent} "
        "goes to the wire, never up to its own endpoints",
        remedy=_SHIM,
        how=(HOST_SHIM, SECOND_NETWORK),
    ),
    Rule(
        "sibling in bridge mode",
        lambda s: s.relation is Relation.SIBLING and s.mode == "bridge",
        Expected.REPLY,
        "bridge mode hands frames over between the endpoints of one parent inside the kernel",
        ttl=LINUX_TTL,
    ),
    Rule(
        "sibling in vepa mode by a reflecting port",
        lambda s: s.relation is Relation.SIBLING and s.mode == "vepa" and s.reflected,
        Expected.REPLY,
        "vepa mode sends every frame to the wire, and {source_host}'s switch port, which is declared "
        "to reflect (hairpin), sends it back in",
        ttl=LINUX_TTL,
    ),
    Rule(
        "sibling in vepa mode",
        lambda s: s.relation is Relation.SIBLING and s.mode == "vepa",
        Expected.SILENCE,
        "vepa mode sends every frame to the wire, also what is for an endpoint of the same parent, and "
        "{source_host}'s switch port is not declared to send anything back (hairpin)",
        remedy="turn hairpin (reflective relay) on at the switch port of {source_host}, and write "
        "hairpin = true for it in the site file; or make the network in mode bridge",
        how=(HAIRPIN, BRIDGE_MODE),
    ),
    Rule(
        "sibling in private mode",
        lambda s: s.relation is Relation.SIBLING and s.mode == "private",
        Expected.SILENCE,
        "private mode keeps the endpoints of one parent apart: nothing is handed over inside the "
        "kernel, and a broadcast that a switch sends back is given to its own sender alone, so that "
        "ARP is never answered",
        remedy="make the network in mode bridge",
        how=(BRIDGE_MODE,),
    ),
    Rule(
        "container to container across hosts",
        lambda s: s.relation is Relation.REMOTE and s.source.kind is EndpointKind.CONTAINER,
        Expected.REPLY,
        "both are machines of their own on {segment}; the wire connects them",
        ttl=LINUX_TTL,
    ),
    Rule(
        "host to container on another host",
        lambda s: s.relation is Relation.REMOTE,
        Expected.REPLY,
        "seen from the wire, {target} is one more machine on {segment}",
        ttl=LINUX_TTL,
    ),
    Rule(
        "other host",
        lambda s: s.relation is Relation.OTHER_HOST,
        Expected.REPLY,
        "{target} is one more machine on {segment}; only its own containers cannot reach it",
        ttl=LINUX_TTL,
    ),
)


_TABLES: dict[Driver, tuple[Rule, ...]] = {
    Driver.MACVLAN: RULES,
    Driver.IPVLAN: IPVLAN_RULES,
    Driver.BRIDGE: BRIDGE_RULES,
}


def is_undecided(situation: Situation) -> bool:
    """Has this question no one answer, so that it is not asked?

    In private mode by a reflecting port a container cannot ask for its own host's MAC address: the
    broadcast that comes back is given to its sender alone. The host can ask for the container's, and
    from that request the container learns the host's. So whether it reaches its host depends on who
    spoke first (``macvlan_handle_frame``; both were seen on the embedded lab).
    """
    return (
        situation.relation is Relation.OWN_HOST
        and situation.reflected
        and situation.mode == "private"
    )


def expectation(situation: Situation) -> Expectation:
    """What should come back in this situation, in words filled in for it.

    Raises:
        LookupError: no row fits. That is a bug of the table, not of the site.
    """
    for rule in _TABLES[situation.scenario.driver]:
        if rule.fits(situation):
            words = _words(situation)
            return Expectation(
                rule.expected,
                rule.because.format_map(words),
                rule.ttl,
                rule.remedy.format_map(words),
                tuple(remedy.anchor for remedy in rule.how),
                situation.deaf,
                path=rule.path,
            )
    raise LookupError(f"no rule for {situation.source.name} -> {situation.target.name}")


def _words(situation: Situation) -> dict[str, str]:
    vlan = situation.scenario.segment.vlan
    words = {
        "source": situation.source.name,
        "source_host": situation.source.host,
        "target": situation.target.name,
        "target_host": situation.target.host,
        "address": str(situation.target.address),
        "segment": f"{situation.scenario.segment.subnet}"
        + (f" (VLAN {vlan})" if vlan is not None else ""),
        "parent": situation.parent,
        "shim": situation.shim,
        "name_server": str(situation.scenario.remedies.name_server or ""),
    }
    if not situation.scenario.driver.on_the_lan:
        words["target_subnet"] = str(situation.scenario.subnet_on(situation.target.host))
        words["bridge"] = str(situation.scenario.gateway_on(situation.source.host))
    return words
