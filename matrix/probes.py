"""What is asked and what came back: probes, expectations, cells, observations, verdicts.

Rule of this file: nouns only, immutable, no handles in them. An observation carries the number
of its cell, so a result can never be separated from its question, and "did not run" is a value
of its own (``NotRun``), never an observation with nothing in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from matrix.topology import Endpoint, Override, Probe


class By(StrEnum):
    """How the source names its target."""

    ADDRESS = "address"
    NAME = "name"


class Relation(StrEnum):
    """Where the target is, seen from the source. The rule table and the report speak in these."""

    ITSELF = "itself"
    SIBLING = "sibling"
    REMOTE = "remote container"
    OWN_HOST = "own host"
    OTHER_HOST = "other host"
    OWN_CONTAINER = "own container"
    GATEWAY = "gateway"
    OTHER_SEGMENT = "other segment"


class Expected(StrEnum):
    """What the physics says should come back."""

    REPLY = "reply"
    SILENCE = "silence"
    NO_SUCH_NAME = "no-such-name"


class Path(StrEnum):
    """By what way the physics says that a request goes, where it is answered at all.

    Behind its host (Docker's bridge driver) a container's requests to the LAN are forwarded and
    masqueraded: they come there from the host's address, and the reply has lost one of its TTL.
    """

    SEGMENT = "on one segment"
    HOST = "to its host, by the host's bridge"
    NAT = "through its host, masqueraded"
    NOWHERE = "no segment and no router joins them"


class Seen(StrEnum):
    """Did the target's own network namespace see the request arrive?"""

    YES = "yes"
    NO = "no"
    NOT_OURS = "not ours to see"


class Verdict(StrEnum):
    """The seven verdicts. PASS and BLOCKED are the only good ones."""

    PASS = "PASS"  # noqa: S105  a verdict, not a password
    BLOCKED = "BLOCKED"
    FAIL = "FAIL"
    LEAK = "LEAK"
    IMPOSTOR = "IMPOSTOR"
    FLAPPING = "FLAPPING"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def holds(self) -> bool:
        """True where the world is as the physics says it should be."""
        return self in (Verdict.PASS, Verdict.BLOCKED)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What should come back, why, and what opens it where it is silence by design.

    ``ttl`` is the reply's TTL when the right one answers over the right path; None where we
    cannot know it (the gateway is not ours). ``how`` are the anchors of the sections in
    ``matrix.remedies`` that show the remedy step by step. ``deaf`` are the hosts of the two ends that
    take in no unicast frame on this segment, because a passthru endpoint gets them all.
    ``size_bytes`` is the longest IP packet that must pass, where the cell asks for that. ``path`` is
    the way that the requests take.
    """

    expected: Expected
    because: str
    ttl: int | None = None
    remedy: str = ""
    how: tuple[str, ...] = ()
    deaf: tuple[str, ...] = ()
    size_bytes: int | None = None
    path: Path = Path.SEGMENT


@dataclass(frozen=True, slots=True)
class Overridden:
    """A site's override as it lies on one cell: what the physics says, and whether it holds today.

    Where ``in_force`` is False the override has expired, and the cell is judged by ``physics``.
    """

    override: Override
    physics: Expectation
    in_force: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One question of the matrix with its expectation. ``id`` is stable from night to night.

    ``expectation`` is what the cell is judged by; ``physics`` what the rules say of it. They differ
    only under an override that is in force. ``target_scenario`` is the target's, where it stands on
    another segment; "" where it is the cell's own.
    """

    id: str
    scenario: str
    source: Endpoint
    target: Endpoint
    by: By
    relation: Relation
    expectation: Expectation
    overridden: Overridden | None = None
    target_scenario: str = ""
    probe: Probe = Probe.ICMP

    @property
    def there(self) -> str:
        """The scenario that the target stands in."""
        return self.target_scenario or self.scenario

    def home(self, name: str) -> str:
        """The scenario that this end of the cell stands in."""
        return self.scenario if name == self.source.name else self.there

    @property
    def asked_by(self) -> str:
        """The last part of the id: by address, by name, or the kind of probe where it is no echo."""
        return self.by if self.probe is Probe.ICMP else self.probe

    @property
    def physics(self) -> Expectation:
        """What the rules expect, whatever the site overrides."""
        return self.overridden.physics if self.overridden else self.expectation


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A neighbour (ARP) entry at the source: MAC "" while unresolved, state in kernel words."""

    mac: str
    state: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a name server said to the source's own resolver.

    ``code`` is NOERROR, NXDOMAIN, SERVFAIL, ... or NO-ANSWER when nothing came within the
    deadline; ``server`` is the address asked, or ``/etc/hosts``.
    """

    name: str
    addresses: tuple[str, ...]
    code: str
    server: str
    took_ms: float


@dataclass(frozen=True, slots=True)
class Crossing:
    """What became of frames that the source sent on its own segment, below IP, at the target's link.

    ``sent`` are the kinds of frames (ARP, broadcast, multicast, unicast to the target's MAC address);
    ``seen`` those that the target's link saw, with the tag that they still had, if any. ``heard_by``
    are endpoints of the source's own segment that heard its broadcasts over the wire, ``hears`` those
    of the target's whose broadcasts the target heard. ``doubt`` says what our own side may have lost.
    """

    sent: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    heard_by: tuple[str, ...] = ()
    hears: tuple[str, ...] = ()
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What came back for one cell.

    ``address`` is the one really probed ("" where a name did not resolve). ``rtts_ms`` has one
    entry for each reply, in milliseconds. ``ttls`` and ``repliers`` are the distinct ones seen.
    ``requests_seen`` counts the requests that arrived in the target's namespace. ``rivals`` are the
    MAC addresses that answered ARP for the address, where it was more than one; ``reply_macs``
    those that the echo replies were sent from, where somebody saw it. ``replies_left`` counts the
    replies that left the target's namespace, None where nobody watched. ``by_frames``: it was asked
    by frames of our own making, so the kernel has no neighbour entry for it. ``through_macs`` are the
    MAC addresses that replies had on the wire when they came to the source's host, to its own address,
    to be sent on to the source (NAT). ``no_route``: nothing was sent, for the source's kernel has no
    route there. ``error`` is
    the foreign side's own words (an ICMP error, a ping's text). ``raw`` is evidence as it came.
    """

    cell: str
    address: str
    sent: int
    received: int
    rtts_ms: tuple[float, ...] = ()
    ttls: tuple[int, ...] = ()
    repliers: tuple[str, ...] = ()
    duplicates: int = 0
    request_seen: Seen = Seen.NOT_OURS
    requests_seen: int = 0
    neighbour: Neighbour | None = None
    resolution: Resolution | None = None
    error: str = ""
    raw: str = ""
    command: str = ""
    rivals: tuple[str, ...] = ()
    reply_macs: tuple[str, ...] = ()
    replies_left: int | None = None
    by_frames: bool = False
    through_macs: tuple[str, ...] = ()
    no_route: bool = False


@dataclass(frozen=True, slots=True)
class NotRun:
    """The probe never left: no namespace, no route, a refused exec, a lost SSH connection."""

    cell: str
    why: str
    resolution: Resolution | None = None
    command: str = ""


Outcome = Observation | NotRun


@dataclass(frozen=True, slots=True)
class Identity:
    """What we know of an endpoint from Docker and netlink, to tell it from an impostor.

    ``macs`` are all MAC addresses that may answer for it (every MAC of a host counts).
    """

    endpoint: str
    macs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one cell, in words.

    ``reason`` says what happened against what was expected; ``cause`` names the likely fault
    where the cell is not as expected ("" where we cannot tell); ``next_command`` is what a person
    types next. ``controls`` names the cells that prove that silence is silence.
    """

    cell: str
    verdict: Verdict
    reason: str
    cause: str = ""
    next_command: str = ""
    controls: tuple[str, ...] = ()
