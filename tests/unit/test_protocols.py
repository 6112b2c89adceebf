"""Cells that are no echoes: what is planned, what is expected, and how their evidence is judged."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

import pytest

from fixtures.addresses6 import notes_of
from fixtures.prober_protocols import rounds
from fixtures.protocol_answers import rungs_of
from matrix.cause import Scene
from matrix.causes import RULES
from matrix.diagnose import diagnose
from matrix.errors import ConfigError
from matrix.exchange import Asked, Cast, Exchange, Rung
from matrix.plan import controls, plan
from matrix.probes import (
    Cell,
    Expected,
    Identity,
    Judgement,
    Neighbour,
    NotRun,
    Relation,
    Resolution,
    Verdict,
)
from matrix.protocol_judge import judge_protocols
from matrix.protocol_rules import CASTS, asked_for
from matrix.protocol_words import next_command
from matrix.record import dump, load
from matrix.record_of import cause_record, cell_records
from matrix.rejudge import rejudge
from matrix.scene_record import scene_record
from matrix.site import read_site
from matrix.spread import spread
from matrix.topology import EndpointKind, Probe
from reports.csv_table import csv_table
from reports.evidence import evidence
from reports.junit import junit
from tests.unit.sample_run import healthy

TEXT = (Path(__file__).parents[2] / "sites" / "lab.toml").read_text()
SITE = read_site(TEXT, name="lab.toml")
ALL = replace(SITE, probes=tuple(Probe))
CELLS = {cell.id: cell for cell in plan(ALL) if cell.probe is not Probe.ICMP}
MAC = {name: f"02:00:00:00:00:{n:02x}" for n, name in enumerate(("c1", "c2", "c3", "c4"))}
IDENTITIES = tuple(Identity(name, (mac,)) for name, mac in MAC.items())


def exchange(cell: Cell, **changes: Any) -> Exchange:
    """The evidence of a cell that is as it should be."""
    silent = cell.expectation.expected is Expected.SILENCE
    if cell.probe in CASTS:
        copies = (0, 0, 0) if silent else (1, 1, 1)
        casts = tuple(Cast(form, 3, copies, copies) for form in ("here", "there"))
        good = Exchange(cell.id, cell.probe, "", sent=6, casts=casts)
    elif cell.probe is Probe.MTU:
        rungs = tuple(
            Rung(size, 1, 1, 1, {"answered": 1})
            if size <= 1500
            else Rung(size, 0, 0, 0, {"too-long": 1}, 1500, ("Message too long",))
            for size in rungs_of(cell)
        )
        ends = {"answered": len(rungs) - 1}
        good = Exchange(
            cell.id, cell.probe, str(cell.target.address), ends=ends, rungs=rungs, arrived=9, sent=9
        )
    else:
        good = Exchange(
            cell.id,
            cell.probe,
            str(cell.target.address),
            port=30000,
            sent=3,
            ends={"timeout": 3} if silent else {"answered": 3},
            arrived=0 if silent else 3,
            at_link=0 if silent else 3,
            left=0 if silent else 3,
            departed=0 if silent else 3,
            came_back=0 if silent else 3,
            neighbour=Neighbour("", "FAILED") if silent else Neighbour(mac_of(cell), "REACHABLE"),
        )
    return replace(good, **changes)


def mac_of(cell: Cell) -> str:
    """The target's MAC address, where it has one here."""
    return MAC.get(cell.target.name, "02:00:00:00:00:ff")


def judged(cell_id: str, **changes: Any) -> Judgement:
    """The judgement on one cell with that evidence, all others being well."""
    return everything({cell_id: exchange(CELLS[cell_id], **changes)})[cell_id]


def everything(spoilt: dict[str, Asked]) -> dict[str, Judgement]:
    """All judgements, these cells' evidence being that."""
    outcomes: dict[str, Asked] = {i: exchange(cell) for i, cell in CELLS.items()}
    return judge_protocols(CELLS.values(), {**outcomes, **spoilt}, IDENTITIES)


def test_the_default_asks_echoes_alone_and_ids_stay() -> None:
    """Other kinds come on top: what is asked by echo has the id that it had."""
    echoes = [cell.id for cell in plan(SITE)]
    assert [cell.id for cell in plan(ALL) if cell.probe is Probe.ICMP] == echoes
    assert len(echoes) == 112
    assert all(cell.id.split(":")[3] == cell.probe for cell in CELLS.values())


