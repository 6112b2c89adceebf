"""The agent's pure parts: framing, the resolver's parsing, the counting of one batch."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.agent import frames, names
from fixtures.agent.batch import Batch


def reader(data: bytes, step: int) -> Callable[[int], bytes]:
    """A stream that gives ``step`` bytes at a time."""
    rest = bytearray(data)

    def read(size: int) -> bytes:
        part = bytes(rest[: min(step, size)])
        del rest[: len(part)]
        return part

    return read


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=99))),
    st.integers(1, 40),
)
def test_frames_survive_any_cutting(sent: list[tuple[int, int, bytes]], step: int) -> None:
    """Whatever the stream's pieces are, the same frames come out."""
    data = b"".join(frames.frame(*one) for one in sent)
    assert list(frames.read_frames(reader(data, step))) == sent


def test_a_frame_over_the_limit_is_refused_before_it_is_read() -> None:
    """The other end cannot fill our memory."""
    head = struct.pack("!IBI", frames.LIMIT + 1, 1, 1)
    with pytest.raises(frames.BadFrame, match="over the limit"):
        list(frames.read_frames(reader(head, 100)))


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_a_bad_frame(data: bytes) -> None:
    """Garbage raises BadFrame, nothing else."""
    try:
        for _, _, payload in frames.read_frames(reader(data, 7)):
            frames.parse(payload)
    except frames.BadFrame:
        pass


def dns(asked: bytes, code: int, addresses: list[str]) -> bytes:
    """An answer to a question, as a name server makes it."""
    head = asked[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(addresses), 0, 0)
    answers = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(a) for a in addresses
    )
    return head + asked[12:] + answers


@pytest.mark.parametrize(
    ("code", "addresses", "word"),
    [(0, ["10.0.0.1", "10.0.0.2"], "NOERROR"), (3, [], "NXDOMAIN"), (2, [], "SERVFAIL")],
)
def test_a_name_server_s_answer(code: int, addresses: list[str], word: str) -> None:
    """Code and addresses are read."""
    asked = names.question(77, "c3")
    assert names.answer(dns(asked, code, addresses), asked) == (word, addresses)


def test_an_answer_to_another_question_is_none() -> None:
    """Another id, or another name: passed over."""
    asked = names.question(77, "c3")
    for other in (names.question(78, "c3"), names.question(77, "c4")):
        with pytest.raises(names.BadAnswer):
            names.answer(dns(other, 0, ["10.0.0.1"]), asked)


@given(st.binary(max_size=120))
def test_any_bytes_are_an_answer_or_a_bad_answer(data: bytes) -> None:
    """Garbage from a name server raises BadAnswer, nothing else, and ends."""
    asked = names.question(1, "c3")
    with contextlib.suppress(names.BadAnswer):
        names.answer(asked[:2] + b"\x81\x80" + data, asked)


def test_resolver_files_are_read_as_resolv_conf_says() -> None:
    """Servers, search list, ndots; comments and IPv6 servers passed over."""
    text = "# x\nnameserver 127.0.0.11\nnameserver fe80::1\nsearch a.lan b.lan\noptions ndots:0\n"
    assert names.resolver_settings(text) == (["127.0.0.11"], ["a.lan", "b.lan"], 0)
    assert names.hosts_addresses("10.0.0.9\tc3 C4 # c5\n::1 c3\n", "c4") == ["10.0.0.9"]
    assert names.hosts_addresses("10.0.0.9 c3 # c5\n", "c5") == []


@pytest.mark.parametrize(
    ("said", "ends_as"),
    [
        (["NXDOMAIN", "NXDOMAIN"], "NXDOMAIN"),
        (["NOERROR", "NXDOMAIN"], "NOERROR"),
        (["NXDOMAIN", "NOERROR"], "NOERROR"),
        (["NOERROR", "SERVFAIL"], "SERVFAIL"),
    ],
)
def test_a_name_that_exists_without_an_address_is_not_unknown(
    said: list[str], ends_as: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Along the search list, one NODATA outweighs "no such name"; a real server says each."""
    codes = {word: number for number, word in names.CODES.items()}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        settings = "nameserver 127.0.0.1\nsearch a.lan\n"
        monkeypatch.setattr(names, "PORT", server.getsockname()[1])
        monkeypatch.setattr(
            names, "read_inside", lambda _, path: settings if "resolv" in path else ""
        )
        monkeypatch.setattr(names, "inside", lambda _: contextlib.nullcontext())
        one = names.Question("k", 0, "c3", 0.0)
        for word in said:
            asked, peer = server.recvfrom(512)
            server.sendto(dns(asked, codes[word], []), peer)
            assert one.socket is not None
            one.socket.setblocking(True)
            one.take()
        assert one.socket is not None
        one.socket.close()
    assert one.result is not None
    assert (one.result["code"], one.result["addresses"]) == (ends_as, [])


def batch(echoes: int = 3) -> Batch:
    """Two cells of one source, numbered 10 and 11, each asked once."""
    made = Batch({"cells": [[4, 10, ["10.0.0.1", "10.0.0.2"]]], "echoes": echoes})
    made.sent[0] = made.sent[1] = 1
    return made


ONE = socket.inet_aton("10.0.0.1")


def test_a_reply_is_counted_once_and_a_second_is_a_duplicate() -> None:
    """The same try answered twice: one reply, one duplicate."""
    made = batch()
    made.reply(10, 0, 250, 4, 64, ONE)
    made.reply(10, 0, 300, 4, 64, ONE)
    assert (made.received[0], made.rtt_us[0], made.ttl[0]) == (1, 250, 64)
    assert made.odd[0]["duplicates"] == 1
    assert list(made.ready) == [0]
    assert [cell for cell in (0, 1) if made.hurt(cell)] == [1]


def test_replies_that_are_not_ours_do_not_count() -> None:
    """In another namespace, of another batch, or to a try never sent."""
    made = batch()
    made.reply(10, 0, 1, 5, 64, ONE)
    made.reply(99, 0, 1, 4, 64, ONE)
    made.reply(10, 1, 1, 4, 64, ONE)
    assert list(made.received) == [0, 0]


def test_another_replier_is_named() -> None:
    """A reply from another address is kept with both addresses."""
    made = batch()
    made.reply(10, 0, 1, 4, 64, socket.inet_aton("10.9.9.9"))
    assert made.odd[0]["repliers"] == ["10.9.9.9"]


def test_a_batch_ends_when_all_is_answered_or_given_up() -> None:
    """``open`` counts the cells that still wait."""
    made = batch(echoes=1)
    assert made.open == 2
    made.reply(10, 0, 1, 4, 64, ONE)
    made.give_up(1, errno.ENETUNREACH)
    made.give_up(1, errno.ENETUNREACH)
    assert made.open == 0
    head, tail = made.columns()
    assert head["cells"] == 2
    assert sum(size for _, size in head["columns"]) == len(tail)
