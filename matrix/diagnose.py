"""From judgements and facts to causes. A wrong cause is worse than none: each rule is a certainty.

So far there is one rule, on the one fact that explains silence by itself: a parent link without a
carrier. The kernel then sends nothing on it and on everything that sits on it (Linux
net/sched/sch_generic.c, linkwatch: a link without carrier has the noop queue).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from matrix.probes import Cell, Judgement, Relation, Verdict


def diagnose(
    cells: Iterable[Cell],
    judgements: Mapping[str, Judgement],
    no_carrier: Mapping[str, str],
) -> dict[str, Judgement]:
    """The judgements, with a cause where one is certain.

    Args:
        cells: the cells that were judged.
        judgements: by cell id.
        no_carrier: hosts whose parent link has no carrier, with the link's name.
    """
    found = dict(judgements)
    for cell in cells:
        judgement = found.get(cell.id)
        if judgement is None or judgement.verdict is not Verdict.FAIL:
            continue
        if cell.relation is Relation.ITSELF:
            continue
        for host in (cell.source.host, cell.target.host):
            if link := no_carrier.get(host):
                cause = (
                    f"{link} on {host} has no carrier: its cable is out, or its switch port is down"
                )
                found[cell.id] = replace(judgement, cause=cause)
                break
    return found
