"""Judging: the table of verdicts, row by row, and who answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from matrix.judge import judge
from matrix.plan import plan
from matrix.probes import (
    Expected,
    Identity,
    Judgement,
    Neighbour,
    NotRun,
    Observation,
    Outcome,
    Resolution,
    Seen,
    Verdict,
)
from matrix.site import read_site

SITE = Path(__file__).parents[2] / "sites" / "lab.toml"
CELLS = plan(read_site(SITE.read_text(), name="lab.toml"))
BY_ID = {cell.id: cell for cell in CELLS}
MACS = {c.source.name: f"02:42:00:00:00:{n:02x}" for n, c in enumerate(CELLS)}
WHO = tuple(Identity(name, (mac,)) for name, mac in MACS.items())

REMOTE = "bridge:c1:c3:address"
OWN_HOST = "bridge:c1:dev-master-01:address"
GATEWAY = "bridge:c1:gateway:address"
ABSENT = "vlan:c5:gateway:address"
NAME = "bridge:c1:c2:name"
NO_NAME = "bridge:c1:c3:name"


def healthy(cell_id: str) -> Observation:
    """What a healthy network shows for a cell."""
    cell = BY_ID[cell_id]
    ours = cell.target.host != ""
    resolution = None
    if cell.by == "name":
        known = cell.expectation.expected is not Expected.NO_SUCH_NAME
        resolution = Resolution(
            cell.target.name,
            (str(cell.target.address),) if known else (),
            "NOERROR" if known else "NXDOMAIN",
            "127.0.0.11",
            1.0,
        )
    if cell.expectation.expected is Expected.REPLY:
        return Observation(
            cell_id, str(cell.target.address), 3, 3, (0.1, 0.1, 0.1), (64,),
            (str(cell.target.address),), 0, Seen.YES if ours else Seen.NOT_OURS, 3 if ours else 0,
            Neighbour(MACS.get(cell.target.name, "02:00:00:00:00:01"), "REACHABLE"), resolution,
        )  # fmt: skip
    asked = 0 if resolution else 3
    return Observation(
        cell_id, str(cell.target.address), asked, 0,
        request_seen=Seen.NO if ours else Seen.NOT_OURS, resolution=resolution,
        neighbour=Neighbour("", "INCOMPLETE") if asked else None,
    )  # fmt: skip


def verdicts(changes: Mapping[str, Outcome | None] | None = None) -> dict[str, Judgement]:
    """Judge the healthy network with some cells changed; None takes the outcome away."""
    outcomes: dict[str, Outcome] = {cell.id: healthy(cell.id) for cell in CELLS}
    for cell_id, outcome in (changes or {}).items():
        if outcome is None:
            del outcomes[cell_id]
        else:
            outcomes[cell_id] = outcome
    return judge(CELLS, outcomes, WHO)


def test_a_healthy_network_is_all_pass_and_blocked() -> None:
    """Every cell that expects a reply passes, every other is blocked, each blocked has controls."""
    for cell_id, judgement in verdicts().items():
        reply = BY_ID[cell_id].expectation.expected is Expected.REPLY
        assert judgement.verdict is (Verdict.PASS if reply else Verdict.BLOCKED), judgement
        assert bool(judgement.controls) is not reply
        assert not judgement.next_command


GOOD = healthy(REMOTE)
SILENT = replace(GOOD, received=0, rtts_ms=(), ttls=(), repliers=(), neighbour=None)


@pytest.mark.parametrize(
    ("cell_id", "outcome", "verdict", "said"),
    [
        (REMOTE, None, "INCONCLUSIVE", "no outcome"),
        (REMOTE, NotRun(REMOTE, "no route"), "INCONCLUSIVE", "did not run: no route"),
        (OWN_HOST, NotRun(OWN_HOST, "exec refused"), "INCONCLUSIVE", "exec refused"),
        (REMOTE, replace(SILENT, sent=0), "INCONCLUSIVE", "nothing was sent"),
        (REMOTE, replace(SILENT, request_seen=Seen.NO, requests_seen=0), "FAIL",
         "none reached c3: lost on the way there, or dropped by c3's own firewall"),
        (REMOTE, replace(SILENT, request_seen=Seen.NO, requests_seen=0,
         neighbour=Neighbour("", "FAILED")), "FAIL",
         "none reached c3: lost on the way there; nobody answered ARP"),
        (REMOTE, replace(SILENT, request_seen=Seen.NO, requests_seen=0,
         neighbour=Neighbour(MACS["c3"], "REACHABLE")), "FAIL", "or dropped by c3's own firewall"),
        (REMOTE, replace(SILENT, requests_seen=3), "FAIL", "replies were lost"),
        (REMOTE, replace(SILENT, neighbour=Neighbour("", "FAILED")), "FAIL", "nobody answered ARP"),
        (REMOTE, replace(GOOD, received=2), "FLAPPING", "2 of 3"),
        (OWN_HOST, replace(healthy(OWN_HOST), received=1, request_seen=Seen.YES, requests_seen=1), "LEAK",
         "1 of 3 replies where silence"),
        (OWN_HOST, replace(healthy(OWN_HOST), request_seen=Seen.YES, requests_seen=2), "LEAK",
         "2 requests arrived at dev-master-01"),
        (REMOTE, replace(GOOD, request_seen=Seen.NO, requests_seen=0), "IMPOSTOR",
         "never saw the request"),
        (REMOTE, replace(GOOD, neighbour=Neighbour("02:66:66:66:66:66", "STALE")), "IMPOSTOR",
         "by MAC 02:66:66:66:66:66, which is none of ours; c3 has"),
        (REMOTE, replace(GOOD, repliers=("192.168.2.99",)), "IMPOSTOR", "192.168.2.99 replied"),
        (REMOTE, replace(GOOD, duplicates=1), "IMPOSTOR", "duplicate"),
        (REMOTE, replace(GOOD, request_seen=Seen.NOT_OURS, ttls=(255,), neighbour=None),
         "IMPOSTOR", "hypervisor"),
        (REMOTE, replace(GOOD, ttls=(63,)), "PASS", "TTL 63 instead of 64"),
        (GATEWAY, replace(healthy(GATEWAY), ttls=(255,)), "PASS", "3 of 3"),
        (GATEWAY, replace(healthy(GATEWAY), neighbour=Neighbour(MACS["c4"], "STALE")), "IMPOSTOR",
         "which is c4"),
        (NAME, replace(healthy(NAME), resolution=Resolution("c2", ("10.9.9.9",), "NOERROR",
         "127.0.0.11", 1)), "IMPOSTOR", "resolved c2 to 10.9.9.9"),
        (NAME, replace(healthy(NAME), sent=0, received=0, resolution=Resolution("c2", (),
         "SERVFAIL", "127.0.0.11", 1)), "FAIL", "did not resolve"),
        (NO_NAME, replace(healthy(NO_NAME), resolution=Resolution("c3", (), "NOERROR",
         "127.0.0.11", 1)), "INCONCLUSIVE", "the name exists there, but has no A record"),
        (NAME, replace(healthy(NAME), sent=0, received=0, resolution=Resolution("c2", (),
         "NOERROR", "127.0.0.11", 1)), "FAIL", "has no A record"),
        (NO_NAME, replace(GOOD, cell=NO_NAME, resolution=Resolution("c3", ("192.168.2.222",),
         "NOERROR", "127.0.0.11", 1)), "LEAK", "should be unknown here"),
        (NO_NAME, replace(GOOD, cell=NO_NAME, resolution=Resolution("c3", ("10.1.1.1",),
         "NOERROR", "10.0.0.53", 1)), "IMPOSTOR", "its address is 192.168.2.222"),
        (NO_NAME, replace(GOOD, cell=NO_NAME, resolution=None), "INCONCLUSIVE", "no evidence"),
    ],
)  # fmt: skip
def test_the_table(cell_id: str, outcome: Outcome | None, verdict: str, said: str) -> None:
    """Each row of the verdict table, with the words that say why."""
    found = verdicts({cell_id: outcome})[cell_id]
    assert found.verdict == verdict, found
    assert said in found.reason, found
    assert bool(found.next_command) is not found.verdict.holds


def silent(cell_id: str) -> Observation:
    """Nothing came back for a cell."""
    return replace(
        healthy(cell_id), received=0, rtts_ms=(), ttls=(), repliers=(), request_seen=Seen.NO
    )


def test_silence_without_a_source_control_proves_nothing() -> None:
    """A source that reaches nobody over the wire makes its blocked cells inconclusive."""
    from_c1 = [i for i in BY_ID if i.startswith("bridge:c1:") and i.endswith("address")]
    changes = {i: silent(i) for i in from_c1 if i not in ("bridge:c1:c1:address",
                                                         "bridge:c1:c2:address")}  # fmt: skip
    found = verdicts(changes)[OWN_HOST]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "c1 reached nobody over the wire" in found.reason


def test_silence_without_a_target_control_proves_nothing() -> None:
    """A target that answered nobody over the wire makes silence towards it inconclusive."""
    to_host = [i for i in BY_ID if i.startswith("bridge:") and i.endswith(":dev-master-01:address")]
    found = verdicts({i: silent(i) for i in to_host})[OWN_HOST]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "dev-master-01 answered nobody over the wire" in found.reason


def test_an_absent_gateway_needs_only_its_source_proven() -> None:
    """Nobody can vouch for an address that nobody owns; the source must still reach the wire."""
    assert verdicts()[ABSENT].verdict is Verdict.BLOCKED
    wire = [i for i in BY_ID if i.startswith("vlan:c5:") and i.endswith("address")]
    changes = {i: silent(i) for i in wire if ":c5:c5:" not in i and ":c5:c6:" not in i}
    assert verdicts(changes)[ABSENT].verdict is Verdict.INCONCLUSIVE


def test_an_impostor_is_no_control() -> None:
    """A reply from somebody else proves nothing about the one who should have answered."""
    stranger = Neighbour("02:66:66:66:66:66", "STALE")
    wire = [i for i in BY_ID if i.startswith("bridge:c1:") and i.endswith("address")]
    changes = {
        i: replace(healthy(i), neighbour=stranger, request_seen=Seen.NO)
        for i in wire
        if BY_ID[i].relation in ("remote container", "other host")
    }
    changes[GATEWAY] = silent(GATEWAY)
    assert verdicts(changes)[OWN_HOST].verdict is Verdict.INCONCLUSIVE


def test_an_unknown_name_counts_only_while_other_names_resolve() -> None:
    """With the engine's DNS dead, "no such name" is nobody's answer."""
    names = [i for i in BY_ID if i.startswith("bridge:c1:") and i.endswith(":name")]
    dead = Resolution("x", (), "NO-ANSWER", "127.0.0.11", 1000)
    found = verdicts({i: replace(silent(i), sent=0, resolution=dead) for i in names})
    assert found[NO_NAME].verdict is Verdict.INCONCLUSIVE
    assert found[NAME].verdict is Verdict.FAIL


def test_no_answer_is_no_such_name_while_the_same_server_answers_others() -> None:
    """An engine that forwards to dead servers never answers; it still knows no such name."""
    dead = Resolution("c3", (), "NO-ANSWER", "127.0.0.11", 1000)
    found = verdicts({NO_NAME: replace(healthy(NO_NAME), resolution=dead)})[NO_NAME]
    assert found.verdict is Verdict.BLOCKED
    assert "gave no answer" in found.reason


def test_two_gateways_are_one_too_many() -> None:
    """One observer sees another MAC than the rest: all cells towards the gateway are suspect."""
    odd = replace(healthy(GATEWAY), neighbour=Neighbour("02:00:00:00:00:99", "REACHABLE"))
    found = verdicts({GATEWAY: odd})
    assert found[GATEWAY].verdict is Verdict.IMPOSTOR
    assert found["bridge:c3:gateway:address"].verdict is Verdict.IMPOSTOR
    assert "seen by c1" in found[GATEWAY].reason


def test_an_outcome_is_never_taken_for_another_cell_s() -> None:
    """A result with the wrong question is a bug, and said so."""
    with pytest.raises(ValueError, match="given for"):
        verdicts({REMOTE: replace(GOOD, cell=GATEWAY)})


@pytest.mark.parametrize(
    ("cell_id", "change", "verdict", "said"),
    [
        (REMOTE, {"requests_seen": 1}, "IMPOSTOR", "saw only 1 of the requests"),
        (REMOTE, {"ttls": (255, 64)}, "IMPOSTOR", "different TTLs (255, 64)"),
        (REMOTE, {"replies_left": 2}, "IMPOSTOR", "3 replies came, but only 2 left c3"),
        (REMOTE, {"replies_left": 3}, "PASS", "3 of 3 replies"),
        (OWN_HOST, {"neighbour": None}, "INCONCLUSIVE", "never looked for 192.168.2.210 on the segment"),
        (OWN_HOST, {"neighbour": None, "by_frames": True}, "BLOCKED", ""),
        (REMOTE, {"reply_macs": ("02:00:00:00:00:99",)}, "IMPOSTOR",
         "were sent by 02:00:00:00:00:99 (none of ours)"),
        (GATEWAY, {"rivals": ("02:00:00:00:00:01", "02:00:00:00:00:09")}, "IMPOSTOR",
         "more than one machine answers ARP for 192.168.2.1"),
        (REMOTE, {"rivals": (MACS["c3"], "02:00:00:00:00:09")}, "IMPOSTOR",
         "not c3's: 02:00:00:00:00:09"),
        (REMOTE, {"rivals": (MACS["c3"],)}, "PASS", ""),
        (GATEWAY, {"neighbour": None}, "INCONCLUSIVE", "inside the source's own namespace"),
        (OWN_HOST, {"neighbour": Neighbour("02:00:00:00:00:07", "STALE")}, "LEAK", "answered ARP"),
        (OWN_HOST, {"neighbour": Neighbour("02:00:00:00:00:07", "PERMANENT")}, "INCONCLUSIVE",
         "a fixed neighbour entry for 192.168.2.210 with MAC 02:00:00:00:00:07"),
        (OWN_HOST, {"neighbour": Neighbour(MACS["dev-master-01"], "PERMANENT")}, "BLOCKED", ""),
        (ABSENT, {"neighbour": Neighbour("02:00:00:00:00:07", "PERMANENT")}, "BLOCKED", ""),
        (ABSENT, {"neighbour": Neighbour("02:00:00:00:00:07", "STALE")}, "LEAK", "answered ARP"),
    ],
)  # fmt: skip
def test_half_a_proof_is_none(
    cell_id: str, change: dict[str, Any], verdict: str, said: str
) -> None:
    """Replies that outnumber the requests seen, a gateway nobody heard, silence that answers ARP."""
    found = verdicts({cell_id: replace(healthy(cell_id), **change)})[cell_id]
    assert found.verdict == verdict, found
    assert said in found.reason, found


def test_a_gateway_that_nobody_heard_is_no_control() -> None:
    """Answered inside one's own namespace, it proves nothing about the wire."""
    wire = [i for i in BY_ID if i.startswith("bridge:c1:") and i.endswith("address")]
    changes = {
        i: silent(i) for i in wire if BY_ID[i].relation in ("remote container", "other host")
    }
    changes[GATEWAY] = replace(healthy(GATEWAY), neighbour=None)
    assert verdicts(changes)[OWN_HOST].verdict is Verdict.INCONCLUSIVE


