"""Who answered? A reply does not say. This file tells the right one from somebody else.

Proofs, strongest first:
1. *Both ends*: the request carries the run's nonce, and the target's own namespace saw it arrive,
   and the reply leave. A reply whose request never arrived there, or that never left there, was made
   by somebody else.
2. *MAC address*: the neighbour entry at the source names the machine that took the frame, and the
   reply's own frame the one that sent it back. Every MAC of a host counts as its own. For a
   gateway, which is not ours, there must be one neighbour MAC, the same from every observer, and
   none of ours. (Its replies may come from another: a VRRP router answers ARP with a virtual one.)
   Behind its host (NAT) a source sees its host's MAC alone; there it is the host's NIC that sees
   whom the replies come from, to its own address, with our nonce in them.
3. *TTL*: a Linux container on the same segment answers with 64. A 255 there is a router, a BSD
   stack or a hypervisor's network (QEMU slirp, VirtualBox NAT) that answered in its stead.
4. *Duplicates*: two replies to one request are two answerers; so are two MAC addresses that answer
   ARP for one address, even where the same one always wins, and whoever on the segment heard them.
   (All MACs of one host are one answerer.)

TTL alone convicts only where 1 and 2 cannot speak: a target that proved itself may have set its
own TTL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from matrix.plan import hears
from matrix.probes import By, Cell, Identity, Observation, Outcome, Path, Relation, Seen
from matrix.topology import EndpointKind


class Witnesses:
    """What all observations together say about who owns which MAC address."""

    def __init__(
        self,
        cells: Iterable[Cell],
        outcomes: Mapping[str, Outcome],
        identities: Iterable[Identity],
        claims: Mapping[tuple[str, str], tuple[str, ...]],
    ) -> None:
        self.claims = claims
        self.macs = {i.endpoint: frozenset(m.lower() for m in i.macs) for i in identities}
        self.owners = {mac: name for name, macs in sorted(self.macs.items()) for mac in macs}
        self.gateway_macs: dict[str, dict[str, str]] = {}
        self.gateway_repliers: dict[str, set[str]] = {}
        for cell in cells:
            seen = outcomes.get(cell.id)
            if (
                cell.target.kind is EndpointKind.GATEWAY
                and isinstance(seen, Observation)
                and seen.received
                and seen.neighbour is not None
                and seen.neighbour.mac
            ):
                macs = self.gateway_macs.setdefault(cell.scenario, {})
                macs.setdefault(seen.neighbour.mac.lower(), cell.source.name)
                senders = {seen.neighbour.mac.lower(), *(m.lower() for m in seen.reply_macs)}
                self.gateway_repliers.setdefault(cell.scenario, set()).update(senders)


def stranger(cell: Cell, seen: Observation, witnesses: Witnesses) -> str:
    """Words for who else answered in this cell; "" when nobody else did, or nobody at all."""
    if seen.received:
        return _wrong_name(cell, seen) or _wrong_replier(cell, seen, witnesses)
    # Where ARP alone is to be answered, it is the target's to answer.
    return _wrong_name(cell, seen) or (_wrong_mac(cell, seen, witnesses) if hears(cell) else "")


def _wrong_name(cell: Cell, seen: Observation) -> str:
    """A name that resolved to an address which is not the target's."""
    found = seen.resolution
    if cell.by is not By.NAME or found is None or not found.addresses:
        return ""
    right = str(cell.target.address)
    wrong = [a for a in found.addresses if a != right]
    if not wrong:
        return ""
    return f"{found.server} resolved {found.name} to {', '.join(wrong)}; its address is {right}"


def _wrong_replier(cell: Cell, seen: Observation, witnesses: Witnesses) -> str:
    others = [r for r in seen.repliers if r != seen.address]
    if others:
        return f"{', '.join(others)} replied in the name of {seen.address}"
    if seen.duplicates:
        return (
            f"{seen.duplicates} duplicate replies: more than one machine answers for "
            f"{seen.address}, or the network copies frames"
        )
    claimed = _claimed(cell, seen, witnesses)
    if rivals := [m for m in claimed if m not in _own(cell, witnesses)]:
        return f"more than one machine answers ARP for {seen.address}: {', '.join(claimed)}" + (
            f"; not {cell.target.name}'s: {', '.join(rivals)}" if _own(cell, witnesses) else ""
        )
    if seen.request_seen is Seen.NO:
        return (
            f"a reply came for {seen.address}, but {cell.target.name} never saw the request: "
            f"somebody else holds this address{_by_whom(seen, witnesses)}"
        )
    if seen.request_seen is Seen.YES and seen.requests_seen < min(seen.received, 255):
        return (
            f"{seen.received} replies, but {cell.target.name} saw only {seen.requests_seen} of the "
            f"requests: somebody else answered the others{_by_whom(seen, witnesses)}"
        )
    if (
        seen.replies_left is not None
        and cell.relation is not Relation.ITSELF
        and seen.replies_left < min(seen.received, 255)
    ):
        return (
            f"{seen.received} replies came, but only {seen.replies_left} left {cell.target.name}: "
            "somebody in the way answered in its stead"
        )
    if len(seen.ttls) > 1:
        found = ", ".join(str(ttl) for ttl in seen.ttls)
        return f"replies with different TTLs ({found}): more than one machine answers, or two paths"
    if wrong := _wrong_mac(cell, seen, witnesses) or _wrong_sender(cell, seen, witnesses):
        return wrong
    expected = cell.expectation.ttl
    if seen.request_seen is Seen.NOT_OURS and expected is not None:
        odd = [ttl for ttl in seen.ttls if ttl != expected]
        if odd and not _right_mac(cell, seen, witnesses):
            return (
                f"reply TTL {odd[0]}, but {cell.target.name} answers with {expected}: "
                f"{_ttl_words(odd[0])}"
            )
    return ""


