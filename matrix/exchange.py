"""What came back where the probe was no echo: nouns only, as they stand in run.json.

One ``Exchange`` is one cell's evidence from both ends. Counts are of requests and answers; "at the
link" is what a packet socket saw before any firewall of that namespace, and is None where nobody
watched there. Sizes are of IP packets, in bytes; times are in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from matrix.probes import Neighbour, NotRun, Resolution
from matrix.topology import Probe

ANSWERED, FOREIGN, MUTE = "answered", "foreign", "mute"
REFUSED, RESET, TIMEOUT = "refused", "reset", "timeout"
UNREACHABLE, TOO_LONG, LOCAL = "unreachable", "too-long", "local"
"""How a try ends; see ``fixtures/agent/streams.py``."""

FORMS = ("to the subnet", "to 255.255.255.255", "to 224.0.0.1", "to a group")
"""The forms of a cast, by their number on the wire."""


@dataclass(frozen=True, slots=True)
class Rung:
    """Packets of one size, never fragmented: how many arrived, and what the others met.

    ``mtu`` is the one that an error named, 0 for none; ``words`` are the error's, and who sent it.
    """

    size_bytes: int
    sent: int
    arrived: int
    answered: int
    ends: dict[str, int]
    mtu: int = 0
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cast:
    """One form of broadcast or multicast: how often each of the sent ones came, in order.

    ``heard`` counts at a socket of the target's, ``at_link`` at its link; ``senders`` are the
    addresses that they came from.
    """

    form: str
    sent: int
    heard: tuple[int, ...]
    at_link: tuple[int, ...] | None = None
    senders: tuple[str, ...] = ()

    @property
    def copies(self) -> tuple[int, ...]:
        """How often each one came, as far as anybody saw."""
        if self.at_link is None:
            return self.heard
        return tuple(max(pair) for pair in zip(self.heard, self.at_link, strict=True))


@dataclass(frozen=True, slots=True)
class Exchange:
    """One cell's evidence. ``ends`` counts how its tries ended.

    ``strangers`` are tokens that came back and are not the target's. ``arrived`` counts requests
    that reached the target's own listener; ``departed`` and ``came_back`` are counted at the
    source's link, ``at_link`` and ``left`` at the target's; ``left`` counts answers and refusals.
    ``macs`` are the MAC addresses that the frames of answers and refusals came from.
    """

    cell: str
    probe: Probe
    address: str
    port: int = 0
    sent: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()
    arrived: int = 0
    at_link: int | None = None
    left: int | None = None
    departed: int | None = None
    came_back: int | None = None
    rtts_ms: tuple[float, ...] = ()
    macs: tuple[str, ...] = ()
    neighbour: Neighbour | None = None
    words: tuple[str, ...] = ()
    rungs: tuple[Rung, ...] = ()
    casts: tuple[Cast, ...] = ()
    resolution: Resolution | None = None
    command: str = ""

    @property
    def answered(self) -> int:
        """Tries that were answered by the target's own listener."""
        return 0 if self.strangers else self.ends.get(ANSWERED, 0)

    @property
    def came(self) -> int:
        """Tries that came through: answered ones, and of casts those that were heard."""
        heard = sum(1 for cast in self.casts for count in cast.heard if count)
        return heard if self.casts else self.answered

    @property
    def largest_bytes(self) -> int:
        """The longest packet that arrived and was answered; 0 for none."""
        return max((r.size_bytes for r in self.rungs if r.answered), default=0)


Asked = Exchange | NotRun
