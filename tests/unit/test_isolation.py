"""Cells between segments: which there are, what they prove, and the frames that are sent for them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.agent.arp import request_of
from fixtures.agent.crossing import AT, BROADCAST, MAGIC, TRAILER, filter_of, packet
from matrix.cause import Scene
from matrix.diagnose import diagnose
from matrix.judge import judge
from matrix.plan import controls, plan
from matrix.probes import (
    By,
    Cell,
    Crossing,
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
from matrix.rounds import rounds
from matrix.site import read_site
from matrix.topology import Isolation
from tests.unit.test_agent_filters import run_bpf

SITES = Path(__file__).parents[2] / "sites"
SITE = read_site((SITES / "lab-isolation.toml").read_text(), name="lab-isolation.toml")
MODES = read_site((SITES / "lab-modes.toml").read_text(), name="lab-modes.toml")
CELLS = plan(SITE)
ACROSS = [cell for cell in CELLS if cell.target_scenario]
APART, ROUTED = "red:r1:b2:address", "red:r1:g2:address"
KINDS = ("ARP", "broadcast", "multicast", "unicast")
GOOD = Crossing(KINDS, (), ("r2",), ("b1",))
MACS = {e.name: f"02:00:00:00:00:{n:02x}" for n, e in enumerate({c.source for c in CELLS})}
ROUTER = "02:00:00:00:ff:01"
NONCE = bytes(range(8))


def observed(cell: Cell) -> Observation:
    """What a healthy network shows for a cell."""
    reply, ours = cell.expectation.expected is Expected.REPLY, bool(cell.target.host)
    across = bool(cell.target_scenario)
    known = cell.expectation.expected is not Expected.NO_SUCH_NAME
    resolution = Resolution(
        cell.target.name,
        (str(cell.target.address),) if known else (),
        "NOERROR" if known else "NXDOMAIN",
        "127.0.0.11",
        1.0,
    )
    mac = MACS[cell.target.name] if ours else ROUTER
    return Observation(
        cell.id, str(cell.target.address), 3 if known else 0, 3 if reply else 0,
        ttls=(63 if across else 64,) if reply else (),
        request_seen=(Seen.YES if reply else Seen.NO) if ours else Seen.NOT_OURS,
        requests_seen=3 if reply and ours else 0,
        neighbour=None if across or not known else Neighbour(mac if reply else "", "REACHABLE"),
        resolution=resolution if cell.by is By.NAME else None,
        reply_macs=(ROUTER,) if across and reply else (),
    )  # fmt: skip


def judged(
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    crossed: Mapping[str, Crossing | None] | None = None,
    not_run: Mapping[str, str] | None = None,
) -> dict[str, Judgement]:
    """Judge a healthy network, with some observations and crossings changed."""
    return scene(changes, crossed, not_run)[0]


def scene(
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    crossed: Mapping[str, Crossing | None] | None = None,
    not_run: Mapping[str, str] | None = None,
) -> tuple[dict[str, Judgement], Scene]:
    """The same, with everything that the causes look at."""
    outcomes: dict[str, Outcome] = {
        cell.id: replace(observed(cell), **(changes or {}).get(cell.id, {})) for cell in CELLS
    }
    outcomes |= {cell_id: NotRun(cell_id, why) for cell_id, why in (not_run or {}).items()}
    wanted: dict[str, Crossing | None] = {**{c.id: GOOD for c in ACROSS}, **(crossed or {})}
    crossings = {cell_id: one for cell_id, one in wanted.items() if one is not None}
    who = tuple(Identity(name, (mac,)) for name, mac in MACS.items())
    judgements = judge(CELLS, outcomes, who, {}, crossings)
    found = Scene(SITE, CELLS, outcomes, judgements, identities=who, crossings=crossings)
    return judgements, found


def test_who_is_asked_across() -> None:
    """Every container of three VLANs those of the others; nobody of an internal network."""
    assert len(ACROSS) == 24
    assert not any("i1" in cell.id or "i2" in cell.id for cell in ACROSS)
    by_id = {cell.id: cell for cell in ACROSS}
    assert by_id[APART].expectation.expected is Expected.SILENCE
    assert (by_id[ROUTED].expectation.expected, by_id[ROUTED].expectation.ttl) == ("reply", 63)
    nobody = plan(replace(SITE, isolation=Isolation()))
    assert all(c.expectation.expected is Expected.SILENCE for c in nobody if c.target_scenario)
    assert not [c for c in plan(replace(SITE, isolation=None)) if c.target_scenario]
    assert len({cell.id for cell in CELLS}) == len(CELLS)


def test_the_controls_stand_on_both_segments() -> None:
    """The source's on its own, the target's on its own."""
    found = controls(CELLS, {APART})
    assert any(c.startswith("red:") and ":r1:" in c for c in found)
    assert any(c.startswith("blue:") and ":b2:" in c for c in found)


def test_a_healthy_network_is_apart_and_says_why() -> None:
    """BLOCKED with the frames and who heard them; PASS with a hop less."""
    found = judged()
    assert {j.verdict for j in found.values()} == {Verdict.PASS, Verdict.BLOCKED}
    assert (
        "saw none of the frames that r1 sent on its own segment (ARP, broad" in found[APART].reason
    )
    assert "which r2 heard there, while it heard those of b1" in found[APART].reason
    assert found[APART].controls
    assert found[ROUTED].verdict is Verdict.PASS
    assert diagnose(scene()[1])[0] == ()


@pytest.mark.parametrize(
    ("cell_id", "change", "crossing", "verdict", "said"),
    [
        (APART, {}, None, "INCONCLUSIVE", "no frames were sent"),
        (APART, {}, replace(GOOD, sent=()), "INCONCLUSIVE", "r1 sent no frames"),
        (APART, {}, replace(GOOD, heard_by=()), "INCONCLUSIVE", "nobody on r1's own segment heard"),
        (APART, {}, replace(GOOD, hears=()), "INCONCLUSIVE", "b2 heard no frames of its own"),
        (APART, {}, replace(GOOD, doubt="overran"), "INCONCLUSIVE", "below IP: overran"),
        (APART, {}, replace(GOOD, seen=("multicast",)), "LEAK", "on another one (blue): multicast"),
        # A leak is one whatever else is in doubt, and whatever a router may.
        (APART, {}, Crossing(KINDS, ("ARP",), doubt="overran"), "LEAK", "ARP"),
        (ROUTED, {}, replace(GOOD, seen=("broadcast",)), "LEAK", "broadcast"),
        (APART, {"received": 3, "ttls": (63,), "request_seen": Seen.YES, "requests_seen": 3}, GOOD,
         "LEAK", "3 of 3 replies where silence"),
        (APART, {"request_seen": Seen.YES, "requests_seen": 2}, GOOD, "LEAK", "2 requests arrived"),
        (ROUTED, {"ttls": (64,)}, GOOD, "LEAK", "they passed no router"),
        (ROUTED, {"reply_macs": (MACS["g2"],)}, GOOD, "IMPOSTOR", "and the gateway has"),
        (ROUTED, {"received": 0, "ttls": (), "reply_macs": ()}, GOOD, "FAIL", "no reply"),
        (ROUTED, {"request_seen": Seen.NO, "requests_seen": 0}, GOOD, "IMPOSTOR", "never saw"),
    ],
)  # fmt: skip
def test_what_a_cell_between_segments_proves(
    cell_id: str, change: dict[str, Any], crossing: Crossing | None, verdict: str, said: str
) -> None:
    """Each way to fall short of the proof, and each way to leak."""
    found = judged({cell_id: change}, {cell_id: crossing})[cell_id]
    assert found.verdict == verdict, found
    assert said in found.reason


def test_an_echo_that_could_not_be_sent_hides_no_leak() -> None:
    """Frames were seen: that is a leak, though the probe did not run."""
    seen = replace(GOOD, seen=("ARP",))
    assert judged({}, {APART: seen}, {APART: "no route"})[APART].verdict is Verdict.LEAK
    assert judged({}, {}, {APART: "no route"})[APART].verdict is Verdict.INCONCLUSIVE


def test_silence_needs_a_target_that_answers_at_home() -> None:
    """A dead target is silent to everybody."""
    dead = {c.id: {"received": 0} for c in CELLS if c.target.name == "b2" and not c.target_scenario}
    found = judged(dead)[APART]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "b2 answered nobody" in found.reason


def test_segments_that_are_joined_are_named_and_their_consequences() -> None:
    """Certain, with what leaks by way of it; a router that nobody declared is another cause."""
    both = {c.id for c in ACROSS if {c.scenario, c.there} == {"red", "blue"}}
    judgements, found = scene(
        {}, dict.fromkeys(both, replace(GOOD, seen=("ARP (still tagged VLAN 10)",)))
    )
    (cause,), _ = diagnose(found)
    assert (cause.rule, cause.where, cause.confidence) == (
        "segments-joined",
        "red, blue",
        "certain",
    )
    assert set(cause.cells) == both == {i for i, j in judgements.items() if not j.verdict.holds}
    arrived = {"received": 3, "ttls": (63,), "request_seen": Seen.YES, "requests_seen": 3}
    (cause,), _ = diagnose(scene(dict.fromkeys(both, arrived))[1])
    assert (cause.rule, cause.where) == ("router-not-declared", "red, blue")


def test_rounds_keep_parents_apart() -> None:
    """One network a parent at a time, passthru alone; what can stand together does."""
    assert [[s.name for s in some] for some in rounds(SITE.scenarios)] == [
        ["internal", "red", "green", "blue"]
    ]
    names = [[s.name for s in some] for some in rounds(MODES.scenarios)]
    assert names == [["bridge"], ["private"], ["vepa"], ["passthru"]]
    vlan = SITE.scenario("red")
    mixed = rounds([*MODES.scenarios, vlan])
    assert [[s.name for s in some] for some in mixed] == [["bridge", "red"], *names[1:]]


@pytest.mark.parametrize("tagged", [False, True])
def test_the_listener_takes_our_frames_and_no_others(tagged: bool) -> None:  # noqa: FBT001  a parameter
    """All kinds carry the trailer at one place, or behind a tag that stands in the frame."""
    mac, ip = b"\2" * 6, socket.inet_aton("10.0.0.1")
    trailer = TRAILER.pack(MAGIC, NONCE, BROADCAST, 7)
    frames = [
        request_of(mac, ip, ip) + trailer,
        packet(b"\xff" * 6, mac, ip, socket.inet_aton("255.255.255.255"), trailer),
    ]
    for plain in frames:
        assert plain[AT:] == trailer
        assert len(plain) >= 60  # Ethernet's least, so that nobody pads it
        frame = plain[:12] + b"\x81\0\0\x0a" + plain[12:] if tagged else plain
        assert run_bpf(filter_of(NONCE), frame)
        assert not run_bpf(filter_of(bytes(8)), frame)
        assert not run_bpf(filter_of(NONCE), frame[:-30])


def test_the_datagram_has_a_right_checksum() -> None:
    """RFC 791: the sum of the header's words, with its checksum in it, is all ones."""
    ip = socket.inet_aton("192.168.10.100")
    frame = packet(b"\xff" * 6, b"\2" * 6, ip, ip, b"x" * 21)
    total = sum(struct.unpack("!10H", frame[14:34]))
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF
