"""What passes between endpoints whose agents are good ones: who was asked is told by all alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

TOKEN = "00" * 8
PROTOCOLS = (
    "serve", "served", "stream", "echo6", "cast", "addresses6", "cross", "send", "crossed",
)  # fmt: skip


class Wire:
    """What passes between good agents. ``open``: does this address's request reach that one?"""

    def __init__(self, open: Callable[[str, str], bool] = lambda _s, _t: True) -> None:  # noqa: A002  its word
        self.open = open
        self.kinds: tuple[int, ...] = (1, 2, 3, 4, 5)
        """Of frames between segments: those that pass."""
        self.dropping: int = 0
        """Packets that each kernel drops for want of time between two looks."""
        self._dropped = 0
        self.names: dict[tuple[int, str], str] = {}
        self._places: dict[tuple[int, int], list[str]] = {}
        self._items: dict[int, tuple[str, str]] = {}
        self._casts: dict[int, str] = {}
        self._sends: list[tuple[int, str, list[str]]] = []

    def say(self, op: str, call: dict[str, Any], who: int = 0) -> Any:
        """The answer of one of the agents, as it comes out of JSON."""
        call = {**call, "who": who}
        return json.loads(json.dumps(getattr(self, f"_{op}")(call)))

    def dropped(self) -> int:
        """How many they have dropped so far."""
        self._dropped += self.dropping
        return self._dropped

    def resolve(self, pid: int, name: str) -> dict[str, Any]:
        """What a container's resolver says; without any names all are known."""
        known = self.names.get((pid, name), "" if self.names else "192.168.2.222")
        found = (
            {"addresses": [known], "code": "NOERROR"}
            if known
            else {"addresses": [], "code": "NXDOMAIN"}
        )
        return {"name": name, "server": "127.0.0.11", "took_ms": 0.5, **found}

    def _serve(self, call: dict[str, Any]) -> Any:
        self._places |= {(call["who"], pid): [a for a, _ in some] for pid, some in call["places"]}
        return {
            pid: {"ports": {a: [700, 701] for a, _ in some}, "token": TOKEN, "casts": "", "six": "",
                  "trouble": ""}
            for pid, some in call["places"]
        }  # fmt: skip

    def _stream(self, call: dict[str, Any]) -> Any:
        return [
            self._echo(item, {"ports": [900], "tokens": [TOKEN], "mtu": 0}, call["tries"])
            for item in call["items"]
        ]

    def _echo6(self, call: dict[str, Any]) -> Any:
        return [self._echo([*item, 0], {}, call["tries"]) for item in call["items"]]

    def _echo(self, item: list[Any], more: dict[str, Any], tries: int) -> dict[str, Any]:
        number, _, source, target = item[:4]
        self._items[number] = source, target
        comes = self.open(source, target) and item[-1] <= 1500
        said = {"number": number, "sent": tries, "ends": {"answered" if comes else "timeout": tries},
                "rtts_us": [90, 80, 70][:tries] if comes else [], "words": [],
                "neighbour": ["02:00", "REACHABLE"] if comes else ["", "FAILED"], **more}  # fmt: skip
        return said if comes or not more else {**said, "tokens": []}

    def _cast(self, call: dict[str, Any]) -> Any:
        self._casts |= {number: address for number, _, address, *_ in call["senders"]}
        return [{"number": one[0], "sent": [3, 3, 3, 3], "words": []} for one in call["senders"]]

    def _served(self, call: dict[str, Any]) -> Any:
        came = {n for n, ends in self._items.items() if self.open(*ends)}
        found = {}
        for pid in call["opened"]:
            heard = [
                [n, form, attempt, source, "enp0s5", 1]
                for n, source in self._casts.items()
                if any(self.open(source, mine) for mine in self._places.get((call["who"], pid), ()))
                for form in range(4)
                for attempt in range(3)
            ]
            found[pid] = {
                "accepted": dict.fromkeys(came, 3),
                "echoed": [[n, 0, 3] for n in came],
                "heard": heard,
                "tap": {"streams": [[True, "192.168.2.9", 9, "S", 1]],
                        "datagrams": [[False, 999, 1, 0, 0, 0, 1]],
                        "macs": {"192.168.2.9 9": ["02:00"]}},
                "six": {"requests": dict.fromkeys(came, 3), "macs": {9: ["02:00"]},
                        "passed": [[leaves, n, kind, 3] for n in came for leaves in (True, False)
                                   for kind in (128, 129)]},
                "dropped": 0,
            }  # fmt: skip
        return found

    def _addresses6(self, call: dict[str, Any]) -> Any:
        return {pid: "gone" if pid % 2 else ["fd00::1"] for pid in call["pids"]}

    def _cross(self, _call: dict[str, Any]) -> Any:
        self._sends.clear()
        return {"trouble": []}

    def _send(self, call: dict[str, Any]) -> Any:
        self._sends += [(one[1], one[2], [a for _, a in one[4]]) for one in call["send"]]
        return {"trouble": []}

    def _crossed(self, call: dict[str, Any]) -> Any:
        heard = [
            [listener, sender, kind, -1, 3]
            for listener in call["listeners"]
            for sender, _, _ in self._sends
            if sender != listener and self.crosses(sender, listener)
            for kind in self.kinds
        ]
        return {"heard": heard, "trouble": [], "dropped": [], "left_out": 0}

    def crosses(self, sender: int, listener: int) -> bool:
        """Are these two on one segment?"""
        return self.open(str(sender), str(listener))
