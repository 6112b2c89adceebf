"""What Docker 20.10 to 29 do differently about macvlan, as rows with the version and the source.

Rule: a row says what changes for somebody's matrix, from which release on, and where that can be read.
Whether it was seen in a run is not written here: ``reports.behaviour`` finds that in run.json.

Sources: github.com/moby/moby, commits and pull requests as named; the first release that has a commit
is by its tags.
"""

from __future__ import annotations

from dataclasses import dataclass

MAJORS = (20, 23, 24, 25, 26, 27, 28, 29)
"""Docker's major versions from 20.10 on; there were no 21 and 22."""


@dataclass(frozen=True, slots=True)
class EngineChange:
    """One change: what was so before, what is so from ``since`` on, and its source.

    ``since`` is a release such as 26.0.1; ``matters`` says what it means for a matrix.
    """

    since: str
    before: str
    after: str
    matters: str
    source: str


CHANGES = (
    EngineChange(
        "20.10",
        "--internal put a dummy link in the parent's place",
        "--internal keeps the parent, and sets no default route",
        "an internal network is one more machine on the LAN: no isolation",
        "moby 76b5905, b0bce91",
    ),
    EngineChange(
        "26.0.1",
        "names of elsewhere were forwarded from a network without a parent",
        "a network without a parent forwards no name",
        "none for networks with a parent",
        "moby cd7240f",
    ),
    EngineChange(
        "26.0.2",
        "a container on an IPv4 network had IPv6 link-local addresses",
        "IPv6 is off on the link of a network without it",
        "a way around IPv4 rules is closed (CVE-2024-32473)",
        "moby 57dd567",
    ),
    EngineChange(
        "27.0",
        "one macvlan network a parent",
        "several, but for passthru",
        "two networks on one parent are one segment: no isolation",
        "moby 528ffa9, pull request 47318",
    ),
    EngineChange(
        "28.0",
        "a MAC address made of the IPv4 address (02:42:...)",
        "a random one",
        "a container made again has a new MAC address; two hosts with the same addresses no longer have "
        "the same MAC addresses, too",
        "moby bc130f3",
    ),
    EngineChange(
        "28.0",
        "nothing was said on the LAN when a container came",
        "three gratuitous ARP announcements, a second apart",
        "neighbours learn a new MAC address sooner",
        "moby eaa84bc, 522016a",
    ),
    EngineChange(
        "28.0.2",
        "28.0.0 and 28.0.1 alone: with IPv6, a container on a parent that is down does not start",
        "it starts, as before 28",
        "the questions about a parent that is down",
        "moby c0ca783, issue 49593",
    ),
    EngineChange(
        "29.0",
        "without --gateway, the first free address was guessed as the default route",
        "without --gateway there is no default route",
        "none for us: we always name the gateway",
        "moby 468e352, pull request 50929",
    ),
)
