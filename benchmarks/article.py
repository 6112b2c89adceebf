"""The pings of the article that this project began with: container ("": host), command, reached."""

from __future__ import annotations

PINGS: tuple[tuple[str, str, bool], ...] = (
    ("c1", "ping -c 3 192.168.2.1", True),
    ("c1", "ping -c3 c1", True),
    ("c1", "ping -c3 192.168.2.220", True),
    ("c1", "ping -c2 192.168.2.222", True),
    ("c1", "ping -c2 c3", False),
    ("", "ping -c 2 192.168.2.220", False),
    ("", "ping -c 2 192.168.2.222", True),
    ("c2", "ping -c 2 192.168.2.211", True),
    ("c5", "ping -c2 192.168.200.1", False),
    ("c5", "ping -c2 192.168.200.10", False),
    ("c5", "ping -c2 192.168.200.11", True),
    ("c5", "ping -c2 192.168.200.100", True),
    ("c5", "ping -c2 192.168.200.102", True),
    ("c5", "ping -c2 c6", True),
    ("c5", "ping -c2 c7", False),
    ("", "ping 192.168.200.100 -c2", False),
    ("", "ping 192.168.200.102 -c2", True),
)
