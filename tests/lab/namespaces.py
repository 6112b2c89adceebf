"""The namespaces of a lab on which a run stands: ping from one, count frames, look at all of it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from fixtures.lab import Lab

CONTAINERS = {
    "dev-master-01": {"c1": "192.168.2.220", "c2": "192.168.2.221"},
    "dev-node-01": {"c3": "192.168.2.222", "c4": "192.168.2.223"},
}
VLAN_CONTAINERS = {
    "dev-master-01": {"c5": "192.168.200.100", "c6": "192.168.200.101"},
    "dev-node-01": {"c7": "192.168.200.102", "c8": "192.168.200.103"},
}
"""As sites/lab.toml has them."""

_EVERYWHERE = (
    "ip -json -details link; printf '%s\\n' 'addr show' 'route show table all' 'rule show' "
    "'neigh show nud permanent' | ip -4 -oneline -batch -; tc qdisc; nft list ruleset; "
    "cd /proc/sys/net/ipv4; grep -r . conf ip_forward ip_default_ttl neigh/*/proxy_delay; "
    "ls /run/netns 2>/dev/null"
)
_IN_A_HOST = (
    f"{_EVERYWHERE}; docker ps --all --no-trunc --format "
    "'{{.Names}} {{.ID}} {{.State}} {{.Networks}}'; cat /var/lib/docker/containers/*/hosts"
)
"""The links come first, in one line."""

_ASK_DNS = """
import socket, sys
name = sys.argv[1].encode()
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.settimeout(0.5)
asker.connect(("127.0.0.11", 53))
asker.send(b"\\0\\1\\1\\0\\0\\1" + bytes(6) + bytes([len(name)]) + name + b"\\0\\0\\1\\0\\1")
try:
    answer = asker.recv(512)
    print(answer[3] & 15 == 0 and answer[7] > 0)
except OSError:
    print(False)
"""
_LINK_FACTS = (
    "ifname",
    "flags",
    "mtu",
    "operstate",
    "master",
    "address",
    "promiscuity",
    "linkinfo",
)
_CHANCE = re.compile(
    r"packets \d+ bytes \d+|(?<=127\.0\.0\.11):\d+|[ds]port \d{5}\b|^\d+: ", re.MULTILINE
)
"""Counters of Docker's rules in a container, the ports of its name server, the numbers of links."""

_ALIVE = re.compile(r"_timer$|^(root_path_cost|topology_change.*)$")
"""What of a link counts the time."""


class Namespaces:
    """Hosts, gateway, switch and containers, by name."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        status = lab.status()
        self.hosts = {host.name: host for host in status.hosts}
        self._addresses = {host.name: host.address.partition("/")[0] for host in status.hosts}
        self._addresses["gateway"] = status.gateway.addresses[0].partition("/")[0]
        for containers in (*CONTAINERS.values(), *VLAN_CONTAINERS.values()):
            self._addresses |= containers
        self.switch = status.switch
        self._ways = {host.name: host.enter.split() for host in status.hosts}
        self._ways["gateway"] = status.gateway.enter.split()
        self.look()

    def look(self) -> None:
        """Find the containers' processes: a container that was started anew has another."""
        for host in self.hosts.values():
            enter = host.enter.split()
            for one in self.inspect(host.name):
                if not one["State"]["Pid"]:
                    self._ways.pop(one["Name"].lstrip("/"), None)
                    continue
                inside = ["nsenter", "--target", str(one["State"]["Pid"]), "--net"]
                self._ways[one["Name"].lstrip("/")] = [*enter, *inside]

    def inspect(self, host: str) -> list[dict[str, Any]]:
        """What a host's engine says about its containers."""
        names = [*CONTAINERS[host], *VLAN_CONTAINERS[host]]
        looks: list[dict[str, Any]] = json.loads(self.run(host, "docker", "inspect", *names))
        return looks

    def run(self, where: str, *argv: str) -> str:
        """Run something in the namespace of a host, the gateway or a container: all it says."""
        done = subprocess.run(
            [*self._ways[where], *argv], capture_output=True, text=True, timeout=30, check=False
        )
        return done.stdout + done.stderr

    def ping(self, source: str, target: str, *, size: int = 56) -> int | None:
        """The TTL of a reply; None for none within 0.3 s (a reply takes 0.1 ms here)."""
        address = self._addresses.get(target, target)
        options = ["-n", "-c1", "-W0.3", f"-s{size}", "-Mdo"]
        said = self.run(source, "ping", *options, address)
        found = re.search(r"^\d+ bytes from .* ttl=(\d+)", said, re.MULTILINE)
        return int(found[1]) if found else None

    def received(self, source: str, target: str, count: int) -> int:
        """How many of so many requests are answered."""
        options = ["-n", "-q", "-i0.002", "-W0.3", f"-c{count}"]
        said = self.run(source, "ping", *options, self._addresses[target])
        found = re.search(r" (\d+) received", said)
        assert found, said
        return int(found[1])

    def dns_answers(self, container: str, name: str) -> bool:
        """Whether the engine's name server gives the container an address for a name."""
        return self.run(container, "python3", "-c", _ASK_DNS, name) == "True\n"

    def mac_of(self, source: str, target: str) -> str:
        """Whom the source takes for the target, by its neighbour table."""
        address = self._addresses.get(target, target)
        found = re.search(r"lladdr (\S+)", self.run(source, "ip", "neigh", "show", address))
        return found[1] if found else ""

    def forget_neighbours(self, *pairs: tuple[str, str]) -> None:
        """Begin cold at these ends: what was learnt from a whole lab hides a broken one."""
        for name in {name for pair in pairs for name in pair} & set(self._ways):
            self.run(name, "ip", "neigh", "flush", "all")

    @contextmanager
    def counted(self, rule: str) -> Iterator[list[int]]:
        """Count frames on the switch that a rule of nft's bridge family matches, for a block."""
        enter = self.switch.enter.split()
        body = f"chain c {{ type filter hook postrouting priority 100; {rule} counter; }};"
        subprocess.run([*enter, "nft", f"table bridge counting {{ {body} }}"], check=True)
        count: list[int] = []
        try:
            yield count
        finally:
            argv = [*enter, "nft", "list", "table", "bridge", "counting"]
            said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
            count += map(int, re.findall(r"packets (\d+)", said))
            subprocess.run([*enter, "nft", "delete", "table", "bridge", "counting"], check=True)

    def fingerprint(self) -> list[str]:
        """Everything of the lab that a fault could change and a mended one must give back."""
        self.look()
        ways = {**self._ways, "switch": self.switch.enter.split()}

        def one(name: str) -> list[str]:
            script = _IN_A_HOST if name in self.hosts else _EVERYWHERE
            argv = [*ways[name], "sh", "-c", script]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
            links, _, rest = _CHANCE.sub("", done.stdout).partition("\n")
            return [f"{name}: {line}" for line in (*_links(links), *rest.splitlines())]

        with ThreadPoolExecutor(4) as pool:
            return [line for lines in pool.map(one, sorted(ways)) for line in sorted(lines)]


def _links(text: str) -> list[str]:
    """Links without what counts the time, or the order in which they were made."""
    facts = []
    for link in json.loads(text):
        found = {fact: link.get(fact) for fact in _LINK_FACTS}
        for kind in ("info_data", "info_slave_data"):
            data = (link.get("linkinfo") or {}).get(kind) or {}
            for counter in [fact for fact in data if _ALIVE.search(fact)]:
                del data[counter]
        facts.append(json.dumps(found, sort_keys=True))
    return facts