def under(
    cells: str, expect: str, changes: Mapping[str, Outcome], today: date = date(2026, 12, 31)
) -> dict[str, Judgement]:
    """Judge the healthy network, with some cells changed, under one override of the site."""
    text = f'\n[[override]]\ncells = "{cells}"\nexpect = "{expect}"\nticket = "NET-1"\n'
    site = read_site(f"{SITE.read_text()}{text}until = 2026-12-31\n", name="x")
    planned = plan(site, today)
    return judge(planned, {c.id: healthy(c.id) for c in planned} | dict(changes), WHO)


REFLECTED = replace(
    healthy("bridge:c3:dev-master-01:address"),
    cell=OWN_HOST,
)
ARRIVED = replace(SILENT, requests_seen=3, neighbour=Neighbour(MACS["c3"], "REACHABLE"))


@pytest.mark.parametrize(
    ("cells", "expect", "outcome", "verdict", "said"),
    [
        (OWN_HOST, "reply", REFLECTED, "PASS", "reply is expected by override NET-1 until 2026-12"),
        (OWN_HOST, "reply", healthy(OWN_HOST), "FAIL", "the physics says silence"),
        (OWN_HOST, "reply", replace(REFLECTED, received=1), "FLAPPING", "1 of 3"),
        (OWN_HOST, "reply", replace(REFLECTED, neighbour=Neighbour("02:66:66:66:66:66", "STALE")),
         "IMPOSTOR", "none of ours"),
        (REMOTE, "silence", GOOD, "LEAK", "3 of 3 replies where silence was expected"),
        (REMOTE, "silence", ARRIVED, "BLOCKED", "3 reached c3, so replies were lost"),
        (REMOTE, "silence", replace(SILENT, request_seen=Seen.NO, requests_seen=0), "BLOCKED",
         "or dropped by c3's own firewall"),
        (REMOTE, "silence", NotRun(REMOTE, "no route"), "INCONCLUSIVE", "no route"),
        (NAME, "no-such-name", healthy(NAME), "LEAK", "it should be unknown here"),
        (NAME, "silence", replace(healthy(NAME), sent=0, received=0, resolution=Resolution("c2", (),
         "SERVFAIL", "127.0.0.11", 1)), "INCONCLUSIVE", "the name did not resolve"),
        (NO_NAME, "reply", healthy(NO_NAME), "FAIL", "the name did not resolve"),
        (NO_NAME, "reply", replace(GOOD, cell=NO_NAME, resolution=Resolution("c3",
         ("192.168.2.222",), "NOERROR", "10.0.0.53", 1)), "PASS", "the physics says no-such-name"),
    ],
)  # fmt: skip
def test_under_an_override(
    cells: str, expect: str, outcome: Outcome, verdict: str, said: str
) -> None:
    """The overridden expectation is judged by the same evidence, and the physics stays said."""
    found = under(cells, expect, {cells: outcome})[cells]
    assert found.verdict == verdict, found
    assert said in found.reason, found
    assert "override NET-1 until 2026-12-31; the physics says" in found.reason


