"""Reading ping's text: real outputs of BusyBox 1.35 and iputils, and what must not fool us."""

from __future__ import annotations

from fixtures.ping_text import read_ping

BUSYBOX = """\
PING 192.168.2.222 (192.168.2.222): 56 data bytes
64 bytes from 192.168.2.222: seq=0 ttl=255 time=0.788 ms
64 bytes from 192.168.2.222: seq=1 ttl=255 time=0.383 ms

--- 192.168.2.222 ping statistics ---
2 packets transmitted, 2 packets received, 0% packet loss
round-trip min/avg/max = 0.383/0.585/0.788 ms
"""

BUSYBOX_NAME = """\
PING c6 (192.168.200.101): 56 data bytes
64 bytes from 192.168.200.101: seq=0 ttl=64 time=0.152 ms

--- c6 ping statistics ---
1 packets transmitted, 1 packets received, 0% packet loss
"""

IPUTILS_UNREACHABLE = """\
PING 192.168.2.220 (192.168.2.220) 56(84) bytes of data.
From 192.168.2.210 icmp_seq=1 Destination Host Unreachable
From 192.168.2.210 icmp_seq=2 Destination Host Unreachable

--- 192.168.2.220 ping statistics ---
2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 1000ms
pipe 2
"""

IPUTILS_DUPLICATE = """\
PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.
64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.045 ms
64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.095 ms (DUP!)

--- 10.0.0.2 ping statistics ---
1 packets transmitted, 1 received, +1 duplicates, 0% packet loss, time 0ms
rtt min/avg/max/mdev = 0.045/0.070/0.095/0.025 ms
"""


def test_busybox_replies() -> None:
    """The article's own output: replies, times, the telling TTL."""
    ping = read_ping(BUSYBOX)
    assert ping.ran
    assert (ping.sent, ping.received, ping.ttls) == (2, 2, (255,))
    assert ping.rtts_ms == (0.788, 0.383)
    assert ping.repliers == ("192.168.2.222",)


def test_a_name_shows_the_address_it_gave() -> None:
    """The head line tells which address a name resolved to."""
    assert read_ping(BUSYBOX_NAME).address == "192.168.200.101"


def test_unreachable_is_silence_with_an_error() -> None:
    """Errors are no replies, and are kept once, in ping's words."""
    ping = read_ping(IPUTILS_UNREACHABLE)
    assert (ping.ran, ping.sent, ping.received) == (True, 2, 0)
    assert ping.error == "From 192.168.2.210 Destination Host Unreachable"


def test_duplicates_are_counted_apart() -> None:
    """A duplicate is no further reply."""
    ping = read_ping(IPUTILS_DUPLICATE)
    assert (ping.received, ping.duplicates, len(ping.rtts_ms)) == (1, 1, 1)


def test_an_unknown_name_is_told_from_silence() -> None:
    """BusyBox exits with 1 for both; the words are the difference."""
    for text in (
        "ping: bad address 'c3'\n",
        "ping: c3: Name or service not known\n",
        "ping: c3: Temporary failure in name resolution\n",
    ):
        ping = read_ping(text)
        assert ping.no_such_name
        assert not ping.ran


def test_a_ping_that_did_not_run_has_no_result() -> None:
    """No statistics, no measurement: whatever the text says."""
    for text in (
        "",
        "ping: permission denied (are you root?)\n",
        "ping: connect: Network is unreachable\n",
        "OCI runtime exec failed: exec failed: cannot exec in a stopped container\n",
    ):
        ping = read_ping(text)
        assert not ping.ran
        assert not ping.no_such_name


def test_ten_received_is_not_none_received() -> None:
    """Numbers are parsed: the text 0 received is a part of 10 received."""
    assert read_ping("10 packets transmitted, 10 received, 0% packet loss, time 9ms").received == 10
