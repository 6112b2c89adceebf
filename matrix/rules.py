"""The physics of macvlan as one table: who should answer whom, and why.

Rule 1: everything that makes an expectation is in ``RULES``; the first row that fits decides.
Rule 2: every row carries its reason in words a person can check, and, where it is silence by
design, what opens it.
Rule 3: a row looks at what is declared, never at what was found.

Sources: Linux drivers/net/macvlan.c. ``macvlan_queue_xmit`` hands a frame over inside the kernel
only between two bridge-mode endpoints of one parent; everything else goes to the wire by
``dev_queue_xmit``, and a frame that left on the wire does not come back to the parent's own stack
unless something reflects it (hairpin). That, and no filter, is why a parent never reaches its own
endpoints. Docker: the embedded DNS server (127.0.0.11) knows the containers of its own engine's
networks; macvlan networks have scope "local" (moby daemon/libnetwork/drivers/macvlan).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matrix.probes import By, Expectation, Expected, Relation
from matrix.remedies import ADD_HOST, HOST_SHIM, LAN_DNS, ROUTER, SECOND_NETWORK, Remedy
from matrix.topology import Endpoint, EndpointKind, Scenario

LINUX_TTL = 64
"""Initial TTL of a Linux network namespace (net.ipv4.ip_default_ttl; RFC 1700)."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that a rule may look at."""

    scenario: Scenario
    source: Endpoint
    target: Endpoint
    by: By
    relation: Relation
    parent: str
    """The link on the source's host that the macvlan network sits on."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: when it fits, what comes back, why, and what opens it where it is silence.

    ``remedy`` says it in a sentence, ``how`` names the sections that show every step of it.
    """

    name: str
    fits: Callable[[Situation], bool]
    expected: Expected
    because: str
    ttl: int | None = None
    remedy: str = ""
    how: tuple[Remedy, ...] = ()


_SHIM = (
    "give the host a macvlan link of its own on {parent} (a shim: /32 address and a route to the "
    "containers' range), or put the container on a second, bridge-driver network for host access"
)

RULES: tuple[Rule, ...] = (
    Rule(
        "name of a remote container",
        lambda s: s.by is By.NAME and s.relation is Relation.REMOTE,
        Expected.NO_SUCH_NAME,
        "Docker's DNS is local to one engine: {target} runs on {target_host}, and the engine on "
        "{source_host} has never heard its name",
        remedy="add --add-host {target}:{address} when the container is made, or use a DNS "
        "server on the LAN",
        how=(ADD_HOST, LAN_DNS),
    ),
    Rule(
        "itself",
        lambda s: s.relation is Relation.ITSELF,
        Expected.REPLY,
        "an address of one's own is answered inside one's own namespace (lo): it proves the "
        "container's IP stack, and nothing about the network",
        ttl=LINUX_TTL,
    ),
    Rule(
        "gateway declared absent",
        lambda s: s.relation is Relation.GATEWAY and not s.scenario.segment.gateway_present,
        Expected.SILENCE,
        "the site declares that nobody owns {address} on {segment}",
        remedy="put a router with {address} on {segment}, then set gateway_present = true",
        how=(ROUTER,),
    ),
    Rule(
        "gateway",
        lambda s: s.relation is Relation.GATEWAY,
        Expected.REPLY,
        "the gateway is one more machine on {segment}",
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
        lambda s: s.relation is Relation.SIBLING and s.scenario.mode == "bridge",
        Expected.REPLY,
        "bridge mode hands frames over between the endpoints of one parent inside the kernel",
        ttl=LINUX_TTL,
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


def expectation(situation: Situation) -> Expectation:
    """What should come back in this situation, in words filled in for it.

    Raises:
        LookupError: no row fits. That is a bug of the table, not of the site.
    """
    for rule in RULES:
        if rule.fits(situation):
            words = _words(situation)
            return Expectation(
                rule.expected,
                rule.because.format_map(words),
                rule.ttl,
                rule.remedy.format_map(words),
                tuple(remedy.anchor for remedy in rule.how),
            )
    raise LookupError(f"no rule for {situation.source.name} -> {situation.target.name}")


def _words(situation: Situation) -> dict[str, str]:
    vlan = situation.scenario.segment.vlan
    return {
        "source": situation.source.name,
        "source_host": situation.source.host,
        "target": situation.target.name,
        "target_host": situation.target.host,
        "address": str(situation.target.address),
        "segment": f"{situation.scenario.segment.subnet}"
        + (f" (VLAN {vlan})" if vlan is not None else ""),
        "parent": situation.parent,
    }