@pytest.mark.parametrize(
    ("outcome", "verdict"), [(REFLECTED, "LEAK"), (healthy(OWN_HOST), "BLOCKED")]
)
def test_an_expired_override_is_judged_by_the_physics_again(outcome: Outcome, verdict: str) -> None:
    """And the cell says so; that the run is not good is said by its trouble."""
    found = under(OWN_HOST, "reply", {OWN_HOST: outcome}, date(2027, 1, 1))[OWN_HOST]
    assert found.verdict == verdict
    assert found.reason.endswith(
        "override NET-1 expired on 2026-12-31: judged by the physics again"
    )


def test_a_reply_by_override_supports_nobody_s_silence() -> None:
    """c5 reaches nobody but a gateway that the site's override expects: its silence is no proof."""
    wire = [i for i in BY_ID if i.startswith("vlan:c5:") and i.endswith("address")]
    gateway = replace(
        healthy(GATEWAY), cell=ABSENT, address="192.168.200.1", repliers=("192.168.200.1",)
    )
    changes: dict[str, Outcome] = {i: silent(i) for i in wire if ":c5:c5:" not in i}
    found = under(ABSENT, "reply", changes | {ABSENT: gateway})
    assert found[ABSENT].verdict is Verdict.PASS
    assert found["vlan:c5:dev-master-01:address"].verdict is Verdict.INCONCLUSIVE