def test_only_what_can_be_proven_at_both_ends_is_asked() -> None:
    """No gateway, nobody by himself; no size where nothing passes; and each pair once for each kind."""
    for cell in CELLS.values():
        assert cell.target.kind is not EndpointKind.GATEWAY
        assert cell.relation is not Relation.ITSELF
        own = cell.relation in (Relation.OWN_HOST, Relation.OWN_CONTAINER)
        assert (cell.expectation.expected is Expected.SILENCE) is own
        assert not (own and cell.probe is Probe.MTU)
        assert (cell.expectation.size_bytes == 1500) is (cell.probe is Probe.MTU)
        assert bool(cell.expectation.how) is own
    kinds = {probe: sum(c.probe is probe for c in CELLS.values()) for probe in Probe}
    assert (kinds[Probe.TCP], kinds[Probe.MTU], kinds[Probe.IPV6]) == (60, 44, 0)
    assert kinds[Probe.UDP] == kinds[Probe.BROADCAST] == kinds[Probe.MULTICAST] == 60


def test_healthy_evidence_is_good_and_silence_has_controls_of_its_own_kind() -> None:
    """A connection vouches for no broadcast."""
    for cell_id, judgement in everything({}).items():
        cell = CELLS[cell_id]
        silent = cell.expectation.expected is Expected.SILENCE
        assert judgement.verdict is (Verdict.BLOCKED if silent else Verdict.PASS), judgement
        assert bool(judgement.controls) is silent
        assert all(i.endswith(f":{cell.probe}") for i in judgement.controls)


@pytest.mark.parametrize(
    ("cell_id", "changes", "verdict", "said"),
    [
        ("bridge:c1:c3:tcp", {"ends": {"timeout": 3}, "arrived": 0, "at_link": 0, "left": 0,
         "came_back": 0}, "FAIL", "nothing arrived at c3's link"),
        ("bridge:c1:c3:tcp", {"ends": {"timeout": 3}, "arrived": 0, "left": 0, "came_back": 0},
         "FAIL", "c3's own stack did not take it in"),
        ("bridge:c1:c3:tcp", {"ends": {"timeout": 3}, "arrived": 0, "departed": 0, "at_link": 0},
         "FAIL", "nothing with its address left c1's link"),
        ("bridge:c1:c3:tcp", {"ends": {"timeout": 3}, "arrived": 0, "came_back": 0}, "FAIL",
         "nothing came back to c1's link"),
        ("bridge:c1:c3:tcp", {"ends": {"refused": 3}, "arrived": 0}, "FAIL", "c3 itself refused"),
        ("bridge:c1:c3:tcp", {"ends": {"refused": 3}, "arrived": 0, "left": 0, "at_link": 0},
         "FAIL", "refused on the way"),
        ("bridge:c1:c3:tcp", {"ends": {"refused": 3}, "arrived": 0, "macs": ("02:aa:aa:aa:aa:aa",)},
         "IMPOSTOR", "refusals in the name of 192.168.2.222 were sent by 02:aa"),
        ("bridge:c1:c3:tcp", {"strangers": ("beef",)}, "IMPOSTOR", "does not know its token"),
        ("bridge:c1:c3:tcp", {"arrived": 2}, "IMPOSTOR", "took in only 2"),
        ("bridge:c1:c3:tcp", {"ends": {"foreign": 1}}, "IMPOSTOR", "somebody else has port 30000"),
        ("bridge:c1:c3:tcp", {"ends": {"mute": 3}, "arrived": 0, "at_link": 0}, "IMPOSTOR",
         "was accepted, of which nothing reached c3"),
        ("bridge:c1:c3:tcp", {"neighbour": Neighbour("02:aa:aa:aa:aa:aa", "STALE")}, "IMPOSTOR",
         "more than one machine answers ARP"),
        ("bridge:c1:c3:udp", {"ends": {"answered": 2, "timeout": 1}, "arrived": 2}, "FLAPPING",
         "2 of 3 echoes"),
        ("bridge:c1:c3:udp", {"sent": 0, "ends": {"local": 3}, "words": ("not permitted",)},
         "INCONCLUSIVE", "nothing was sent: not permitted"),
        ("bridge:c1:dev-master-01:tcp", {"ends": {"answered": 3}, "arrived": 3}, "LEAK", "3 of 3"),
        ("bridge:c1:dev-master-01:tcp", {"ends": {"refused": 3}}, "LEAK", "a refusal came"),
        ("bridge:c1:dev-master-01:tcp", {"at_link": 1}, "LEAK", "requests arrived"),
        ("bridge:c1:dev-master-01:tcp", {"neighbour": None}, "INCONCLUSIVE", "never looked for"),
        ("bridge:c1:dev-master-01:udp", {"neighbour": Neighbour("02:aa:aa:aa:aa:aa", "STALE")},
         "LEAK", "answered for 192.168.2.210"),
        ("bridge:c1:c3:broadcast", {"casts": (Cast("here", 3, (1, 2, 1)),)}, "FAIL",
         "came up to 2 times"),
        ("bridge:c1:c3:broadcast", {"casts": (Cast("here", 3, (1, 0, 1)),)}, "FLAPPING", "2 of 3"),
        ("bridge:c1:c3:multicast", {"casts": (Cast("here", 3, (0, 0, 0), (1, 1, 1)),)}, "FAIL",
         "dropped by its own firewall"),
        ("bridge:c1:c3:multicast", {"casts": (Cast("here", 3, (1, 1, 1), None, ("10.0.0.9",)),)},
         "IMPOSTOR", "came to c3 from 10.0.0.9"),
        ("bridge:c1:c3:multicast", {"casts": (Cast("here", 3, (1, 1, 1)), Cast("there", 0, ()))},
         "INCONCLUSIVE", "none were sent there"),
        ("bridge:c1:dev-master-01:broadcast", {"casts": (Cast("here", 3, (0, 1, 0)),)}, "LEAK",
         "broadcasts here came to dev-master-01"),
        ("bridge:c1:dev-master-01:broadcast", {"casts": (Cast("here", 0, ()),)}, "INCONCLUSIVE",
         "nothing was sent"),
    ],
)  # fmt: skip
def test_each_kind_of_evidence_has_its_verdict(
    cell_id: str, changes: dict[str, Any], verdict: str, said: str
) -> None:
    """And a reason that says where it was last seen."""
    found = judged(cell_id, **changes)
    assert found.verdict == verdict, found
    assert said in found.reason
    assert bool(found.next_command) is (verdict not in ("PASS", "BLOCKED"))


