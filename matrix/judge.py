"""From outcomes to verdicts. A pure function: the same evidence always gives the same verdict.

Rule 1: a verdict is never better than its evidence. What did not run is INCONCLUSIVE; a reply
counts only from the right one; silence counts only while its controls answer.
Rule 2: first match wins, in this order: did not run, somebody else answered, replies, silence.

| what happened                    | a reply was expected        | silence was expected |
|----------------------------------|-----------------------------|----------------------|
| the probe did not run            | INCONCLUSIVE                | INCONCLUSIVE         |
| somebody else answered, or two   | IMPOSTOR                    | IMPOSTOR             |
| some replies                     | FLAPPING                    | LEAK                 |
| all replies                      | PASS                        | LEAK                 |
| no reply, but the request arrived| FAIL (lost on the way back) | LEAK (one way)       |
| no reply, controls answered      | FAIL                        | BLOCKED              |
| no reply, a control failed       | FAIL                        | INCONCLUSIVE         |

Between segments a LEAK comes before all: frames below IP that were seen where they should not be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from matrix.apart import apart_doubt, apart_words, crossed_words
from matrix.identity import Witnesses, stranger
from matrix.overrides import with_override
from matrix.plan import Proof, Proves, hears, needs, proofs
from matrix.probes import (
    By,
    Cell,
    Crossing,
    Expected,
    Identity,
    Judgement,
    NotRun,
    Observation,
    Outcome,
    Path,
    Relation,
    Resolution,
    Seen,
    Verdict,
)
from matrix.rule import LINUX_TTL
from matrix.topology import EndpointKind

NEVER_PROBED = "no outcome came back for this cell"
FIXED = ("PERMANENT", "NOARP")
"""States of neighbour entries that somebody made by hand, or the kernel by a rule: no ARP was asked."""
ENOUGH = 3
"""Controls that a judgement names; more prove no more."""


def judge(
    cells: Iterable[Cell],
    outcomes: Mapping[str, Outcome],
    identities: Iterable[Identity] = (),
    claims: Mapping[tuple[str, str], tuple[str, ...]] | None = None,
    crossings: Mapping[str, Crossing] | None = None,
) -> dict[str, Judgement]:
    """A judgement for every cell.

    Args:
        cells: all cells that were to run, controls included.
        outcomes: by cell id. A cell that has none did not run.
        identities: the MAC addresses of our endpoints and hosts, by endpoint name.
        claims: the MAC addresses that answered ARP for an address meanwhile, whoever asked, by
            scenario and address.
        crossings: what the targets of cells between segments saw of their sources' frames, by cell id.
    """
    crossed = crossings or {}
    everything = tuple(cells)
    witnesses = Witnesses(everything, outcomes, identities, claims or {})
    strangers = {
        cell.id: stranger(cell, outcome, witnesses)
        for cell in everything
        if isinstance(outcome := outcomes.get(cell.id), Observation)
    }
    proven = frozenset(
        cell.id
        for cell in everything
        if _proven(cell, outcomes.get(cell.id), strangers.get(cell.id, ""))
    )
    court = Court(everything, proven, witnesses)
    return {
        cell.id: with_override(
            cell,
            _judge_below(
                cell,
                outcomes.get(cell.id),
                strangers.get(cell.id, ""),
                court,
                crossed.get(cell.id),
            ),
        )
        for cell in everything
    }


def _proven(cell: Cell, outcome: Outcome | None, someone_else: str) -> bool:
    if hears(cell):
        return isinstance(outcome, Observation) and _answered_arp(outcome) and not someone_else
    return (
        isinstance(outcome, Observation)
        and outcome.received > 0
        and not someone_else
        and not _unproven_gateway(cell, outcome)
    )


def _answered_arp(seen: Observation) -> bool:
    """Did somebody answer ARP in this batch? The entries were deleted before it."""
    entry = seen.neighbour
    return entry is not None and bool(entry.mac) and entry.state not in FIXED


def _unproven_gateway(cell: Cell, seen: Observation) -> bool:
    """A gateway is not ours to watch: its MAC address is the only sign that the wire was crossed.

    Behind its host a source has no neighbour entry for it: there the host's NIC saw the replies come.
    """
    if cell.target.kind is not EndpointKind.GATEWAY or not seen.received:
        return False
    if cell.physics.path is Path.NAT:
        return not seen.through_macs
    return seen.neighbour is None or not seen.neighbour.mac


class Court:
    """Finds the controls of a negative cell and says which of them failed."""

    def __init__(
        self, cells: tuple[Cell, ...], proven: frozenset[str], witnesses: Witnesses
    ) -> None:
        self.macs = witnesses.macs
        self._tried: dict[Proof, list[Cell]] = {}
        self._good: dict[Proof, list[Cell]] = {}
        for cell in cells:
            for proof in proofs(cell):
                self._tried.setdefault(proof, []).append(cell)
                if cell.id in proven:
                    self._good.setdefault(proof, []).append(cell)

    def controls(self, cell: Cell) -> tuple[tuple[str, ...], str]:
        """Ids of the controls that answered, and "" or the words for the one that failed."""
        found: tuple[str, ...] = ()
        for proof in needs(cell):
            _, who, what = proof
            gateway = cell.target.kind is EndpointKind.GATEWAY
            if what is Proves.ANSWERS and gateway and proof not in self._tried:
                # Nobody owns a gateway that is declared absent, so nobody can vouch for it. One
                # that is there, and that an override silences for some, must have answered others.
                continue
            more, failed = self._need(proof, cell, f"{who} {_FAILED[what]}")
            if failed:
                return found + more, failed
            found += more
        return found, ""

    def _need(self, proof: Proof, cell: Cell, failure: str) -> tuple[tuple[str, ...], str]:
        if good := _others(self._good.get(proof, ()), cell):
            return good, ""
        tried = _others(self._tried.get(proof, ()), cell)
        if not tried:
            return (), f"{failure}: the site has no cell that could show it (one host alone?)"
        return (), f"{failure} in the same window (control {', '.join(tried)})"


def _others(controls: Sequence[Cell], cell: Cell) -> tuple[str, ...]:
    """Ids of the first few controls that are not between the same two endpoints.

    Within a scenario a name is one endpoint. Endpoints themselves are slow to compare, and a
    million silent pairs compare each two of them with four others.
    """
    source, target = cell.source.name, cell.target.name
    found: list[str] = []
    for control in controls:
        if control.source.name != source or control.target.name != target:
            found.append(control.id)
            if len(found) == ENOUGH:
                break
    return tuple(found)


_FAILED = {
    Proves.REACHES: "reached nobody over the wire",
    Proves.ANSWERS: "answered nobody over the wire",
    Proves.RESOLVES: "resolved no name at all",
    Proves.CARRIES: "carried nothing of its passthru endpoint over the wire",
    Proves.HEARS: "answered nobody's ARP request",
    Proves.STANDS: "did not even answer its own host",
}


def _judge_below(
    cell: Cell,
    outcome: Outcome | None,
    someone_else: str,
    court: Court,
    crossing: Crossing | None,
) -> Judgement:
    """What crossed below IP comes before all: nothing may hide that two segments are one."""
    if leaked := crossed_words(cell, crossing):
        return _say(cell, Verdict.LEAK, leaked)
    return _judge_one(cell, outcome, someone_else, court, crossing)


def _judge_one(
    cell: Cell,
    outcome: Outcome | None,
    someone_else: str,
    court: Court,
    crossing: Crossing | None,
) -> Judgement:
    if outcome is None:
        return _say(cell, Verdict.INCONCLUSIVE, NEVER_PROBED)
    if isinstance(outcome, NotRun):
        return _say(cell, Verdict.INCONCLUSIVE, f"the probe did not run: {outcome.why}")
    if outcome.cell != cell.id:
        raise ValueError(f"outcome of {outcome.cell} given for {cell.id}")
    if someone_else:
        return _say(cell, Verdict.IMPOSTOR, someone_else)
    if cell.by is By.NAME:
        found = outcome.resolution
        if found is None:
            return _say(cell, Verdict.INCONCLUSIVE, "the resolver left no evidence of what it said")
        if not found.addresses:
            return _unresolved(cell, found, court)
        if cell.expectation.expected is Expected.NO_SUCH_NAME:
            return _say(
                cell,
                Verdict.LEAK,
                f"{found.server} knows {found.name} as {', '.join(found.addresses)}; "
                + (
                    "the name of a container on another engine should be unknown here"
                    if cell.physics.expected is Expected.NO_SUCH_NAME
                    else "it should be unknown here"
                ),
            )
    if outcome.sent == 0:
        return _nothing_sent(cell, outcome, court)
    if _unproven_gateway(cell, outcome):
        missing = f"no neighbour entry at {cell.source.name}"
        if cell.physics.path is Path.NAT:
            missing = f"none that came to {cell.source.host}'s own address on its way"
        return _say(
            cell,
            Verdict.INCONCLUSIVE,
            f"{outcome.received} replies, but {missing}: it was "
            "answered inside the source's own namespace, or over another link",
        )
    return _answered(cell, outcome, court, crossing)


def _answered(cell: Cell, seen: Observation, court: Court, crossing: Crossing | None) -> Judgement:
    """It was asked, and nobody else answered."""
    if cell.relation is Relation.OTHER_SEGMENT:
        return _across(cell, seen, court, crossing)
    if cell.expectation.expected is Expected.REPLY:
        return _reply_expected(cell, seen)
    return _silence_expected(cell, seen, court)


def _across(cell: Cell, seen: Observation, court: Court, crossing: Crossing | None) -> Judgement:
    """Between two segments: by the declared router alone, and below IP not at all."""
    if seen.received and any(ttl >= LINUX_TTL for ttl in seen.ttls):
        return _say(
            cell,
            Verdict.LEAK,
            f"{seen.received} of {seen.sent} replies with TTL {max(seen.ttls)}: they passed no router, "
            "so the two segments are one",
        )
    doubt = apart_doubt(cell, crossing)
    below = doubt or apart_words(cell, crossing)
    if cell.expectation.expected is Expected.REPLY:
        found = _reply_expected(cell, seen)
        return replace(found, reason=f"{found.reason}; {below}")
    if not seen.received and seen.request_seen is not Seen.YES:
        if doubt:
            return _say(cell, Verdict.INCONCLUSIVE, f"silence, but it proves nothing: {doubt}")
        return _silent(cell, seen, court, f"; {below}")
    return _silence_expected(cell, seen, court)


def _unresolved(cell: Cell, found: Resolution, court: Court) -> Judgement:
    """The resolver gave no address.

    NOERROR without an address is NODATA (RFC 2308 section 2.2): the name exists, so it is not "no
    such name"; and nothing can be sent to it, so it is no leak either. Whose name it is (a zone of
    the servers that the engine forwards to, a container without IPv4) the answer does not say.
    """
    said = f"{found.server} said {found.code} for {found.name} after {found.took_ms:.0f} ms"
    if found.code == "NOERROR":
        said = (
            f"{found.server} said NOERROR for {found.name}, without an address: the name exists "
            "there, but has no A record (NODATA)"
        )
        if cell.expectation.expected is not Expected.REPLY:
            return _say(
                cell,
                Verdict.INCONCLUSIVE,
                f"{said}. That is not 'no such name', and it does not tell whose name it is",
            )
    if found.code == "NO-ANSWER":
        said = f"{found.server} gave no answer for {found.name} within {found.took_ms:.0f} ms"
    if cell.expectation.expected is Expected.REPLY:
        return _say(cell, Verdict.FAIL, f"the name did not resolve: {said}")
    if cell.expectation.expected is Expected.SILENCE:
        return _say(
            cell, Verdict.INCONCLUSIVE, f"the name did not resolve, nothing was sent: {said}"
        )
    controls, failed = court.controls(cell)
    if failed:
        return _say(cell, Verdict.INCONCLUSIVE, f"{said}; but {failed}")
    return _say(
        cell,
        Verdict.BLOCKED,
        f"no such name: {said}, while it answered for other names",
        controls=controls,
    )


def _reply_expected(cell: Cell, seen: Observation) -> Judgement:
    count = f"{seen.received} of {seen.sent} replies"
    if seen.received == 0:
        return _say(cell, Verdict.FAIL, f"no reply to {_requests(seen.sent)}{_lost(cell, seen)}")
    if seen.received < seen.sent:
        return _say(cell, Verdict.FLAPPING, f"{count}: some were lost{_lost(cell, seen)}")
    proof = ""
    if seen.request_seen is Seen.YES:
        proof = f"; {cell.target.name} saw the requests arrive"
        if seen.through_macs:
            proof += f", and answered {cell.source.host}'s own address (masqueraded)"
    elif seen.through_macs:
        mac = seen.through_macs[0]
        proof = f"; they came to {cell.source.host}'s own address from {mac} (masqueraded)"
    elif cell.target.kind is not EndpointKind.GATEWAY:
        proof = f"; seen from one end only: nobody watched at {cell.target.name}"
    odd = ""
    if cell.expectation.ttl is not None and seen.ttls and seen.ttls != (cell.expectation.ttl,):
        odd = f"; TTL {seen.ttls[0]} instead of {cell.expectation.ttl}"
    return _say(cell, Verdict.PASS, f"{count}{proof}{odd}")


def _silence_expected(cell: Cell, seen: Observation, court: Court) -> Judgement:
    if seen.received:
        return _say(
            cell, Verdict.LEAK, f"{seen.received} of {seen.sent} replies where silence was expected"
        )
    if cell.physics.expected is not Expected.SILENCE:
        # An override knows of a fault between two that may hear each other: no reply is all it
        # says, and on which half of the way it is lost, the reason tells.
        return _silent(cell, seen, court, _lost(cell, seen))
    if cell.source.name in cell.physics.deaf:
        return _deaf_source(cell, seen, court)
    if seen.request_seen is Seen.YES:
        return _say(
            cell,
            Verdict.LEAK,
            f"no reply, but {_requests(seen.requests_seen)} arrived at {cell.target.name}, where "
            "nothing should arrive",
        )
    if hears(cell):
        return _deaf(cell, seen, court)
    if seen.neighbour is not None and _answered_arp(seen) and not _one_mac(cell, seen, court):
        return _say(
            cell,
            Verdict.LEAK,
            f"no reply, but {seen.neighbour.mac} answered ARP for {seen.address}: layer 2 is open, "
            "and something above it keeps silent (a firewall?)",
        )
    if doubt := _never_asked(cell, seen, court):
        return _say(cell, Verdict.INCONCLUSIVE, f"silence, but it proves nothing: {doubt}")
    return _silent(cell, seen, court)


def _deaf_source(cell: Cell, seen: Observation, court: Court) -> Judgement:
    """Silence by passthru at the source: what it sends may arrive, and no answer comes up to it.

    It learns a neighbour's MAC address where that one asks for it, by a broadcast; it is never told.
    """
    if doubt := _never_asked(cell, seen, court):
        return _say(cell, Verdict.INCONCLUSIVE, f"silence, but it proves nothing: {doubt}")
    where = ""
    if seen.request_seen is Seen.YES:
        where = f"; {_requests(seen.requests_seen)} arrived at {cell.target.name}" + (
            f", and {seen.replies_left} replies left it" if seen.replies_left else ""
        )
    return _silent(cell, seen, court, where)


def _deaf(cell: Cell, seen: Observation, court: Court) -> Judgement:
    """Silence by passthru at the target: ARP must have been answered, or nothing shows that it stands."""
    if seen.neighbour is None or not _answered_arp(seen):
        return _say(
            cell,
            Verdict.INCONCLUSIVE,
            f"silence, but it proves nothing: {cell.target.name} did not even answer ARP, which "
            "passthru leaves to it (is it there?)",
        )
    return _silent(cell, seen, court, f"; {seen.neighbour.mac} answered ARP for {seen.address}")


def _never_asked(cell: Cell, seen: Observation, court: Court) -> str:
    """Words for requests that the source's kernel did not send on the segment; "" where it did.

    A request to a neighbour leaves its mark there, an entry that ARP is asked for; one that went
    elsewhere (policy routing, a firewall's mark or NAT) leaves none. Where the way leads through the
    source's host there is no such neighbour; the way was asked of the kernel before and after.
    """
    if seen.by_frames or cell.physics.path is not Path.SEGMENT:
        return ""
    if seen.neighbour is not None:
        right = court.macs.get(cell.target.name, frozenset())
        mac = seen.neighbour.mac.lower()
        if mac and right and mac not in right:
            return (
                f"{cell.source.name} has a fixed neighbour entry for {seen.address} with MAC {mac}, "
                f"which is not {cell.target.name}'s: what it sent went elsewhere"
            )
        return ""
    return (
        f"{cell.source.name}'s kernel never looked for {seen.address} on the segment; what was sent "
        "went elsewhere (policy routing, NAT or a mark there?)"
    )


def _silent(cell: Cell, seen: Observation, court: Court, where: str = "") -> Judgement:
    """Nothing came back. BLOCKED if the controls say that this is no accident."""
    controls, failed = court.controls(cell)
    if failed:
        return _say(cell, Verdict.INCONCLUSIVE, f"silence, but it proves nothing: {failed}{where}")
    if seen.error and cell.physics.path is Path.NOWHERE:
        where += f"; {seen.error}"
    what = f"no reply to {_requests(seen.sent)}"
    if seen.no_route:
        what = f"{cell.source.name}'s kernel has no way there, and sent nothing"
    reason = f"{what}, while the controls answered{where}"
    return _say(cell, Verdict.BLOCKED, reason, controls)


def _one_mac(cell: Cell, seen: Observation, court: Court) -> bool:
    """Is the entry's MAC address that of both ends, as of a host and its ipvlan endpoints?

    It then opens nothing: what is sent to it goes to the wire, as the endpoint's own does.
    """
    mac = seen.neighbour.mac.lower() if seen.neighbour else ""
    ends = (cell.source.name, cell.target.name)
    return all(mac in court.macs.get(name, frozenset()) for name in ends)


def _nothing_sent(cell: Cell, seen: Observation, court: Court) -> Judgement:
    """Where no way leads from one to the other by design, a missing route is the answer itself."""
    silent = cell.expectation.expected is Expected.SILENCE
    if seen.no_route and silent and cell.physics.path is Path.NOWHERE:
        return _silent(cell, seen, court)
    return _say(cell, Verdict.INCONCLUSIVE, f"nothing was sent: {seen.error or 'no reason'}")


def _say(cell: Cell, verdict: Verdict, reason: str, controls: tuple[str, ...] = ()) -> Judgement:
    command = "" if verdict.holds else next_command(cell)
    return Judgement(cell.id, verdict, reason, next_command=command, controls=controls)


def _requests(count: int) -> str:
    return f"{count} request{'' if count == 1 else 's'}"


def _lost(cell: Cell, seen: Observation) -> str:
    """On which half of the way replies were lost, as far as both ends can tell, and what ARP says.

    An unresolved neighbour tells the same as the kernel's "Host Unreachable", seconds earlier.
    """
    words = ""
    if seen.request_seen is Seen.YES and seen.requests_seen > seen.received:
        words = f"; {seen.requests_seen} reached {cell.target.name}, so replies were lost"
    elif seen.request_seen is Seen.NO:
        words = f"; none reached {cell.target.name}: lost on the way there"
    entry = None if cell.relation is Relation.ITSELF else seen.neighbour
    if entry is not None and not entry.mac:
        words += f"; nobody answered ARP for {seen.address} ({entry.state})"
    elif seen.request_seen is Seen.NO:
        # A raw socket hears only what the filter of its own namespace (INPUT) has let through.
        words += f", or dropped by {cell.target.name}'s own firewall"
    if seen.error:
        words += f"; {seen.error}"
    return words


def next_command(cell: Cell) -> str:
    """What a person types to see the cell with his own eyes."""
    what = cell.target.name if cell.by is By.NAME else str(cell.target.address)
    ping = f"ping -c 3 {what}"
    if cell.source.kind is EndpointKind.CONTAINER:
        ping = f"docker exec {cell.source.name} {ping}"
    return f"ssh {cell.source.host} {ping}"
