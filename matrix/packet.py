"""A captured frame, read: which probe it belongs to, and what it says. Pure; bytes in, values out.

Rule: what is not ours, or is cut short, is None and never a guess. An echo is ours by the nonce
of its batch, an ICMP error by the echo that it quotes; ARP carries no nonce and is told by its two
addresses alone. Sources: RFC 826, RFC 792, RFC 791, IEEE 802.1Q; our payload is laid out in
``fixtures/agent/probe.py`` (a test holds the two together).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum

_TAGGED = (0x8100, 0x88A8)
_ARP, _IPV4 = 0x0806, 0x0800
_ICMP = 1
_ECHO_REPLY, _UNREACHABLE, _ECHO_REQUEST, _TIME_EXCEEDED = 0, 3, 8, 11
_PAYLOAD = struct.Struct("!8sIH")  # nonce, cell number, try: behind the 8 bytes of an ICMP header
_ARP_BODY = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET_IPV4 = (1, _IPV4, 6, 4)
_MACS = 12
_IP_HEADER, _ICMP_HEADER = 20, 8
_NOT_REACHED = {0: "Net", 1: "Host", 2: "Protocol", 3: "Port", 9: "Net", 10: "Host", 13: "Host"}


class Kind(StrEnum):
    """What a frame of ours is, in the order in which a ping makes them."""

    ARP_REQUEST = "ARP request"
    ARP_REPLY = "ARP reply"
    ECHO_REQUEST = "echo request"
    ECHO_REPLY = "echo reply"
    ICMP_ERROR = "ICMP error"


@dataclass(frozen=True, slots=True)
class Place:
    """A link in a network namespace: that of the process ``pid`` on a host, 0 for the host's own."""

    host: str
    pid: int
    link: str


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as it passed a link. ``tag`` is the VLAN id where the kernel had taken it out."""

    place: Place
    outgoing: bool
    tag: int | None
    at_ns: int
    data: bytes

    def on_the_wire(self) -> bytes:
        """Its bytes, with the tag where it stands on a wire."""
        if self.tag is None:
            return self.data
        return self.data[:_MACS] + struct.pack("!HH", _TAGGED[0], self.tag) + self.data[_MACS:]


@dataclass(frozen=True, slots=True)
class Saying:
    """What a frame says, wherever it is seen. ``sender`` and ``target`` are IPv4 addresses.

    ``claimed`` is the MAC that an ARP frame claims for its sender. ``number`` and ``attempt`` are
    the cell's and the try's, None for ARP. ``words`` is what an ICMP error says.
    """

    kind: Kind
    sender: str
    target: str
    claimed: str = ""
    number: int | None = None
    attempt: int | None = None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One frame of a probe, seen at one place. ``vlan`` is its 802.1Q id there, None untagged."""

    place: Place
    outgoing: bool
    vlan: int | None
    mac_from: str
    mac_to: str
    at_ns: int
    says: Saying


def read(frame: Frame, nonce: bytes) -> Sighting | None:
    """What the frame is; None where it is none of this batch's, or is no whole frame of its kind."""
    data, vlan = frame.data, frame.tag
    place = _MACS
    while (kind := _half(data, place)) in _TAGGED:
        vlan = _half(data, place + 2) & 0x0FFF if vlan is None else vlan
        place += 4
    body = data[place + 2 :]
    says = _arp(body) if kind == _ARP else _icmp(body, nonce) if kind == _IPV4 else None
    if says is None:
        return None
    macs = _mac(data[6:12]), _mac(data[0:6])
    return Sighting(frame.place, frame.outgoing, vlan, *macs, frame.at_ns, says)


def _arp(body: bytes) -> Saying | None:
    if len(body) < _ARP_BODY.size:
        return None
    *sizes, operation, claimed, sender, _, target = _ARP_BODY.unpack_from(body)
    if tuple(sizes) != _ETHERNET_IPV4 or operation not in (1, 2):
        return None
    kind = Kind.ARP_REQUEST if operation == 1 else Kind.ARP_REPLY
    return Saying(kind, _dotted(sender), _dotted(target), claimed=_mac(claimed))


def _icmp(body: bytes, nonce: bytes) -> Saying | None:
    """An echo with our nonce, or an ICMP error that quotes one."""
    packet = _ip(body)
    if packet is None:
        return None
    sender, target, icmp = packet
    if icmp[0] in (_ECHO_REQUEST, _ECHO_REPLY):
        if (whose := _whose(icmp, nonce)) is None:
            return None
        kind = Kind.ECHO_REQUEST if icmp[0] == _ECHO_REQUEST else Kind.ECHO_REPLY
        return Saying(kind, sender, target, number=whose[0], attempt=whose[1])
    if icmp[0] not in (_UNREACHABLE, _TIME_EXCEEDED):
        return None
    quoted = _ip(icmp[_ICMP_HEADER:])
    if quoted is None or (whose := _whose(quoted[2], nonce)) is None:
        return None
    what = "Time to live exceeded"
    if icmp[0] == _UNREACHABLE:
        what = f"Destination {_NOT_REACHED.get(icmp[1], f'code {icmp[1]}')} Unreachable"
    words = f"From {sender} {what}"
    return Saying(Kind.ICMP_ERROR, sender, target, number=whose[0], attempt=whose[1], words=words)


def _ip(body: bytes) -> tuple[str, str, bytes] | None:
    """Sender, target and ICMP message of an IPv4 packet; None for anything else."""
    if len(body) < _IP_HEADER or body[0] >> 4 != 4 or body[9] != _ICMP:  # noqa: PLR2004  version 4
        return None
    icmp = body[(body[0] & 15) * 4 :]
    if len(icmp) < _ICMP_HEADER:
        return None
    return _dotted(body[12:16]), _dotted(body[16:20]), icmp


def _whose(icmp: bytes, nonce: bytes) -> tuple[int, int] | None:
    """Number and try of an echo of this batch."""
    if len(icmp) < _ICMP_HEADER + _PAYLOAD.size:
        return None
    found, number, attempt = _PAYLOAD.unpack_from(icmp, _ICMP_HEADER)
    return (number, attempt) if found == nonce else None


def _half(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 2], "big")


def _mac(data: bytes) -> str:
    return data.hex(":")


def _dotted(data: bytes) -> str:
    return ".".join(str(byte) for byte in data)