def test_silence_of_a_present_gateway_needs_somebody_whom_it_answered() -> None:
    """One source overridden: the others must have reached the gateway, or nothing is proven."""
    quiet = {GATEWAY: silent(GATEWAY)}
    assert under(GATEWAY, "silence", quiet)[GATEWAY].verdict is Verdict.BLOCKED
    gateways = {i: silent(i) for i in BY_ID if i.startswith("bridge:") and ":gateway:" in i}
    found = under(GATEWAY, "silence", gateways)[GATEWAY]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "gateway answered nobody over the wire" in found.reason


def test_a_silenced_name_is_not_supported_by_the_same_pair_s_address() -> None:
    """c1 reaches c3 alone, by address: that is nobody else, so the name's silence proves nothing."""
    name, address = "bridge:c1:c3:name", "bridge:c1:c3:address"
    found = Resolution("c3", ("192.168.2.222",), "NOERROR", "10.0.0.53", 1)
    quiet: dict[str, Outcome] = {name: replace(silent(REMOTE), cell=name, resolution=found)}
    judged = under(name, "silence", quiet)[name]
    assert judged.verdict is Verdict.BLOCKED
    assert judged.controls
    assert address not in judged.controls
    others = [i for i in BY_ID if i.startswith("bridge:c1:") and i.endswith(":address")]
    quiet |= {i: silent(i) for i in others if i != address}
    judged = under(name, "silence", quiet)[name]
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert "c1 reached nobody over the wire" in judged.reason


