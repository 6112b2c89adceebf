"""The agent's socket filters and the counting of who replied, without a kernel."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.agent.batch import Batch
from fixtures.agent.filters import (
    ECHO_BYTES,
    PACKET_HOST,
    PACKET_OUTGOING,
    PACKET_TYPE,
    arp_replies,
    our_replies,
)
from fixtures.agent.sweep import frame_of
from fixtures.surroundings import canaries
from matrix.topology import Scenario, Segment

Program = list[tuple[int, int, int, int]]
NONCE = bytes(range(8))
MINE, OTHER = socket.inet_aton("10.0.0.1"), socket.inet_aton("10.0.0.2")


def run_bpf(program: Program, frame: bytes, packet_type: int = PACKET_HOST) -> int:
    """What a classic BPF program returns for a frame (bpf(4)): bytes to keep, 0 for none.

    A load beyond the frame's end ends the program with 0, as in the kernel.
    """
    a = x = place = 0
    while True:
        op, true, false, k = program[place]
        assert 0 <= min(true, false) <= max(true, false) < 256, "no jump goes back"
        place += 1
        try:
            if op == 0x06:
                return k
            if op == 0x15:
                place += true if a == k else false
            elif op == 0x30:
                a = packet_type if k == PACKET_TYPE else frame[k]
            elif op == 0x50:
                a = frame[x + k]
            elif op == 0x28:
                (a,) = struct.unpack_from("!H", frame, k)
            elif op == 0x48:
                (a,) = struct.unpack_from("!H", frame, x + k)
            elif op == 0x20:
                (a,) = struct.unpack_from("!I", frame, k)
            elif op == 0x40:
                (a,) = struct.unpack_from("!I", frame, x + k)
            elif op == 0xB1:
                x = 4 * (frame[k] & 15)
            else:
                raise AssertionError(f"operation {op:#x} is not known here")
        except (IndexError, struct.error):
            return 0


def reply(nonce: bytes = NONCE, to: bytes = MINE, kind: int = 0, protocol: int = 1) -> bytes:
    """An echo reply's frame: a request's, with the type changed."""
    frame = bytearray(frame_of(b"\2" * 6, b"\4" * 6, OTHER, to, 7, nonce, 99, 1))
    frame[34], frame[23] = kind, protocol
    return bytes(frame)


@pytest.mark.parametrize("addresses", [[MINE], [OTHER, MINE], [MINE, OTHER, b"\x0a\0\0\x09"]])
def test_only_our_own_replies_to_us_pass(addresses: list[bytes]) -> None:
    """Nonce, type, protocol and address must all be right, whichever of our addresses it is."""
    program = our_replies(NONCE, addresses)
    assert run_bpf(program, reply()) == ECHO_BYTES
    assert run_bpf(program, reply(nonce=b"x" * 8)) == 0
    assert run_bpf(program, reply(kind=8)) == 0
    assert run_bpf(program, reply(protocol=17)) == 0
    assert run_bpf(program, reply(to=b"\x0a\0\0\x63")) == 0
    assert run_bpf(program, reply(), PACKET_OUTGOING) == 0


@pytest.mark.parametrize("addresses", [[OTHER], [MINE, OTHER], [b"\x0a\0\0\x09", OTHER]])
def test_only_our_own_replies_that_leave_pass(addresses: list[bytes]) -> None:
    """From one of our addresses to a stranger: as it leaves, not as somebody else's copy comes in."""
    program, leaving = our_replies(NONCE, addresses), reply(to=b"\x0a\0\0\x63")
    assert run_bpf(program, leaving, PACKET_OUTGOING) == ECHO_BYTES
    assert run_bpf(program, leaving) == 0
    assert run_bpf(program, reply(nonce=b"x" * 8, to=b"\x0a\0\0\x63"), PACKET_OUTGOING) == 0


@given(st.binary(max_size=120))
def test_any_frame_is_passed_or_dropped(frame: bytes) -> None:
    """Garbage ends the programs; what passes carries the nonce."""
    passed = run_bpf(our_replies(NONCE, [MINE]), frame)
    assert not passed or NONCE in frame
    run_bpf(arp_replies(), frame)


def test_the_senders_of_replies_are_kept_with_their_cell() -> None:
    """The first one in the column, others among the odd things; in any order the same."""
    batch = Batch({"cells": [[4, 10, ["10.0.0.1"]]]})
    batch.came_from(0, {b"\4" * 6})
    assert bytes(batch.reply_mac) == b"\4" * 6
    batch.came_from(0, {b"\4" * 6, b"\2" * 6})
    assert batch.odd[0]["reply_macs"] == ["02:02:02:02:02:02"]


def test_canaries_are_addresses_that_nobody_was_given() -> None:
    """The last ones of the subnet, but never the gateway's; none where there is no room."""

    def of(subnet: str, gateway: str) -> list[str]:
        segment = Segment(
            subnet=IPv4Network(subnet),
            gateway=IPv4Address(gateway),
            gateway_present=True,
        )
        scenario = Scenario("s", "n", "bridge", segment, (), ())
        return [str(a) for a in canaries(scenario)]

    assert of("10.0.0.0/24", "10.0.0.254") == ["10.0.0.253", "10.0.0.252"]
    assert of("10.0.0.0/30", "10.0.0.1") == ["10.0.0.2"]
    assert of("10.0.0.0/31", "10.0.0.1") == []