def test_silence_without_controls_proves_nothing() -> None:
    """Where by TCP nobody reached the target, its silence by TCP is no proof, whatever UDP says."""
    spoilt: dict[str, Asked] = {
        i: exchange(cell, ends={"timeout": 3}, arrived=0)
        for i, cell in CELLS.items()
        if cell.probe is Probe.TCP and cell.target.name == "dev-master-01"
    }
    found = everything(spoilt)
    assert found["bridge:c1:dev-master-01:tcp"].verdict is Verdict.INCONCLUSIVE
    assert found["bridge:c1:dev-master-01:udp"].verdict is Verdict.BLOCKED


def test_what_did_not_run_is_never_good() -> None:
    """No outcome, or a NotRun, in every cell."""
    assert {j.verdict for j in judge_protocols(CELLS.values(), {}).values()} == {"INCONCLUSIVE"}
    lost: dict[str, Asked] = {i: NotRun(i, "gone") for i in CELLS}
    assert {j.verdict for j in judge_protocols(CELLS.values(), lost).values()} == {"INCONCLUSIVE"}


def ladder(passes: int, **lost: Any) -> dict[str, Any]:
    """The evidence of a ladder on which packets pass up to that size."""
    cell = CELLS["bridge:c1:c3:mtu"]
    rungs = tuple(
        Rung(size, 1, 1, 1, {"answered": 1}) if size <= passes else Rung(size, **lost)
        for size in rungs_of(cell)
    )
    good = sum(rung.answered for rung in rungs)
    return {"rungs": rungs, "ends": {"answered": good}, "arrived": good}


SILENT = {"sent": 2, "arrived": 0, "answered": 0, "ends": {"timeout": 2}}


@pytest.mark.parametrize(
    ("passes", "lost", "said"),
    [
        (1496, SILENT, "1,496 bytes is the longest that passes (ping -s 1468), of 1,500: longer"),
        (1496, SILENT, "longer ones are lost, and nobody says why"),
        (1400, {**SILENT, "ends": {"too-long": 1}, "mtu": 1400},
         "too long, for the source's own link (MTU 1,400)"),
        (1400, {**SILENT, "ends": {"too-long": 1}, "mtu": 1412,
                "words": ("Message too long, says 10.0.0.9",)},
         "too long, as 10.0.0.9 says on the way (MTU 1,412)"),
        (1400, {**SILENT, "arrived": 2}, "but no answer comes back"),
        (0, SILENT, "no packet of any size arrives at c3's listener"),
    ],
)  # fmt: skip
def test_a_ladder_tells_the_longest_packet_and_who_stops_the_next(
    passes: int, lost: dict[str, Any], said: str
) -> None:
    """Silence, our own link and a router's word are told apart."""
    found = judged("bridge:c1:c3:mtu", **ladder(passes, **lost))
    assert found.verdict is Verdict.FAIL
    assert said in found.reason


def test_a_declared_mtu_decides_what_must_pass() -> None:
    """Jumbo frames are asked for where the site says so, with the rungs around them."""
    text = TEXT.replace('name = "bridge"', 'name = "bridge"\nmtu = 9000', 1)
    site = replace(read_site(text, name="x"), probes=(Probe.MTU,))
    cell = next(c for c in plan(site) if c.scenario == "bridge")
    assert cell.expectation.size_bytes == 9000
    assert rungs_of(cell)[-4:] == (8950, 8996, 9000, 9001)
    assert {1472, 1500} <= set(rungs_of(cell))


def test_the_command_line_and_the_site_choose_the_kinds() -> None:
    """In the order of the kinds, whatever the order of the words; nonsense is refused in words."""
    assert asked_for(SITE, "udp, icmp", 0).probes == (Probe.ICMP, Probe.UDP)
    assert asked_for(SITE, "all", 0).probes == tuple(Probe)
    assert asked_for(SITE, "", 100).timing.echoes == 100
    site = read_site(f'{TEXT}\n[probes]\nask = ["mtu", "icmp"]\n', name="x")
    assert site.probes == (Probe.ICMP, Probe.MTU)
    for probes, echoes, said in (("tpc", 0, "'tpc' is no kind"), ("", 251, "from 1 to 250")):
        with pytest.raises(ConfigError, match=said):
            asked_for(SITE, probes, echoes)
    with pytest.raises(ConfigError, match=r"probes.ask.*write what to ask"):
        read_site(f'{TEXT}\n[probes]\nask = ["tpc"]\n', name="x")


SIX = TEXT.replace('name = "vlan"', 'name = "vlan"\nsubnet6 = "fd00:c8::/64"', 1)


def test_containers_with_an_ipv6_network_are_asked_by_icmpv6() -> None:
    """Each other, on that scenario alone; their addresses end with their IPv4 addresses."""
    site = replace(read_site(SIX, name="x"), probes=(Probe.IPV6,))
    cells = plan(site)
    assert len(cells) == 12
    assert {c.scenario for c in cells} == {"vlan"}
    assert {c.source.kind for c in cells} == {EndpointKind.CONTAINER}
    scenario = site.scenario("vlan")
    assert str(scenario.address6(cells[0].source.address)) == "fd00:c8::c0a8:c864"
    assert site.scenario("bridge").address6(cells[0].source.address) is None
    cell = cells[0]
    good = {"ends": {"answered": 3}, "arrived": 3, "sent": 3}
    for changes, verdict in (
        ({}, "PASS"),
        ({"left": 2}, "IMPOSTOR"),
        ({"arrived": 0}, "IMPOSTOR"),
        ({"macs": ("02:bb:bb:bb:bb:bb",)}, "IMPOSTOR"),
        ({"ends": {"answered": 1, "timeout": 2}}, "FLAPPING"),
    ):
        seen = Exchange(cell.id, cell.probe, "fd00::1", **{**good, **changes})  # type: ignore[arg-type]
        owner = (Identity(cell.target.name, ("02:aa:aa:aa:aa:aa",)),)
        assert judge_protocols([cell], {cell.id: seen}, owner)[cell.id].verdict == verdict, changes