MODES = SITE.parent / "lab-modes.toml"
DEAF = tuple(c for c in plan(read_site(MODES.read_text(), name="m")) if c.scenario == "passthru")
TO_DEAF, FROM_DEAF = (
    "passthru:dev-node-01:dev-master-01:address",
    "passthru:dev-master-01:dev-node-01:address",
)
ENDPOINT = "passthru:dev-node-01:x1:address"
MUTE = {c.id: {"received": 0} for c in DEAF if "x1" in (c.source.name, c.target.name)}
OWN_MAC, OTHER_MAC = "02:00:00:00:00:aa", "02:00:00:00:00:bb"


def deaf(changes: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Judgement]:
    """Judge a healthy passthru endpoint, whose host is deaf, with some observations changed."""
    outcomes: dict[str, Outcome] = {}
    for cell in DEAF:
        reply = cell.expectation.expected is Expected.REPLY
        ours, arp = cell.target.host != "", reply or cell.id == TO_DEAF
        macs = {"dev-node-01": OTHER_MAC, "gateway": "02:00:00:00:00:cc"}
        mac = macs.get(cell.target.name, OWN_MAC)
        resolution = Resolution("x1", (str(cell.target.address),), "NOERROR", "127.0.0.11", 1.0)
        seen = Observation(
            cell.id, str(cell.target.address), 3, 3 if reply else 0,
            request_seen=(Seen.YES if reply else Seen.NO) if ours else Seen.NOT_OURS,
            requests_seen=3 if reply and ours else 0,
            neighbour=Neighbour(mac if arp else "", "REACHABLE" if arp else "INCOMPLETE"),
            resolution=resolution if cell.by == "name" else None,
        )  # fmt: skip
        outcomes[cell.id] = replace(seen, **(changes or {}).get(cell.id, {}))
    who = (
        Identity("x1", (OWN_MAC,)),
        Identity("dev-master-01", (OWN_MAC,)),
        Identity("dev-node-01", (OTHER_MAC,)),
    )
    return judge(DEAF, outcomes, who)


