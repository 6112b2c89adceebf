"""What changed between an earlier run and this one: verdicts, causes, cells, and the hosts.

Rule 1: pure. Two records go in, and the same two always give the same comparison.
Rule 2: only what both asked is compared; what one of them did not ask came or went, and is counted.
Rule 3: what is seen of a comparison stands in ``since.json`` beside run.json, so that a report is
the same on any later day, also when the earlier run is long gone. See ``reports.baseline``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from pydantic import TypeAdapter, ValidationError

from matrix.record import CellRecord, HostFacts, LinkFact, Run
from reports.causes import UNKNOWN
from reports.headline import headline
from reports.marks import NOT_JUDGED, VERDICT_MARKS, holds
from reports.pace import INSIDE

SCHEMA = "l2matrix-since/1"

_ORDER = (*VERDICT_MARKS, NOT_JUDGED.meaning)


@dataclass(frozen=True, slots=True)
class Turn:
    """Cells that had one verdict before and have another one now."""

    before: str
    now: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Something of the world that is otherwise now. "" is "was not there", or "is not there"."""

    where: str
    what: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """The run that was compared with: its name, when it began, its run.json's SHA-256."""

    id: str
    started_at: str
    sha256: str
    good: bool


@dataclass(frozen=True, slots=True)
class Since:
    """The comparison. ``run_sha256`` is that of the run.json that it belongs to.

    ``how`` says how the earlier run was chosen, or why there is none (``earlier`` is None then).
    ``compared`` cells were asked by both; ``came`` and ``went`` only by one. ``worse`` are cells
    that held and no longer do, ``better`` the other way, ``other`` all others that turned. ``rtt_ms``
    are the medians over the wire, before and now, of the cells that were answered both times; None
    where there are none. ``unmeasured`` hosts have no facts in one of the runs, or in both.
    """

    schema: str
    run_sha256: str
    how: str
    earlier: Earlier | None = None
    compared: int = 0
    worse: tuple[Turn, ...] = ()
    better: tuple[Turn, ...] = ()
    other: tuple[Turn, ...] = ()
    came: tuple[str, ...] = ()
    went: tuple[str, ...] = ()
    causes_new: tuple[str, ...] = ()
    causes_gone: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    unmeasured: tuple[str, ...] = ()
    rtt_ms: tuple[float | None, float | None] = (None, None)

    @property
    def turned(self) -> int:
        """How many cells have another verdict than before."""
        return sum(len(t.cells) for t in (*self.worse, *self.better, *self.other))


def compare(run: Run, sha256: str, before: Run, before_sha256: str, *, how: str) -> Since:
    """What is otherwise in ``run`` than in ``before``; the digests are of their run.json files."""
    now = {cell.id: cell for cell in run.cells}
    then = {cell.id: cell for cell in before.cells}
    both = [(then[i], cell) for i, cell in now.items() if i in then]
    turned = [(old, new) for old, new in both if old.verdict != new.verdict]
    causes = [{c.line for c in r.causes if c.confidence != UNKNOWN} for r in (run, before)]
    return Since(
        SCHEMA,
        sha256,
        how,
        Earlier(before.id, before.started_at, before_sha256, headline(before).good),
        len(both),
        worse=_turns((o, n) for o, n in turned if holds(o) and not holds(n)),
        better=_turns((o, n) for o, n in turned if holds(n) and not holds(o)),
        other=_turns((o, n) for o, n in turned if holds(o) == holds(n)),
        came=tuple(i for i in now if i not in then),
        went=tuple(i for i in then if i not in now),
        causes_new=tuple(c.line for c in run.causes if c.line in causes[0] - causes[1]),
        causes_gone=tuple(c.line for c in before.causes if c.line in causes[1] - causes[0]),
        changes=tuple(_changes(before, run)),
        unmeasured=tuple(_unmeasured(before, run)),
        rtt_ms=_medians_ms(both),
    )


def nothing_earlier(sha256: str, why: str) -> Since:
    """There is no earlier run to compare with; ``why`` says what was looked for."""
    return Since(SCHEMA, sha256, why)


def _medians_ms(
    pairs: Iterable[tuple[CellRecord, CellRecord]],
) -> tuple[float | None, float | None]:
    """The median round trips over the wire, before and now, of cells that were answered both times."""
    old: list[float] = []
    new: list[float] = []
    for before, now in pairs:
        if before.observed is None or now.observed is None or now.relation in INSIDE:
            continue
        if before.observed.rtts_ms and now.observed.rtts_ms:
            old += before.observed.rtts_ms
            new += now.observed.rtts_ms
    return (round(median(old), 3), round(median(new), 3)) if old else (None, None)