def test_a_name_leads_to_the_ipv6_address_of_its_own_container_alone() -> None:
    """To another address: somebody else. Unknown on another engine: blocked, if others are known."""
    site = replace(read_site(SIX, name="x"), probes=(Probe.IPV6_NAME,))
    cells = {cell.id: cell for cell in plan(site)}
    assert len(cells) == 16
    sibling, remote = cells["vlan:c5:c6:ipv6-name"], cells["vlan:c5:c7:ipv6-name"]
    assert remote.expectation.expected is Expected.NO_SUCH_NAME
    assert remote.expectation.how
    right, wrong = "fd00:c8::c0a8:c865", "fd00:c8::bad"

    def verdicts(
        addresses: tuple[str, ...], unknown: str, leaked: tuple[str, ...] = ()
    ) -> list[str]:
        known = Resolution(
            "c6", addresses, "NOERROR" if addresses else "NXDOMAIN", "127.0.0.11", 1.0
        )
        met = right in addresses
        one = Exchange(
            sibling.id,
            sibling.probe,
            right if met else "",
            sent=3 if met else 0,
            ends={"answered": 3} if met else {},
            arrived=3 if met else 0,
            resolution=known,
        )
        none = Resolution("c7", leaked, unknown, "127.0.0.11", 1.0)
        other = Exchange(remote.id, remote.probe, "", resolution=none)
        found = judge_protocols([sibling, remote], {sibling.id: one, remote.id: other})
        return [str(found[sibling.id].verdict), str(found[remote.id].verdict)]

    assert verdicts((right,), "NXDOMAIN") == ["PASS", "BLOCKED"]
    assert verdicts((right,), "NOERROR") == ["PASS", "INCONCLUSIVE"]
    assert verdicts((right,), "NOERROR", (wrong,)) == ["PASS", "LEAK"]
    assert verdicts((wrong,), "NXDOMAIN") == ["IMPOSTOR", "INCONCLUSIVE"]
    assert verdicts((), "NXDOMAIN") == ["FAIL", "INCONCLUSIVE"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('subnet6 = "fd00::/112"', "no room for IPv4 addresses"),
        ('gateway6 = "fd00::1"', "has no network; write subnet6"),
        ('subnet6 = "fd00::/64"\ngateway6 = "fd01::1"', "fd01::1 is outside fd00::/64"),
        ('subnet6 = "fd00::/64"\ngateway6 = "fd00::c0a8:c864"', "is a container's"),
        ('subnet6 = "fd00::1/64"', "write an IPv6 network of at most 96 bits"),
    ],
)
def test_a_wrong_ipv6_network_is_told(lines: str, said: str) -> None:
    """With what to write instead."""
    with pytest.raises(ConfigError, match=said):
        read_site(TEXT.replace('name = "vlan"', f'name = "vlan"\n{lines}', 1), name="x")


def test_what_ipv6_does_on_an_ipv4_only_network_is_a_note() -> None:
    """Off is told once; on is told of each container, with its addresses."""
    scenario = SITE.scenario("bridge")
    off, on = notes_of(scenario, {"c1": (), "c2": ("fe80::1",), "c3": ()})
    assert "off in c1, c3" in off
    assert "on in c2, which has fe80::1" in on
    six = replace(scenario, subnet6=IPv6Network("fd00::/64"))
    assert notes_of(six, {"c1": ("fd00::c0a8:2dc", "fe80::1")}) == []
    assert notes_of(six, {"c1": ("fe80::1",)}) == ["IPv6, bridge: c1 has not got fd00::c0a8:2dc"]


def test_controls_come_along_by_the_same_kind() -> None:
    """A single silent cell brings proofs of its source and its target, by TCP."""
    cell_id = "bridge:c1:dev-master-01:tcp"
    found = controls(plan(ALL), {cell_id})
    assert found
    assert all(i.endswith(":tcp") for i in found)
    assert any(i.startswith("bridge:c1:") for i in found)
    assert any(i.split(":")[2] == "dev-master-01" for i in found)


def test_a_spread_tells_no_percentile_that_its_samples_cannot_bear() -> None:
    """Nearest rank, the first one apart, jitter between neighbours, and what was lost."""
    assert spread((1.0,) * 9, 9) is None
    found = spread((9.0, *(float(n) for n in range(1, 101))), 202)
    assert found is not None
    assert found.percentiles == {"p50": 50.0, "p90": 90.0, "p99": 99.0}
    assert (found.first_ms, found.least_ms, found.most_ms) == (9.0, 1.0, 100.0)
    assert (found.jitter_ms, found.loss_percent, found.samples) == (1.0, 50.0, 100)
    few = spread((5.0, *[1.0, 2.0] * 6), 13)
    assert few is not None
    assert set(few.percentiles) == {"p50", "p90"}


def test_rounds_leave_room_in_the_neighbour_table() -> None:
    """All cells of a pair, both directions and every kind, in one round; each cell in one."""
    cells = [c for c in CELLS.values() if c.probe not in CASTS]
    assert rounds(cells, None) == rounds(cells, 100_000)
    assert len(rounds(cells, None)) == 1
    few = rounds(cells, 20)
    assert sorted(c.id for some in few for c in some) == sorted(c.id for c in cells)
    pairs = [{(c.scenario, frozenset((c.source, c.target))) for c in some} for some in few]
    assert [len(some) for some in pairs] == [10, 10, 10]
    assert len(set().union(*pairs)) == 30
    assert max(len(some) for some in rounds(cells, 0)) <= 8 * 6


