"""From the evidence of TCP, UDP, MTU, broadcast and multicast probes to verdicts. Pure.

Rule 1: the same seven verdicts mean the same as for an echo (``matrix.judge``), and a verdict is never
better than its evidence. Rule 2: an answer counts only with the target's own token, and only as often
as the target's own listener took requests in. Rule 3: silence counts only while by the same kind of
probe its source reached, and its target answered, somebody over the wire. Rule 4: a refusal is no
silence: somebody is there. A cast that comes twice is not as it should be either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from matrix.exchange import (
    FOREIGN,
    MUTE,
    REFUSED,
    RESET,
    TOO_LONG,
    Asked,
    Exchange,
)
from matrix.identity import Witnesses
from matrix.judge import NEVER_PROBED, Court
from matrix.overrides import with_override
from matrix.probes import Cell, Expected, Identity, Judgement, NotRun, Resolution, Verdict
from matrix.protocol_rules import CASTS, SIXES
from matrix.protocol_words import (
    COUNTED,
    error_words,
    next_command,
    not_heard,
    too_narrow,
    where_lost,
)
from matrix.topology import Probe


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all judgements of one batch share."""

    court: Court
    macs: Mapping[str, frozenset[str]]
    owners: Mapping[str, str] = field(default_factory=dict)


def judge_protocols(
    cells: Iterable[Cell],
    outcomes: Mapping[str, Asked],
    identities: Iterable[Identity] = (),
    claims: Mapping[tuple[str, str], tuple[str, ...]] | None = None,
) -> dict[str, Judgement]:
    """A judgement for every cell that is no echo.

    Args:
        cells: all of them, controls included.
        outcomes: by cell id. A cell that has none did not run.
        identities: the MAC addresses of our endpoints, by name.
        claims: the MAC addresses that answered ARP for an address, by scenario and address.
    """
    everything = tuple(cells)
    macs = {i.endpoint: frozenset(m.lower() for m in i.macs) for i in identities}
    owners = {mac: name for name, some in sorted(macs.items()) for mac in some}
    strangers = {
        cell.id: _stranger(cell, seen, macs, owners) or _rival(cell, seen, macs, claims or {})
        for cell in everything
        if isinstance(seen := outcomes.get(cell.id), Exchange)
    }
    proven = frozenset(
        cell.id
        for cell in everything
        if isinstance(seen := outcomes.get(cell.id), Exchange)
        and _came(seen)
        and not strangers[cell.id]
    )
    bench = _Bench(
        Court(everything, proven, Witnesses((), {}, identities, claims or {})), macs, owners
    )
    return {
        cell.id: with_override(
            cell, _judge(cell, outcomes.get(cell.id), strangers.get(cell.id, ""), bench)
        )
        for cell in everything
    }


def _came(seen: Exchange) -> bool:
    """Has anything of it arrived, and (but for casts) been answered?"""
    if seen.probe in CASTS:
        return any(any(cast.heard) for cast in seen.casts)
    if seen.probe is Probe.MTU:
        return bool(seen.largest_bytes)
    return seen.answered > 0


def _stranger(
    cell: Cell, seen: Exchange, macs: Mapping[str, frozenset[str]], owners: Mapping[str, str]
) -> str:
    """Words for who else answered, or sent; "" where nobody did."""
    name = cell.target.name
    found = seen.resolution
    replies = cell.expectation.expected is Expected.REPLY
    if found is not None and found.addresses and not seen.address and replies:
        return f"{found.server} resolved {found.name} to {', '.join(found.addresses)} (AAAA)"
    if seen.strangers:
        return (
            f"somebody answered in the name of {seen.address}, who is not {name}: he does not know "
            f"its token{_whose(seen, owners)}"
        )
    if seen.ends.get(FOREIGN):
        return (
            f"what came back from {seen.address} is no answer of {name}'s listener: somebody else "
            f"has port {seen.port} there{_whose(seen, owners)}"
        )
    if seen.ends.get(MUTE) and seen.at_link == 0 and not seen.arrived:
        return (
            f"a connection to {seen.address} was accepted, of which nothing reached {name}: "
            f"somebody in between, or with the same address, took it{_whose(seen, owners)}"
        )
    if seen.answered > seen.arrived:
        return f"{seen.answered} answers, but {name} took in only {seen.arrived} of the requests"
    if seen.probe in SIXES and seen.left is not None and seen.answered > seen.left:
        return f"{seen.answered} answers came, but only {seen.left} left {name}'s link"
    right = macs.get(name, frozenset())
    wrong = [mac for mac in seen.macs if right and mac.lower() not in right]
    if wrong:
        named = " and ".join(f"{m} ({owners.get(m.lower(), 'none of ours')})" for m in wrong)
        what = "answers" if seen.answered else "refusals"
        return (
            f"{what} in the name of {seen.address} were sent by {named}; {name} has "
            f"{', '.join(sorted(right))}"
        )
    source = str(cell.source.address)
    others = sorted({a for cast in seen.casts for a in cast.senders if a != source})
    if others:
        return f"what {cell.source.name} sent came to {name} from {', '.join(others)}, not {source}"
    return ""


