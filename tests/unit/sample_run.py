"""A run made in code: the lab site's whole matrix, healthy, and ways to spoil it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from matrix.plan import plan
from matrix.probes import By, Cell, Expected, Seen, Verdict
from matrix.record import (
    SCHEMA,
    CellRecord,
    HostFacts,
    HostRecord,
    LinkFact,
    ObservedRecord,
    Run,
    ScenarioRecord,
    SiteRecord,
    Step,
)
from matrix.site import read_site
from matrix.topology import Topology
from matrix.way import Leg, Passage, Trace

SITE = Path(__file__).parents[2] / "sites" / "lab.toml"

SCRIPT = "<script>alert(1)</script>"
HOSTILE = f"{SCRIPT}\x1b[2J\x00\u202e\ud800&\"'"
"""Markup, a terminal's clear screen, a NUL, a right-to-left override and half a surrogate pair."""

WAY = Trace(
    words=("echo replies left dev-node-01's enp0s5, never arrived at dev-master-01's enp0s5",),
    passages=(
        Passage(
            "echo request",
            back=False,
            legs=(
                Leg("c1", "dev-master-01", "eth0", "out", 3, 3, (None,)),
                Leg("dev-master-01", "dev-master-01", "enp0s5", "out", 3, 3, (7,)),
                Leg("dev-node-01", "dev-node-01", "enp0s5", "in", 2, 2, (None,)),
                Leg("c3", "dev-node-01", "eth0", "in", 2, 2, (None,)),
            ),
        ),
        Passage(
            "echo reply",
            back=True,
            legs=(
                Leg("c3", "dev-node-01", "eth0", "out", 2, 2, (None,)),
                Leg("dev-node-01", "dev-node-01", "enp0s5", "out", None),
                Leg("dev-master-01", "dev-master-01", "enp0s5", "in", 0),
                Leg("c1", "dev-master-01", "eth0", "in", 0),
            ),
        ),
    ),
    sent=3,
    answered=0,
)


@cache
def healthy(site: str | None = None) -> Run:
    """All cells PASS or BLOCKED; of another site file's text, or of the lab's."""
    topology = read_site(site or SITE.read_text(), name="lab.toml")
    cells = tuple(_cell(cell) for cell in plan(topology))
    return Run(
        schema=SCHEMA,
        id="20260102T030405Z-beef",
        phase="judged",
        started_at="2026-01-02T03:04:05Z",
        finished_at="2026-01-02T03:04:09Z",
        tool={"python": "3.11.2", "harness": "0.1.0"},
        site=SiteRecord(
            "lab.toml", "ab" * 32, topology.image, 3, 1.0, 5.0, tuple(_scenarios(topology))
        ),
        prober={"name": "agent", "waves": 2},
        cells_in_plan=len(cells),
        hosts=tuple(
            HostRecord(host.name, host.parent, str(host.address), _facts(), _facts())
            for host in topology.hosts
        ),
        cells=cells,
        notes=("a note",),
        timeline=(Step(0.0, "", "start"), Step(1.5, "dev-node-01", "network made")),
    )


def spoiled(run: Run, cell_id: str, verdict: str, **changes: Any) -> Run:
    """The run with one cell judged otherwise, and whatever else is to change in that cell."""
    words = {"reason": f"reason of {cell_id}", "next_command": "ping -c 3 192.0.2.1", **changes}
    assert any(cell.id == cell_id for cell in run.cells), cell_id
    cells = (
        replace(cell, verdict=verdict, **words) if cell.id == cell_id else cell
        for cell in run.cells
    )
    return replace(run, cells=tuple(cells))


