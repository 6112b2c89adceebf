"""The cause table: one rule for each fault that can be told from what a run sees.

Order: facts first, then what the wire shows, then what answers. See ``matrix.diagnose``.
"""

from matrix.causes import (
    beyond,
    casts,
    changed,
    identity,
    inside,
    ipv6,
    name_server,
    ports,
    protocols,
    reflected,
    segments,
    sizes,
    standing,
    vlans,
    wire,
)

RULES = (
    *segments.RULES,
    *wire.RULES,
    *ports.RULES,
    *vlans.RULES,
    *standing.RULES,
    *changed.RULES,
    *inside.RULES,
    *beyond.RULES,
    *name_server.RULES,
    *identity.RULES,
    *reflected.RULES,
    *protocols.RULES,
    *sizes.RULES,
    *casts.RULES,
    *ipv6.RULES,
)
"""Every rule. docs/causes.md is made of them."""

__all__ = ["RULES"]
