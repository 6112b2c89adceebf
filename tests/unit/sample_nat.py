"""The nat scenario of the contrast site, healthy, as the agents see it; and ways to spoil it.

What a healthy one shows was written down from a run of the lab (tests/lab/test_lab_contrast.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from matrix.judge import judge
from matrix.plan import plan
from matrix.probes import (
    By,
    Cell,
    Expected,
    Identity,
    Judgement,
    Neighbour,
    NotRun,
    Observation,
    Outcome,
    Relation,
    Resolution,
    Seen,
)
from matrix.probes import (
    Path as Way,
)
from matrix.site import read_site
from matrix.topology import EndpointKind

SITE = Path(__file__).parents[2] / "sites" / "lab-contrast.toml"
TOPOLOGY = read_site(SITE.read_text(), name=SITE.name)
EVERYTHING = plan(TOPOLOGY)
CELLS = tuple(cell for cell in EVERYTHING if cell.scenario == "nat")
MASTER, NODE = "dev-master-01", "dev-node-01"
GATEWAY = "02:00:00:00:00:01"
NICS = {MASTER: "02:00:00:00:00:0a", NODE: "02:00:00:00:00:0b"}
BRIDGES = {MASTER: "02:42:00:00:00:aa", NODE: "02:42:00:00:00:bb"}
CONTAINERS = {f"n{n}": f"02:42:ac:1e:00:{n:02x}" for n in range(1, 5)}
WHO = (
    *(Identity(host, (NICS[host], BRIDGES[host])) for host in NICS),
    *(Identity(name, (mac,)) for name, mac in CONTAINERS.items()),
)


def healthy(cell: Cell) -> Outcome:
    """What a cell shows where all is as it should be."""
    address, host = str(cell.target.address), cell.source.host
    resolution = None
    if cell.by is By.NAME:
        known = cell.expectation.expected is Expected.REPLY
        resolution = Resolution(
            cell.target.name, (address,) if known else (), "NOERROR" if known else "NXDOMAIN",
            "127.0.0.11", 1.0,
        )  # fmt: skip
        if not known:
            return Observation(cell.id, "", 0, 0, resolution=resolution)
    if cell.physics.path is Way.NOWHERE:
        if cell.source.kind is EndpointKind.HOST:
            return Observation(cell.id, address, 0, 0, error="no route", no_route=True)
        return Observation(cell.id, address, 3, 0, request_seen=Seen.NO, error="Net Unreachable")
    ours = cell.target.kind is not EndpointKind.GATEWAY
    seen = Observation(
        cell.id, address, 3, 3, (0.1, 0.1, 0.1), (64,), (address,),
        request_seen=Seen.YES if ours else Seen.NOT_OURS, requests_seen=3 if ours else 0,
        replies_left=3 if ours else None, resolution=resolution,
    )  # fmt: skip
    if cell.relation is Relation.ITSELF:
        return seen
    far = (NICS | CONTAINERS).get(cell.target.name, GATEWAY)
    if cell.physics.path is Way.NAT:
        return replace(seen, ttls=(63,), reply_macs=(BRIDGES[host],), through_macs=(far,))
    if cell.physics.path is Way.HOST and cell.source.kind is EndpointKind.CONTAINER:
        return replace(seen, reply_macs=(BRIDGES[host],))
    return replace(seen, reply_macs=(far,), neighbour=Neighbour(far, "REACHABLE"))


def judged(changes: Mapping[str, Mapping[str, Any] | None] | None = None) -> dict[str, Judgement]:
    """The judgements, with these fields of these cells changed; None: it did not run."""
    outcomes = {cell.id: healthy(cell) for cell in CELLS}
    for cell_id, fields in (changes or {}).items():
        seen = outcomes[cell_id]
        assert isinstance(seen, Observation)
        outcomes[cell_id] = NotRun(cell_id, "gone") if fields is None else replace(seen, **fields)
    return judge(CELLS, outcomes, WHO)