@cache
def every_verdict() -> Run:
    """All seven verdicts in one run."""
    run = healthy()
    run = spoiled(run, "bridge:c1:c3:address", Verdict.FAIL, cause="the cable", trace=WAY)
    run = spoiled(run, "bridge:c1:dev-master-01:address", Verdict.LEAK)
    run = spoiled(run, "bridge:c2:c3:address", Verdict.IMPOSTOR)
    run = spoiled(run, "bridge:c2:c4:address", Verdict.FLAPPING)
    return spoiled(
        run, "vlan:c5:gateway:address", Verdict.INCONCLUSIVE, observed=None, not_run="no namespace"
    )


def big_site(containers: int) -> str:
    """A site file with that many containers on four hosts, by long names."""
    text = ""
    for host in range(4):
        text += f'[[host]]\nname = "machine-{host}"\nparent = "eth0"\n'
        text += f'address = "10.0.0.{host + 2}/16"\n'
    text += '[[scenario]]\nname = "bridge"\nnetwork = "macnet"\nsubnet = "10.0.0.0/16"\n'
    text += 'gateway = "10.0.0.1"\n'
    for host in range(4):
        text += f"[scenario.containers.machine-{host}]\n"
        for number in range(host, containers, 4):
            text += f'production-web-frontend-{number:03d} = "10.0.1.{number}"\n'
    return text


def _scenarios(topology: Topology) -> list[ScenarioRecord]:
    return [
        ScenarioRecord(
            s.name,
            s.kind,
            s.network,
            s.mode,
            str(s.segment.subnet),
            str(s.segment.gateway),
            s.segment.gateway_present,
            s.segment.vlan,
            {host.name: s.parent_on(host) for host in topology.hosts},
        )
        for s in topology.scenarios
    ]


def _facts() -> HostFacts:
    link = LinkFact("enp0s5", "veth", "02:00:00:00:00:01", 1500, "UP", 1)
    return HostFacts("6.1.0", "3.11.2", "20.10.24", "1.41", "boot", 1024, (link,), (), (), ())


def _cell(cell: Cell) -> CellRecord:
    expected = cell.expectation.expected
    replies = expected is Expected.REPLY
    return CellRecord(
        id=cell.id,
        scenario=cell.scenario,
        source=cell.source.name,
        source_kind=cell.source.kind,
        source_host=cell.source.host,
        target=cell.target.name,
        target_kind=cell.target.kind,
        target_host=cell.target.host,
        by=cell.by,
        relation=cell.relation,
        address=str(cell.target.address),
        expected=expected,
        expected_ttl=cell.expectation.ttl,
        because=cell.expectation.because,
        remedy=cell.expectation.remedy,
        how=cell.expectation.how,
        verdict=Verdict.PASS if replies else Verdict.BLOCKED,
        reason="3 of 3 replies" if replies else "no reply, while the controls answered",
        controls=() if replies else ("bridge:c1:c3:address",),
        observed=_observed(cell, replies=replies),
    )


def _observed(cell: Cell, *, replies: bool) -> ObservedRecord:
    asked = cell.expectation.expected is not Expected.NO_SUCH_NAME
    named = cell.by is By.NAME
    code = "NOERROR" if asked else "NXDOMAIN"
    address = str(cell.target.address)
    return ObservedRecord(
        sent=3 if asked else 0,
        received=3 if replies else 0,
        rtts_ms=(0.412, 0.391, 0.4) if replies else (),
        ttl=64 if replies else None,
        ttls=(64,) if replies else (),
        repliers=(address,) if replies else (),
        duplicates=0,
        request_seen=Seen.YES if replies else Seen.NO,
        requests_seen=3 if replies else 0,
        neighbour_mac="02:42:c0:a8:02:dc" if replies else "",
        neighbour_state="REACHABLE" if replies else "FAILED",
        resolved=((address,) if asked else ()) if named else None,
        resolver="127.0.0.11" if named else "",
        resolver_code=code if named else "",
        resolver_ms=1.25 if named else None,
        error="",
        raw=f"64 bytes from {address}: seq=0 ttl=64 time=0.412 ms" if replies else "",
        command=f"3 x ICMP echo {cell.source.name} -> {address}",
    )
