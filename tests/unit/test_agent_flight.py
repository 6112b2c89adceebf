"""Which cell the agent sends when, how it paces itself, and the frames it makes by hand."""

from __future__ import annotations

import socket
import struct
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from fixtures.agent.arp import ARP, request_of
from fixtures.agent.batch import Batch, Pace
from fixtures.agent.flight import Flight, scouts_first, suspects_first
from fixtures.agent.sweep import FRAME, frame_of
from fixtures.prober_agent import shares_of

ROWS = st.lists(st.lists(st.integers(1, 30), max_size=20, unique=True), min_size=1, max_size=9)


def batch_of(rows: list[list[int]], entries: int = 0) -> Batch:
    """A source for each row, which asks those addresses."""
    cells, first = [], 0
    for pid, row in enumerate(rows, start=1):
        cells.append([pid, first, [f"10.0.0.{n}" for n in row]])
        first += len(row)
    return Batch({"cells": cells, "entries": entries})


@given(ROWS)
def test_every_cell_is_asked_once_and_every_target_early(rows: list[list[int]]) -> None:
    """The order holds every cell once; each target's first cell comes before any second one."""
    batch = batch_of(rows)
    order = scouts_first(batch)
    assert sorted(order) == list(range(len(batch)))
    scouts = order[: len(set(batch.target))]
    assert {batch.target[cell] for cell in scouts} <= set(batch.target)
    assert len({batch.target[cell] for cell in scouts}) >= len(scouts) // 2


def test_the_cells_of_silent_targets_go_first() -> None:
    """A target that has answered somebody waits; one that has answered nobody is asked at once."""
    batch = batch_of([[1, 2, 3], [1, 2, 3]])
    batch.answered = {socket.inet_aton("10.0.0.1"), socket.inet_aton("10.0.0.3")}
    assert [batch.address[c] for c in suspects_first(batch, deque(range(6)))] == [
        "10.0.0.2",
        "10.0.0.2",
        "10.0.0.1",
        "10.0.0.3",
        "10.0.0.1",
        "10.0.0.3",
    ]


@given(ROWS, st.integers(4, 30), st.sets(st.integers(1, 30)))
def test_the_table_s_share_is_never_exceeded_and_everybody_is_asked(
    rows: list[list[int]], entries: int, dead: set[int]
) -> None:
    """A clock of our own: cells of dead targets wait, the others answer in the next millisecond."""
    batch = batch_of(rows, entries)
    flight = Flight(batch)
    queue, now, asked = deque(range(len(batch))), 0.0, []
    silent = {socket.inet_aton(f"10.0.0.{n}") for n in dead}
    for _ in range(200_000):
        if not batch.open:
            break
        held = len(flight.under_way())
        assert held <= entries
        flight.due(now)
        for cell in flight.fill(queue, now):
            asked.append(cell)
            batch.sent[cell] = 1
            if batch.target[cell] not in silent:
                batch.reply(cell, 0, 900, batch.pid[cell], 64, batch.target[cell])
        done, batch.done = batch.done, []
        flight.landed(done)
        now += 0.001
    assert batch.open == 0
    assert sorted(asked) == list(range(len(batch)))
    assert not flight.under_way()
    assert all(batch.received[c] == (batch.target[c] not in silent) for c in range(len(batch)))


def test_a_reply_after_the_end_counts_but_opens_nothing() -> None:
    """Once the agent span for ever here: the cell was closed twice."""
    batch = batch_of([[1]])
    batch.sent[0] = 1
    batch.end(0)
    batch.reply(0, 0, 2_000_000, 1, 64, socket.inet_aton("10.0.0.1"))
    assert (batch.open, batch.received[0], batch.done) == (0, 1, [0])


