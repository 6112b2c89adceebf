"""Rows of the rule table that hold whatever the driver: names, oneself, the gateway of the segment.

They stand here once, so that no driver's table can come to say another thing of the same physics.
Sources: ``matrix.rules``.
"""

from __future__ import annotations

from matrix.probes import By, Expected, Relation
from matrix.remedies import ADD_HOST, LAN_DNS, ROUTER
from matrix.rule import LINUX_TTL, Rule

REMOTE_NAME = Rule(
    "name of a remote container",
    lambda s: s.by is By.NAME and s.relation is Relation.REMOTE,
    Expected.NO_SUCH_NAME,
    "Docker's DNS is local to one engine: {target} runs on {target_host}, and the engine on "
    "{source_host} has never heard its name",
    remedy="add --add-host {target}:{address} when the container is made, or use a DNS "
    "server on the LAN",
    how=(ADD_HOST, LAN_DNS),
)
ITSELF = Rule(
    "itself",
    lambda s: s.relation is Relation.ITSELF,
    Expected.REPLY,
    "an address of one's own is answered inside one's own namespace (lo): it proves the "
    "container's IP stack, and nothing about the network",
    ttl=LINUX_TTL,
)
ABSENT = Rule(
    "gateway declared absent",
    lambda s: s.relation is Relation.GATEWAY and not s.scenario.segment.gateway_present,
    Expected.SILENCE,
    "the site declares that nobody owns {address} on {segment}",
    remedy="put a router with {address} on {segment}, then set gateway_present = true",
    how=(ROUTER,),
)
GATEWAY = Rule(
    "gateway",
    lambda s: s.relation is Relation.GATEWAY,
    Expected.REPLY,
    "the gateway is one more machine on {segment}",
)