def _rival(
    cell: Cell,
    seen: Exchange,
    macs: Mapping[str, frozenset[str]],
    claims: Mapping[tuple[str, str], tuple[str, ...]],
) -> str:
    """Words for somebody else who claims the target's address, where anything came back from it.

    The right one may have won by chance; the next connection may be another's.
    """
    right = macs.get(cell.target.name, frozenset())
    claimed = {m.lower() for m in claims.get((cell.scenario, seen.address), ())}
    if seen.neighbour is not None and seen.neighbour.mac:
        claimed.add(seen.neighbour.mac.lower())
    wrong = sorted(claimed - right)
    if not right or not wrong or not (seen.answered or seen.ends.get(REFUSED)):
        return ""
    return (
        f"more than one machine answers ARP for {seen.address}: {', '.join(sorted(claimed | right))}; "
        f"not {cell.target.name}'s: {', '.join(wrong)}"
    )


def _whose(seen: Exchange, owners: Mapping[str, str]) -> str:
    macs = seen.macs or ((seen.neighbour.mac,) if seen.neighbour and seen.neighbour.mac else ())
    if not macs:
        return ""
    named = (f"{m}, {owners.get(m.lower(), 'none of ours')}" for m in macs)
    return f" (MAC {'; '.join(named)})"


def _judge(cell: Cell, outcome: Asked | None, someone_else: str, bench: _Bench) -> Judgement:
    if outcome is None:
        return _say(cell, Verdict.INCONCLUSIVE, NEVER_PROBED)
    if isinstance(outcome, NotRun):
        return _say(cell, Verdict.INCONCLUSIVE, f"the probe did not run: {outcome.why}")
    if outcome.cell != cell.id:
        raise ValueError(f"outcome of {outcome.cell} given for {cell.id}")
    if someone_else:
        return _say(cell, Verdict.IMPOSTOR, someone_else)
    if outcome.probe in CASTS:
        return _cast(cell, outcome, bench)
    if outcome.probe is Probe.MTU:
        return _ladder(cell, outcome, bench)
    if outcome.resolution is not None and (said := _by_name(cell, outcome.resolution, bench)):
        return said
    if outcome.sent == 0:
        why = "; ".join(outcome.words) or "no reason"
        return _say(cell, Verdict.INCONCLUSIVE, f"nothing was sent: {why}")
    if cell.expectation.expected is Expected.REPLY:
        return _answer_expected(cell, outcome)
    return _silence_expected(cell, outcome, bench)


def _by_name(cell: Cell, found: Resolution, bench: _Bench) -> Judgement | None:
    """What the resolver alone decides; None where the name led to the target, as it should."""
    said = f"{found.server} said {found.code} for {found.name} (AAAA)"
    if found.code == "NO-ANSWER":
        said = f"{found.server} gave no answer for {found.name} (AAAA) in {found.took_ms:.0f} ms"
    expected = cell.expectation.expected
    if found.addresses:
        if expected is Expected.NO_SUCH_NAME:
            return _say(
                cell,
                Verdict.LEAK,
                f"{found.server} knows {found.name} as {', '.join(found.addresses)}; it should be "
                "unknown here",
            )
        return None
    if expected is Expected.REPLY:
        return _say(cell, Verdict.FAIL, f"the name did not resolve: {said}")
    if expected is Expected.SILENCE or found.code == "NOERROR":
        return _say(cell, Verdict.INCONCLUSIVE, f"{said}: that does not tell whose name it is")
    controls, failed = bench.court.controls(cell)
    if failed:
        return _say(cell, Verdict.INCONCLUSIVE, f"{said}; but {failed}")
    words = f"no such name: {said}, while it answered for other names"
    return _say(cell, Verdict.BLOCKED, words, controls=controls)


def _answer_expected(cell: Cell, seen: Exchange) -> Judgement:
    one, many = COUNTED[seen.probe]
    count = f"{seen.answered} of {seen.sent} {one if seen.sent == 1 else many}"
    if not seen.answered:
        return _say(cell, Verdict.FAIL, f"no {one} of {seen.sent}{where_lost(cell, seen)}")
    if seen.answered < seen.sent:
        return _say(cell, Verdict.FLAPPING, f"{count}: some were lost{where_lost(cell, seen)}")
    return _say(
        cell,
        Verdict.PASS,
        f"{count}; {cell.target.name} saw each of them arrive, and its replies leave"
        if seen.probe in SIXES
        else f"{count}; {cell.target.name}'s listener took each of them in and gave its token",
    )


