"""Which runs of an archive may go. Pure; nothing is deleted here.

Rule 1: the age of a run is counted from the newest run's begin, not from today: where nights stopped
coming, none is thrown away.
Rule 2: whatever is asked, these stay, and it is said: a sealed run, a site's only good run (of those that
asked most: a good run of one cell stands for nothing), a run that does not say when it began. So does
the newest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from matrix.errors import ConfigError
from reports.history import Night, age, last_good

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a run. ``why`` says why it stays although its time is over; "" otherwise."""

    night: Night
    goes: bool
    why: str = ""


def fates(
    nights: Iterable[Night], *, keep: int | None, days: int | None, sealed: frozenset[str]
) -> tuple[Fate, ...]:
    """The fate of each run, oldest first.

    Args:
        nights: all of them.
        keep: how many of the newest stay; None: as many as the days say.
        days: those that began within so many days before the newest stay; None: as ``keep`` says.
        sealed: ids of the runs that were sealed.

    Raises:
        ConfigError: a number is not at least 1.
    """
    for option, number in (("--keep", keep), ("--keep-days", days)):
        if number is not None and number < 1:
            raise ConfigError(f"{option} {number}: write a whole number from 1 on")
    found = sorted(nights, key=age)
    stay = {id(one) for one in found[-1:]}
    if keep is not None:
        stay |= {id(one) for one in found[-keep:]}
    if days is not None:
        newest = found[-1].at if found else None
        stay |= {
            id(one)
            for one in found
            if newest is not None and one.at is not None and newest - one.at <= days * _DAY_S
        }
    if keep is None and days is None:
        stay = {id(one) for one in found}
    sites = dict.fromkeys(one.site for one in found)
    last = {site: last_good(one for one in found if one.site == site) for site in sites}
    told = []
    for one in found:
        why = (
            "it was sealed" if one.id in sealed
            else "it does not say when it began" if one.at is None
            else f"it is the only good run left of site {one.site}"
            if last[one.site] is one
            else ""
        )  # fmt: skip
        goes = id(one) not in stay and not why
        told.append(Fate(one, goes, "" if id(one) in stay else why))
    return tuple(told)