def _turns(pairs: Iterable[tuple[CellRecord, CellRecord]]) -> tuple[Turn, ...]:
    """Pairs of (before, now) by what turned into what, most cells first."""
    found: dict[tuple[str, str], list[str]] = {}
    for old, new in pairs:
        key = (old.verdict or NOT_JUDGED.meaning, new.verdict or NOT_JUDGED.meaning)
        found.setdefault(key, []).append(new.id)
    turns = [Turn(before, now, tuple(ids)) for (before, now), ids in found.items()]
    return tuple(sorted(turns, key=lambda t: (-len(t.cells), _place(t.before), _place(t.now))))


def _place(verdict: str) -> tuple[int, str]:
    return (_ORDER.index(verdict) if verdict in _ORDER else len(_ORDER)), verdict


def _changes(before: Run, now: Run) -> Iterator[Change]:
    """What is otherwise about the site, the tool and each host as it was before the run."""
    if before.site.sha256 != now.site.sha256:
        yield Change(
            "", f"site file {now.site.path}", before.site.sha256[:12], now.site.sha256[:12]
        )
    asked = [
        (f"{s.echoes} echoes, {s.reply_deadline_s:g} s, names {s.name_deadline_s:g} s, {s.image}")
        for s in (before.site, now.site)
    ]
    yield from _differ("", {"asked": asked[0]}, {"asked": asked[1]})
    yield from _differ(
        "",
        {**before.tool, "prober": str(before.prober.get("name", ""))},
        {**now.tool, "prober": str(now.prober.get("name", ""))},
    )
    then = {host.name: host for host in before.hosts}
    for host in now.hosts:
        old = then.pop(host.name, None)
        if old is None:
            yield Change(host.name, "host", "", "asked")
        elif old.before is not None and host.before is not None:
            yield from _differ(host.name, _facts(old.before), _facts(host.before))
            yield from _links(host.name, old.before.links, host.before.links)
    yield from (Change(name, "host", "asked", "") for name in then)


def _unmeasured(before: Run, now: Run) -> Iterator[str]:
    """Hosts of which nobody can say whether they changed."""
    then = {host.name: host.before for host in before.hosts}
    for host in now.hosts:
        if host.before is None or (host.name in then and then[host.name] is None):
            yield host.name


def _facts(facts: HostFacts) -> dict[str, str]:
    """What a fault may come from, as label and value."""
    return {
        "kernel": facts.kernel,
        "Docker": facts.docker_version,
        "Docker API": facts.docker_api,
        "Python": facts.python,
        "neighbour limit": str(facts.neighbour_limit),
        "boot": facts.boot_id,
        "routes": "; ".join(facts.routes),
        "networks": ", ".join(facts.networks),
        "containers": ", ".join(facts.containers),
    }


def _links(where: str, old: Iterable[LinkFact], new: Iterable[LinkFact]) -> Iterator[Change]:
    """Links that came and went, and of those that stayed each thing that is otherwise."""
    then, now = ({link.name: link for link in links} for links in (old, new))
    for name in dict.fromkeys((*then, *now)):
        before, after = then.get(name), now.get(name)
        if before is None or after is None:
            yield Change(where, f"link {name}", _kind(before), _kind(after))
        else:
            facts, wanted = _link(before), _link(after)
            labels = {what: f"link {name} {what}" for what in facts}
            yield from _differ(
                where,
                {labels[what]: value for what, value in facts.items()},
                {labels[what]: value for what, value in wanted.items()},
            )


def _kind(link: LinkFact | None) -> str:
    return link.kind if link else ""


def _link(link: LinkFact) -> dict[str, str]:
    return {
        "kind": link.kind,
        "parent": link.parent,
        "VLAN": "" if link.vlan is None else str(link.vlan),
        "MAC": link.mac,
        "MTU": str(link.mtu),
        "state": link.state,
        "promiscuity": str(link.promiscuity),
        "addresses": " ".join(link.addresses),
    }


def _differ(where: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for what in dict.fromkeys((*old, *new)):
        if old.get(what, "") != new.get(what, ""):
            yield Change(where, what, old.get(what, ""), new.get(what, ""))


_adapter: TypeAdapter[Since] = TypeAdapter(Since)


def dump_since(since: Since) -> bytes:
    """The comparison as canonical JSON."""
    text = json.dumps(asdict(since), sort_keys=True, indent=1, ensure_ascii=False)
    return text.encode(errors="backslashreplace") + b"\n"


def load_since(data: bytes, run_sha256: str) -> Since | None:
    """Read a comparison back; None where it belongs to another run.json, or is none we can read."""
    try:
        found: Any = json.loads(data)
        since = _adapter.validate_python(found)
    except (ValueError, RecursionError, ValidationError):
        return None
    return since if (since.schema, since.run_sha256) == (SCHEMA, run_sha256) else None
