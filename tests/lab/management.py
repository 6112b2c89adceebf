"""A machine from which the lab's hosts are reached over their network, and not by the lab's own door.

It lives behind the lab's gateway, as an office does behind a router: with an address that no host
has a route to but its default route, or with the gateway's own, which is on the hosts' LAN.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fixtures.lab import Lab

FAR, NEAR = "10.99.0.1", "192.168.2.1"

_CARRY = """
import os, socket, sys, threading
far = socket.create_connection((sys.argv[2], 22), 60, source_address=(sys.argv[1], 0))
far.settimeout(None)
def out():
    while True:
        data = far.recv(65536)
        if not data:
            os._exit(0)
        os.write(1, data)
threading.Thread(target=out, daemon=True).start()
while True:
    data = os.read(0, 65536)
    if not data:
        os._exit(0)
    far.sendall(data)
"""


@contextmanager
def management(lab: Lab, source: str, folder: Path) -> Iterator[Path]:
    """The ``ssh_config`` of a machine with that address. The hosts have a default route meanwhile."""
    status = lab.status()
    gateway = status.gateway.enter.split()
    hosts = {
        host.name: (host.enter.split(), host.address.partition("/")[0]) for host in status.hosts
    }
    program = folder / "carry.py"
    program.write_text(_CARRY)
    blocks = []
    for name, (_, address) in hosts.items():
        command = [*gateway, sys.executable, "-I", "-S", str(program), source, address]
        blocks.append(
            f"Host {name}\n  HostName {address}\n  User root\n  HostKeyAlias {name}\n"
            f"  IdentityFile {lab.state_dir}/id_ed25519\n  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {lab.state_dir}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
            f"  ProxyCommand {shlex.join(command)}\n"
        )
    config = folder / "ssh_config"
    config.write_text("".join(blocks))
    route = ["default", "via", NEAR, "dev", "enp0s5", "proto", "static"]
    _run(*gateway, "ip", "addr", "add", f"{FAR}/32", "dev", "lo")
    try:
        for enter, _ in hosts.values():
            _run(*enter, "ip", "route", "add", *route)
        yield config
    finally:
        for enter, _ in hosts.values():
            subprocess.run([*enter, "ip", "route", "del", *route], check=False)
        _run(*gateway, "ip", "addr", "del", f"{FAR}/32", "dev", "lo")


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)
