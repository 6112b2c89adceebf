"""The same questions of Docker's other drivers: what should come back of ipvlan and of the bridge.

Sources. ipvlan: Linux drivers/net/ipvlan/ipvlan_core.c; ``ipvlan_xmit_mode_l2`` hands a frame over
inside the kernel to an endpoint of the same parent by its IP address, since all have the parent's MAC
address; broadcasts, ARP requests among them, go to the siblings and to the wire
(``ipvlan_process_multicast``), and never up to the parent's own stack, so neither of the two can ask
for the other. Measured on two machines with Linux 6.1 (docs/contrast.md).

Bridge: https://docs.docker.com/engine/network/drivers/bridge/ and .../packet-filtering-firewalls/; moby
daemon/libnetwork/drivers/bridge (setup_ip_tables.go: MASQUERADE for what leaves by another link than the
bridge; forwarding to a container only for what it has asked for, and for published ports). A host that
forwards takes one from the TTL (RFC 1812 section 5.3.1).

Each table is read as ``matrix.rules.RULES``: the first row that fits decides.
"""

from __future__ import annotations

from dataclasses import replace

from matrix.probes import Expected, Path, Relation
from matrix.remedies import SECOND_NETWORK
from matrix.rule import LINUX_TTL, Rule
from matrix.shared_rules import ABSENT, GATEWAY, ITSELF, REMOTE_NAME
from matrix.topology import EndpointKind

_OTHER_HOST = Rule(
    "other host",
    lambda s: s.relation is Relation.OTHER_HOST,
    Expected.REPLY,
    "{target} is one more machine on {segment}",
    ttl=LINUX_TTL,
)
_SECOND = (
    "put the container on a second, bridge-driver network for host access; ipvlan has no shim that we "
    "have tried"
)

IPVLAN_RULES: tuple[Rule, ...] = (
    REMOTE_NAME,
    ITSELF,
    ABSENT,
    GATEWAY,
    Rule(
        "container to its own host",
        lambda s: s.relation is Relation.OWN_HOST,
        Expected.SILENCE,
        "ipvlan: what {source} asks everybody (ARP) goes to its siblings and to the wire by {parent}, "
        "never up to {target_host}'s own stack, so it never learns where {address} is",
        remedy=_SECOND,
        how=(SECOND_NETWORK,),
    ),
    Rule(
        "host to its own container",
        lambda s: s.relation is Relation.OWN_CONTAINER,
        Expected.SILENCE,
        "ipvlan: what {source_host} sends by {parent} goes to the wire, never up to the endpoints that "
        "sit on it; and there {target} has the very MAC address of {source_host}",
        remedy=_SECOND,
        how=(SECOND_NETWORK,),
    ),
    Rule(
        "sibling",
        lambda s: s.relation is Relation.SIBLING,
        Expected.REPLY,
        "ipvlan in mode l2 hands over between the endpoints of one parent inside the kernel, by their "
        "IP addresses: all have the MAC address of {parent}",
        ttl=LINUX_TTL,
    ),
    Rule(
        "container to container across hosts",
        lambda s: s.relation is Relation.REMOTE and s.source.kind is EndpointKind.CONTAINER,
        Expected.REPLY,
        "both are reached on {segment} by the MAC address of their host's NIC; the wire connects them",
        ttl=LINUX_TTL,
    ),
    Rule(
        "host to container on another host",
        lambda s: s.relation is Relation.REMOTE,
        Expected.REPLY,
        "seen from the wire, {target} is one more address of {target_host}'s NIC on {segment}",
        ttl=LINUX_TTL,
    ),
    _OTHER_HOST,
)
"""Of driver ipvlan in mode l2."""

_PUBLISH = (
    "publish a port of it on {target_host} (docker run --publish), and ask that; or use macvlan, "
    "ipvlan or an overlay network"
)

BRIDGE_RULES: tuple[Rule, ...] = (
    replace(REMOTE_NAME, remedy=_PUBLISH, how=(), path=Path.NOWHERE),
    ITSELF,
    replace(
        ABSENT,
        name="gateway declared absent, from behind a host",
        fits=lambda s: ABSENT.fits(s) and s.source.kind is EndpointKind.CONTAINER,
        path=Path.NAT,
    ),
    ABSENT,
    replace(
        GATEWAY,
        name="host to the gateway",
        fits=lambda s: s.relation is Relation.GATEWAY and s.source.kind is EndpointKind.HOST,
    ),
    Rule(
        "container to the gateway",
        lambda s: s.relation is Relation.GATEWAY,
        Expected.REPLY,
        "{source} sends it to its host's bridge ({bridge}), and {source_host} forwards it to {segment} "
        "with its own address in place of {source}'s (masquerade)",
        path=Path.NAT,
    ),
    Rule(
        "container to its own host",
        lambda s: s.relation is Relation.OWN_HOST,
        Expected.REPLY,
        "{source_host} is on the bridge itself ({bridge}), and takes what is for any address of its own",
        ttl=LINUX_TTL,
        path=Path.HOST,
    ),
    Rule(
        "host to its own container",
        lambda s: s.relation is Relation.OWN_CONTAINER,
        Expected.REPLY,
        "{source_host} is on the bridge itself ({bridge}), and {target} is on it too",
        ttl=LINUX_TTL,
        path=Path.HOST,
    ),
    Rule(
        "sibling",
        lambda s: s.relation is Relation.SIBLING,
        Expected.REPLY,
        "both are ports of one Linux bridge on {source_host}",
        ttl=LINUX_TTL,
    ),
    Rule(
        "container to container across hosts",
        lambda s: s.relation is Relation.REMOTE and s.source.kind is EndpointKind.CONTAINER,
        Expected.SILENCE,
        "{target_subnet} is {target_host}'s own, behind it: nobody on {segment} knows a way there, and "
        "{source_host} is no exception",
        remedy=_PUBLISH,
        path=Path.NOWHERE,
    ),
    Rule(
        "host to container on another host",
        lambda s: s.relation is Relation.REMOTE,
        Expected.SILENCE,
        "{target_subnet} is {target_host}'s own, behind it: {source_host} knows no way there",
        remedy=_PUBLISH,
        path=Path.NOWHERE,
    ),
    Rule(
        "host to another host",
        lambda s: s.relation is Relation.OTHER_HOST and s.source.kind is EndpointKind.HOST,
        Expected.REPLY,
        _OTHER_HOST.because,
        ttl=LINUX_TTL,
    ),
    Rule(
        "container to another host",
        lambda s: s.relation is Relation.OTHER_HOST,
        Expected.REPLY,
        "{source} sends it to its host's bridge ({bridge}), and {source_host} forwards it to {segment} "
        "with its own address in place of {source}'s (masquerade): one hop, so one less TTL",
        ttl=LINUX_TTL - 1,
        path=Path.NAT,
    ),
)
"""Of driver bridge, each host's network behind it, masqueraded."""
