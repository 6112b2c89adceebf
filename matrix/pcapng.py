"""Captured frames as one pcapng file, which Wireshark and tcpdump read.

One file for all links of all hosts: each link is an interface of its own with its name, and each
frame says whether it went out or came in, so that a frame can be followed from link to link. Times
are each host's own clock. Source: draft-ietf-opsawg-pcapng (section, interface description and
enhanced packet blocks).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping

from matrix.grid import plain
from matrix.packet import Frame, Place

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_LINKTYPE_ETHERNET = 1
_END, _COMMENT, _NAME, _RESOLUTION, _FLAGS = 0, 1, 2, 9, 2
_INBOUND, _OUTBOUND = 1, 2
_LONGEST = 60_000
"""Bytes of an option's text: its length is a 16 bit number."""


def pcapng(
    frames: Iterable[Frame], names: Mapping[Place, str], comment: Callable[[Frame], str]
) -> bytes:
    """The file's bytes.

    Args:
        frames: in any order; they are written by time.
        names: of every place that is listened at, in the order of its interfaces.
        comment: what to say of a frame, "" for nothing.
    """
    head = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1)
    blocks = [_block(_SECTION, head)]
    for name in names.values():
        options = _option(_NAME, _text(name)) + _option(_RESOLUTION, b"\x09") + _option(_END, b"")
        blocks.append(_block(_INTERFACE, struct.pack("<HHI", _LINKTYPE_ETHERNET, 0, 0) + options))
    numbers = {place: number for number, place in enumerate(names)}
    for frame in sorted(frames, key=lambda f: f.at_ns):
        data = frame.on_the_wire()
        when = frame.at_ns & (2**64 - 1)
        fixed = struct.pack(
            "<IIIII", numbers[frame.place], when >> 32, when & 0xFFFFFFFF, len(data), len(data)
        )
        way = struct.pack("<I", _OUTBOUND if frame.outgoing else _INBOUND)
        said = _text(comment(frame))
        options = _option(_COMMENT, said) if said else b""
        options += _option(_FLAGS, way) + _option(_END, b"")
        blocks.append(_block(_PACKET, fixed + _padded(data) + options))
    return b"".join(blocks)


def _block(kind: int, body: bytes) -> bytes:
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _text(words: str) -> bytes:
    # Links are named by whoever made them on a host, and tools print these names as they are.
    return plain(words).encode(errors="replace")[:_LONGEST]


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
