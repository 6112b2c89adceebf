"""Agents that answer as good ones do, and what becomes of their answers on a host that spoils them."""

from __future__ import annotations

import copy
import json
import queue
import random
from collections.abc import Callable
from typing import Any

from fixtures.agent import frames
from fixtures.agent.batch import Batch
from fixtures.agent.capture import FRAME
from fixtures.agent_replies import FIRST, after
from tests.unit.sample_wire import PROTOCOLS, Wire

ROOM = {"limit": 1024, "entries": 3, "refused": 0}

JUNK: list[Any] = [
    None, True, -1, 0, 2**31, 2**63, 10**400, 1.5, float("nan"), float("inf"), "", "x", "-1", "0",
    "٣", "\x1b]0;x\x07", "<script>", "\ud800", "a" * 70_000, [], {}, [[]], [None], {"error": 7},
    {"error": "x"}, ["0", "1", "2", "3"], [[0, 0, 0]], {"": {}}, {"0": {}}, "192.168.2.220",
]  # fmt: skip


def measured(call: dict[str, Any]) -> dict[str, Any]:
    """What a good host is like."""
    link = {
        "index": 2, "name": "enp0s5", "type": 1, "mac": "02:00:00:00:00:0a", "up": True,
        "carrier": True, "kind": "", "port_of": "", "master": 0, "link": 0, "vlan": None,
        "mode": "", "promisc": False, "alias": "", "addresses": ["192.168.2.210/24"],
    }  # fmt: skip
    network = {
        "name": "lan", "driver": "macvlan", "scope": "local", "parent": "enp0s5", "mode": "",
        "labels": ["a"], "pools": [["10.9.0.0/24", ""]],
    }  # fmt: skip
    docker = {
        "version": "27.1.2", "api": "1.46", "security": ["name=seccomp"], "image": True,
        "drivers": ["bridge", "macvlan"], "networks": [network],
        "containers": [{"names": ["x"], "labels": [], "macs": ["02:00:00:00:00:0c"]}],
    }  # fmt: skip
    return {
        "clock": [1.7e9, 1.7e9 + 1], "docker": docker, "links": [link],
        "wire": {link: {a: ["02:00:00:00:00:0d"] for a in some[:1]} for link, some in call["ask"]},
        "modules": dict.fromkeys(call["modules"], "there"),
        "kinds": {kind: ["there", ""] for kind in call["kinds"]},
        "parent": {"wireless": False, "driver": "e1000e", "virtual_function": False},
        "machine": {"cpu_says": "no"}, "memory": 1 << 30, "neighbours": ROOM, "run_free": 1 << 28,
        "capabilities": (1 << 41) - 1, "exists": [], "journal": 0, "holder": None,
        "failed": {},
    }  # fmt: skip


def honest(
    op: str, call: dict[str, Any], wire: Wire | None = None, who: int = 0
) -> tuple[Any, bytes]:
    """What a good agent answers; ``wire``: what it has of the others."""
    if op in PROTOCOLS:
        return (wire or Wire()).say(op, call, who), b""
    if op in ("run", "sweep"):
        batch = Batch({"cells": call["cells"], "echoes": 3})
        batch.sent = bytearray([3]) * len(batch)
        batch.reply(0, 0, 100, 0, 64, bytes(4))
        head, tail = batch.columns()
        return json.loads(json.dumps({**head, "claims": [[11, "192.168.2.222", "02:00"]]})), tail
    answers: dict[str, Callable[[], Any]] = {
        "prepare": lambda: {"trouble": {"11": "gone"}, "room": ROOM},
        "collect": lambda: {
            "dropped": {"11": 1}, "trouble": {}, "room": ROOM,
            "rivals": {"11": {"192.168.2.222": ["02:00", "02:01"]}}, "through": [[0, ["02:00"]]],
        },
        "resolve": lambda: {
            key: (wire or Wire()).resolve(pid, name) for key, pid, name in call["names"]
        },
        "ways": lambda: {
            str(pid): {a: [False, "eth0", "", ""] for a in addresses}
            for pid, addresses in call["wanted"].items()
        },
        "inner": lambda: {
            str(pid): {"links": [{"mode": "bridge", "mac": "02:00", "up": True, "carrier": True,
                                  "arp": True}],
                       "default": ["192.168.2.1"], "addresses": ["192.168.2.220/24"]}
            for pid in call["pids"]
        },
        "arping": lambda: [[pid, "192.168.2.222", ["02:00"]] for pid, *_ in call["ask"]],
        "capture": lambda: {"taps": [[*tap, "02:00"] for tap in call["taps"]], "trouble": []},
        "captured": lambda: {
            "taps": [[0, "a", "b"]] * call["taps"], "trouble": [], "dropped": [[0, 1]],
            "left_out": 0, "expired": False,
        },
        "backlog": lambda: {"backlog": wire.dropped() if wire else 3, "links": 4},
        "journal": lambda: [{"undo": "promisc", "link": "enp0s5"}],
        "facts": lambda: {**honest("hello", {})[0], "neighbours": ROOM},
        "preflight": lambda: measured(call),
        "lease": dict,
        "holder": lambda: {"owner": {"who": "me@here", "pid": "7"}, "left_s": 90},
        "ask": lambda: {"ok": True},
        "default_route": lambda: {"already": False, "old": ["0200"], "guarded": True,
                                  "as_before": True},
        "hello": lambda: {
            "protocol": 1, "python": "3", "kernel": "6", "machine": "x", "boot_id": "b", "uid": 0,
            "pid": 7,
        },
        "access": lambda: {"client": "", "server": "", "link": "", "gateway": "", "links": ["a"],
                           "lab": False},
        "fingerprint": lambda: {k: ["x"] for k in ("routing", "rules", "neighbours", "sysctls")},
        "neighbours": lambda: {str(pid): {"192.168.2.222": ["02:00", "STALE"]} for pid in call["pids"]},
    }  # fmt: skip
    tail = bytes(2 * call.get("total", 0)) if op == "collect" else b""
    if op == "captured" and call["taps"]:
        tail = FRAME.pack(0, 1, -1, 5, 3) + b"abc"
    return answers.get(op, dict)(), tail