def scene_of(spoilt: dict[str, Asked]) -> Scene:
    """A scene of cells that are no echoes; all echoes are well."""
    outcomes: dict[str, Asked] = {i: exchange(cell) for i, cell in CELLS.items()}
    outcomes |= spoilt
    echoes = tuple(plan(SITE))
    good = {c.id: Judgement(c.id, Verdict.PASS, "well") for c in echoes}
    judgements = good | judge_protocols(CELLS.values(), outcomes, IDENTITIES)
    return Scene(ALL, echoes, {}, judgements, others=tuple(CELLS.values()), asked=outcomes)


def test_a_healthy_scene_has_no_cause() -> None:
    """Of any rule."""
    assert not [cause for rule in RULES for cause in rule.find(scene_of({}))]


def test_a_cell_whose_echo_fails_too_has_that_cause() -> None:
    """And no other: what explains the echo explains the connection."""
    spoilt: dict[str, Asked] = {
        i: exchange(CELLS[i], ends={"timeout": 3}, arrived=0, at_link=0, left=0, came_back=0)
        for i in ("bridge:c1:c3:tcp", "bridge:c2:c3:tcp")
    }
    scene = scene_of(spoilt)
    (cause,), _ = diagnose(scene)
    assert (cause.rule, cause.where) == ("protocol-filtered", "dev-master-01 -> dev-node-01")
    assert set(cause.cells) == set(spoilt)
    failed = Judgement("bridge:c1:c3:address", Verdict.FAIL, "lost")
    both = replace(scene, judgements={**scene.judgements, failed.cell: failed})
    found, _ = diagnose(both)
    assert {cause.rule for cause in found} == {"protocol-filtered", "unknown"}
    (filtered,) = (cause for cause in found if cause.rule == "protocol-filtered")
    assert filtered.cells == ("bridge:c2:c3:tcp",)


def test_a_record_keeps_what_was_asked_and_is_judged_again_alike() -> None:
    """Verdicts, reasons, causes and evidence, through JSON and back; the CSV and JUnit tell them."""
    cell_id = "bridge:c1:c3:tcp"
    spoilt: dict[str, Asked] = {
        cell_id: exchange(CELLS[cell_id], ends={"timeout": 3}, arrived=0, left=0, came_back=0),
        "bridge:c1:c3:mtu": exchange(CELLS["bridge:c1:c3:mtu"], **ladder(1496, **SILENT)),
        "bridge:c2:c3:udp": NotRun("bridge:c2:c3:udp", "gone"),
    }
    scene = scene_of(spoilt)
    judged_ones = {i: j for i, j in scene.judgements.items() if i in CELLS}
    scene = replace(scene, cells=(), identities=IDENTITIES, judgements=judged_ones)
    causes, judgements = diagnose(scene)
    ids = frozenset(CELLS)
    run = replace(
        healthy(),
        site=replace(healthy().site, text=TEXT),
        cells=cell_records(CELLS.values(), ids, scene.asked, judgements, {}),
        causes=tuple(cause_record(cause) for cause in causes),
        evidence=scene_record(scene),
    )
    assert {c.rule for c in causes} == {"protocol-firewall", "mtu-narrow", "unknown"}
    again = load(dump(run))
    assert dump(again) == dump(run)
    assert dump(rejudge(again)) == dump(run)
    rows = csv_table(run).decode().splitlines()
    assert any(f'"{cell_id}"' in row and '"tcp"' in row and '"FAIL"' in row for row in rows)
    assert "0 of 3 came through (3 timeout)" in junit(run).decode()
    record = next(c for c in run.cells if c.id == cell_id)
    shown = {line.label: line.value for line in evidence(record)}
    assert shown["Connections"] == "3 to 192.168.2.222 port 30000: 3 timeout"
    assert "came to the target's link: 3, taken in by its listener: 0" in shown["On the way"]


def test_the_next_command_can_be_typed() -> None:
    """With the size and the address of the cell, in the namespace of its source."""
    assert "ping -M do -c 3 -s 1472 192.168.2.222" in next_command(CELLS["bridge:c1:c3:mtu"])
    host = next_command(CELLS["bridge:dev-master-01:c3:tcp"])
    assert host == "ssh dev-master-01 nc -v -w 2 192.168.2.222 PORT"
