"""A machine in the way, for tests: answers in somebody's name, late or in place of the one who was asked.

Run in a network namespace: ``forger.py arp LINK IP MAC DELAY_S``, ``forger.py echo IN OUT IP DELAY_S``.
It says "ready" when it listens. Echo replies have the MAC address that the request was sent to.
"""

from __future__ import annotations

import heapq
import select
import socket
import struct
import sys
import time
from collections.abc import Callable

ETH_P_ALL, OUTGOING = 3, 4


def checksum(data: bytes) -> bytes:
    """RFC 1071, over an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)


def listen(link: str) -> socket.socket:
    """A packet socket on a link."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    made.bind((link, ETH_P_ALL))
    return made


def echo_reply(frame: bytes, address: bytes) -> bytes:
    """The reply to an echo request to that address; nothing for any other frame."""
    if frame[12:14] != b"\x08\0" or frame[23] != 1 or frame[30:34] != address or frame[34] != 8:
        return b""
    ip, icmp = frame[14:24] + b"\0\0" + frame[30:34] + frame[26:30], b"\0\0\0\0" + frame[38:98]
    ip = ip[:10] + checksum(ip) + ip[12:]
    return frame[6:12] + frame[:6] + frame[12:14] + ip + icmp[:2] + checksum(icmp) + icmp[4:]


def arp_reply(frame: bytes, address: bytes, mac: bytes) -> bytes:
    """The reply to an ARP request for that address."""
    if frame[12:14] != b"\x08\x06" or frame[20:22] != b"\0\1" or frame[38:42] != address:
        return b""
    head = frame[6:12] + mac + frame[12:20] + b"\0\2"
    return head + mac + address + frame[22:32]


def serve(
    ear: socket.socket, mouth: socket.socket, answer: Callable[[bytes], bytes], delay_s: float
) -> None:
    """Answer for ever, each time so much later."""
    print("ready", flush=True)  # noqa: T201  who started us waits for it
    waiting: list[tuple[float, bytes]] = []
    while True:
        patience = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        if select.select([ear], [], [], patience)[0]:
            frame, origin = ear.recvfrom(2048)
            if (ear is not mouth or origin[2] != OUTGOING) and (made := answer(frame)):
                heapq.heappush(waiting, (time.monotonic() + delay_s, made))
        while waiting and waiting[0][0] <= time.monotonic():
            mouth.send(heapq.heappop(waiting)[1])


def main(argv: list[str]) -> None:
    """See the module's text."""
    if argv[0] == "arp":
        ear, address, mac = listen(argv[1]), socket.inet_aton(argv[2]), argv[3]
        raw = bytes.fromhex(mac.replace(":", ""))
        serve(ear, ear, lambda frame: arp_reply(frame, address, raw), float(argv[4]))
    else:
        ear = listen(argv[1])
        mouth = ear if argv[2] == argv[1] else listen(argv[2])
        address = socket.inet_aton(argv[3])
        serve(ear, mouth, lambda frame: echo_reply(frame, address), float(argv[4]))


if __name__ == "__main__":
    main(sys.argv[1:])
