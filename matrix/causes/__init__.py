"""The cause table: one rule for each fault that can be told from what a run sees.

Order: facts first, then what the wire shows, then what answers. See ``matrix.diagnose``.
"""

from matrix.causes import beyond, identity, inside, wire

RULES = (*wire.RULES, *inside.RULES, *beyond.RULES, *identity.RULES)
"""Every rule. docs/causes.md is made of them."""

__all__ = ["RULES"]
