"""Which scenarios stand at the same time: rounds, built, asked and taken down one after another.

Rule 1: two networks never share a parent within a round. Docker up to 26 refuses the second one, and
from 27 on the two would be one segment (moby, daemon/libnetwork/drivers/macvlan).
Rule 2: a passthru network has its round to itself: its NIC gives every untagged unicast frame to the
endpoint, and takes the endpoint's MAC address, which a VLAN on the same NIC would notice.
Rule 3: a network of the bridge driver has no parent, so it stands beside any other; but not beside
passthru, which would make its host deaf to the LAN.
Rule 4: what can stand at once does, for each round costs seconds: a scenario goes into the first round
that has room for it, in the order of the site file.
"""

from __future__ import annotations

from collections.abc import Iterable

from matrix.topology import Scenario


def rounds(scenarios: Iterable[Scenario]) -> tuple[tuple[Scenario, ...], ...]:
    """The scenarios in rounds, each in the order of the site file."""
    found: list[list[Scenario]] = []
    for scenario in scenarios:
        home = next((some for some in found if _has_room(some, scenario)), None)
        if home is None:
            found.append([scenario])
        else:
            home.append(scenario)
    return tuple(tuple(some) for some in found)


def _has_room(there: Iterable[Scenario], one: Scenario) -> bool:
    return not any(
        "passthru" in (other.mode, one.mode)
        or (
            other.segment.vlan == one.segment.vlan
            and other.driver.on_the_lan
            and one.driver.on_the_lan
        )
        for other in there
    )
