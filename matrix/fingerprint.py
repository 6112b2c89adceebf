"""What of a host is not as it was: its fingerprint before a run and after it, compared in words."""

from __future__ import annotations

from dataclasses import fields

from matrix.record import HostFacts, LinkFact

COMPARED = (
    "links", "routes", "routing", "rules", "neighbours", "sysctls", "networks", "containers",
    "images",
)  # fmt: skip
"""The fields of ``HostFacts`` that a run must not change."""

LONGEST = 300


def difference(before: HostFacts | None, after: HostFacts | None) -> tuple[str, ...]:
    """What of a host is not as it was, in words; nothing where it cannot be told."""
    if before is None or after is None:
        return ()
    changed: list[str] = []
    for what in COMPARED:
        old, new = list(getattr(before, what)), list(getattr(after, what))
        if what == "links":
            changed += _altered({x.name: x for x in old}, {x.name: x for x in new})
            names = {x.name for x in old} & {x.name for x in new}
            old, new = ([x for x in one if x.name not in names] for one in (old, new))
        changed += [f"{what}: gone {_short(x)}" for x in _left_over(old, new)]
        changed += [f"{what}: new {_short(x)}" for x in _left_over(new, old)]
    return tuple(changed)


def _altered(old: dict[str, LinkFact], new: dict[str, LinkFact]) -> list[str]:
    """What has changed of links that are there before and after."""
    return [
        f"links: {name}: {field.name} was {_short(was)}, is {_short(now)}"
        for name in old
        if name in new
        for field in fields(LinkFact)
        if (was := getattr(old[name], field.name)) != (now := getattr(new[name], field.name))
    ]


def _left_over(these: list[object], those: list[object]) -> list[object]:
    """What the first has and the second has not, or has less often."""
    rest = list(those)
    found = []
    for one in these:
        if one in rest:
            rest.remove(one)
        else:
            found.append(one)
    return sorted(found, key=str)


def _short(fact: object) -> str:
    return str(fact)[:LONGEST]
