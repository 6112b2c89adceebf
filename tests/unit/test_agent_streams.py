"""The agent's listeners and askers against each other on the loopback link, without entering anywhere.

The packet socket needs root; where we are not, the counts at the link are not looked at.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.agent import listeners, messages, tap
from fixtures.agent.messages import ANSWER, ASK, CAST, Message
from fixtures.agent.streams import stream
from tests.unit.test_agent_filters import run_bpf

NONCE = bytes(range(8))
HOME = "127.0.0.1"
ROOT = os.geteuid() == 0


class NoTap:
    """Stands where only root may listen at a link."""

    def __init__(self, *_arguments: object) -> None:
        self.socket, self._other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def see(self) -> None:
        """Nothing comes."""

    def said(self) -> dict[str, Any]:
        """Nothing came."""
        return {"streams": [], "datagrams": [], "macs": {}}

    def close(self) -> None:
        """Give the sockets back."""
        self.socket.close()
        self._other.close()


@contextlib.contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Listeners on the loopback address; at the end ``said`` has what they counted."""
    if not ROOT:
        monkeypatch.setattr(listeners, "Tap", NoTap)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as free:
        free.bind((HOME, 0))
        port = free.getsockname()[1]
    job = {
        "nonce": NONCE.hex(),
        "port": port - port % 2,
        "group": "239.255.1.77",
        "places": [[0, [[HOME, "lo"]]]],
    }
    standing, opened = listeners.serve(job)
    place: dict[str, Any] = dict(opened["0"])
    assert not place["trouble"]
    try:
        yield place
    finally:
        place["said"] = standing.stop()["0"]


def ask(
    port: int, *, tcp: bool, sizes: tuple[int, ...] = (0,), **more: Any
) -> list[dict[str, Any]]:
    """Ask on the loopback link."""
    items = [[number, 0, HOME, HOME, port, size] for number, size in enumerate(sizes, 1)]
    job = {
        "nonce": NONCE.hex(),
        "items": items,
        "tcp": tcp,
        "tries": 3,
        "deadline_s": 5,
        "at_once": 9,
    }
    return stream({**job, **more})


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_an_exchange_is_proven_at_both_ends(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three answers with the listener's token, three requests taken in."""
    tcp = kind == "tcp"
    with serving(monkeypatch) as place:
        (found,) = ask(place["ports"][HOME][0 if tcp else 1], tcp=tcp)
    assert found["ends"] == {"answered": 3}
    assert found["tokens"] == [place["token"]]
    assert found["sent"] == len(found["rtts_us"]) == len(set(found["ports"])) == 3
    said = place["said"]
    assert said["accepted"] == ({1: 3} if tcp else {})
    assert sum(count for _, _, count in said["echoed"]) == (0 if tcp else 3)


def test_nobody_listening_is_a_refusal() -> None:
    """Of a connection and of a datagram, told by the kernel itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as gone:
        gone.bind((HOME, 0))
        port = gone.getsockname()[1]
    (stream_found,) = ask(port, tcp=True, deadline_s=0.1)
    (datagram_found,) = ask(port, tcp=False, deadline_s=0.1)
    assert stream_found["ends"] == datagram_found["ends"] == {"refused": 3}
    assert stream_found["words"] == ["Connection refused"]
    assert datagram_found["words"] == ["Connection refused, says 127.0.0.1"]


def test_somebody_who_echoes_is_no_listener_of_ours() -> None:
    """A copy of the request is no answer: it lacks the token, whatever else is right in it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as parrot:
        parrot.bind((HOME, 0))
        parrot.settimeout(5)

        def copy() -> None:
            for _ in range(3):
                data, who = parrot.recvfrom(2048)
                parrot.sendto(data, who)

        thread = threading.Thread(target=copy)
        thread.start()
        (found,) = ask(parrot.getsockname()[1], tcp=False)
        thread.join()
    assert found["ends"] == {"foreign": 3}
    assert not found["tokens"]


def test_an_address_that_is_not_ours_cannot_ask() -> None:
    """It never left, and says why."""
    job = {"nonce": NONCE.hex(), "tcp": True, "tries": 1, "deadline_s": 1, "at_once": 1}
    (found,) = stream({**job, "items": [[1, 0, "192.0.2.9", HOME, 9, 0]]})
    assert (found["ends"], found["sent"]) == ({"local": 1}, 0)
    assert "Cannot assign requested address" in found["words"][0]


def test_a_packet_is_as_long_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole IP packet has the wanted length, and one answer is enough."""
    with serving(monkeypatch) as place:
        (found,) = ask(place["ports"][HOME][1], tcp=False, sizes=(1500,), once=True)
    assert found["ends"] == {"answered": 1}
    assert place["said"]["echoed"] == [[1, 1, 1]]
    assert len(messages.pack(NONCE, Message(1, ASK, 0, 0, 1500, b""))) == 1472


@pytest.mark.parametrize(
    "message",
    [
        Message(7, ASK, 0, 2, 0, b""),
        Message(7, ANSWER, 0, 2, 0, b"8bytes!!"),
        Message(1, CAST, 3, 1, 0, b""),
    ],
)
def test_a_message_is_read_as_it_was_packed(message: Message) -> None:
    """Not of another run, not cut off; an answer without its token is none."""
    data = messages.pack(NONCE, message)
    assert messages.read(NONCE, data) == message
    assert messages.read(b"x" * 8, data) is None
    assert messages.read(NONCE, data[:-1]) is None


def frame(protocol: int, ports: tuple[int, int], body: bytes, options: int = 0) -> bytes:
    """An Ethernet frame with an IPv4 packet of TCP or UDP."""
    ip = bytes([0x45 + options]) + bytes(8) + bytes([protocol]) + bytes(2)
    ip += socket.inet_aton("10.0.0.1") + socket.inet_aton("10.0.0.2") + bytes(4 * options)
    return b"\2" * 6 + b"\4" * 6 + b"\x08\x00" + ip + struct.pack("!HH", *ports) + body


@pytest.mark.parametrize("options", [0, 3])
def test_the_tap_lets_our_ports_pass_and_no_other(options: int) -> None:
    """From or to one of them, by TCP or UDP, whatever the length of the IP header."""
    program = tap.on_ports([30000, 30001])
    rest = bytes(40)
    for protocol in (6, 17):
        assert run_bpf(program, frame(protocol, (9, 30000), rest, options))
        assert run_bpf(program, frame(protocol, (30001, 9), rest, options))
        assert not run_bpf(program, frame(protocol, (9, 30002), rest, options))
    assert not run_bpf(program, frame(1, (9, 30000), rest, options))
    assert not run_bpf(program, b"\2" * 12 + b"\x08\x06" + bytes(60))
