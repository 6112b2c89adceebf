"""What a Docker engine says to a parent: questions to the engine itself, and what each version answers.

Rule 1: an answer is the engine's own, word for word; what it means stands beside it. The row for the
engine's version decides what was to be expected; its words must be those of the row, too, so that a
refusal for another reason is none.
Rule 2: what this machine cannot be asked, because its kernel lacks what the question is about, is
*not run*, with the reason. That is no verdict, good or bad, and is never counted as one. What a site
declares and cannot have is another matter: that is INCONCLUSIVE (``matrix.judge``).

Sources: moby, daemon/libnetwork/drivers/macvlan/macvlan_network.go and macvlan_setup.go (20.10, and
master of 2026-08), pull request 47318 (27.0: networks may share a parent); Linux
net/core/dev.c (netdev_rx_handler_register: EBUSY).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from matrix.topology import Topology


class Answer(StrEnum):
    """What came of a question."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    TOGETHER = "one segment"
    APART = "apart"


class Status(StrEnum):
    """How an answer compares with what was to be expected."""

    AS_EXPECTED = "as expected"
    DIFFERS = "differs"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Row:
    """What engines answer from one major version on. ``words`` stand in the engine's answer."""

    since: int
    answer: Answer
    words: str
    means: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """One question: what is asked, and the rows, the oldest version first."""

    name: str
    asks: str
    rows: tuple[Row, ...]

    def row(self, version: str) -> Row:
        """The row for an engine's version, such as ``20.10.24+dfsg1``."""
        major = int(digits) if (digits := version.partition(".")[0]).isdigit() else 0
        return [row for row in self.rows if row.since <= major][-1]


_ONE = (
    "up to Docker 26 a parent takes one macvlan network. The one that has it is named in the answer"
)
_OWNER = (
    "use that network, with a second subnet if need be; or remove it: docker network ls --filter "
    "driver=macvlan"
)
_PASSTHRU = "a passthru endpoint has its parent to itself, so its network shares it with no other"

KINDS = (
    Kind(
        "second-network",
        "a second macvlan network on the same parent, both in mode bridge",
        (
            Row(0, Answer.REFUSED, "is already using parent interface", _ONE, _OWNER),
            Row(
                27,
                Answer.ACCEPTED,
                "",
                "from Docker 27 on networks may share a parent. They are one segment: no isolation",
            ),
        ),
    ),
    Kind(
        "second-network-passthru",
        "a network in mode passthru on a parent that has one in mode bridge",
        (
            Row(0, Answer.REFUSED, "is already using parent interface", _ONE, _OWNER),
            Row(27, Answer.REFUSED, "cannot use mode passthru", _PASSTHRU, _OWNER),
        ),
    ),
    Kind(
        "network-beside-passthru",
        "a network in mode bridge on a parent that has one in mode passthru",
        (
            Row(0, Answer.REFUSED, "is already using parent interface", _ONE, _OWNER),
            Row(27, Answer.REFUSED, "in mode passthru", _PASSTHRU, _OWNER),
        ),
    ),
    Kind(
        "one-segment",
        "two containers of two subnets on one parent (two networks from Docker 27 on, before that one "
        "network with two subnets): does one hear the other's frames?",
        (
            Row(
                0,
                Answer.TOGETHER,
                "",
                "all endpoints of one parent are one broadcast domain, whatever their subnets or "
                "networks: that is no isolation",
                "give each group a VLAN of its own, or filter inside the containers' namespaces",
            ),
        ),
    ),
    Kind(
        "missing-parent",
        "a network on a link that the host does not have",
        (
            Row(
                0,
                Answer.REFUSED,
                "invalid subinterface vlan name",
                "Docker takes a parent that is not there for a sub-interface that it is to make, and "
                "finds no VLAN id in the name: there is no such link on this host",
                "write a link that the host has (ip link), or NIC.ID for a VLAN",
            ),
        ),
    ),
    Kind(
        "loopback-parent",
        "a network on lo",
        (
            Row(
                0,
                Answer.REFUSED,
                "loopback interface is not a valid macvlan parent link",
                "lo leads nowhere",
                "write the NIC; or leave parent out, for a network that never leaves the host",
            ),
        ),
    ),
    Kind(
        "down-parent",
        "a network and a container on a link that is set down",
        (
            Row(
                0,
                Answer.ACCEPTED,
                "no carrier",
                "Docker does not look whether the parent is up: the container runs, its link has no "
                "carrier, and it reaches nobody, not even its siblings",
                "set the parent up: ip link set NIC up",
            ),
        ),
    ),
    Kind(
        "bridged-parent",
        "a network and a container on a link that is a port of a Linux bridge",
        (
            Row(
                0,
                Answer.REFUSED,
                "device or resource busy",
                "the network is made, the container is not started: a link has one taker of what "
                "comes in (rx_handler), and the bridge is it",
                "put the network on the bridge itself, or take the link out of the bridge",
            ),
        ),
    ),
    Kind(
        "own-sub-interface",
        "a network on NIC.ID, where there is no such link: Docker makes it, and takes it away again "
        "with the network",
        (
            Row(
                0,
                Answer.ACCEPTED,
                "",
                "the sub-interface is Docker's own: it has no address, and goes with the last network "
                "that sits on it. One that was there before is used and stays",
            ),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Question:
    """One kind of question to one host's engine."""

    id: str
    host: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Said:
    """What came of it: the engine's own words; or why it was not asked, or could not be.

    ``lacks`` names what the machine does not have; ``failed`` what went wrong on the way.
    """

    answer: Answer | None = None
    words: str = ""
    lacks: str = ""
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A question with its answer, and how that compares."""

    question: Question
    version: str
    status: Status
    reason: str
    said: Said

    @property
    def row(self) -> Row:
        """What was to be expected of this version."""
        return self.question.kind.row(self.version)


def questions(topology: Topology) -> tuple[Question, ...]:
    """Every question of the site, host by host; none where it asks for none."""
    if topology.parent_rule is None:
        return ()
    return tuple(
        Question(f"parent:{host.name}:{kind.name}", host.name, kind)
        for host in topology.hosts
        for kind in KINDS
    )


def compare(question: Question, version: str, said: Said) -> Finding:
    """How an engine's answer compares with the row for its version."""
    row = question.kind.row(version)
    words = f": {said.words}" if said.words else ""
    if said.lacks:
        status, reason = Status.NOT_RUN, f"{said.lacks}{words}"
    elif said.answer is None:
        status, reason = Status.INCONCLUSIVE, said.failed or "the engine was not asked"
    elif said.answer is row.answer and row.words in said.words:
        status, reason = Status.AS_EXPECTED, f"{said.answer}{words}"
    else:
        expected = f"{row.answer}" + (f" with the words {row.words!r}" if row.words else "")
        status = Status.DIFFERS
        reason = f"{said.answer}{words}; of Docker {version} it was to be {expected}"
    return Finding(question, version, status, reason, said)
