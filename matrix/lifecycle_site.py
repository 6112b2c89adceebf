"""The ``[[lifecycle]]`` tables of a site file: their shape, what is wrong with them, their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from matrix.events import Event, LifecycleEvent, Speaks
from matrix.site_checks import Fault, table_of, tables
from matrix.toml_lines import Lines

LONGEST_DOWN_S = 60


class LifecycleTable(BaseModel):
    """One event: what, whom, and how."""

    model_config = ConfigDict(extra="forbid")
    event: Literal["recreate", "restart", "engine-restart", "parent-bounce"]
    target: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
    speaks: Literal["others", "target"] = "others"
    down_s: float = Field(default=2.0, ge=0, le=LONGEST_DOWN_S)
    restart_policy: Literal["no", "always", "unless-stopped"] = "no"
    within_s: float | None = Field(default=None, gt=0, le=600)


LIFECYCLE_WRITE = {
    "lifecycle": "a [[lifecycle]] table with event and target",
    "event": 'event = "recreate", "restart", "engine-restart" or "parent-bounce"',
    "target": 'a container (recreate, restart) or a host (the others), such as target = "c1"',
    "speaks": 'speaks = "others" or speaks = "target"',
    "down_s": "seconds from 0 to 60, such as down_s = 2.0",
    "restart_policy": 'restart_policy = "no", "always" or "unless-stopped"',
    "within_s": "seconds from 0 to 600, such as within_s = 5.0",
    "allow_engine_restart": "allow_engine_restart = true or allow_engine_restart = false",
}


def lifecycle_checks(site: dict[str, Any]) -> Iterator[Fault]:
    """Events of nobody, and events that are there twice."""
    hosts = {str(host.get("name")) for host in tables(site, "host")}
    containers = {
        str(name)
        for scenario in tables(site, "scenario")
        for made in table_of(scenario, "containers").values()
        if isinstance(made, dict)
        for name in made
    }
    seen: set[tuple[object, ...]] = set()
    for number, one in enumerate(tables(site, "lifecycle")):
        event, target = one.get("event"), one.get("target")
        if event not in set(Event) or not isinstance(target, str):
            continue
        kind, known = ("host", hosts) if Event(str(event)).of_host else ("container", containers)
        if target not in known:
            names = ", ".join(sorted(known)[:8])
            yield (
                ("lifecycle", number, "target"),
                f"{target!r} is no {kind} of this site, as {event} needs; write one of {names}",
            )
        key = (event, target, one.get("speaks", "others"), one.get("restart_policy", "no"))
        if key in seen:
            yield (
                ("lifecycle", number, "event"),
                "the same event is there already; remove one of them",
            )
        seen.add(key)


def lifecycle_of(found: Sequence[LifecycleTable], lines: Lines) -> tuple[LifecycleEvent, ...]:
    """The events, in the order of the file."""
    return tuple(
        LifecycleEvent(
            event=Event(one.event),
            target=one.target,
            speaks=Speaks(one.speaks),
            down_s=one.down_s,
            restart_policy=one.restart_policy,
            within_s=one.within_s,
            line=lines.of(("lifecycle", number)),
        )
        for number, one in enumerate(found)
    )