def _silence_expected(cell: Cell, seen: Exchange, bench: _Bench) -> Judgement:
    one, many = COUNTED[seen.probe]
    if seen.answered:
        return _say(
            cell, Verdict.LEAK, f"{seen.answered} of {seen.sent} {many} where silence was expected"
        )
    refused = seen.ends.get(REFUSED, 0) + seen.ends.get(RESET, 0)
    if refused:
        return _say(
            cell,
            Verdict.LEAK,
            f"no {one}, but a refusal came: something passes{where_lost(cell, seen)}",
        )
    if cell.physics.expected is not Expected.SILENCE:
        return _silent(cell, f"no {one} of {seen.sent}", bench, where_lost(cell, seen))
    if seen.arrived or seen.at_link:
        return _say(
            cell,
            Verdict.LEAK,
            f"no answer, but requests arrived at {cell.target.name}, where nothing should arrive",
        )
    entry = seen.neighbour
    if entry is None:
        return _say(
            cell,
            Verdict.INCONCLUSIVE,
            f"silence, but it proves nothing: {cell.source.name}'s kernel never looked for "
            f"{seen.address} on the segment",
        )
    if entry.mac and entry.state not in ("PERMANENT", "NOARP"):
        return _say(
            cell,
            Verdict.LEAK,
            f"no {one}, but {entry.mac} answered for {seen.address}: layer 2 is open, and "
            "something above it keeps silent (a firewall?)",
        )
    return _silent(cell, f"no {one} of {seen.sent}", bench)


def _silent(cell: Cell, what: str, bench: _Bench, where: str = "") -> Judgement:
    controls, failed = bench.court.controls(cell)
    if cell.probe in CASTS:
        failed = failed.replace("answered nobody", "heard nobody")
    if failed:
        return _say(
            cell, Verdict.INCONCLUSIVE, f"silence, but by {cell.probe} it proves nothing: {failed}"
        )
    return _say(
        cell, Verdict.BLOCKED, f"{what}, while the controls came through{where}", controls=controls
    )


def _ladder(cell: Cell, seen: Exchange, bench: _Bench) -> Judgement:
    wanted = cell.expectation.size_bytes or cell.physics.size_bytes or 0
    largest = seen.largest_bytes
    if not any(rung.sent or rung.ends for rung in seen.rungs):
        return _say(cell, Verdict.INCONCLUSIVE, "nothing was sent")
    if cell.expectation.expected is not Expected.REPLY:
        if largest:
            return _say(cell, Verdict.LEAK, f"packets of {largest:,} bytes pass")
        return _silent(cell, "no packet of any size passes", bench)
    if largest < wanted:
        return _say(cell, Verdict.FAIL, too_narrow(cell, seen, wanted))
    over = next((r for r in seen.rungs if r.size_bytes > wanted), None)
    more = ""
    if over is not None and over.answered:
        more = f"; {over.size_bytes:,} bytes pass as well: the links allow more than is declared"
    elif over is not None and over.ends.get(TOO_LONG):
        more = f"; {over.size_bytes:,} are too long, {error_words(over)}"
    return _say(
        cell,
        Verdict.PASS,
        f"packets of {wanted:,} bytes arrive whole at {cell.target.name} (ping -s {wanted - 28})"
        + more,
    )


def _cast(cell: Cell, seen: Exchange, bench: _Bench) -> Judgement:
    one, _ = COUNTED[seen.probe]
    target = cell.target.name
    if not any(cast.sent for cast in seen.casts):
        why = "; ".join(seen.words) or "no reason"
        return _say(cell, Verdict.INCONCLUSIVE, f"nothing was sent: {why}")
    if cell.expectation.expected is not Expected.REPLY:
        came = [cast for cast in seen.casts if any(cast.copies)]
        if came:
            forms = " and ".join(cast.form for cast in came)
            return _say(cell, Verdict.LEAK, f"{one}s {forms} came to {target}")
        return _silent(cell, f"no {one} came to {target}", bench)
    unsent = [cast.form for cast in seen.casts if not cast.sent]
    lost = [cast for cast in seen.casts if cast.sent and not any(cast.heard)]
    if unsent and not lost:
        why = "; ".join(seen.words) or "no reason"
        return _say(cell, Verdict.INCONCLUSIVE, f"none were sent {' or '.join(unsent)}: {why}")
    if lost:
        return _say(cell, Verdict.FAIL, not_heard(cell, lost))
    twice = [cast for cast in seen.casts if max(cast.copies, default=0) > 1]
    if twice:
        most = max(max(cast.copies) for cast in twice)
        forms = " and ".join(cast.form for cast in twice)
        return _say(
            cell,
            Verdict.FAIL,
            f"each {one} {forms} should come once, and came up to {most} times: the network copies "
            "frames (a loop, a mirror, a teamed uplink that sends them back)",
        )
    missing = sum(cast.heard.count(0) for cast in seen.casts)
    sent = sum(cast.sent for cast in seen.casts)
    if missing:
        return _say(cell, Verdict.FLAPPING, f"{sent - missing} of {sent} {one}s came to {target}")
    forms = " and ".join(cast.form for cast in seen.casts)
    return _say(cell, Verdict.PASS, f"each of {sent} {one}s ({forms}) came to {target} once")


def _say(cell: Cell, verdict: Verdict, reason: str, controls: tuple[str, ...] = ()) -> Judgement:
    command = "" if verdict.holds else next_command(cell)
    return Judgement(cell.id, verdict, reason, next_command=command, controls=controls)