def test_a_host_that_passthru_makes_deaf_is_blocked_both_ways() -> None:
    """It answers ARP and nothing else, what it sends may arrive, and its endpoint proves the NIC."""
    assert {j.verdict for j in deaf().values()} == {Verdict.PASS, Verdict.BLOCKED}
    assert f"{OWN_MAC} answered ARP" in deaf()[TO_DEAF].reason
    arrives = {"request_seen": Seen.YES, "requests_seen": 3, "replies_left": 3}
    found = deaf({FROM_DEAF: arrives})[FROM_DEAF]
    assert found.verdict is Verdict.BLOCKED
    assert "3 requests arrived at dev-node-01, and 3 replies left it" in found.reason


@pytest.mark.parametrize(
    ("changes", "cell_id", "verdict", "said"),
    [
        ({TO_DEAF: {"neighbour": Neighbour("", "FAILED")}}, TO_DEAF, "INCONCLUSIVE",
         "did not even answer ARP"),
        ({TO_DEAF: {"neighbour": Neighbour("", "FAILED")}}, "passthru:x1:dev-master-01:address",
         "INCONCLUSIVE", "answered nobody's ARP request"),
        ({TO_DEAF: {"neighbour": Neighbour(OTHER_MAC, "STALE")}}, TO_DEAF, "IMPOSTOR",
         "which is dev-node-01"),
        ({TO_DEAF: {"request_seen": Seen.YES, "requests_seen": 1}}, TO_DEAF, "LEAK",
         "1 request arrived at dev-master-01"),
        ({FROM_DEAF: {"received": 1, "request_seen": Seen.YES, "requests_seen": 3, "neighbour":
         Neighbour(OTHER_MAC, "STALE")}}, FROM_DEAF, "LEAK", "1 of 3 replies"),
        ({FROM_DEAF: {"neighbour": None}}, FROM_DEAF, "INCONCLUSIVE", "never looked for"),
        (MUTE, FROM_DEAF, "INCONCLUSIVE", "carried nothing of its passthru endpoint"),
    ],
)  # fmt: skip
def test_what_a_deaf_host_cannot_prove(
    changes: dict[str, dict[str, Any]], cell_id: str, verdict: str, said: str
) -> None:
    """Silence counts only while ARP is answered and the NIC carries; what comes through is a leak."""
    found = deaf(changes)[cell_id]
    assert found.verdict == verdict, found
    assert said in found.reason