def test_slow_answers_halve_the_pace_once_a_window_and_quick_ones_raise_it() -> None:
    """Replies that stood in one queue count as one sign of it."""
    pace = Pace()
    before = pace.window
    for _ in range(before // 2):
        pace.answered(young=True, slow=True)
    assert pace.window == before // 2
    for _ in range(10):
        pace.answered(young=True, slow=False)
    assert pace.window == before // 2 + 10
    for _ in range(100_000):
        pace.answered(young=True, slow=True)
    assert pace.window == Pace.FEWEST


def test_what_is_old_waits_for_nothing_and_its_late_answer_is_not_counted_twice() -> None:
    """``waiting`` comes back to zero however late the answer is."""
    batch = batch_of([[1, 2]])
    for cell in (0, 1):
        batch.sent[cell] = 1
        batch.pace.waiting += 1
    batch.age([0, 1])
    batch.reply(0, 0, 300_000, 1, 64, socket.inet_aton("10.0.0.1"))
    assert batch.pace.waiting == 0


def ones_sum(data: bytes) -> int:
    """The ones' complement sum of 16 bit words (RFC 1071): 0xffff over data with its checksum."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return total


@given(
    st.binary(min_size=8, max_size=8),
    st.integers(0, 2**32 - 1),
    st.integers(0, 0xFFFF),
    st.integers(1, 2),
    st.binary(min_size=4, max_size=4),
    st.binary(min_size=4, max_size=4),
)
def test_a_frame_made_by_hand_is_a_valid_echo_request(
    nonce: bytes, number: int, ident: int, attempt: int, source: bytes, target: bytes
) -> None:
    """Both checksums are right, whatever is in it: a kernel drops it otherwise, and that is silence."""
    frame = frame_of(b"\x02" * 6, b"\x04" * 6, source, target, ident, nonce, number, attempt)
    assert len(frame) == FRAME.size == 14 + 20 + 64
    assert ones_sum(frame[14:34]) == 0xFFFF
    assert ones_sum(frame[34:]) == 0xFFFF
    assert frame[34] == 8
    assert frame[42:50] == nonce
    assert struct.unpack("!I", frame[50:54]) == (number,)


def test_a_who_has_made_by_hand_says_who_asks() -> None:
    """RFC 826, to everybody, with the source's own addresses."""
    frame = request_of(b"\x04" * 6, b"\x0a\0\0\1", b"\x0a\0\0\2")
    assert len(frame) == ARP.size == 14 + 28
    assert frame[:6] == b"\xff" * 6
    assert frame[12:14] == b"\x08\x06"
    assert frame[20:22] == b"\0\1"
    assert (frame[22:28], frame[28:32], frame[38:42]) == (
        b"\x04" * 6,
        b"\x0a\0\0\1",
        b"\x0a\0\0\2",
    )


def test_shares_of_the_neighbour_tables() -> None:
    """Nothing where all fit; one kernel is divided; two kernels each take the other's targets."""
    one = {"a": "k", "b": "k"}
    assert shares_of(one, {"k": 900}, {"k": 900}) == {}
    assert shares_of(one, {"k": 901}, {"k": 900}) == {"a": 450, "b": 450}
    two = {"a": "k", "b": "l"}
    assert shares_of(two, {"k": 5000, "l": 10}, {"k": 900, "l": 900}) == {"a": 600, "b": 600}
    assert shares_of(two, {"k": 5000}, {"k": -3}) == {"a": 4, "b": 4}


def test_a_request_that_never_left_is_not_lost() -> None:
    """ARP was answered late: what had waited for it was taken back with the entry, and asked anew."""
    batch = Batch({"cells": [[1, 0, ["10.0.0.1"]]], "echoes": 3})
    batch.sent[0] = 1
    batch.withdraw([0])
    batch.sent[0] = 2
    assert batch.outstanding(0) == 1
    batch.reply(0, 1, 900, 1, 64, batch.target[0])
    assert list(batch.ready) == [0]
    head, tail = batch.columns()
    assert (head["columns"][0], tail[0], tail[1]) == (["sent", 1], 1, 1)


def test_what_was_never_answered_was_asked_as_often_as_it_was() -> None:
    """Silence is as many requests long as there were tries, each with an ARP request of its own."""
    batch = Batch({"cells": [[1, 0, ["10.0.0.1"]]]})
    for attempt in range(1, 4):
        batch.sent[0] = attempt
        if attempt < 3:
            batch.withdraw([0])
    assert batch.columns()[1][0] == 3


def test_each_request_has_a_deadline_of_its_own() -> None:
    """A cell that was answered in part waits for its last request; a silent one for its first."""
    batch = Batch({"cells": [[1, 0, ["10.0.0.1", "10.0.0.2"]]], "echoes": 3, "deadline_s": 0.9})
    flight, queue = Flight(batch), deque([0, 1])
    for cell in flight.fill(queue, 0.0):
        batch.sent[cell] = 1
    for now in (0.3, 0.6):
        for cell in flight.due(now):
            batch.sent[cell] += 1
    batch.reply(0, 0, 400_000, 1, 64, batch.target[0])
    batch.reply(0, 1, 400_000, 1, 64, batch.target[0])
    flight.due(0.95)
    assert batch.done == [1]
    batch.reply(0, 2, 400_000, 1, 64, batch.target[0])
    assert batch.done == [1, 0]
    assert batch.columns()[1][:4] == bytes([3, 3, 3, 0])


def test_a_cell_whose_last_request_is_lost_ends_too() -> None:
    """A whole deadline after it was sent, and with what was lost counted."""
    batch = Batch({"cells": [[1, 0, ["10.0.0.1"]]], "echoes": 3, "deadline_s": 0.9})
    flight, queue = Flight(batch), deque([0])
    for cell in flight.fill(queue, 0.0):
        batch.sent[cell] = 1
    batch.reply(0, 0, 900, 1, 64, batch.target[0])
    batch.sent[0] = 3
    for now in (0.31, 0.61, 0.91):
        flight.due(now)
    assert batch.open == 1
    flight.due(1.55)
    assert batch.open == 0
    assert batch.columns()[1][:2] == bytes([3, 1])
