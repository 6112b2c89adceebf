"""What can befall an endpoint: a container made anew, restarts, a parent that goes down and up.

Values only. What must follow from an event is in ``matrix.lifecycle``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Event(StrEnum):
    """What happens. The target is a container for the first two, a host for the others."""

    RECREATE = "recreate"
    RESTART = "restart"
    ENGINE = "engine-restart"
    BOUNCE = "parent-bounce"

    @property
    def of_host(self) -> bool:
        """Does it befall a host, and with it every container there?"""
        return self in (Event.ENGINE, Event.BOUNCE)


class Speaks(StrEnum):
    """Who asks whom after the event: the others the target, or the target the others as well.

    It matters: a container that asks by ARP tells its new MAC by the very question.
    """

    OTHERS = "others"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class LifecycleEvent:
    """One event of the site. ``line`` is its place in the site file.

    ``down_s``: so long the engine or the parent stays down. ``restart_policy`` is what the
    containers have while the engine restarts. ``within_s``: the site's own bound, None: the rule's.
    """

    event: Event
    target: str
    speaks: Speaks = Speaks.OTHERS
    down_s: float = 2.0
    restart_policy: str = "no"
    within_s: float | None = None
    line: int = 0

    @property
    def id(self) -> str:
        """Stable from night to night, and readable."""
        policy = f":{self.restart_policy}" if self.event is Event.ENGINE else ""
        return f"{self.event}:{self.target}{policy}:{self.speaks}"
