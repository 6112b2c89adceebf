"""The kernel's own codes for a route that refuses, from the kernel: no table of ours is trusted."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from fixtures.agent_answers import _words

SEND = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
    try:
        raw.sendto(bytes([8, 0, 0xF7, 0xFF, 0, 0, 0, 0]), (sys.argv[1], 0))
    except OSError as error:
        sys.exit(error.errno)
"""


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("blackhole", errno.EINVAL),
        ("unreachable", errno.EHOSTUNREACH),
        ("prohibit", errno.EACCES),
        ("throw", errno.ENETUNREACH),
    ],
)
def test_a_route_that_refuses_is_named(kind: str, number: int) -> None:
    """A route of each type in a namespace of its own; what sendto says of it, and our words."""
    script = 'ip link set lo up && ip route add "$1" 192.0.2.0/24 && exec "$2" -c "$3" 192.0.2.1'
    argv = ["unshare", "--net", "sh", "-c", script, "sh", kind, sys.executable, SEND]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == number, done.stderr
    if kind != "throw":
        assert f"type {kind} " in _words(done.returncode)
