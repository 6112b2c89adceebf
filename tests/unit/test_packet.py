"""Captured frames are read as what they are, and written so that Wireshark can read them."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.agent.capture import FRAME
from fixtures.agent.filters import ARP_OR_ICMP, JEQ, LD_BYTE, LD_HALF, RETURN
from fixtures.agent.probe import PACKET, PADDING
from fixtures.witness import _frames
from matrix.packet import Frame, Kind, Place, read
from matrix.pcapng import pcapng

NONCE = bytes(range(8))
HERE = Place("dev-master-01", 0, "enp0s5")
ONE, TWO = bytes.fromhex("0242c0a802dc"), bytes.fromhex("0242c0a802de")


def ip(payload: bytes, source: str = "192.168.2.220", target: str = "192.168.2.222") -> bytes:
    """An IPv4 packet of ICMP."""
    size = 20 + len(payload)
    head = struct.pack("!BBHHHBBH", 0x45, 0, size, 1, 0, 64, socket.IPPROTO_ICMP, 0)
    return head + socket.inet_aton(source) + socket.inet_aton(target) + payload


def echo(kind: int = 8, nonce: bytes = NONCE) -> bytes:
    """An echo as the agent packs it: cell 70000, the third try."""
    return PACKET.pack(kind, 0, 0, 4711, 9, nonce, 70000, 2, 123456, PADDING)


def ethernet(kind: int, body: bytes, *tags: int) -> bytes:
    """A frame, with tags in it."""
    inside = b"".join(struct.pack("!HH", 0x8100, tag) for tag in tags)
    return TWO + ONE + inside + struct.pack("!H", kind) + body


def arp(operation: int) -> bytes:
    """An ARP frame's body: 192.168.2.220 at ONE speaks to 192.168.2.222."""
    addresses = socket.inet_aton("192.168.2.220"), socket.inet_aton("192.168.2.222")
    sizes = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return sizes + ONE + addresses[0] + bytes(6) + addresses[1]


def frame(data: bytes, tag: int | None = None) -> Frame:
    """It, seen on the NIC on its way out."""
    return Frame(HERE, outgoing=True, tag=tag, at_ns=1_700_000_000_123_456_789, data=data)


@pytest.mark.parametrize(("icmp", "kind"), [(8, Kind.ECHO_REQUEST), (0, Kind.ECHO_REPLY)])
def test_an_echo_says_whose_it_is(icmp: int, kind: Kind) -> None:
    """Cell and try are where the agent puts them; both Ethernet addresses are told."""
    seen = read(frame(ethernet(0x0800, ip(echo(icmp)))), NONCE)
    assert seen is not None
    assert (seen.says.kind, seen.says.number, seen.says.attempt) == (kind, 70000, 2)
    assert (seen.says.sender, seen.says.target) == ("192.168.2.220", "192.168.2.222")
    assert (seen.mac_from, seen.mac_to) == ("02:42:c0:a8:02:dc", "02:42:c0:a8:02:de")
    assert seen.vlan is None


def test_another_batch_s_echo_is_none_of_ours() -> None:
    """The nonce decides."""
    assert read(frame(ethernet(0x0800, ip(echo(nonce=bytes(8))))), NONCE) is None


def test_a_tag_is_told_wherever_the_kernel_left_it() -> None:
    """In the frame, or taken out and handed over beside it; priority bits are no part of the id."""
    inside = read(frame(ethernet(0x0800, ip(echo()), 0xE000 | 200)), NONCE)
    beside = read(frame(ethernet(0x0800, ip(echo())), tag=200), NONCE)
    assert inside is not None
    assert beside is not None
    assert inside.vlan == beside.vlan == 200
    assert frame(ethernet(0x0806, arp(1)), tag=200).on_the_wire() == ethernet(0x0806, arp(1), 200)


@pytest.mark.parametrize(("operation", "kind"), [(1, Kind.ARP_REQUEST), (2, Kind.ARP_REPLY)])
def test_arp_says_who_claims_what(operation: int, kind: Kind) -> None:
    """Operation, both addresses, and the MAC that it claims."""
    seen = read(frame(ethernet(0x0806, arp(operation))), NONCE)
    assert seen is not None
    assert (seen.says.kind, seen.says.claimed) == (kind, "02:42:c0:a8:02:dc")
    assert (seen.says.sender, seen.says.target) == ("192.168.2.220", "192.168.2.222")