def _claimed(cell: Cell, seen: Observation, witnesses: Witnesses) -> tuple[str, ...]:
    """The MAC addresses that claim the target's address, where it is more than one.

    As the source heard it, and as others on the segment did: a source that has learnt the address
    from a request of its target's own has not asked.
    """
    found = {m.lower() for m in seen.rivals}
    if cell.relation is not Relation.ITSELF:
        found |= set(witnesses.claims.get((cell.scenario, seen.address), ()))
        if seen.neighbour is not None and seen.neighbour.mac:
            found.add(seen.neighbour.mac.lower())
    return tuple(sorted(found)) if len(found) > 1 else ()


def _wrong_mac(cell: Cell, seen: Observation, witnesses: Witnesses) -> str:
    if seen.neighbour is None or not seen.neighbour.mac or cell.relation is Relation.ITSELF:
        return ""
    mac = seen.neighbour.mac.lower()
    if cell.target.kind is EndpointKind.GATEWAY:
        if owner := witnesses.owners.get(mac):
            return f"the gateway's address {seen.address} is answered by {mac}, which is {owner}"
        macs = witnesses.gateway_macs.get(cell.scenario, {})
        if len(macs) > 1:
            views = ", ".join(f"{m} (seen by {who})" for m, who in sorted(macs.items()))
            return f"more than one machine answers for the gateway {seen.address}: {views}"
        return ""
    right = _own(cell, witnesses)
    if not right or mac in right:
        return ""
    owner = witnesses.owners.get(mac)
    return (
        f"{seen.address} is answered by MAC {mac}, which is {owner or 'none of ours'}; "
        f"{cell.target.name} has {', '.join(sorted(right))}"
    )


def _wrong_sender(cell: Cell, seen: Observation, witnesses: Witnesses) -> str:
    """Words for replies whose frames were sent by somebody else than the target.

    From another segment they are sent by its router: the one that the source's gateway cells found.
    """
    if cell.relation is Relation.ITSELF:
        return ""
    if cell.relation is Relation.OTHER_SEGMENT:
        routers = witnesses.gateway_macs.get(cell.scenario, {})
        strange = [m for m in seen.reply_macs if routers and m.lower() not in routers]
        return (
            f"replies were sent on by {', '.join(strange)}, and the gateway has {', '.join(routers)}"
            if strange
            else ""
        )
    if cell.physics.path is Path.NAT:
        return _wrong_through(cell, seen, witnesses)
    if cell.physics.path is Path.NOWHERE:
        return ""  # who sends it on is not told beforehand; whose it is both ends have told
    right = _own(cell, witnesses)
    wrong = [mac for mac in seen.reply_macs if right and mac.lower() not in right]
    if not wrong:
        return ""
    owners = " and ".join(f"{m} ({witnesses.owners.get(m.lower(), 'none of ours')})" for m in wrong)
    return (
        f"replies in the name of {seen.address} were sent by {owners}; {cell.target.name} has "
        f"{', '.join(sorted(right))}"
    )


def _wrong_through(cell: Cell, seen: Observation, witnesses: Witnesses) -> str:
    """Words for replies that did not come by way of the source's host, or to it from somebody else."""
    host = cell.source.host
    own = witnesses.macs.get(host, frozenset())
    if strange := [m for m in seen.reply_macs if own and m.lower() not in own]:
        return (
            f"replies in the name of {seen.address} were sent by {', '.join(strange)}, and not sent on "
            f"by {host}, which {cell.source.name} is behind"
        )
    right = _own(cell, witnesses)
    if cell.target.kind is EndpointKind.GATEWAY:
        # As those see it who are on the segment themselves: the hosts.
        right = frozenset(witnesses.gateway_repliers.get(cell.scenario, ()))
        if ours := [m for m in seen.through_macs if m.lower() in witnesses.owners]:
            owner = witnesses.owners[ours[0].lower()]
            return (
                f"the gateway's address {seen.address} is answered by {ours[0]}, which is {owner}"
            )
    if wrong := [m for m in seen.through_macs if right and m.lower() not in right]:
        return (
            f"replies in the name of {seen.address} came to {host} from {', '.join(wrong)}; "
            f"{cell.target.name} has {', '.join(sorted(right))}"
        )
    return ""


def _right_mac(cell: Cell, seen: Observation, witnesses: Witnesses) -> bool:
    mac = seen.neighbour.mac.lower() if seen.neighbour else ""
    return bool(mac) and mac in _own(cell, witnesses)


def _own(cell: Cell, witnesses: Witnesses) -> frozenset[str]:
    """The MAC addresses that may answer for the target; none where it is not ours."""
    return witnesses.macs.get(cell.target.name, frozenset())


def _by_whom(seen: Observation, witnesses: Witnesses) -> str:
    mac = seen.neighbour.mac.lower() if seen.neighbour else ""
    if not mac:
        return ""
    owner = witnesses.owners.get(mac)
    return f" ({owner} has MAC {mac})" if owner else f" (MAC {mac}, which is none of ours)"


def _ttl_words(ttl: int) -> str:
    """What an odd TTL hints at. Sources: QEMU slirp/ip_icmp.c, lwIP default 255, RFC 1700."""
    if ttl == 255:  # noqa: PLR2004  MAXTTL
        return (
            "255 is the answer of a router, a BSD stack or a hypervisor's own network, "
            "not of a Linux container"
        )
    if ttl == 128:  # noqa: PLR2004  Windows' default
        return "128 is what Windows answers with"
    return "it took another path, or somebody else answered"