def spoiled(found: Any, tail: bytes, choose: random.Random) -> tuple[Any, bytes]:
    """The answer with something in it that should not be there, gone, or cut off."""
    found = copy.deepcopy(found)
    for _ in range(choose.choice((0, 1, 1, 1, 2, 5))):
        place: Any = None
        key: Any = None
        inside: Any = found
        while isinstance(inside, dict | list) and inside and choose.random() < 0.8:
            place = inside
            key = choose.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
            inside = inside[key]
        how = choose.random()
        if place is None:
            found = copy.deepcopy(choose.choice(JUNK)) if how < 0.5 else found
        elif how < 0.2:
            del place[key]
        elif how < 0.3 and isinstance(place, dict):
            place[choose.choice(["", "0", "-1", "99", "x", "192.168.2.222"])] = place[key]
        else:
            place[key] = copy.deepcopy(choose.choice(JUNK))
    if choose.random() < 0.3:
        tail = choose.choice((b"", tail[:-1], tail + b"\0", choose.randbytes(len(tail)), tail * 2))
    return found, tail


CALLS: dict[str, dict[str, Any]] = {
    "run": {"cells": [[11, 0, ["192.168.2.222", "192.168.2.1"]], [0, 2, ["192.168.2.220"]]]},
    "sweep": {"cells": [[11, 0, ["192.168.2.222"]]]},
    "collect": {"total": 3},
    "captured": {"taps": 2},
    "prepare": {"total": 3},
    "capture": {"taps": [[0, "a"], [11, ""]]},
    "resolve": {"names": [["k", 11, "c3"]]},
    "ways": {"wanted": {11: ["192.168.2.222"]}},
    "inner": {"pids": [11]},
    "neighbours": {"pids": [11]},
    "arping": {"ask": [[11, "", "192.0.2.1", []]]},
    "preflight": {
        "modules": ["macvlan", "8021q"], "kinds": ["macvlan"], "exists": ["/run/x"],
        "ask": [["enp0s5", ["192.168.2.222"]]],
    },
    "lease": {"owner": {}}, "holder": {}, "ask": {"line": {}},
    "default_route": {"do": "plan"},
    "serve": {"places": [[11, [["192.168.2.220", ""]]], [0, [["192.168.2.210", "enp0s5"]]]]},
    "served": {"opened": [11, 0]},
    "stream": {"items": [[1, 11, "192.168.2.220", "192.168.2.210", 700, 0],
                         [2, 0, "192.168.2.210", "192.168.2.220", 700, 0]], "tries": 3},
    "echo6": {"items": [[3, 11, "fd00::1", "fd00::2"]], "tries": 3},
    "cast": {"senders": [[4, 11, "192.168.2.220", "", "192.168.2.255"]], "tries": 3},
    "addresses6": {"pids": [11, 22]},
    "cross": {"listen": [[11, 0], [22, 1]]},
    "send": {"send": [[11, 0, "192.168.2.220", "192.168.2.1", []]]},
    "crossed": {"listeners": [0, 1]},
    "journal": {}, "backlog": {}, "facts": {}, "hello": {}, "access": {}, "fingerprint": {},
}  # fmt: skip


class Liar:
    """The far end of an agent's channel, in one process; what it says is spoiled now and then."""

    def __init__(self, seed: int, wire: Wire | None = None, rate: float = 0.3) -> None:
        self._wire, self._rate = wire or Wire(), rate
        self._choose = random.Random(seed)  # noqa: S311  no secret
        self._out: queue.Queue[bytes] = queue.Queue()
        self._said = dict(FIRST)
        head, _ = honest("hello", {})
        self._out.put(frames.frame(frames.RESULT, 0, frames.body(head)))

    def sendall(self, data: bytes) -> None:
        """A call comes; its answer goes."""
        rest = [data, b""]
        for _, number, payload in frames.read_frames(lambda _: rest.pop(0)):
            call, _ = frames.parse(payload)
            op = call["op"]
            head, tail = honest(op, {**self._said, **call}, self._wire, id(self))
            after(op, call, head, self._said)
            kind = frames.RESULT
            if self._choose.random() < self._rate:
                head, tail = spoiled(head, tail, self._choose)
                kind = self._choose.choice((frames.RESULT, frames.RESULT, frames.FAULT))
            self._out.put(frames.frame(kind, number, frames.body(head, tail)))

    def recv(self, nbytes: int) -> bytes:
        """What it says, b"" at the end."""
        del nbytes
        return self._out.get()

    def close(self) -> None:
        """Hang up."""
        self._out.put(b"")