def test_an_icmp_error_is_told_by_what_it_quotes() -> None:
    """Ours where it quotes an echo of ours; the reporter is named."""
    error = struct.pack("!BBHI", 3, 1, 0, 0)
    ours = ip(error + ip(echo()), source="192.168.2.1", target="192.168.2.220")
    seen = read(frame(ethernet(0x0800, ours)), NONCE)
    assert seen is not None
    assert (seen.says.kind, seen.says.number) == (Kind.ICMP_ERROR, 70000)
    assert seen.says.words == "From 192.168.2.1 Destination Host Unreachable"
    foreign = ip(error + ip(echo(nonce=bytes(8))), source="192.168.2.1")
    assert read(frame(ethernet(0x0800, foreign)), NONCE) is None


@given(st.binary(max_size=130), st.sampled_from([0x0800, 0x0806, 0x8100, 0x86DD]))
def test_any_bytes_are_read_or_passed_over(body: bytes, kind: int) -> None:
    """Garbage is no sighting, and no error."""
    read(frame(ethernet(kind, body)), NONCE)
    read(frame(body), NONCE)


@given(st.integers(0, 125))
def test_a_frame_cut_short_is_none(size: int) -> None:
    """A part of an echo never passes for one."""
    whole = ethernet(0x0800, ip(echo()))
    seen = read(frame(whole[:size]), NONCE)
    assert (seen is not None) <= (size >= 14 + 20 + 8 + 14)


def accepts(data: bytes) -> bool:
    """Run the kernel's filter program on a frame, as linux/filter.h defines it."""
    place, register = 0, 0
    while True:
        code, if_true, if_false, value = ARP_OR_ICMP[place]
        place += 1
        if code == RETURN:
            return bool(value)
        if code == JEQ:
            place += if_true if register == value else if_false
        else:
            assert code in (LD_HALF, LD_BYTE)
            size = 2 if code == LD_HALF else 1
            if value + size > len(data):
                return False  # a load beyond the end ends the program with 0
            register = int.from_bytes(data[value : value + size], "big")


@pytest.mark.parametrize("tags", [(), (200,)])
def test_the_kernel_s_filter_lets_arp_and_icmp_pass_alone(tags: tuple[int, ...]) -> None:
    """Tagged or not; TCP, UDP and IPv6 never wake us."""
    assert accepts(ethernet(0x0800, ip(echo()), *tags))
    assert accepts(ethernet(0x0806, arp(1), *tags))
    tcp = bytearray(ip(echo()))
    tcp[9] = socket.IPPROTO_TCP
    assert not accepts(ethernet(0x0800, bytes(tcp), *tags))
    assert not accepts(ethernet(0x86DD, ip(echo()), *tags))
    assert not accepts(ethernet(0x0806, b"", *tags)[:13])


def test_frames_come_over_the_channel_as_they_were() -> None:
    """The agent's packing and our unpacking are one."""
    other = Place("dev-master-01", 77, "eth0")
    tail = FRAME.pack(1, 1, -1, 5, 3) + b"abc" + FRAME.pack(0, 0, 200, 6, 0)
    assert list(_frames(tail, [HERE, other])) == [
        Frame(other, outgoing=True, tag=None, at_ns=5, data=b"abc"),
        Frame(HERE, outgoing=False, tag=200, at_ns=6, data=b""),
    ]


def blocks(data: bytes) -> list[tuple[int, bytes]]:
    """A pcapng file taken apart: kind and body of each block; its two lengths must agree."""
    found = []
    while data:
        kind, size = struct.unpack_from("<II", data)
        assert size % 4 == 0
        assert struct.unpack_from("<I", data, size - 4) == (size,)
        found.append((kind, data[8 : size - 4]))
        data = data[size:]
    return found


def test_a_packet_file_is_whole() -> None:
    """A section, an interface for each place with its name, the packets by time with their tag."""
    late, early = frame(ethernet(0x0806, arp(1)), tag=200), frame(ethernet(0x0800, ip(echo())))
    early = Frame(HERE, outgoing=False, tag=None, at_ns=early.at_ns - 1, data=early.data)
    names = {HERE: "dev-master-01 enp0s5", Place("h", 1, "eth0"): 'c1 "\u202e\ud800'}
    found = blocks(pcapng([late, early], names, lambda f: "a cell" if f is early else ""))
    assert [kind for kind, _ in found] == [0x0A0D0D0A, 1, 1, 6, 6]
    assert b"dev-master-01 enp0s5" in found[1][1]
    assert b"a cell" in found[3][1]
    assert b"a cell" not in found[4][1]
    assert early.data in found[3][1]
    assert ethernet(0x0806, arp(1), 200) in found[4][1]
    high, low = struct.unpack_from("<II", found[4][1], 4)
    assert (high << 32 | low) == late.at_ns
